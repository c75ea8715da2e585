package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/pipeline"
	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/face"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// Names of tasks.
const (
	Pedestrians = "pedestrians"
	Scene       = "scene"
	Faces       = "faces"
)

// taskNames are in the order in which they are listed.
var taskNames = []string{Pedestrians, Scene, Faces}

// sight is a task with its networks.
type sight struct {
	task  *tasks.Task
	nets  []Model
	faces *tasks.Faces // of the task of faces
}

func model(name string, n *nets.Net) Model {
	return Model{Task: name, Name: n.Name, SHA256: n.SHA256, Meta: n.Meta}
}

// networks says which file a task's networks come from: "" for the program's own.
func networks(c *config.Tasks, task string) [2]string {
	switch task {
	case Pedestrians:
		return [2]string{c.Pedestrians.Model}
	case Scene:
		return [2]string{c.Scene.Model}
	}
	return [2]string{c.Faces.Detector, c.Faces.Embedder}
}

// load makes a task's networks ready. Where the program has none, the error is a *zoo.MissingError.
func load(c *config.Tasks, task string, threads int) (*sight, error) {
	files := networks(c, task)
	switch task {
	case Pedestrians:
		n, err := nets.Load(nets.Request{Default: zoo.Pedestrian, File: files[0], Width: 480, Height: 360, Threads: threads, Detect: true})
		if err != nil {
			return nil, err
		}
		return &sight{task: tasks.Pedestrians(n), nets: []Model{model(task, n)}}, nil
	case Scene:
		n, err := nets.Load(nets.Request{Default: zoo.Scene, File: files[0], Width: 480, Height: 360, Threads: threads})
		if err != nil {
			return nil, err
		}
		return &sight{task: tasks.Scene(n), nets: []Model{model(task, n)}}, nil
	}
	return loadFaces(&c.Faces, threads)
}

// loadFaces loads a detector and, where there are one and a threshold, an embedder.
func loadFaces(c *config.Faces, threads int) (*sight, error) {
	detector, err := nets.Load(nets.Request{Default: zoo.FaceDetector, File: c.Detector, Width: 320, Height: 320, Threads: threads})
	if err != nil {
		return nil, err
	}
	f := &tasks.Faces{Detector: detector, Threshold: c.Threshold}
	s := &sight{nets: []Model{model(zoo.FaceDetector, detector)}, faces: f}
	embedder, err := nets.Load(nets.Request{Default: zoo.FaceEmbedder, File: c.Embedder, Width: 112, Height: 112, Threads: threads})
	var missing *zoo.MissingError
	switch {
	case errors.As(err, &missing):
	case err != nil:
		return nil, err
	default:
		if f.Threshold == 0 {
			calibration, err := face.FromMeta(embedder.Meta)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", embedder.Name, err)
			}
			if calibration == nil {
				return nil, fmt.Errorf("%s: no threshold is known for this network: set tasks.faces.threshold, or calibrate one with 'ocellus face calibrate DIR'", embedder.Name)
			}
			f.Threshold, f.Calibration = calibration.Threshold, calibration
		}
		f.Embedder, f.Gallery = embedder, face.NewGallery(embedder.SHA256, 0)
		s.nets = append(s.nets, model(zoo.FaceEmbedder, embedder))
	}
	s.task = f.Task()
	return s, nil
}

// slot is a task that may be given other networks while cameras use it.
type slot struct {
	mu    sync.Mutex
	sight *sight
	gen   uint64 // counts the networks
}

func (s *slot) get() (*sight, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sight, s.gen
}

func (s *slot) set(x *sight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sight = x
	s.gen++
}

// pipeline returns the task as a pipeline runs it for one camera, rate times a second at most.
func (s *slot) pipeline(rate float64) *pipeline.Task {
	x, _ := s.get()
	t := x.task.Pipeline(true)
	t.Rate = rate
	if rate > 0 {
		t.MinRate = min(t.MinRate, rate)
	}
	t.Open = func(camera string) (pipeline.Runner, error) {
		r := &runner{slot: s, camera: camera}
		return r, r.renew()
	}
	return t
}

// runner runs what is in a slot for one camera.
type runner struct {
	slot   *slot
	camera string
	gen    uint64
	in     pipeline.Runner
	sizes  int
}

// seen is a result, and the networks that it is of.
type seen struct {
	gen   uint64
	value any // a tasks.Result
}

// renew opens what is in the slot now.
func (r *runner) renew() error {
	x, gen := r.slot.get()
	t := x.task.Pipeline(true)
	in, err := t.Open(r.camera)
	if err != nil {
		return err
	}
	if err := r.Close(); err != nil {
		return err
	}
	r.in, r.gen, r.sizes = in, gen, max(len(t.Sizes), 1)
	return nil
}

// New implements pipeline.Runner.
func (r *runner) New() any { return &seen{r.gen, r.in.New()} }

// Run implements pipeline.Runner. Where the slot has other networks it goes on with those; the frame is not lost by that.
func (r *runner) Run(ctx context.Context, f *camera.Frame, size int, result any) error {
	if _, gen := r.slot.get(); gen != r.gen {
		if err := r.renew(); err != nil {
			return err
		}
	}
	s := result.(*seen)
	if s.gen != r.gen {
		s.gen, s.value = r.gen, r.in.New()
	}
	return r.in.Run(ctx, f, min(size, r.sizes-1), s.value)
}

// Close implements io.Closer.
func (r *runner) Close() error {
	if c, ok := r.in.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// TaskError says that a task cannot be used here.
type TaskError struct{ Task, Why string }

func (e *TaskError) Error() string { return "the task " + e.Task + ": " + e.Why }

// slotOf returns the slot of a task that is in use, or a *TaskError.
func (w *Watch) slotOf(task string) (*slot, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch s := w.slots[task]; {
	case s != nil:
		return s, nil
	case slices.Contains(taskNames, task):
		return nil, &TaskError{task, "there is no network for it"}
	}
	return nil, &TaskError{task, "there is none of this name"}
}

// Tasks returns the names of the tasks for which there are networks.
func (w *Watch) Tasks() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, name := range taskNames {
		if w.slots[name] != nil {
			list = append(list, name)
		}
	}
	return list
}

// Models returns the networks in use.
func (w *Watch) Models() []Model {
	var list []Model
	for _, name := range w.Tasks() {
		if s, err := w.slotOf(name); err == nil {
			x, _ := s.get()
			list = append(list, x.nets...)
		}
	}
	return list
}

// Infer looks at one picture with a task. Where there is no such task, the error is a *TaskError. One picture is looked at at a time.
func (w *Watch) Infer(ctx context.Context, task string, pic kernels.Picture) (tasks.Result, error) {
	s, err := w.slotOf(task)
	if err != nil {
		return nil, err
	}
	w.inferring.Lock()
	defer w.inferring.Unlock()
	x, _ := s.get()
	return look(ctx, x.task, pic)
}

func look(ctx context.Context, t *tasks.Task, pic kernels.Picture) (r tasks.Result, err error) {
	worker, err := t.Open(false)
	if err != nil {
		return nil, err
	}
	if c, ok := worker.(io.Closer); ok {
		defer func() { err = errors.Join(err, c.Close()) }()
	}
	r = worker.New()
	return r, worker.Look(ctx, pic, time.Time{}, 0, r)
}

// SwapModel makes all cameras look with another network: pedestrians and scene are tasks, face_detector and face_embedder parts of one. path "" is the
// network of the settings. The network is tried first; cameras go on with the old one until it is ready, and no frame is lost.
func (w *Watch) SwapModel(ctx context.Context, name, path string) error {
	w.applying.Lock()
	defer w.applying.Unlock()
	w.mu.Lock()
	c, threads := w.cfg.Tasks, w.cfg.Threads
	w.mu.Unlock()
	swapped := map[string]string{}
	for k, v := range w.swapped {
		swapped[k] = v
	}
	if swapped[name] = path; path == "" {
		delete(swapped, name)
	}
	task := name
	if name == zoo.FaceDetector || name == zoo.FaceEmbedder {
		task = Faces
	}
	override(&c, swapped)
	s, err := w.slotOf(task)
	if err != nil {
		return err
	}
	x, err := load(&c, task, threads)
	if err != nil {
		return err
	}
	if err := try(ctx, x); err != nil {
		return fmt.Errorf("%s: the network was tried and failed: %w", name, err)
	}
	w.useGallery(x)
	w.swapped = swapped
	s.set(x)
	return nil
}

// override puts networks in the place of those of the settings.
func override(c *config.Tasks, by map[string]string) {
	for name, field := range map[string]*string{Pedestrians: &c.Pedestrians.Model, Scene: &c.Scene.Model, zoo.FaceDetector: &c.Faces.Detector, zoo.FaceEmbedder: &c.Faces.Embedder} {
		if by[name] != "" {
			*field = by[name]
		}
	}
}

// try lets a task look at a grey picture.
func try(ctx context.Context, x *sight) error {
	const width, height = 320, 240
	pix := make([]uint8, 3*width*height)
	for i := range pix {
		pix[i] = 128
	}
	_, err := look(ctx, x.task, kernels.Picture{Format: kernels.RGB, W: width, H: height, Stride: 3 * width, Pix: pix})
	return err
}

// SetGallery makes known who is recognised from now on. A gallery of another network than the one in use is left aside.
func (w *Watch) SetGallery(g *face.Gallery) {
	w.applying.Lock()
	defer w.applying.Unlock()
	w.gallery = g
	s, err := w.slotOf(Faces)
	if err != nil {
		return
	}
	old, _ := s.get()
	if old.faces.Embedder == nil {
		return
	}
	f := *old.faces
	x := &sight{nets: old.nets, faces: &f}
	w.useGallery(x)
	x.task = f.Task()
	s.set(x)
}

// useGallery gives a task of faces the people that are known to its network. w.applying is held.
func (w *Watch) useGallery(x *sight) {
	if x.faces == nil || x.faces.Embedder == nil || w.gallery == nil || w.gallery.Network != x.faces.Embedder.SHA256 {
		return
	}
	x.faces.Gallery = w.gallery
	x.task = x.faces.Task()
}

// FaceNets returns the networks of the task of faces and its threshold, or a *TaskError. Its Embedder is nil where faces are only found. It must not be changed.
func (w *Watch) FaceNets() (*tasks.Faces, error) {
	s, err := w.slotOf(Faces)
	if err != nil {
		return nil, err
	}
	x, _ := s.get()
	return x.faces, nil
}

// CheckNetworks loads and tries the networks that cameras of these settings would use.
func CheckNetworks(c *config.Config) error {
	w := &Watch{swapped: map[string]string{}, slots: map[string]*slot{}}
	slots, _, err := w.prepare(&config.Config{}, c)
	if err != nil {
		return err
	}
	for _, name := range taskNames {
		if s := slots[name]; s != nil {
			if err := try(context.Background(), s.sight); err != nil {
				return fmt.Errorf("tasks.%s: the network was tried and failed: %w", name, err)
			}
		}
	}
	return nil
}
