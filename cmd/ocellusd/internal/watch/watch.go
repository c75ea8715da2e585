// Package watch looks at cameras: frames go through the tasks of the settings, rules make events of what is seen, and events go to the store and to who
// subscribes. Cameras, zones and networks can be changed while the others go on.
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/pipeline"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/face"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// Judge gives a second opinion.
type Judge interface {
	// Judge says how sure it is, from 0 to 1, that a box of a picture shows a person, and whether that suffices for an event. 0 and true: it has no opinion.
	Judge(ctx context.Context, pic kernels.Picture, box [4]float64) (score float64, yes bool, err error)
}

// Options are those of a Watch. Store and Log must be set.
type Options struct {
	Store *store.DB
	Log   *slog.Logger
	Judge Judge // nil: nobody is asked
}

// Watch watches cameras. Its methods may be called from many goroutines.
type Watch struct {
	o       Options
	hub     Hub
	queue   *queue
	pipe    *pipeline.Pipeline
	stop    chan struct{}
	threads sync.WaitGroup
	cancel  context.CancelFunc // of what writes to the store

	applying  sync.Mutex        // one change at a time
	arming    sync.Mutex        // held while cameras are armed, and while they are replaced; after applying
	swapped   map[string]string // networks that SwapModel put in the place of those of the settings. applying is held for it and for gallery
	gallery   *face.Gallery
	inferring sync.Mutex
	encoding  chan struct{} // holds one for each picture of a stream that is being encoded: on half of the CPUs at most, so that cameras and requests do not wait for viewers

	mu    sync.Mutex // of what follows; held for short only
	cfg   *config.Config
	file  *config.Config // cfg before zones and lines that were drawn took the place of those in it
	eyes  []*eye         // in the order of the settings
	slots map[string]*slot
	room  bool // for snapshots
}

// New returns a Watch without cameras: Apply adds them. Close ends it.
func New(o Options) *Watch {
	w := &Watch{o: o, queue: newQueue(), stop: make(chan struct{}), cfg: &config.Config{}, file: &config.Config{}, slots: map[string]*slot{}, swapped: map[string]string{},
		encoding: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
	w.pipe = pipeline.New(pipeline.Options{Report: w.fault, Degraded: func(l pipeline.Load) { o.Log.Warn("load", "now", l.String()) }})
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.threads.Go(func() { w.run(ctx) })
	w.threads.Go(w.attend)
	w.threads.Go(func() {
		tick := time.NewTicker(keepEvery)
		defer tick.Stop()
		for {
			select {
			case <-w.stop:
				return
			case <-tick.C:
				w.keep(ctx)
			}
		}
	})
	return w
}

// keepEvery is how often tracks that have ended are written.
const keepEvery = 2 * time.Second

func (w *Watch) fault(f camera.Fault) {
	w.o.Log.Warn("fault", "source", f.Source, "count", f.Count, "error", camera.Redact(f.Err.Error()))
}

// attend looks after the cameras once a second.
func (w *Watch) attend() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case now := <-tick.C:
			w.mu.Lock()
			eyes, reserve := slices.Clone(w.eyes), int64(w.cfg.Keep.Reserve)
			w.mu.Unlock()
			room := w.o.Store.Room(reserve)
			w.mu.Lock()
			if w.room && !room {
				w.o.Log.Warn("the disk is nearly full: events have no snapshots until there is room")
			}
			w.room = room
			w.mu.Unlock()
			for _, y := range eyes {
				y.mu.Lock()
				y.look(now, w.o.Log)
				y.mu.Unlock()
			}
		}
	}
}

// keeps says whether events get snapshots now.
func (w *Watch) keeps() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cfg.Keep.Snapshots && w.room
}

// Close stops all cameras and adds the events that are left to the store, for as long as ctx lets it.
func (w *Watch) Close(ctx context.Context) {
	w.applying.Lock()
	defer w.applying.Unlock()
	close(w.stop)
	w.mu.Lock()
	eyes := w.eyes
	w.eyes = nil
	w.mu.Unlock()
	for _, y := range eyes {
		y.view.close()
	}
	w.pipe.Close(ctx)
	for _, y := range eyes {
		y.end()
	}
	w.queue.close()
	defer context.AfterFunc(ctx, w.cancel)()
	w.threads.Wait()
	w.keep(ctx)
	w.cancel()
}

// Apply makes the settings true: cameras that are new or changed are opened, those that are gone are closed, and the others go on. Where a network or an
// address cannot be used nothing changes and the error says why. Once all that has been tried, and before anything changes, it calls before: where one of these
// fails nothing changes either.
func (w *Watch) Apply(c *config.Config, before ...func() error) error {
	w.applying.Lock()
	defer w.applying.Unlock()
	w.mu.Lock()
	old := w.cfg
	w.mu.Unlock()
	file := c
	c, notes, err := w.drawn(file)
	if err != nil {
		return err
	}
	slots, fresh, err := w.prepare(old, c)
	if err != nil {
		return err
	}
	sups := make([]*camera.Supervisor, len(c.Cameras))
	for i := range c.Cameras {
		if y := w.eye(c.Cameras[i].Name); y != nil && !w.restarts(y, &c.Cameras[i], old, c) && (len(c.Cameras[i].Tasks) > 0 || sameKeys(w.slots, slots)) {
			continue
		}
		if sups[i], err = source(&c.Cameras[i], w.fault); err != nil {
			return err
		}
	}
	for _, f := range before {
		if err := f(); err != nil {
			return err
		}
	}

	w.arming.Lock()
	defer w.arming.Unlock()
	var eyes []*eye
	for i := range c.Cameras {
		if sups[i] == nil {
			eyes = append(eyes, w.eye(c.Cameras[i].Name))
		}
	}
	w.mu.Lock()
	gone := slices.DeleteFunc(slices.Clone(w.eyes), func(y *eye) bool { return slices.Contains(eyes, y) })
	w.eyes = eyes
	w.cfg, w.file, w.slots = c, file, slots
	w.room = true
	w.mu.Unlock()
	for _, y := range gone {
		w.remove(y)
	}
	for name, x := range fresh {
		slots[name].set(x)
	}
	var failed []error
	eyes = nil
	for i := range c.Cameras {
		cam := &c.Cameras[i]
		if sups[i] == nil {
			y := w.eye(cam.Name)
			y.change(*cam, c.Tasks)
			eyes = append(eyes, y)
			continue
		}
		y, err := w.add(cam, sups[i])
		if err != nil {
			failed = append(failed, err)
			continue
		}
		eyes = append(eyes, y)
	}
	w.mu.Lock()
	w.eyes = eyes
	w.mu.Unlock()
	if len(failed) == 0 {
		for name, text := range notes {
			failed = append(failed, w.o.Store.SetSetting(context.Background(), name, text))
		}
	}
	return errors.Join(failed...)
}

// prepare loads the networks that are asked for and not loaded. It returns the slots that there are to be, and what is to be put into those that are there.
func (w *Watch) prepare(old, c *config.Config) (slots map[string]*slot, fresh map[string]*sight, err error) {
	slots, fresh = map[string]*slot{}, map[string]*sight{}
	settings := c.Tasks
	override(&settings, w.swapped)
	before := old.Tasks
	override(&before, w.swapped)
	for _, name := range taskNames {
		had := w.slots[name]
		same := old.Threads == c.Threads && networks(&before, name) == networks(&settings, name) && before.Faces.Threshold == settings.Faces.Threshold
		if had != nil && same {
			slots[name] = had
			continue
		}
		asked := slices.ContainsFunc(c.Cameras, func(cam config.Camera) bool { return slices.Contains(cam.Tasks, name) })
		x, err := load(&settings, name, c.Threads)
		var missing *zoo.MissingError
		switch {
		case errors.As(err, &missing) && !asked:
			continue
		case errors.As(err, &missing):
			return nil, nil, fmt.Errorf("%w: leave %s out of the cameras' tasks, or name a network under tasks", err, name)
		case err != nil:
			return nil, nil, fmt.Errorf("tasks.%s: %w", name, err)
		}
		w.useGallery(x)
		if had != nil {
			slots[name], fresh[name] = had, x
		} else {
			slots[name] = &slot{sight: x}
		}
	}
	return slots, fresh, nil
}

// restarts says whether a camera must be opened again for its settings to be true.
func (w *Watch) restarts(y *eye, cam *config.Camera, old, c *config.Config) bool {
	y.mu.Lock()
	now := y.cfg
	y.mu.Unlock()
	a, b := now, *cam
	for _, x := range []*config.Camera{&a, &b} {
		x.Zones, x.Lines, x.Loiter, x.Lost = nil, nil, 0, 0
	}
	return !reflect.DeepEqual(a, b) || old.Tasks.Scene.Every != c.Tasks.Scene.Every && has(cam, Scene, w.slots) ||
		old.Tasks.Faces.Rate != c.Tasks.Faces.Rate && has(cam, Faces, w.slots)
}

// has says whether a camera has a task: those of its settings, or where they name none all that there are networks for.
func has(c *config.Camera, task string, slots map[string]*slot) bool {
	return slots[task] != nil && (len(c.Tasks) == 0 || slices.Contains(c.Tasks, task))
}

// sameKeys says whether there are the same tasks as before.
func sameKeys(a, b map[string]*slot) bool {
	for name := range b {
		if a[name] == nil {
			return false
		}
	}
	return len(a) == len(b)
}

// eye returns the camera of a name; nil for none.
func (w *Watch) eye(name string) *eye {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, y := range w.eyes {
		if y.name == name {
			return y
		}
	}
	return nil
}

// add opens a camera.
func (w *Watch) add(c *config.Camera, sup *camera.Supervisor) (*eye, error) {
	w.mu.Lock()
	t, slots := w.cfg.Tasks, w.slots
	w.mu.Unlock()
	armed, err := w.armed(c.Name)
	if err != nil {
		return nil, err
	}
	y := &eye{w: w, name: c.Name, sup: sup, view: newView(c), begun: time.Now(), cfg: *c, rules: newRules(*c, t)}
	y.armed.Store(armed)
	in := pipeline.Input{Name: c.Name, Source: tapped{sup, y.put}, Decode: y.decode.Decode}
	if c.Motion {
		in.Gate = &pipeline.Gate{}
	}
	rates := map[string]float64{Pedestrians: c.Rate, Scene: float64(time.Second) / float64(t.Scene.Every), Faces: t.Faces.Rate}
	for _, name := range taskNames {
		if has(c, name, slots) {
			in.Tasks = append(in.Tasks, slots[name].pipeline(rates[name]))
		}
	}
	y.outlet = w.pipe.AddSink(c.Name, 4, pipeline.SinkFunc(y.emit))
	in.Outlets = []*pipeline.Outlet{y.outlet}
	if y.cam, err = w.pipe.Add(in); err != nil {
		w.pipe.RemoveSink(y.outlet)
		return nil, err
	}
	w.o.Log.Info("camera", "name", c.Name, "source", c.URL.String())
	return y, nil
}

func (w *Watch) remove(y *eye) {
	w.pipe.Remove(y.cam)
	w.pipe.RemoveSink(y.outlet)
	y.end()
	y.view.close()
	w.o.Log.Info("camera closed", "name", y.name)
}

// change gives a camera that goes on other rules.
func (y *eye) change(c config.Camera, t config.Tasks) {
	y.mu.Lock()
	defer y.mu.Unlock()
	old := y.cfg
	y.cfg = c
	y.rules.camera, y.rules.tasks = c, t
	if !reflect.DeepEqual([]any{old.Zones, old.Lines, old.Loiter}, []any{c.Zones, c.Lines, c.Loiter}) {
		y.rules.people.watch = nil
	}
	y.view.shape(c.Zones, c.Lines)
}

// Settings returns the settings in force. They must not be changed.
func (w *Watch) Settings() *config.Config {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cfg
}

// Events returns the hub of what happens.
func (w *Watch) Events() *Hub { return &w.hub }

// Names returns the cameras' names.
func (w *Watch) Names() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, y := range w.eyes {
		list = append(list, y.name)
	}
	return list
}

// Cameras returns how the cameras do, in the order of the settings.
func (w *Watch) Cameras() []CameraStatus { return w.Status().Cameras }

// Status returns how all do.
func (w *Watch) Status() Status {
	w.mu.Lock()
	eyes := slices.Clone(w.eyes)
	w.mu.Unlock()
	s := Status{Load: w.pipe.Summary().Load, Cameras: []CameraStatus{}}
	for _, y := range eyes {
		s.Cameras = append(s.Cameras, y.status())
		for _, x := range y.view.streams {
			s.Viewers += x.count()
		}
	}
	w.queue.mu.Lock()
	defer w.queue.mu.Unlock()
	s.Events, s.Lost = w.queue.added, w.queue.lost
	if w.queue.err != nil {
		s.Error = w.queue.err.Error()
	}
	return s
}

func (y *eye) status() CameraStatus {
	sup, sum := y.sup.Status(), y.cam.Summary()
	s := CameraStatus{Name: y.name, State: sup.State.String(), Since: sup.Since, Width: int(y.width.Load()), Height: int(y.height.Load()), Frames: sum.Frames,
		Drops: sum.Dropped + sum.Lost, Restarts: sup.Restarts, Faults: sup.Faults + sum.Faults, Armed: y.armed.Load(), Ages: sum.Ages}
	if sup.Err != nil && sup.State != camera.Running {
		s.Error = camera.Redact(sup.Err.Error())
	}
	for _, t := range sum.Tasks {
		s.Tasks = append(s.Tasks, TaskStatus{Name: t.Task, Runs: t.Runs, Errors: t.Errors, Rate: t.Rate, Mean: t.Mean, Paused: t.Paused})
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	s.URL, s.Zones, s.Lines, s.Rate = y.cfg.URL.String(), y.cfg.Zones, y.cfg.Lines, y.rate
	return s
}

// Latest returns a camera's newest frame as JPEG, with or without what is seen in it, and when it was captured.
func (w *Watch) Latest(name string, overlay bool) ([]byte, time.Time, error) {
	y := w.eye(name)
	if y == nil {
		return nil, time.Time{}, ErrNoCamera
	}
	return y.view.picture(overlay)
}

// Subscribe returns the frames of a camera as JPEGs, as they come, at most ten a second and as many as half of the CPUs can encode, and what ends it. The
// channel is closed then, and when the camera is closed. Who is slow misses frames; nobody waits. Frames are encoded only while somebody looks, once for all.
func (w *Watch) Subscribe(name string, overlay bool) (<-chan []byte, func(), error) {
	y := w.eye(name)
	if y == nil {
		return nil, nil, ErrNoCamera
	}
	s := y.view.streams[0]
	if overlay {
		s = y.view.streams[1]
	}
	c, stop := s.subscribe(func() ([]byte, time.Time, error) {
		w.encoding <- struct{}{}
		defer func() { <-w.encoding }()
		return y.view.picture(overlay)
	})
	return c, stop, nil
}

// disarmedSetting is where it is remembered that a camera makes no events.
func disarmedSetting(camera string) string { return "disarmed/" + camera }

// armed says whether a camera of a name makes events when it is opened.
func (w *Watch) armed(camera string) (bool, error) {
	text, err := w.o.Store.Setting(context.Background(), disarmedSetting(camera))
	if err != nil {
		return false, fmt.Errorf("camera %q: whether it is armed cannot be read: %w", camera, err)
	}
	return text == "", nil
}

// Arm says whether a camera makes events. It does until it is told otherwise, and what it was told is remembered by its name. Errors are ErrNoCamera, or the store's.
func (w *Watch) Arm(name string, armed bool) error {
	w.arming.Lock()
	defer w.arming.Unlock()
	y := w.eye(name)
	if y == nil {
		return ErrNoCamera
	}
	text := "yes"
	if armed {
		text = ""
	}
	y.armed.Store(armed)
	if err := w.o.Store.SetSetting(context.Background(), disarmedSetting(name), text); err != nil {
		return fmt.Errorf("it holds until the daemon ends, and could not be written down for longer: %w", err)
	}
	return nil
}
