package out

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
)

// device is a store, and cameras that are not real.
type device struct {
	t  *testing.T
	db *store.DB

	mu    sync.Mutex
	subs  []chan store.Event
	armed map[string]bool
}

func newDevice(t *testing.T) *device {
	t.Helper()
	db, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return &device{t: t, db: db, armed: map[string]bool{"door": true, "yard": true}}
}

func (d *device) Subscribe() (<-chan store.Event, func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := make(chan store.Event, 8)
	d.subs = append(d.subs, c)
	return c, func() {}
}

func (d *device) Status() watch.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	var s watch.Status
	for _, name := range []string{"door", "yard"} {
		s.Cameras = append(s.Cameras, watch.CameraStatus{Name: name, State: "running", Rate: 10, Armed: d.armed[name]})
	}
	return s
}

func (d *device) Arm(name string, armed bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.armed[name]; !ok {
		return watch.ErrNoCamera
	}
	d.armed[name] = armed
	return nil
}

// happen adds events of the kinds that are named, in turn, and tells of each.
func (d *device) happen(n int, kinds ...string) {
	d.t.Helper()
	for i := range n {
		e := store.Event{Time: time.Now(), Camera: "door", Kind: kinds[i%len(kinds)]}
		if err := d.db.AddEvent(context.Background(), &e, []byte("\xff\xd8"+strconv.Itoa(i))); err != nil {
			d.t.Fatal(err)
		}
		d.mu.Lock()
		for _, c := range d.subs {
			select {
			case c <- e:
			default:
			}
		}
		d.mu.Unlock()
	}
}

// open tells those of the settings.
func (d *device) open(settings string) (*Out, *config.Config) {
	d.t.Helper()
	c, err := config.Parse([]byte("device: test\ncameras:\n  - {name: door, url: \"synth:street\"}\n  - {name: yard, url: \"synth:street\"}\n"+settings), "test.yaml")
	if err != nil {
		d.t.Fatal(err)
	}
	x, err := open(Options{Store: d.db, Watch: d, Hub: d, Log: slog.New(slog.NewTextHandler(d.t.Output(), nil)), Version: "test"}, bounds{most: 1000, first: time.Millisecond, last: 50 * time.Millisecond})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(x.Close)
	if err := x.Apply(c); err != nil {
		d.t.Fatal(err)
	}
	return x, c
}

// until waits until something is true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 12000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// receiver is a webhook's other side. It answers with each of statuses once, then with 200.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	statuses []int
	got      []Message // that were answered with 200
	tries    map[string]int
	secret   string
	wrong    []string
}

func newReceiver(t *testing.T, secret string) *receiver {
	r := &receiver{secret: secret, tries: map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		var m Message
		if err := json.Unmarshal(body, &m); err != nil || m.Delivery != q.Header.Get(deliveryHeader) || m.Device != "test" {
			r.wrong = append(r.wrong, fmt.Sprintf("%s %v", body, err))
		}
		signature := q.Header.Get(signatureHeader)
		at, _, _ := strings.Cut(strings.TrimPrefix(signature, "t="), ",")
		if n, err := strconv.ParseInt(at, 10, 64); err != nil || signature != Sign(r.secret, n, body) || time.Since(time.Unix(n, 0)) > time.Minute {
			r.wrong = append(r.wrong, "signature "+signature)
		}
		r.tries[m.Delivery]++
		if len(r.statuses) > 0 {
			status := r.statuses[0]
			r.statuses = r.statuses[1:]
			if status == 0 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(status)
			return
		}
		r.got = append(r.got, m)
	}))
	t.Cleanup(func() {
		r.Close()
		for _, x := range r.wrong {
			t.Error(x)
		}
	})
	return r
}

// ids are those of the events that came, each at its first coming.
func (r *receiver) ids() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []int64
	for _, m := range r.got {
		if !slices.Contains(list, m.ID) {
			list = append(list, m.ID)
		}
	}
	return list
}

// sequence is the numbers from one to another.
func sequence(from, to int64) []int64 {
	var list []int64
	for i := from; i <= to; i++ {
		list = append(list, i)
	}
	return list
}

func TestSignature(t *testing.T) {
	// printf '1700000000.{"id":1}' | openssl dgst -sha256 -hmac hush
	want := "t=1700000000,v1=e3bce6bd7f1e260dc827417401e6c3eeccf571d426a5e11de648ec1fab6fd879"
	if got := Sign("hush", 1700000000, []byte(`{"id":1}`)); got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

// TestWebhook fails in every way, and ends the program in between: each event arrives, in order.
func TestWebhook(t *testing.T) {
	d := newDevice(t)
	d.happen(2, store.CameraLost) // before there was anybody to tell
	r := newReceiver(t, "hush")
	r.statuses = []int{500, 0, 401, 429, 302, 404}
	x, _ := d.open("webhooks:\n  - {url: \"" + r.URL + "/?key=geheim\", secret: hush}\n")
	d.happen(20, store.PedestrianEntered, store.PedestrianLeft)
	until(t, "20 events", func() bool { return len(r.ids()) == 20 })
	if want := sequence(3, 22); !slices.Equal(r.ids(), want) {
		t.Errorf("%v, not %v", r.ids(), want)
	}
	until(t, "an empty outbox", func() bool { return x.Status().Targets[0].Sent == 20 })
	s := x.Status().Targets[0]
	if s.Waiting != 0 || s.Dropped != 0 || s.Error != "" || !s.Connected || strings.Contains(s.Name, "geheim") {
		t.Errorf("%+v", s)
	}

	// Away, with the program ended meanwhile.
	r.mu.Lock()
	r.statuses = slices.Repeat([]int{503}, 5)
	r.mu.Unlock()
	d.happen(10, store.PedestrianEntered)
	x.Close()
	d.happen(5, store.Loitering) // while nobody sends
	d.open("webhooks:\n  - {url: \"" + r.URL + "/?key=geheim\", secret: hush}\n")
	until(t, "35 events", func() bool { return len(r.ids()) == 35 })
	if want := sequence(3, 37); !slices.Equal(r.ids(), want) {
		t.Errorf("%v, not %v", r.ids(), want)
	}
}

// TestRefused drops what the receiver never wants, and only that.
func TestRefused(t *testing.T) {
	d := newDevice(t)
	r := newReceiver(t, "")
	r.secret = "x"
	r.statuses = slices.Repeat([]int{422}, refusals)
	x, _ := d.open("webhooks:\n  - {url: \"" + r.URL + "\", secret: x, kinds: [face_known]}\n")
	d.happen(6, store.FaceKnown, store.FaceUnknown)
	until(t, "2 events", func() bool { return len(r.ids()) == 2 })
	if want := []int64{3, 5}; !slices.Equal(r.ids(), want) {
		t.Errorf("%v, not %v", r.ids(), want)
	}
	until(t, "counts", func() bool { s := x.Status().Targets[0]; return s.Dropped == 1 && s.Sent == 2 })
}

// TestRetention deletes events that were not sent yet: they are sent nonetheless.
func TestRetention(t *testing.T) {
	d := newDevice(t)
	r := newReceiver(t, "x")
	r.statuses = slices.Repeat([]int{503}, 10)
	x, _ := d.open("webhooks:\n  - {url: \"" + r.URL + "\", secret: x}\n")
	d.happen(5, store.FaceKnown)
	until(t, "5 waiting", func() bool { s := x.Status().Targets[0]; return s.Waiting+int(s.Sent) == 5 })
	for id := range int64(5) {
		if err := d.db.DeleteEvent(t.Context(), id+1); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "5 events", func() bool { return slices.Equal(r.ids(), sequence(1, 5)) })
}

// TestApply changes who is told: those who stay are told on, those who go are forgotten, those who are new are told of what comes.
func TestApply(t *testing.T) {
	d := newDevice(t)
	a, b := newReceiver(t, "x"), newReceiver(t, "x")
	hookTo := func(r *receiver) string { return "  - {url: \"" + r.URL + "\", secret: x}\n" }
	x, _ := d.open("webhooks:\n" + hookTo(a))
	d.happen(3, store.FaceKnown)
	until(t, "3 events", func() bool { return len(a.ids()) == 3 })
	apply := func(settings string) {
		t.Helper()
		c, err := config.Parse([]byte("device: test\n"+settings), "test.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	was := x.targets[0]
	apply("webhooks:\n" + hookTo(b) + hookTo(a))
	if !slices.Contains(x.targets, was) {
		t.Error("a webhook that did not change began anew")
	}
	d.happen(2, store.FaceKnown)
	until(t, "2 events", func() bool { return len(b.ids()) == 2 && len(a.ids()) == 5 })
	apply("webhooks:\n" + hookTo(b))
	d.happen(1, store.FaceKnown)
	until(t, "1 event", func() bool { return slices.Equal(b.ids(), []int64{4, 5, 6}) })
	if len(a.ids()) != 5 || len(x.Status().Targets) != 1 {
		t.Errorf("who is gone is told: %v", a.ids())
	}
	if err := x.Apply(&config.Config{MQTT: config.MQTT{URL: "ssl://localhost:1", CA: "/nowhere/ca.pem"}}); err == nil || len(x.Status().Targets) != 1 {
		t.Errorf("a certificate that is not there: %v", err)
	}
	only := x.targets[0]
	change, err := x.Prepare(&config.Config{})
	if err != nil || len(x.Status().Targets) != 1 || x.targets[0] != only {
		t.Errorf("what was prepared is done: %v", err)
	}
	if err := change(); err != nil || len(x.Status().Targets) != 0 {
		t.Errorf("%+v, %v", x.Status(), err)
	}
}

func TestBound(t *testing.T) {
	d := newDevice(t)
	x, _ := d.open("webhooks:\n  - {url: \"http://127.0.0.1:1/\"}\n")
	name := x.targets[0].name
	err := d.db.Write(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.Exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO outbox (target, event, body) SELECT ?, -i, '{}' FROM n", x.most+7, name); err != nil {
			return err
		}
		return bound(tx, name, x.most)
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := x.Status().Targets[0]; s.Waiting != x.most || s.Dropped != 7 {
		t.Errorf("%+v", s)
	}
	if m, ok, err := x.next(t.Context(), x.targets[0]); err != nil || !ok || m.event != -8 {
		t.Errorf("%+v %v: not the oldest were dropped", m, err)
	}
}

func TestBackOff(t *testing.T) {
	for _, c := range []struct {
		failures int
		chance   float64
		want     time.Duration
	}{{1, 0, time.Second}, {2, 0, 2 * time.Second}, {4, 0, 8 * time.Second}, {4, 1, 6 * time.Second}, {9, 0, time.Minute}, {1000, 0, time.Minute}} {
		if got := backOff(c.failures, time.Second, time.Minute, c.chance); got != c.want {
			t.Errorf("%d failures: %v, not %v", c.failures, got, c.want)
		}
	}
}
