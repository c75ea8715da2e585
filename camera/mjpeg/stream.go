// Package mjpeg takes frames from streams of JPEGs, over HTTP or from a file or a pipe, and from Y4M.
package mjpeg

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// Rates that a stream may have, in frames a second.
const (
	minRate = 0.001
	maxRate = 1000
)

// Options say how a Stream hands its frames out.
type Options struct {
	// Live stamps frames as they arrive: a camera writes the stream. Without it a frame's time is that at which Run began plus its place
	// in the clip, and the next frame follows as soon as sink has returned.
	Live bool
	// RealTime hands each frame out when its time has come; it has no effect on a Live stream.
	RealTime bool
	// Rate is how many frames make a second where the stream does not say: JPEGs never do. 0 means 25.
	Rate float64
}

// Stream hands out the frames of a file or of standard input: JPEGs, one after the other, or Y4M.
type Stream struct {
	path string
	o    Options
	pool camera.Pool
}

// Open returns a source that reads a file, or standard input where path is "-". Run opens it.
func Open(path string, o Options) (*Stream, error) {
	if o.Rate == 0 {
		o.Rate = 25
	}
	if !(o.Rate >= minRate && o.Rate <= maxRate) {
		return nil, fmt.Errorf("%s: a rate of %g frames a second: give one from %g to %g", name(path), o.Rate, minRate, float64(maxRate))
	}
	return &Stream{path: path, o: o}, nil
}

func name(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

func (s *Stream) String() string { return name(s.path) }

// open opens the file. Standard input is opened anew, so that reading from a pipe can be broken off.
func (s *Stream) open() (*os.File, error) {
	if s.path != "-" {
		return os.Open(s.path)
	}
	info, err := os.Stdin.Stat()
	if err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		if f, err := os.Open("/dev/stdin"); err == nil {
			return f, nil
		}
	}
	return os.Stdin, err
}

// Run implements camera.Source. It returns io.EOF where the stream ends after a whole frame.
func (s *Stream) Run(ctx context.Context, sink camera.Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := s.open()
	if err != nil {
		return err
	}
	if f != os.Stdin {
		defer f.Close()
	}
	defer context.AfterFunc(ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) })()
	err = s.read(ctx, f, sink)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == io.EOF:
		return io.EOF
	}
	return fmt.Errorf("%s: %w", s, err)
}

// read hands out the frames of an open stream.
func (s *Stream) read(ctx context.Context, in io.Reader, sink camera.Sink) error {
	r := bufio.NewReaderSize(in, 64<<10)
	next, rate, err := s.kind(ctx, r)
	if err != nil {
		return err
	}
	start := time.Now()
	for seq := uint64(0); ; seq++ {
		f, err := next()
		if err != nil {
			return err
		}
		f.Seq = seq
		if !s.o.Live {
			f.Time = start.Add(time.Duration(float64(seq) / rate * float64(time.Second)))
			if s.o.RealTime {
				err = camera.WaitUntil(ctx, f.Time)
			}
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			f.Release()
			return err
		}
		sink(f)
	}
}

// kind looks at the first bytes of a stream and returns what reads its frames, and their rate.
func (s *Stream) kind(ctx context.Context, r *bufio.Reader) (next func() (*camera.Frame, error), rate float64, err error) {
	head, err := r.Peek(len(y4mMagic))
	switch {
	case len(head) == 0 && err == io.EOF:
		return nil, 0, errors.New("the stream is empty")
	case err != nil && err != io.EOF:
		return nil, 0, err
	case string(head) == y4mMagic:
		y, err := newY4M(r)
		if err != nil {
			return nil, 0, err
		}
		if rate = y.rate; rate == 0 {
			rate = s.o.Rate
		}
		return func() (*camera.Frame, error) { return y.frame(&s.pool) }, rate, nil
	case bytes.HasPrefix(head, []byte{0xff, soi}):
		c, size := &cutter{r: r}, 0
		return func() (*camera.Frame, error) {
			f, err := c.frame(&s.pool, size, func(err error) { camera.Warn(ctx, fmt.Errorf("%s: %w", s, err)) })
			if err == nil {
				size = len(f.Data)
			}
			return f, err
		}, s.o.Rate, nil
	}
	return nil, 0, errors.New("neither JPEGs nor Y4M: pass other streams through ffmpeg, for example | ffmpeg -i - -f yuv4mpegpipe - |")
}
