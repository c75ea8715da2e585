package view

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func shades(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.SetRGBA(i%w, i/w, color.RGBA{uint8(i % w * 255 / max(w-1, 1)), uint8(i / w * 255 / max(h-1, 1)), 77, 255})
	}
	return img
}

var colour24 = regexp.MustCompile(`\x1b\[([34])8;2;(\d+);(\d+);(\d+)m`)

// TestBlocks reads the escapes back into pixels.
func TestBlocks(t *testing.T) {
	for _, size := range []image.Point{{7, 6}, {5, 5}, {1, 1}} {
		img := shades(size.X, size.Y)
		rows := strings.Split(string(blocks(nil, img, 1<<24)), "\r\n")
		if len(rows) != (size.Y+1)/2 {
			t.Fatalf("%v: %d rows", size, len(rows))
		}
		for r, text := range rows {
			var up, low color.RGBA
			x := 0
			for text = strings.TrimSuffix(text, "\x1b[0m\x1b[K"); text != ""; {
				if m := colour24.FindStringSubmatch(text); m != nil && strings.HasPrefix(text, m[0]) {
					var v [3]int
					for i := range v {
						v[i], _ = strconv.Atoi(m[2+i])
					}
					c := color.RGBA{uint8(v[0]), uint8(v[1]), uint8(v[2]), 255}
					if m[1] == "3" {
						up = c
					} else {
						low = c
					}
					text = text[len(m[0]):]
					continue
				}
				if !strings.HasPrefix(text, "▀") {
					t.Fatalf("%v: %q", size, text)
				}
				text = text[len("▀"):]
				want := color.RGBA{A: 255}
				if 2*r+1 < size.Y {
					want = img.RGBAAt(x, 2*r+1)
				}
				if up != img.RGBAAt(x, 2*r) || low != want {
					t.Errorf("%v: at %d, %d: %v over %v", size, x, 2*r, up, low)
				}
				x++
			}
			if x != size.X {
				t.Errorf("%v: %d columns", size, x)
			}
		}
	}
}

// TestIndex256 compares with a search through all colours of the palette.
func TestIndex256(t *testing.T) {
	entry := func(i int) [3]int {
		if i >= 232 {
			return [3]int{8 + 10*(i-232), 8 + 10*(i-232), 8 + 10*(i-232)}
		}
		i -= 16
		return [3]int{cube[i/36], cube[i/6%6], cube[i%6]}
	}
	distance := func(i int, c color.RGBA) int {
		e := entry(i)
		r, g, b := e[0]-int(c.R), e[1]-int(c.G), e[2]-int(c.B)
		return r*r + g*g + b*b
	}
	for r := 0; r < 256; r += 5 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 17 {
				c := color.RGBA{uint8(r), uint8(g), uint8(b), 255}
				best := 1 << 30
				for i := 16; i < 256; i++ {
					best = min(best, distance(i, c))
				}
				// The nearest grey is found by the mean, which is exact but for rounding.
				if got := distance(index256(c), c); got > best+75 {
					t.Fatalf("%v: %d, %d away; the nearest is %d away", c, index256(c), got, best)
				}
			}
		}
	}
}

// readSixels decodes sixels of this package's kind.
func readSixels(t *testing.T, text string) *image.RGBA {
	t.Helper()
	m := regexp.MustCompile(`^\x1bP0;1q"1;1;(\d+);(\d+)`).FindStringSubmatch(text)
	if m == nil || !strings.HasSuffix(text, "\x1b\\") {
		t.Fatalf("no sixels: %.40q", text)
	}
	w, _ := strconv.Atoi(m[1])
	h, _ := strconv.Atoi(m[2])
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	palette := map[int]color.RGBA{}
	text = strings.TrimSuffix(text[len(m[0]):], "\x1b\\")
	number := func() int {
		n := 0
		for text != "" && text[0] >= '0' && text[0] <= '9' {
			n, text = 10*n+int(text[0]-'0'), text[1:]
		}
		return n
	}
	x, y, current, repeat := 0, 0, 0, 1
	for text != "" {
		c := text[0]
		text = text[1:]
		switch {
		case c == '#':
			current = number()
			if strings.HasPrefix(text, ";2;") {
				var v [3]int
				text = text[2:]
				for i := range v {
					text = text[1:]
					v[i] = number()
				}
				palette[current] = color.RGBA{uint8(v[0] * 255 / 100), uint8(v[1] * 255 / 100), uint8(v[2] * 255 / 100), 255}
			}
		case c == '!':
			repeat = number()
		case c == '$':
			x = 0
		case c == '-':
			x, y = 0, y+6
		case c >= '?' && c <= '~':
			for range repeat {
				for v := range 6 {
					if (c-'?')>>v&1 == 1 {
						if x >= w || y+v >= h {
							t.Fatalf("a pixel at %d, %d of %dx%d", x, y+v, w, h)
						}
						img.SetRGBA(x, y+v, palette[current])
					}
				}
				x++
			}
			repeat = 1
		default:
			t.Fatalf("%q is no sixel", c)
		}
	}
	return img
}

func TestSixels(t *testing.T) {
	for _, size := range []image.Point{{64, 48}, {13, 7}, {1, 1}} {
		img := shades(size.X, size.Y)
		got := readSixels(t, string(sixels(nil, img)))
		if got.Rect != img.Rect {
			t.Fatalf("%v, want %v", got.Rect, img.Rect)
		}
		var off [3]float64
		for i := range size.X * size.Y {
			if got.Pix[4*i+3] != 255 {
				t.Fatalf("%v: pixel %d is not drawn", size, i)
			}
			for c, levels := range [3]int{reds, greens, blues} {
				d := float64(got.Pix[4*i+c]) - float64(img.Pix[4*i+c])
				if step := 255 / float64(levels-1); math.Abs(d) > step+3 {
					t.Fatalf("%v: pixel %d is %v, want %v", size, i, got.Pix[4*i:4*i+3], img.Pix[4*i:4*i+3])
				}
				off[c] += d
			}
		}
		// The dither keeps the mean: percentages are cut to whole ones, by 3 of 255 at most.
		for c, sum := range off {
			if mean := sum / float64(size.X*size.Y); size.X == 64 && math.Abs(mean) > 5 {
				t.Errorf("channel %d is off by %.1f on average", c, mean)
			}
		}
	}
}

func TestSaysSixel(t *testing.T) {
	for answer, want := range map[string]bool{
		"\x1b[?62;4;22c": true, "\x1b[?64;1;2;4c": true, "\x1b[?62;22;44c": false, "\x1b[?4c": false, "\x1b[?62;4": false, "": false, "4c": false,
	} {
		if got := saysSixel(answer); got != want {
			t.Errorf("%q: %v", answer, got)
		}
	}
}

func TestShow(t *testing.T) {
	var out bytes.Buffer
	term := &Terminal{out: &out, size: func() (Size, bool) { return Size{Columns: 40, Rows: 11}, true }, ask: func() bool { return false }, colours: 1 << 24}
	for range 2 {
		if err := term.Show(shades(640, 480), "two\x1b[31m lines\nthat are longer than the terminal is wide"); err != nil {
			t.Fatal(err)
		}
	}
	text := out.String()
	// Ten rows for the picture, 20 pixels: 4:3 of that is 26 wide.
	if n := strings.Count(text, "▀"); n != 2*26*10 {
		t.Errorf("%d blocks, want %d", n, 2*26*10)
	}
	if strings.Count(text, "\x1b[?1049h") != 1 || strings.Contains(text, "\x1b[31m") || !strings.Contains(text, "two [31m lines that are longer than the"+"\x1b[K") {
		t.Errorf("%q", text[len(text)-200:])
	}
	out.Reset()
	if err := term.Close(); err != nil || !strings.HasSuffix(out.String(), "\x1b[?1049l") {
		t.Errorf("%q, %v", out.String(), err)
	}
	if term.Close(); strings.Count(out.String(), "\x1b[?1049l") != 1 {
		t.Error("given back twice")
	}
	term.sixel = true
	term.size = func() (Size, bool) { return Size{Columns: 40, Rows: 11, Width: 400, Height: 220}, true }
	out.Reset()
	if err := term.Show(shades(640, 480), ""); err != nil || !strings.Contains(out.String(), `"1;1;240;180`) { // nine rows of 20 pixels
		t.Errorf("%.100q, %v", out.String(), err)
	}
}

// TestSay speaks before, between and after pictures.
func TestSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		term := &Terminal{out: &out, size: func() (Size, bool) { return Size{Columns: 20, Rows: 11}, true }, ask: func() bool { return false }, colours: 256}
		if !term.Say("no camera") || out.String() != "no camera\n" {
			t.Errorf("before the first picture: %q", out.String())
		}
		show := func() string {
			out.Reset()
			if err := term.Show(shades(64, 48), "frame 1"); err != nil {
				t.Fatal(err)
			}
			return out.String()
		}
		if text := show(); !strings.Contains(text, "frame 1") {
			t.Errorf("%q", text)
		}
		out.Reset()
		if term.Say("the camera\x1b is unplugged") || out.String() != "\rthe camera  is unpl\x1b[K" {
			t.Errorf("%q", out.String())
		}
		if text := show(); strings.Contains(text, "frame 1") || !strings.Contains(text, "the camera  is unpl") {
			t.Errorf("%q", text)
		}
		time.Sleep(noteTime)
		if text := show(); !strings.Contains(text, "frame 1") {
			t.Errorf("after %v: %q", noteTime, text)
		}
	})
}

func TestFit(t *testing.T) {
	for _, c := range [][6]int{{640, 480, 80, 46, 61, 46}, {480, 640, 80, 46, 34, 46}, {1000, 10, 80, 46, 80, 1}, {1, 1, 80, 46, 46, 46}, {30000, 1, 10, 10, 10, 1}} {
		if w, h := fit(c[0], c[1], c[2], c[3]); w != c[4] || h != c[5] {
			t.Errorf("%v: %d, %d", c, w, h)
		}
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(100, 0)
	p := &Progress{out: &out, width: func() int { return 60 }, total: 8, begun: now, now: func() time.Time { return now }}
	now = now.Add(2 * time.Second)
	p.Step(4, "1 face")
	if want := "\r" + strings.Repeat("█", 12) + strings.Repeat("░", 12) + " 4/8  2.0/s  2s left  1 face\x1b[K"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	p.Step(5, "too soon")
	now = now.Add(time.Second)
	p.total = 0
	p.Step(6, strings.Repeat("x", 100))
	text := out.String()[strings.LastIndex(out.String(), "\r")+1:]
	if !strings.HasPrefix(text, "frame 6  2.0/s  xxx") || len(text) != 59+len("\x1b[K") || strings.Contains(out.String(), "soon") {
		t.Errorf("%q", text)
	}
	p.Close()
	if !strings.HasSuffix(out.String(), "\r\x1b[K") {
		t.Errorf("%q", out.String())
	}
	var none *Progress
	none.Step(1, "")
	none.Close()
}

func TestColoursOf(t *testing.T) {
	for env, want := range map[string]int{"COLORTERM=truecolor": 1 << 24, "COLORTERM=24bit": 1 << 24, "TERM=xterm-direct": 1 << 24, "TERM=xterm-256color": 256} {
		got := coloursOf(func(key string) string {
			if k, v, _ := strings.Cut(env, "="); k == key {
				return v
			}
			return ""
		})
		if got != want {
			t.Errorf("%s: %d", env, got)
		}
	}
	if fmt.Sprint(shade(255, 6, 15), shade(0, 6, 0), shade(0, 6, 15)) != "5 0 0" {
		t.Errorf("%d %d %d", shade(255, 6, 15), shade(0, 6, 0), shade(0, 6, 15))
	}
}
