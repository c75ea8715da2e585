package view

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sizeOf returns the size of the terminal that a file is.
func sizeOf(f *os.File) (Size, bool) {
	w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return Size{}, false
	}
	return Size{int(w.Col), int(w.Row), int(w.Xpixel), int(w.Ypixel)}, true
}

// answerTime is how long a terminal may take to answer.
const answerTime = 300 * time.Millisecond

// knowsSixels asks the terminal for its attributes (DA1), of which 4 is sixels.
func knowsSixels(in, out *os.File) bool {
	fd := int(in.Fd())
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return false
	}
	raw := *old
	raw.Lflag &^= unix.ICANON | unix.ECHO
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 0, 1 // reads end after 0.1 s
	if unix.IoctlSetTermios(fd, unix.TCSETS, &raw) != nil {
		return false
	}
	defer unix.IoctlSetTermios(fd, unix.TCSETS, old)
	if _, err := out.WriteString("\x1b[c"); err != nil {
		return false
	}
	var answer []byte
	for end := time.Now().Add(answerTime); time.Now().Before(end) && len(answer) < 256; {
		var b [64]byte
		n, err := unix.Read(fd, b[:])
		if err != nil && err != unix.EINTR {
			return false
		}
		if answer = append(answer, b[:max(n, 0)]...); len(answer) > 0 && answer[len(answer)-1] == 'c' {
			return saysSixel(string(answer))
		}
	}
	return false
}
