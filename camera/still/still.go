// Package still takes pictures from files: one, those of a folder, or those that a pattern matches; JPEG, PNG, WebP, BMP and GIF. An
// animated GIF is a clip with its own timing.
package still

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// Extensions are those of the files that a folder is searched for.
var Extensions = []string{".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"}

// List returns the files that an argument names: a picture, the pictures in a folder, or those that a pattern such as "frames/*.png"
// matches; in order of their names.
func List(arg string) ([]string, error) {
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		entries, err := os.ReadDir(arg)
		if err != nil {
			return nil, err
		}
		var list []string
		for _, e := range entries {
			if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && slices.Contains(Extensions, strings.ToLower(filepath.Ext(e.Name()))) {
				list = append(list, filepath.Join(arg, e.Name()))
			}
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("%s: no pictures in this folder (%s)", arg, strings.Join(Extensions, " "))
		}
		return list, nil
	case err == nil:
		return []string{arg}, nil
	case errors.Is(err, os.ErrNotExist) && strings.ContainsAny(arg, "*?["):
		list, err := filepath.Glob(arg)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arg, err)
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("%s: no file matches", arg)
		}
		return list, nil
	}
	return nil, err
}

// Options say how a Source hands its pictures out.
type Options struct {
	// Rate is how many pictures make a second of time; animations keep their own timing. 0 means 1.
	Rate float64
	// RealTime hands each picture out when its time has come, as a camera does. Without it the next one follows as soon as sink has
	// returned, and nothing is lost by a sink that waits until it has room.
	RealTime bool
	// Loop begins again after the last picture.
	Loop bool
	// Broken is told of each file that cannot be read; the next one follows. If it is nil, the first such file ends Run.
	Broken func(path string, err error)
}

// Source hands out the pictures of files as frames of RGB. The time of a frame is the time at which Run began plus its place in the clip.
type Source struct {
	arg   string
	files []string
	o     Options
	pool  camera.Pool

	mu    sync.Mutex
	begun []span
}

// span says that the frames from seq on came from a file.
type span struct {
	seq  uint64
	path string
}

// Open lists the files that arg names, as List does. They are read by Run.
func Open(arg string, o Options) (*Source, error) {
	if o.Rate == 0 {
		o.Rate = 1
	}
	if !(o.Rate >= 0.001 && o.Rate <= 1000) {
		return nil, fmt.Errorf("%s: a rate of %g pictures a second: give one from 0.001 to 1000", arg, o.Rate)
	}
	files, err := List(arg)
	if err != nil {
		return nil, err
	}
	return &Source{arg: arg, files: files, o: o}, nil
}

func (s *Source) String() string { return s.arg }

// Files returns the files in the order in which they are read.
func (s *Source) Files() []string { return slices.Clone(s.files) }

// Name returns the file that frame seq of the present Run came from, "" where there was no such frame yet.
func (s *Source) Name(seq uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := sort.Search(len(s.begun), func(i int) bool { return s.begun[i].seq > seq })
	if i == 0 {
		return ""
	}
	return s.begun[i-1].path
}

// Run implements camera.Source. It returns io.EOF after the last picture.
func (s *Source) Run(ctx context.Context, sink camera.Sink) error {
	r := run{s: s, ctx: ctx, sink: sink, start: time.Now()}
	s.mu.Lock()
	s.begun = s.begun[:0]
	s.mu.Unlock()
	for {
		before := r.seq
		for _, path := range s.files {
			if err := r.file(path); err != nil {
				return err
			}
		}
		if !s.o.Loop {
			return io.EOF
		}
		if r.seq == before {
			return fmt.Errorf("%s: none of its pictures can be read", s.arg)
		}
	}
}

// run is one call of Run.
type run struct {
	s     *Source
	ctx   context.Context
	sink  camera.Sink
	start time.Time
	at    time.Duration // of the next frame, from start
	seq   uint64        // of the next frame
}

// file hands out what one file holds.
func (r *run) file(path string) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	b, err := load(path)
	if err == nil {
		r.s.named(r.seq, path)
		_, err = decode(b, &r.s.pool, r.show)
	}
	switch {
	case err == nil || r.ctx.Err() != nil:
		return r.ctx.Err()
	case !errors.As(err, new(*os.PathError)):
		err = fmt.Errorf("%s: %w", path, err)
	}
	if r.s.o.Broken == nil {
		return err
	}
	r.s.o.Broken(path, err)
	return nil
}

// maxSpans bounds what Name remembers of a source that loops.
const maxSpans = 1 << 16

// named notes that the frames from seq on come from path.
func (s *Source) named(seq uint64, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := len(s.begun); {
	case n > 0 && s.begun[n-1].seq == seq: // the file before gave no frame
		s.begun[n-1].path = path
		return
	case n > 0 && s.begun[n-1].path == path:
		return
	case n == maxSpans:
		s.begun = slices.Delete(s.begun, 0, maxSpans/2)
	}
	s.begun = append(s.begun, span{seq, path})
}

// show hands out one picture when it is due.
func (r *run) show(p picture) error {
	f := p.frame
	f.Seq, f.Time = r.seq, r.start.Add(r.at)
	if r.s.o.RealTime {
		if err := camera.WaitUntil(r.ctx, f.Time); err != nil {
			f.Release()
			return err
		}
	} else if err := r.ctx.Err(); err != nil {
		f.Release()
		return err
	}
	r.seq++
	if p.delay > 0 {
		r.at += time.Duration(p.delay) * 10 * time.Millisecond
	} else {
		r.at += time.Duration(float64(time.Second) / r.s.o.Rate)
	}
	r.sink(f)
	return nil
}
