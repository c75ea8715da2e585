//go:build linux

// Command probe reads a camera by camera/v4l2 and writes what it sees, line by line, for the tests in the emulated device:
//
//	mode 640x480 yuyv at 25 fps    agreed with the camera
//	frame NUMBER TIME FORMAT WxH DIGEST [RESULT]    when it was taken, in microseconds since 1970; digest of the bytes; of the network's result
//	failed ERROR                   Run came back; the supervisor calls it again
//	warned ERROR                   a fault that the source goes on after
//	opened N ...                   resources at the end of an opening; see resources
//	end N frames ...               counts
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/v4l2"
	"github.com/ocellus-vision/ocellus/internal/device/eye"
)

func main() {
	frames := flag.Int("frames", 10, "frames to read from each opening; 0: until Ctrl-C")
	times := flag.Int("times", 1, "how often to open the camera")
	bars := flag.Bool("bars", false, "compare each frame with the test pattern")
	network := flag.String("network", "", "ONNX file to run on each frame")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, flag.Arg(0), *times, *frames, *bars, *network); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, uri string, times, frames int, bars bool, network string) error {
	source, err := v4l2.New(uri)
	if err != nil {
		return err
	}
	w := &watcher{source: source, bars: bars}
	if network != "" {
		file, err := os.ReadFile(network)
		if err != nil {
			return err
		}
		if w.eye, err = eye.New(file); err != nil {
			return err
		}
	}
	for n := range times {
		if err := w.watch(ctx, frames); err != nil {
			return err
		}
		if times > 1 {
			fmt.Println("opened", n, resources())
		}
	}
	s := source.Stats()
	fmt.Printf("end %d frames, %d missed, %d flagged, %d short, %d damaged, %d repaired, %d held\n",
		s.Frames, s.Missed, s.Flagged, s.Short, s.Damaged, s.Repaired, source.Held())
	return nil
}

// watcher looks at the frames of a camera.
type watcher struct {
	source *v4l2.Source
	eye    *eye.Eye
	bars   bool
}

// loud is a Source that says why Run came back, and what it goes on after.
type loud struct{ camera.Source }

func (l loud) Run(ctx context.Context, sink camera.Sink) error {
	faults := &camera.Faults{Report: func(f camera.Fault) { fmt.Println("warned", f.Err) }}
	err := l.Source.Run(camera.WithFaults(ctx, faults), sink)
	faults.Close()
	if err != nil {
		fmt.Println("failed", err)
	}
	return err
}

// watch reads frames under a supervisor.
func (w *watcher) watch(ctx context.Context, frames int) error {
	ctx, enough := context.WithCancelCause(ctx)
	defer enough(nil)
	n := 0
	s := &camera.Supervisor{Source: loud{w.source}, MinWait: 100 * time.Millisecond}
	err := s.Run(ctx, func(f *camera.Frame) {
		defer f.Release()
		if n == frames && n > 0 {
			return
		}
		if n == 0 {
			fmt.Println("mode", w.source.Mode())
		}
		if n++; n == frames {
			enough(nil)
		}
		if err := w.look(f); err != nil {
			enough(err)
		}
	})
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

func (w *watcher) look(f *camera.Frame) (err error) {
	if w.bars {
		if err := eye.Bars(f); err != nil {
			return err
		}
	}
	result := ""
	if w.eye != nil {
		if result, err = w.eye.Look(context.Background(), f); err != nil {
			return err
		}
	}
	fmt.Printf("frame %d %d %v %dx%d %.8x %s\n", f.Seq, f.Time.UnixMicro(), f.Format, f.Width, f.Height, sha256.Sum256(f.Data), result)
	return nil
}

// resources says what this process holds: file descriptors, mappings of devices, goroutines, and bytes of the heap in use.
func resources() string {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, _ := os.ReadDir("/proc/self/fd")
	maps, _ := os.ReadFile("/proc/self/maps")
	return fmt.Sprintf("%d descriptors, %d mappings, %d goroutines, %d bytes", len(fds), strings.Count(string(maps), "/dev/video"), runtime.NumGoroutine(), m.HeapInuse)
}
