// Package view shows pictures in a terminal: as sixels where the terminal says that it knows them, else as half blocks in colour.
package view

import (
	"image"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/frames"
	"github.com/ocellus-vision/ocellus/kernels"
)

// Size is that of a terminal.
type Size struct {
	Columns, Rows int
	Width, Height int // in pixels; 0 where the terminal does not tell
}

// Terminal is where pictures are shown. Many goroutines may share it.
type Terminal struct {
	mu      sync.Mutex
	out     io.Writer
	size    func() (Size, bool)
	asked   bool // whether it knows sixels
	ask     func() bool
	sixel   bool
	colours int // 256 or 1<<24
	begun   bool
	note    string // what was said, shown in the place of the status
	until   time.Time
	buf     []byte
	painter frames.Painter
}

// Open returns the terminal that a file is; ok is false where it is none.
func Open(out *os.File) (t *Terminal, ok bool) {
	size := func() (Size, bool) { return sizeOf(out) }
	if _, ok := size(); !ok {
		return nil, false
	}
	ask := func() bool { return knowsSixels(os.Stdin, out) }
	return &Terminal{out: out, size: size, ask: ask, colours: coloursOf(os.Getenv)}, true
}

// Is says whether a file is a terminal.
func Is(f *os.File) bool {
	_, ok := sizeOf(f)
	return ok
}

// coloursOf is how many colours the environment says that a terminal has.
func coloursOf(env func(string) string) int {
	switch v := env("COLORTERM"); {
	case v == "truecolor", v == "24bit", strings.HasSuffix(env("TERM"), "-direct"), env("WT_SESSION") != "":
		return 1 << 24
	}
	return 256
}

// Show shows a picture, as large as fits above one line of text, in the place of the one before. The first time it asks the terminal, through standard
// input, whether it knows sixels.
func (t *Terminal) Show(img *image.RGBA, status string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.asked {
		t.asked, t.sixel = true, t.ask()
	}
	s := t.room()
	if time.Now().Before(t.until) {
		status = t.note
	}
	t.buf = t.buf[:0]
	if !t.begun {
		t.buf = append(t.buf, "\x1b[?1049h\x1b[?25l\x1b[2J"...) // another screen, without cursor
		t.begun = true
	}
	t.buf = append(t.buf, "\x1b[?2026h\x1b[H"...) // what follows is shown at once, from the upper left corner
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if t.sixel && s.Width > 0 && s.Height > 0 {
		w, h = fit(w, h, s.Width, s.Height/s.Rows*(s.Rows-2))
		t.buf = sixels(t.buf, t.scaled(img, w, h))
	} else {
		w, h = fit(w, h, s.Columns, 2*(s.Rows-1))
		t.buf = blocks(t.buf, t.scaled(img, w, h), t.colours)
	}
	t.buf = append(t.buf, "\r\n"...)
	t.buf = append(t.buf, clip(status, s.Columns-1)...)
	t.buf = append(t.buf, "\x1b[K\x1b[J\x1b[?2026l"...)
	_, err := t.out.Write(t.buf)
	return err
}

// room returns the terminal's size, or a usual one where it does not tell.
func (t *Terminal) room() Size {
	s, ok := t.size()
	if !ok || s.Columns < 2 || s.Rows < 3 {
		s.Columns, s.Rows = 80, 24
	}
	return s
}

// noteTime is how long what was said stands in the place of the status.
const noteTime = 5 * time.Second

// Say shows a line in the place of the status, at once and below the pictures of the next seconds. kept is true before the first picture: then it is a line
// like any other, which stays after Close.
func (t *Terminal) Say(text string) (kept bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun {
		io.WriteString(t.out, text+"\n")
		return true
	}
	t.note, t.until = text, time.Now().Add(noteTime)
	io.WriteString(t.out, "\r"+clip(text, t.room().Columns-1)+"\x1b[K")
	return false
}

// Close gives the terminal back as it was.
func (t *Terminal) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun {
		return nil
	}
	t.begun = false
	_, err := io.WriteString(t.out, "\x1b[0m\x1b[?25h\x1b[?1049l")
	return err
}

// fit returns the largest size of the shape w x h in a room.
func fit(w, h, roomW, roomH int) (int, int) {
	if w*roomH > h*roomW {
		return max(roomW, 1), max(h*roomW/w, 1)
	}
	return max(w*roomH/h, 1), max(roomH, 1)
}

// clip cuts text to n characters and leaves out what would move the cursor.
func clip(text string, n int) string {
	var b strings.Builder
	for _, r := range text {
		if n--; n < 0 {
			break
		}
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (t *Terminal) scaled(img *image.RGBA, w, h int) *image.RGBA {
	pic := kernels.Picture{Format: kernels.RGB, W: img.Rect.Dx(), H: img.Rect.Dy(), Stride: 3 * img.Rect.Dx()}
	pic.Pix = make([]uint8, pic.Stride*pic.H)
	for i := range pic.W * pic.H {
		copy(pic.Pix[3*i:3*i+3], img.Pix[4*i:])
	}
	return t.painter.Scaled(pic, w, h)
}
