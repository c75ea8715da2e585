package ffmpeg

import (
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Extensions are those of the clips that a Writer writes.
var Extensions = []string{".mp4", ".mkv", ".webm", ".mov", ".avi"}

// Writer writes pictures into a clip, as the extension of its name asks. Close must be called; only then the file bears its name.
type Writer struct {
	path, part    string
	width, height int
	child         *process
	in            *os.File
	log           tail
	closed        chan struct{} // the log has ended
	err           error
}

// Create begins a clip of pictures of width x height pixels, rate of them a second. Odd sizes get a black row or column.
func Create(path string, width, height int, rate float64) (*Writer, error) {
	ext := strings.ToLower(filepath.Ext(path))
	switch {
	case !slices.Contains(Extensions, ext):
		return nil, fmt.Errorf("%s: clips are written as %s", path, strings.Join(Extensions, " "))
	case width < 1 || height < 1 || width > MaxSide || height > MaxSide || width*height > MaxPixels:
		return nil, fmt.Errorf("%s: a clip of %dx%d pixels cannot be written", path, width, height)
	case !(rate >= 0.01 && rate <= 1000):
		return nil, fmt.Errorf("%s: a clip of %g frames a second cannot be written", path, rate)
	}
	program, err := find()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	w := &Writer{path: path, part: filepath.Join(filepath.Dir(path), "."+name+".part"+ext), width: width, height: height, closed: make(chan struct{})}
	p, err := pipes(2) // pictures, log
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer p[0][0].Close()
	defer p[1][1].Close()
	cmd := exec.Command(program, "-hide_banner", "-nostats", "-loglevel", "error", "-y",
		"-f", "rawvideo", "-pix_fmt", "rgba", "-video_size", fmt.Sprintf("%dx%d", width, height), "-framerate", strconv.FormatFloat(rate, 'f', -1, 64), "-i", "pipe:0",
		"-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2,format=yuv420p", "file:"+w.part)
	cmd.Stdin, cmd.Stderr = p[0][0], p[1][1]
	if w.child, err = start(cmd); err != nil {
		p[0][1].Close()
		p[1][0].Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	w.in = p[0][1]
	go func() {
		defer close(w.closed)
		defer p[1][0].Close()
		lines(p[1][0], w.log.add)
	}()
	return w, nil
}

// Write adds a picture, which must have the size of the clip.
func (w *Writer) Write(img *image.RGBA) error {
	r := img.Bounds()
	switch {
	case w.err != nil:
		return w.err
	case r.Dx() != w.width || r.Dy() != w.height:
		return fmt.Errorf("%s: a picture of %dx%d in a clip of %dx%d", w.path, r.Dx(), r.Dy(), w.width, w.height)
	}
	if img.Stride == 4*w.width {
		_, err := w.in.Write(img.Pix[:4*w.width*w.height])
		return w.failed(err)
	}
	for y := range w.height {
		if _, err := w.in.Write(img.Pix[y*img.Stride:][:4*w.width]); err != nil {
			return w.failed(err)
		}
	}
	return nil
}

// failed turns an error of the pipe into one that says why ffmpeg ended, and lets go of the file.
func (w *Writer) failed(err error) error {
	if err == nil {
		return nil
	}
	return w.end(err)
}

// Close ends the clip and gives the file its name.
func (w *Writer) Close() error {
	if w.err == errClosed {
		return nil
	}
	if w.err != nil {
		return w.err
	}
	if err := w.end(nil); err != nil {
		return err
	}
	if err := os.Rename(w.part, w.path); err != nil {
		w.err = err
		return err
	}
	w.err = errClosed
	return nil
}

var errClosed = errors.New("ffmpeg: the clip has been closed")

// end waits for ffmpeg, and removes what it wrote if it or err failed.
func (w *Writer) end(err error) error {
	w.in.Close()
	<-w.child.done
	<-w.closed
	if err == nil {
		err = w.child.err
	}
	if err == nil {
		return nil
	}
	os.Remove(w.part)
	if log := w.log.String(); log != "" {
		err = fmt.Errorf("%w: %s", err, log)
	}
	w.err = fmt.Errorf("%s: ffmpeg could not write it: %w", w.path, err)
	return w.err
}
