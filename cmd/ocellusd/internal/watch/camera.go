package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/pipeline"
	"github.com/ocellus-vision/ocellus/cmd/internal/frames"
	"github.com/ocellus-vision/ocellus/cmd/internal/sources"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
)

// eye is a camera that is watched.
type eye struct {
	w      *Watch
	name   string
	sup    *camera.Supervisor
	cam    *pipeline.Camera
	outlet *pipeline.Outlet
	view   *view
	decode frames.Decoder
	begun  time.Time
	armed  atomic.Bool

	frames        atomic.Uint64
	width, height atomic.Int64
	last          atomic.Int64 // nanoseconds after begun, of the last frame

	mu      sync.Mutex // of what follows
	cfg     config.Camera
	rules   *rules
	painter frames.Painter
	rate    float64 // of frames a second, smoothed
	counted uint64
	looked  time.Time
	lost    bool
}

// again is a source that is opened again when it comes to its end.
type again struct{ camera.Source }

var errEnd = errors.New("the stream came to its end")

// Run implements camera.Source.
func (a again) Run(ctx context.Context, sink camera.Sink) error {
	err := a.Source.Run(ctx, sink)
	if err == io.EOF {
		err = errEnd
	}
	return err
}

// tapped shows each frame to put on its way to the sink.
type tapped struct {
	camera.Source
	put func(*camera.Frame)
}

// Run implements camera.Source.
func (t tapped) Run(ctx context.Context, sink camera.Sink) error {
	return t.Source.Run(ctx, func(f *camera.Frame) {
		t.put(f)
		sink(f)
	})
}

// source opens what a camera's address names, to be run for ever.
func source(c *config.Camera, report func(camera.Fault)) (*camera.Supervisor, error) {
	in, err := sources.Open(c.URL.Reveal(), sources.Options{Paced: true})
	if err != nil {
		return nil, fmt.Errorf("camera %q: %s", c.Name, camera.Redact(err.Error()))
	}
	if in.Stills || !in.Live {
		return nil, fmt.Errorf("camera %q: %s is no camera, stream or clip", c.Name, c.URL)
	}
	s := in.Source
	if inner, ok := s.(*camera.Supervisor); ok {
		s = inner.Source
	}
	return &camera.Supervisor{Source: again{s}, Report: report}, nil
}

// Check opens a camera once and waits for its first frame.
func Check(ctx context.Context, c *config.Camera) (width, height int, err error) {
	s, err := source(c, nil)
	if err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	got := false
	var d frames.Decoder
	err = s.Source.Run(ctx, func(f *camera.Frame) {
		defer f.Release()
		if got {
			return
		}
		got = true
		if g, bad := d.Decode(ctx, f); bad != nil {
			err = bad
		} else {
			width, height = g.Width, g.Height
			g.Release()
		}
		cancel()
	})
	switch {
	case got:
		return width, height, nil
	case err == nil || errors.Is(err, context.DeadlineExceeded):
		err = errors.New("no frame came within 30 s")
	}
	return 0, 0, fmt.Errorf("camera %q: %s", c.Name, camera.Redact(err.Error()))
}

// put is shown every frame that comes.
func (y *eye) put(f *camera.Frame) {
	y.frames.Add(1)
	y.last.Store(int64(time.Since(y.begun)))
	if f.Width > 0 {
		y.width.Store(int64(f.Width))
		y.height.Store(int64(f.Height))
	}
	y.view.put(f)
}

// emit takes what a task saw in a frame.
func (y *eye) emit(ctx context.Context, e *pipeline.Event) error {
	if e.Err != nil {
		return nil
	}
	if e.Frame.Width > 0 {
		y.width.Store(int64(e.Frame.Width))
		y.height.Store(int64(e.Frame.Height))
	}
	y.view.keep(e)
	for _, r := range e.Results {
		if r.Err != nil {
			continue
		}
		if err := y.judge(ctx, e.Frame, r.Value.(*seen)); err != nil {
			return err
		}
	}
	return nil
}

// judge lets the rules look at a result, and hands over the events of it.
func (y *eye) judge(ctx context.Context, f *camera.Frame, s *seen) error {
	pic, err := frames.Picture(f)
	if err != nil {
		return err
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if j := y.w.o.Judge; j != nil {
		y.rules.sure = func(box [4]float64) (float64, bool) {
			score, yes, err := j.Judge(ctx, pic, box)
			if err != nil {
				y.w.o.Log.Warn("the second opinion failed", "camera", y.name, "error", err)
			}
			return score, yes || err != nil
		}
	}
	var list []store.Event
	switch v := s.value.(type) {
	case *tasks.People:
		list, err = y.rules.sees(f.Time, s.gen, f.Width, f.Height, v)
	case *tasks.FaceList:
		list = y.rules.facesSeen(f.Time, f.Width, f.Height, v.List)
	case *tasks.Areas:
		list = y.rules.sceneSeen(f.Time, v.Shares)
	}
	ended := y.rules.take()
	if err != nil || !y.armed.Load() {
		return err
	}
	if len(ended) > 0 {
		y.w.queue.follow(ended)
	}
	var picture []byte
	for _, e := range list {
		var shot []byte
		if e.Kind != store.PedestrianLeft && y.w.keeps() {
			if picture == nil {
				var b bytes.Buffer
				if err := jpeg.Encode(&b, y.painter.RGBA(pic), &jpeg.Options{Quality: 88}); err != nil {
					return err
				}
				picture = b.Bytes()
			}
			shot = picture
		}
		y.w.queue.put(item{e, shot})
	}
	return nil
}

// end ends the tracks of a camera that is closed.
func (y *eye) end() {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.rules.end(time.Now()); y.armed.Load() {
		y.w.queue.follow(y.rules.take())
	}
}

// look measures the camera's rate, and tells when it is lost and found. y.mu is held.
func (y *eye) look(now time.Time, log *slog.Logger) {
	n := y.frames.Load()
	if since := now.Sub(y.looked).Seconds(); !y.looked.IsZero() && since > 0 {
		rate := float64(n-y.counted) / since
		if y.rate > 0 {
			rate = y.rate + (rate-y.rate)/4
		}
		y.rate = rate
	}
	y.looked, y.counted = now, n
	away := now.Sub(y.begun) - time.Duration(y.last.Load())
	lost := away >= y.cfg.Lost
	if lost == y.lost {
		return
	}
	y.lost = lost
	e := store.Event{Time: now, Camera: y.name, Kind: store.CameraFound}
	if lost {
		e.Kind = store.CameraLost
		if err := y.sup.Status().Err; err != nil {
			e.Data = map[string]any{"error": camera.Redact(err.Error())}
		}
		log.Warn("a camera is lost", "camera", y.name, "seconds", int(away.Seconds()), "error", e.Data["error"])
	} else {
		log.Info("a camera is found again", "camera", y.name)
	}
	if y.armed.Load() {
		y.w.queue.put(item{e, nil})
	}
}
