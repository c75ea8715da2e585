package watch

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"sync"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/pipeline"
	"github.com/ocellus-vision/ocellus/cmd/internal/draw"
	"github.com/ocellus-vision/ocellus/cmd/internal/frames"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
)

// framePause is the least time between two pictures of a stream.
const framePause = 100 * time.Millisecond

// Errors of pictures.
var (
	ErrNoCamera = errors.New("there is no camera of this name")
	ErrNoFrame  = errors.New("the camera has given no frame yet")
)

// view keeps what people may want to see of a camera: the newest frame, and what each task saw last.
type view struct {
	mu      sync.Mutex
	frame   *camera.Frame
	seen    map[string]*pipeline.Event // by task
	zones   []config.Zone
	lines   []config.Line
	closed  bool
	streams [2]*stream // without and with overlay
	shots   [2]shot
}

// shot is a picture that was encoded.
type shot struct {
	mu      sync.Mutex // of encoding
	jpeg    []byte
	seq     uint64
	at      time.Time // of capture
	made    time.Time
	decoder frames.Decoder
	painter frames.Painter
	layers  draw.Layers
}

func newView(c *config.Camera) *view {
	return &view{seen: map[string]*pipeline.Event{}, zones: c.Zones, lines: c.Lines, streams: [2]*stream{newStream(), newStream()}}
}

func (v *view) shape(zones []config.Zone, lines []config.Line) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.zones, v.lines = zones, lines
}

// put keeps the newest frame.
func (v *view) put(f *camera.Frame) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return
	}
	f.Retain()
	if v.frame != nil {
		v.frame.Release()
	}
	v.frame = f
	for _, s := range v.streams {
		s.wake()
	}
}

// keep keeps what a task saw.
func (v *view) keep(e *pipeline.Event) {
	if len(e.Results) != 1 || e.Results[0].Err != nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return
	}
	e.Retain()
	task := e.Results[0].Task
	if old := v.seen[task]; old != nil {
		old.Release()
	}
	v.seen[task] = e
}

// close lets go of all that is kept, and ends the streams.
func (v *view) close() {
	v.mu.Lock()
	v.closed = true
	if v.frame != nil {
		v.frame.Release()
		v.frame = nil
	}
	for task, e := range v.seen {
		e.Release()
		delete(v.seen, task)
	}
	v.mu.Unlock()
	for _, s := range v.streams {
		s.close()
	}
}

// fresh is for how long after its capture what a task saw is drawn.
const fresh = 15 * time.Second

// hold returns the newest frame and what was seen last, with a hold on each.
func (v *view) hold(overlay bool) (*camera.Frame, []*pipeline.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.frame == nil {
		return nil, nil
	}
	v.frame.Retain()
	var list []*pipeline.Event
	for _, task := range taskNames {
		if e := v.seen[task]; overlay && e != nil && v.frame.Time.Sub(e.Frame.Time) < fresh {
			e.Retain()
			list = append(list, e)
		}
	}
	return v.frame, list
}

// picture returns the newest frame as JPEG. One that was made less than framePause ago serves again.
func (v *view) picture(overlay bool) ([]byte, time.Time, error) {
	s := &v.shots[0]
	if overlay {
		s = &v.shots[1]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jpeg != nil && time.Since(s.made) < framePause {
		return s.jpeg, s.at, nil
	}
	f, list := v.hold(overlay)
	if f == nil {
		return nil, time.Time{}, ErrNoFrame
	}
	defer f.Release()
	defer func() {
		for _, e := range list {
			e.Release()
		}
	}()
	if s.jpeg != nil && s.seq == f.Seq && !overlay {
		return s.jpeg, s.at, nil
	}
	b, err := v.encode(s, f, list, overlay)
	if err != nil {
		return nil, time.Time{}, err
	}
	s.jpeg, s.seq, s.at, s.made = b, f.Seq, f.Time, time.Now()
	return b, f.Time, nil
}

func (v *view) encode(s *shot, f *camera.Frame, list []*pipeline.Event, overlay bool) ([]byte, error) {
	if f.Format == camera.JPEG && !overlay {
		return bytes.Clone(f.Data), nil
	}
	g, err := s.decoder.Decode(context.Background(), f)
	if err != nil {
		return nil, err
	}
	defer g.Release()
	pic, err := frames.Picture(g)
	if err != nil {
		return nil, err
	}
	img := s.painter.RGBA(pic)
	if overlay {
		l := &s.layers
		l.Reset()
		for _, e := range list {
			e.Results[0].Value.(*seen).value.(tasks.Result).Draw(l, true)
		}
		// The legend would change the size of the picture: what it says of classes is only how they are drawn.
		if len(l.Labels) == pic.W*pic.H {
			draw.Labels(img, l.Labels, l.Legend, l.Colours)
		}
		l.Labels, l.Legend = nil, l.Legend[:0]
		v.outline(l, float64(pic.W), float64(pic.H))
		l.Put(img)
	}
	var b bytes.Buffer
	err = jpeg.Encode(&b, img, &jpeg.Options{Quality: 80})
	return b.Bytes(), err
}

// outline adds zones and lines.
func (v *view) outline(l *draw.Layers, width, height float64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	at := func(p config.Point) [2]float64 { return [2]float64{p[0] * width, p[1] * height} }
	for i, z := range v.zones {
		p := draw.Path{Class: i, Text: z.Name}
		for _, q := range z.Points {
			p.Points = append(p.Points, at(q))
		}
		l.Paths = append(l.Paths, draw.Path{Class: p.Class, Text: p.Text, Points: append(p.Points, p.Points[0])})
	}
	for i, x := range v.lines {
		l.Paths = append(l.Paths, draw.Path{Class: len(v.zones) + i, Text: x.Name, Points: [][2]float64{at(x.From), at(x.To)}})
	}
}

// stream gives its viewers one picture after the other. It works only while there are some.
type stream struct {
	mu      sync.Mutex
	viewers map[chan []byte]struct{}
	news    chan struct{} // holds one: there is a new frame
	stop    chan struct{} // closed when the last viewer has gone; nil while there is none
	closed  bool
}

func newStream() *stream {
	return &stream{viewers: map[chan []byte]struct{}{}, news: make(chan struct{}, 1)}
}

func (s *stream) wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// subscribe adds a viewer. The channel holds one picture: who is slow misses those in between. It is closed by stop, and when the camera goes.
func (s *stream) subscribe(picture func() ([]byte, time.Time, error)) (<-chan []byte, func()) {
	c := make(chan []byte, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		close(c)
		return c, func() {}
	}
	s.viewers[c] = struct{}{}
	if s.stop == nil {
		s.stop = make(chan struct{})
		go s.run(s.stop, picture)
		s.wake()
	}
	return c, func() { s.leave(c) }
}

func (s *stream) leave(c chan []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.viewers[c]; !ok {
		return
	}
	delete(s.viewers, c)
	close(c)
	if len(s.viewers) == 0 {
		close(s.stop)
		s.stop = nil
	}
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.viewers {
		delete(s.viewers, c)
		close(c)
	}
	if s.stop != nil {
		close(s.stop)
		s.stop = nil
	}
}

func (s *stream) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.viewers)
}

// run encodes each new frame once for all, until stop is closed.
func (s *stream) run(stop chan struct{}, picture func() ([]byte, time.Time, error)) {
	for {
		select {
		case <-stop:
			return
		case <-s.news:
		}
		if b, _, err := picture(); err == nil {
			s.show(b)
		}
		select {
		case <-stop:
			return
		case <-time.After(framePause):
		}
	}
}

func (s *stream) show(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.viewers {
		select {
		case <-c:
		default:
		}
		c <- b
	}
}
