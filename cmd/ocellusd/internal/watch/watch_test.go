package watch

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"image/jpeg"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/kernels"
)

// settings reads YAML.
func settings(t *testing.T, yaml string) *config.Config {
	t.Helper()
	c, err := config.Parse([]byte(yaml), "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// watching returns a Watch with a store of its own.
func watching(t *testing.T, yaml string) *Watch {
	t.Helper()
	db, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := New(Options{Store: db, Log: slog.New(slog.NewTextHandler(testLog{t}, nil))})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		w.Close(ctx)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Apply(settings(t, yaml)); err != nil {
		t.Fatal(err)
	}
	return w
}

type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// eventually waits until something is true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("within a minute this did not come true: %s", what)
}

func runs(w *Watch, camera string) bool {
	for _, c := range w.Cameras() {
		if c.Name == camera {
			return c.State == "running" && c.Frames > 0
		}
	}
	return false
}

const two = `
cameras:
  - {name: a, url: "synth:bars?size=64x48&fps=20", tasks: [pedestrians]}
  - {name: b, url: "synth:bars?size=64x48&fps=20", tasks: [pedestrians]}
`

// TestApplyRestartsWhatChanged changes one camera of two, then only its zones, then something that is wrong.
func TestApplyRestartsWhatChanged(t *testing.T) {
	w := watching(t, two)
	eventually(t, "both run", func() bool { return runs(w, "a") && runs(w, "b") })
	a, b := w.eye("a"), w.eye("b")

	changed := strings.Replace(two, "name: b, url: \"synth:bars?size=64x48", "name: b, url: \"synth:bars?size=80x60", 1)
	if err := w.Apply(settings(t, changed)); err != nil {
		t.Fatal(err)
	}
	if w.eye("a") != a || w.eye("b") == b {
		t.Error("not only b was opened again")
	}
	eventually(t, "b has its new size", func() bool { return runs(w, "b") && w.Cameras()[1].Width == 80 })

	b = w.eye("b")
	zoned := strings.Replace(changed, "tasks: [pedestrians]}\n  - {name: b", "tasks: [pedestrians], zones: [{name: z, points: [[0, 0], [1, 0], [1, 1]]}]}\n  - {name: b", 1)
	if err := w.Apply(settings(t, zoned)); err != nil {
		t.Fatal(err)
	}
	if w.eye("a") != a || w.eye("b") != b || len(w.Cameras()[0].Zones) != 1 {
		t.Errorf("a zone opened a camera again, or is not there: %+v", w.Cameras()[0].Zones)
	}

	for what, wrong := range map[string]string{
		"a clip that is not there": strings.Replace(zoned, "synth:bars?size=80x60&fps=20", "/nowhere/clip.mp4", 1),
		"pictures":                 strings.Replace(zoned, "synth:bars?size=80x60&fps=20", t.TempDir(), 1),
		"an unknown weather":       strings.Replace(zoned, "size=80x60", "weather=hail", 1),
		"no task of faces":         strings.Replace(zoned, "tasks: [pedestrians]}", "tasks: [faces]}", 1) + "tasks: {faces: {detector: watch.go}}\n",
	} {
		if err := w.Apply(settings(t, wrong)); err == nil {
			t.Errorf("%s was taken", what)
		}
		if w.eye("a") != a || w.eye("b") != b || len(w.Cameras()) != 2 {
			t.Errorf("%s changed something", what)
		}
	}

	if err := w.Apply(settings(t, "cameras: [{name: b, url: \"synth:bars?size=80x60&fps=20\", tasks: [pedestrians]}]\n")); err != nil {
		t.Fatal(err)
	}
	if w.eye("a") != nil || w.eye("b") != b {
		t.Error("not only a was closed")
	}
}

// TestShapesAreRemembered draws a zone: it outlives settings that are read again unless they change the zones themselves.
func TestShapesAreRemembered(t *testing.T) {
	w := watching(t, two)
	zone := config.Zone{Name: "drawn", Points: []config.Point{{0, 0}, {1, 0}, {1, 1}}}
	if err := w.SetShapes(t.Context(), "a", []config.Zone{zone}, nil); err != nil {
		t.Fatal(err)
	}
	names := func() string {
		s := ""
		for _, z := range w.Cameras()[0].Zones {
			s += z.Name
		}
		return s
	}
	if got := names(); got != "drawn" {
		t.Errorf("%q", got)
	}
	if err := w.Apply(settings(t, two)); err != nil || names() != "drawn" {
		t.Errorf("%q, %v after the same settings", names(), err)
	}
	filed := strings.Replace(two, "tasks: [pedestrians]}", "tasks: [pedestrians], zones: [{name: filed, points: [[0, 0], [1, 0], [1, 1]], loiter: 3s}]}", 1)
	if err := w.Apply(settings(t, filed)); err != nil || names() != "filed" {
		t.Errorf("%q, %v after other zones in the settings", names(), err)
	}
	zone.Name = "filed"
	if err := w.SetShapes(t.Context(), "a", []config.Zone{zone}, nil); err != nil || w.Settings().Cameras[0].Zones[0].Loiter != 3*time.Second {
		t.Errorf("%+v, %v", w.Settings().Cameras[0].Zones, err)
	}
	var wrong *ShapeError
	if err := w.SetShapes(t.Context(), "a", []config.Zone{{Name: "thin", Points: zone.Points[:2]}}, nil); !errors.As(err, &wrong) || wrong.Where != "zones[0].points" {
		t.Error(err)
	}
	if err := w.SetShapes(t.Context(), "c", nil, nil); !errors.Is(err, ErrNoCamera) {
		t.Error(err)
	}
}

// TestShapesAndLoiter draws zones in the place of the file's, which then has other times, and after that what it had before: the file was changed last.
func TestShapesAndLoiter(t *testing.T) {
	of := func(loiter string) *config.Config {
		return settings(t, strings.Replace(two, "tasks: [pedestrians]}", "tasks: [pedestrians], zones: [{name: filed, points: [[0, 0], [1, 0], [1, 1]], loiter: "+loiter+"}]}", 1))
	}
	w := watching(t, two)
	is := func(name string, loiter time.Duration) {
		t.Helper()
		z := w.Settings().Cameras[0].Zones
		if len(z) != 1 || z[0].Name != name || z[0].Loiter != loiter {
			t.Errorf("%+v, want %s with %s", z, name, loiter)
		}
	}
	apply := func(c *config.Config) {
		t.Helper()
		if err := w.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	draw := func() {
		t.Helper()
		if err := w.SetShapes(t.Context(), "a", []config.Zone{{Name: "drawn", Points: []config.Point{{0, 0}, {1, 0}, {1, 1}}}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	apply(of("3s"))
	draw()
	apply(of("3s"))
	is("drawn", 0)
	if err := w.Apply(of("5s"), func() error { return errors.New("no") }); err == nil {
		t.Error("what was to be called before was not")
	}
	apply(of("3s"))
	is("drawn", 0)
	apply(of("5s"))
	is("filed", 5*time.Second)
	apply(of("3s"))
	is("filed", 3*time.Second)

	// What an earlier version wrote down holds until the file says something else, times too.
	draw()
	text, err := w.o.Store.Setting(t.Context(), shapesSetting("a"))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	delete(m, "file_loiter")
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.o.Store.SetSetting(t.Context(), shapesSetting("a"), string(b)); err != nil {
		t.Fatal(err)
	}
	apply(of("4s"))
	is("drawn", 0)
	apply(of("6s"))
	is("filed", 6*time.Second)
}

func TestPicturesAndViewers(t *testing.T) {
	w := watching(t, two)
	if _, _, err := w.Latest("c", false); !errors.Is(err, ErrNoCamera) {
		t.Error(err)
	}
	for _, overlay := range []bool{false, true} {
		var b []byte
		eventually(t, "a picture", func() (ok bool) {
			var err error
			b, _, err = w.Latest("a", overlay)
			return err == nil
		})
		if c, err := jpeg.DecodeConfig(bytes.NewReader(b)); err != nil || c.Width != 64 || c.Height != 48 {
			t.Errorf("%dx%d, %v", c.Width, c.Height, err)
		}
		frames, stop, err := w.Subscribe("a", overlay)
		if err != nil {
			t.Fatal(err)
		}
		_, idle, err := w.Subscribe("a", overlay) // who never looks holds nobody up
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if b, ok := <-frames; !ok || len(b) == 0 {
				t.Fatal("the stream ended")
			}
		}
		if n := w.Status().Viewers; n != 2 {
			t.Errorf("%d viewers", n)
		}
		stop()
		stop()
		idle()
		for range frames { // what is left
		}
		if n := w.Status().Viewers; n != 0 {
			t.Errorf("%d viewers are left", n)
		}
	}
	for range cap(w.encoding) { // as if other streams were encoded all the time
		w.encoding <- struct{}{}
	}
	frames, _, err := w.Subscribe("a", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Latest("a", false); err != nil {
		t.Errorf("who asks for one picture waits for streams: %v", err)
	}
	if len(frames) > 0 {
		t.Error("a stream does not wait its turn")
	}
	for range cap(w.encoding) {
		<-w.encoding
	}
	if _, ok := <-frames; !ok {
		t.Error("the stream ended")
	}
	if err := w.Apply(settings(t, "cameras: []\n")); err != nil {
		t.Fatal(err)
	}
	for range frames { // ends with the camera
	}
}

// TestStreet looks at a drawn street until somebody has come, and asks that the event is in the store with its picture and was published.
func TestStreet(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs networks on a street")
	}
	w := watching(t, "cameras: [{name: street, url: \"synth:street?seed=7&size=480x360\", tasks: [pedestrians]}]\n")
	events, stop := w.Events().Subscribe()
	defer stop()
	var e store.Event
	select {
	case e = <-events:
	case <-time.After(2 * time.Minute):
		t.Fatal("nobody came")
	}
	kept, err := w.o.Store.Event(t.Context(), e.ID)
	if err != nil || kept.Kind != store.PedestrianEntered || kept.Box == nil || kept.Track != 1 || !kept.Time.Equal(e.Time) {
		t.Errorf("%+v, %v", kept, err)
	}
	b, err := w.o.Store.Snapshot(t.Context(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := jpeg.DecodeConfig(bytes.NewReader(b)); err != nil || c.Width != 480 {
		t.Errorf("%d pixels wide, %v", c.Width, err)
	}

	// Another network takes over, and frames go on.
	before := w.Cameras()[0]
	if err := w.SwapModel(t.Context(), Pedestrians, "../../../../model/zoo/nets/pedestrian.onnx"); err != nil {
		t.Fatal(err)
	}
	if got := w.Models()[0].Name; !strings.HasSuffix(got, "pedestrian.onnx") {
		t.Errorf("in use: %s", got)
	}
	eventually(t, "the new network has run", func() bool { return w.Cameras()[0].Tasks[0].Runs > before.Tasks[0].Runs+3 })
	if now := w.Cameras()[0]; now.Restarts != 0 || now.Tasks[0].Errors != 0 {
		t.Errorf("%+v", now)
	}
	if err := w.SwapModel(t.Context(), Pedestrians, "watch.go"); err == nil {
		t.Error("a file that is no network was taken")
	}
	if err := w.SwapModel(t.Context(), Pedestrians, ""); err != nil || !strings.Contains(w.Models()[0].Name, "program's own") {
		t.Errorf("%+v, %v", w.Models(), err)
	}

	r, err := w.Infer(t.Context(), Pedestrians, kernels.Picture{Format: kernels.RGB, W: 64, H: 48, Stride: 192, Pix: make([]uint8, 64*48*3)})
	if p, ok := r.(*tasks.People); err != nil || !ok || len(p.List) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	var none *TaskError
	if _, err := w.Infer(t.Context(), "cats", kernels.Picture{}); !errors.As(err, &none) {
		t.Error(err)
	}
}

// TestCameraIsLostAndFound watches a camera that ends after a second, again and again with longer and longer pauses.
func TestCameraIsLostAndFound(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a camera that is away")
	}
	w := watching(t, "cameras: [{name: a, url: \"synth:bars?size=64x48&fps=30&frames=5\", tasks: [pedestrians], lost_after: 1s}]\n")
	events, stop := w.Events().Subscribe()
	defer stop()
	for _, want := range []string{store.CameraLost, store.CameraFound} {
		select {
		case e := <-events:
			if e.Kind != want || e.Camera != "a" {
				t.Fatalf("%+v, want %s", e, want)
			}
			if want == store.CameraLost && e.Data["error"] != errEnd.Error() {
				t.Errorf("%+v", e.Data)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no %s within a minute", want)
		}
	}
}

// TestDisarmed disarms a camera of two: it stays so when it is opened again, when it was away from the settings, and in another Watch, until it is armed.
func TestDisarmed(t *testing.T) {
	w := watching(t, two)
	armed := func(w *Watch, a, b bool) {
		t.Helper()
		c := w.Cameras()
		if len(c) != 2 || c[0].Armed != a || c[1].Armed != b {
			t.Errorf("%+v, want a %v and b %v", c, a, b)
		}
	}
	if err := w.Arm("a", false); err != nil {
		t.Fatal(err)
	}
	armed(w, false, true)
	if err := w.Arm("c", false); !errors.Is(err, ErrNoCamera) {
		t.Error(err)
	}
	for _, other := range []string{strings.ReplaceAll(two, "64x48", "80x60"), "cameras: []\n", two} {
		a := w.eye("a")
		if err := w.Apply(settings(t, other)); err != nil {
			t.Fatal(err)
		}
		if w.eye("a") == a {
			t.Error("the camera was not opened again")
		}
	}
	armed(w, false, true)
	later := New(w.o)
	defer later.Close(t.Context())
	if err := later.Apply(settings(t, two)); err != nil {
		t.Fatal(err)
	}
	armed(later, false, true)
	if err := w.Arm("a", true); err != nil {
		t.Fatal(err)
	}
	if err := w.Apply(settings(t, strings.ReplaceAll(two, "64x48", "80x60"))); err != nil {
		t.Fatal(err)
	}
	armed(w, true, true)
	err := w.o.Store.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("CREATE TRIGGER full BEFORE INSERT ON settings BEGIN SELECT RAISE(FAIL, 'full'); END")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Arm("a", false); err == nil || !strings.Contains(err.Error(), "until the daemon ends") {
		t.Errorf("while nothing can be written down: %v", err)
	}
	armed(w, false, true)
}

// TestRatesOfOtherTasks changes how often tasks look that a camera does not have.
func TestRatesOfOtherTasks(t *testing.T) {
	w := watching(t, two)
	a, b := w.eye("a"), w.eye("b")
	if err := w.Apply(settings(t, two+"tasks: {scene: {every: 7s}, faces: {rate: 1}}\n")); err != nil {
		t.Fatal(err)
	}
	if w.eye("a") != a || w.eye("b") != b {
		t.Error("a camera was opened again for a task that it does not have")
	}
	y := &eye{cfg: config.Camera{Tasks: []string{Scene}}}
	w.slots[Scene] = &slot{}
	old, now := settings(t, "cameras: []\n"), settings(t, "cameras: []\ntasks: {scene: {every: 7s}}\n")
	if !w.restarts(y, &y.cfg, old, now) {
		t.Error("another time of a task that a camera has is not taken up")
	}
}

// TestBefore lets what is called before a change refuse it.
func TestBefore(t *testing.T) {
	w := watching(t, two)
	a, no := w.eye("a"), errors.New("no")
	if err := w.Apply(settings(t, "cameras: []\n"), func() error { return no }); !errors.Is(err, no) || w.eye("a") != a || len(w.Settings().Cameras) != 2 {
		t.Errorf("%v, %d cameras", err, len(w.Settings().Cameras))
	}
	called := false
	if err := w.Apply(settings(t, strings.Replace(two, "64x48", "64x48&weather=hail", 1)), func() error { called = true; return nil }); err == nil || called {
		t.Errorf("%v, called %v", err, called)
	}
}

func TestHubDropsTheOldest(t *testing.T) {
	var h Hub
	slow, stop := h.Subscribe()
	for i := range depth + 10 {
		h.publish(store.Event{ID: int64(i + 1)})
	}
	if e := <-slow; e.ID != 11 {
		t.Errorf("the first that is left is %d", e.ID)
	}
	stop()
	stop()
	h.publish(store.Event{})
	n := 0
	for range slow {
		n++
	}
	if n != depth-1 {
		t.Errorf("%d were left", n)
	}
}

// TestQueueLetsGoOfPicturesFirst fills the queue: events outlast their snapshots.
func TestQueueLetsGoOfPicturesFirst(t *testing.T) {
	q := newQueue()
	for i := range 12 {
		q.put(item{store.Event{ID: int64(i)}, make([]byte, 1<<20)})
	}
	for i := range 12 {
		got, ok := q.first()
		if !ok || got.event.ID != int64(i) || (got.jpeg != nil) != (i >= 4) {
			t.Errorf("%d: event %d with %d bytes", i, got.event.ID, len(got.jpeg))
		}
	}
	for i := range mostItems + 3 {
		q.put(item{event: store.Event{ID: int64(i)}})
	}
	if got, _ := q.first(); got.event.ID != 3 || q.lost != 3 {
		t.Errorf("the first is %d, %d are lost", got.event.ID, q.lost)
	}
}

// TestTracksAreKept hands over tracks that have ended: all are in the store once a Watch is closed.
func TestTracksAreKept(t *testing.T) {
	db, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := New(Options{Store: db, Log: slog.New(slog.NewTextHandler(testLog{t}, nil))})
	for i := range 3 {
		w.queue.follow([]store.Track{{Camera: "door", Task: Pedestrians, Track: int64(i + 1), First: begin, Last: begin, End: begin}})
	}
	w.Close(t.Context())
	if list, err := db.Tracks(t.Context(), store.TrackFilter{}); err != nil || len(list) != 3 {
		t.Errorf("%+v, %v", list, err)
	}
}
