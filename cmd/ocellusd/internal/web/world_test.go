package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/api"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/auth"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/models"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/people"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/teach"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/web"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/face"
)

// cameras are two that run and one that is away.
type cameras struct {
	mu    sync.Mutex
	zones []config.Zone
	lines []config.Line
	armed bool
	subs  []chan store.Event
}

const width, height = 320, 240

// frame is a grey picture with a white square that has moved n steps.
func frame(n int) []byte {
	img := image.NewGray(image.Rect(0, 0, width, height))
	for i := range img.Pix {
		img.Pix[i] = 90
	}
	x0, y0 := 10+7*n%240, 100
	for y := y0; y < y0+60; y++ {
		for x := x0; x < x0+40; x++ {
			img.SetGray(x, y, color.Gray{Y: 250})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func now() int { return int(time.Now().UnixMilli() / 100) }

func (c *cameras) Status() watch.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := watch.Status{Events: 3}
	s.Load.Demand = 0.4
	for i, name := range []string{"door", "garden"} {
		one := watch.CameraStatus{Name: name, URL: "rtsp://10.0.0.1/", State: "running", Since: time.Now(), Width: width, Height: height, Rate: 10, Frames: 1000, Armed: c.armed,
			Tasks: []watch.TaskStatus{{Name: "pedestrians", Runs: 500, Rate: 5, Mean: 40 * time.Millisecond}, {Name: "scene", Paused: i == 1}}}
		one.Ages.P50, one.Ages.P95, one.Ages.P99 = 60*time.Millisecond, 90*time.Millisecond, 120*time.Millisecond
		if i == 0 {
			one.Zones, one.Lines = c.zones, c.lines
		}
		s.Cameras = append(s.Cameras, one)
	}
	s.Cameras = append(s.Cameras, watch.CameraStatus{Name: "yard", URL: "rtsp://10.0.0.2/", State: "waiting", Error: "connection refused", Armed: true})
	return s
}

func (c *cameras) Latest(name string, _ bool) ([]byte, time.Time, error) {
	if name == "yard" {
		return nil, time.Time{}, watch.ErrNoFrame
	}
	return frame(now()), time.Now(), nil
}

func (c *cameras) Subscribe(name string, _ bool) (<-chan []byte, func(), error) {
	frames, stop := make(chan []byte), make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
			if name == "yard" {
				continue
			}
			select {
			case <-stop:
				return
			case frames <- frame(now()):
			}
		}
	}()
	return frames, sync.OnceFunc(func() { close(stop) }), nil
}

func (c *cameras) SetShapes(_ context.Context, _ string, zones []config.Zone, lines []config.Line) error {
	if why, where := config.CheckShapes(zones, lines); why != "" {
		return &watch.ShapeError{Where: where, Why: why}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.zones, c.lines = zones, lines
	return nil
}

func (c *cameras) Arm(_ string, armed bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = armed
	return nil
}

func (c *cameras) Infer(context.Context, string, kernels.Picture) (tasks.Result, error) {
	return nil, errors.ErrUnsupported
}

func (c *cameras) Models() []watch.Model {
	return []watch.Model{{Task: "pedestrians", Name: "the program's own", SHA256: "0123456789abcdef"}, {Task: "scene", Name: "the program's own", SHA256: "fedcba9876543210"}}
}

func (c *cameras) Settings() *config.Config { return config.Default() }

// hub is that of the cameras.
type hub struct{ c *cameras }

func (h hub) Subscribe() (<-chan store.Event, func()) {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	s := make(chan store.Event, 64)
	h.c.subs = append(h.c.subs, s)
	return s, func() {}
}

// faces sees one face in every picture, whose vector its brightness makes: those of bright pictures are one person's.
type faces struct{ book *people.Book }

func (f *faces) Ready(ctx context.Context) error {
	if f.book.Gallery() == nil {
		return f.book.Use(ctx, "net", 4)
	}
	return nil
}

func (f *faces) Threshold() (float64, error) { return 0.5, nil }

func vector(pic kernels.Picture) face.Vector {
	v := make(face.Vector, 4)
	v[pic.Pix[0]/64] = 1
	return v
}

func (f *faces) Enrol(ctx context.Context, actor, name string, pics ...kernels.Picture) (people.Person, error) {
	if err := f.Ready(ctx); err != nil {
		return people.Person{}, err
	}
	var list []face.Vector
	for _, p := range pics {
		list = append(list, vector(p))
	}
	return f.book.Enrol(ctx, actor, name, 0.5, list...)
}

func (f *faces) Verify(context.Context, kernels.Picture, kernels.Picture) (float64, error) {
	return 1, nil
}

func (f *faces) Identify(ctx context.Context, pic kernels.Picture) ([]face.Identity, error) {
	if err := f.Ready(ctx); err != nil {
		return nil, err
	}
	name, s := f.book.Gallery().Nearest(vector(pic))
	if s < 0.5 {
		name = face.Unknown
	}
	return []face.Identity{{Face: face.Face{Box: [4]float64{10, 10, 40, 40}, Score: 0.9}, Name: name, Similarity: s}}, nil
}

// world is a device with the real API behind the page, and cameras that are not real.
type world struct {
	*api.API
	t       *testing.T
	server  *httptest.Server
	cameras *cameras
	link    string // the one-time link

	mu     sync.Mutex
	canned map[string]any // answers in the place of the API's, by "METHOD /path"
	asked  []string       // those that were asked, with what was sent
}

const user, password = "ada", "correct horse battery"

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	log := slog.New(slog.DiscardHandler)
	a, err := auth.New(t.Context(), db, log, nil)
	if err != nil {
		t.Fatal(err)
	}
	book, err := people.Open(db, filepath.Join(dir, "key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	teacher, err := teach.Open(t.Context(), teach.Options{DB: db, Dir: filepath.Join(dir, "teach"), Log: log, Why: "there is no classifier"})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := models.Open(db, filepath.Join(dir, "models"), func(context.Context, string, string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, cameras: &cameras{armed: true}, link: a.Link(), canned: map[string]any{}}
	w.API = api.New(api.Options{Auth: a, Store: db, Watch: w.cameras, Hub: hub{w.cameras}, Faces: &faces{book}, People: book, Teach: teacher, Models: sent, Page: web.Handler(),
		Version: "test", Log: log, Rate: 1e6, Outbox: func() any {
			return map[string]any{"targets": []any{map[string]any{"name": "mqtt", "waiting": 3, "error": ""}}}
		}})
	next := w.Handler()
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		v, ok := w.canned[r.Method+" "+r.URL.Path]
		if ok {
			var body bytes.Buffer
			body.ReadFrom(r.Body)
			w.asked = append(w.asked, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+body.String()))
		}
		w.mu.Unlock()
		if !ok {
			next.ServeHTTP(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		if v == nil {
			rw.WriteHeader(http.StatusNoContent)
		} else if err := json.NewEncoder(rw).Encode(v); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(func() {
		w.Stop()
		w.server.CloseClientConnections()
		w.server.Close()
	})
	return w
}

// answer answers requests in the place of the API from now on.
func (w *world) answer(request string, v any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.canned[request] = v
}

func (w *world) wasAsked(request string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.asked {
		if a == request {
			return true
		}
	}
	return false
}

// happen adds an event and tells of it. Where it has a box, it has a snapshot.
func (w *world) happen(e store.Event) store.Event {
	w.t.Helper()
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	var pic []byte
	if e.Box != nil {
		pic = frame(0)
	}
	if err := w.Store.AddEvent(context.Background(), &e, pic); err != nil {
		w.t.Fatal(err)
	}
	w.cameras.mu.Lock()
	defer w.cameras.mu.Unlock()
	for _, s := range w.cameras.subs {
		select {
		case s <- e:
		default:
		}
	}
	return e
}

// some makes events of every kind.
func (w *world) some() {
	w.t.Helper()
	box := [4]float64{10, 100, 40, 60}
	for i, e := range []store.Event{
		{Kind: store.CameraLost, Camera: "yard"},
		{Kind: store.SceneChanged, Camera: "garden", Task: "scene", Label: "vegetation", Score: 0.3, Data: map[string]any{"before": map[string]any{"sky": 0.4, "vegetation": 0.2},
			"after": map[string]any{"sky": 0.2, "vegetation": 0.4}, "change": 0.2}},
		{Kind: store.FaceUnknown, Camera: "door", Task: "faces", Score: 0.9, Box: &box},
		{Kind: store.LineCrossed, Camera: "garden", Task: "pedestrians", Zone: "fence", Label: "in", Track: 3, Score: 0.7, Box: &box},
		{Kind: store.Loitering, Camera: "door", Task: "pedestrians", Zone: "porch", Track: 4, Score: 0.8, Box: &box, Data: map[string]any{"stay_s": 75.0}},
		{Kind: store.PedestrianLeft, Camera: "door", Task: "pedestrians", Zone: "porch", Track: 4, Score: 0.8},
		{Kind: store.PedestrianEntered, Camera: "door", Task: "pedestrians", Zone: "porch", Track: 5, Score: 0.91, Box: &box},
	} {
		e.Time = time.Now().Add(time.Duration(i-8) * time.Minute)
		w.happen(e)
	}
}

// join makes the first user and returns the cookie of a session.
func (w *world) join() string {
	w.t.Helper()
	cookie, err := w.Auth.Setup(context.Background(), w.link, user, password)
	if err != nil {
		w.t.Fatal(err)
	}
	return cookie
}
