package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"log/slog"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/draw"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/auth"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/models"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/people"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/teach"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/face"
)

// fakeWatch is one camera, "door", whose stream gives a frame every millisecond.
type fakeWatch struct {
	subs   []chan store.Event
	mu     sync.Mutex
	zones  []config.Zone
	lines  []config.Line
	armed  bool
	broken bool
}

func (f *fakeWatch) Status() watch.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return watch.Status{Cameras: []watch.CameraStatus{{Name: "door", URL: config.URL("rtsp://ada:secret@10.0.0.1/").String(), State: "running", Width: 64, Height: 48, Zones: f.zones,
		Lines: f.lines, Armed: f.armed, Tasks: []watch.TaskStatus{{Name: "pedestrians"}}}}}
}

func (f *fakeWatch) Latest(name string, _ bool) ([]byte, time.Time, error) {
	switch {
	case name != "door":
		return nil, time.Time{}, watch.ErrNoCamera
	case f.broken:
		return nil, time.Time{}, watch.ErrNoFrame
	}
	return []byte("\xff\xd8frame"), time.Unix(1e9, 0), nil
}

func (f *fakeWatch) Subscribe(name string, _ bool) (<-chan []byte, func(), error) {
	if name != "door" {
		return nil, nil, watch.ErrNoCamera
	}
	c, stop := make(chan []byte), make(chan struct{})
	go func() {
		for i := 0; ; i++ {
			select {
			case c <- fmt.Appendf(nil, "frame %d", i):
			case <-stop:
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	return c, func() { close(stop) }, nil
}

// subscribe is that of a Hub.
func (f *fakeWatch) subscribe() (<-chan store.Event, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := make(chan store.Event, 1)
	f.subs = append(f.subs, c)
	return c, func() {}
}

// publish wakes subscribers; a slow one misses events, as with the real Hub.
func (f *fakeWatch) publish(e store.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.subs {
		select {
		case c <- e:
		default:
		}
	}
}

// hub is the Hub of a fakeWatch.
type hub struct{ *fakeWatch }

func (h hub) Subscribe() (<-chan store.Event, func()) { return h.subscribe() }

func (f *fakeWatch) SetShapes(_ context.Context, name string, zones []config.Zone, lines []config.Line) error {
	if name != "door" {
		return watch.ErrNoCamera
	}
	if why, where := config.CheckShapes(zones, lines); why != "" {
		return &watch.ShapeError{Where: where, Why: why}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.zones, f.lines = zones, lines
	return nil
}

func (f *fakeWatch) Arm(name string, armed bool) error {
	if name != "door" {
		return watch.ErrNoCamera
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = armed
	return nil
}

// looked is what is seen in a picture: its first pixel.
type looked struct{ pixel [3]uint8 }

func (l *looked) Draw(*draw.Layers, bool) {}
func (l *looked) Fields(o *tasks.Object)  { o.Add("pixel", l.pixel) }
func (l *looked) Line() string            { return "" }
func (l *looked) Rows(b *strings.Builder) {}
func (f *fakeWatch) Models() []watch.Model {
	return []watch.Model{{Task: "pedestrians", Name: "the program's own", SHA256: "00"}}
}

func (f *fakeWatch) Infer(_ context.Context, task string, pic kernels.Picture) (tasks.Result, error) {
	if task == "scene" {
		return nil, &watch.TaskError{Task: task, Why: "there is no network for it"}
	}
	return &looked{[3]uint8(pic.Pix)}, nil
}

func (f *fakeWatch) Settings() *config.Config {
	c, err := config.Parse([]byte("cameras:\n  - name: door\n    url: rtsp://ada:secret@10.0.0.1/\nmqtt:\n  url: tcp://broker:1883\n  password: secret\n"), "test.yaml")
	if err != nil {
		panic(err)
	}
	return c
}

// fakeFaces sees one face in a picture, whose vector is along an axis that the first pixel's red names.
type fakeFaces struct{ book *people.Book }

func (f *fakeFaces) Ready(ctx context.Context) error {
	if f.book.Gallery() == nil {
		return f.book.Use(ctx, "net", 4)
	}
	return nil
}

func (f *fakeFaces) Threshold() (float64, error) { return 0.5, nil }

func vector(pic kernels.Picture) face.Vector {
	v := make(face.Vector, 4)
	v[pic.Pix[0]/64] = 1
	return v
}

func (f *fakeFaces) Enrol(ctx context.Context, actor, name string, pics ...kernels.Picture) (people.Person, error) {
	if err := f.Ready(ctx); err != nil {
		return people.Person{}, err
	}
	var list []face.Vector
	for _, p := range pics {
		if p.W < 8 {
			return people.Person{}, &people.FaceError{Err: face.ErrNoFace}
		}
		list = append(list, vector(p))
	}
	return f.book.Enrol(ctx, actor, name, 0.5, list...)
}

func (f *fakeFaces) Verify(_ context.Context, a, b kernels.Picture) (float64, error) {
	if slices.Equal(vector(a), vector(b)) {
		return 1, nil
	}
	return 0, nil
}

func (f *fakeFaces) Identify(ctx context.Context, pic kernels.Picture) ([]face.Identity, error) {
	if err := f.Ready(ctx); err != nil {
		return nil, err
	}
	name, s := f.book.Gallery().Nearest(vector(pic))
	if s < 0.5 {
		name = face.Unknown
	}
	return []face.Identity{{Face: face.Face{Score: 1}, Name: name, Similarity: s}}, nil
}

// world is an API with all that is behind it.
type world struct {
	*API
	handler http.Handler
	watch   *fakeWatch
	clock   time.Time
	tokens  map[auth.Role]string
	logged  *bytes.Buffer
	t       testing.TB
}

func fresh(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{watch: &fakeWatch{armed: true}, clock: time.Now(), tokens: map[auth.Role]string{}, logged: &bytes.Buffer{}, t: t}
	log := slog.New(slog.NewTextHandler(w.logged, nil))
	ctx := context.Background()
	a, err := auth.New(ctx, db, log, func() time.Time { return w.clock })
	if err != nil {
		t.Fatal(err)
	}
	book, err := people.Open(db, filepath.Join(dir, "key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	teacher, err := teach.Open(ctx, teach.Options{DB: db, Dir: filepath.Join(dir, "teach"), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := models.Open(db, filepath.Join(dir, "models"), func(context.Context, string, string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	w.API = New(Options{Auth: a, Store: db, Watch: w.watch, Hub: hub{w.watch}, Faces: &fakeFaces{book}, People: book, Teach: teacher, Models: sent, Version: "test", Log: log, Rate: 1e9,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "up 1\n") }), Outbox: func() any { return object{"waiting": 3} }})
	w.handler = w.Handler()
	return w
}

// secured has a token of each role.
func secured(t testing.TB) *world {
	t.Helper()
	w := fresh(t)
	for r := auth.Viewer; r <= auth.Admin; r++ {
		_, text, err := w.Auth.AddToken(context.Background(), "test", r.String(), r, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		w.tokens[r] = text
	}
	return w
}

const password = "correct horse battery"

// ask sends a request as a role, from this device.
func (w *world) ask(role auth.Role, method, path string, body any, change ...func(*http.Request)) *httptest.ResponseRecorder {
	w.t.Helper()
	var in io.Reader
	media := ""
	switch b := body.(type) {
	case nil:
	case []byte:
		in, media = bytes.NewReader(b), "application/octet-stream"
	case *parts:
		in, media = bytes.NewReader(b.close()), b.m.FormDataContentType()
	default:
		text, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		in, media = bytes.NewReader(text), "application/json"
	}
	r := httptest.NewRequest(method, path, in)
	r.RemoteAddr, r.Host = "127.0.0.1:1234", "localhost:8320"
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	if t := w.tokens[role]; t != "" {
		r.Header.Set("Authorization", "Bearer "+t)
	}
	for _, f := range change {
		f(r)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// want asks, and expects a status and, where into is not nil, JSON.
func (w *world) want(status int, role auth.Role, method, path string, body, into any, change ...func(*http.Request)) *httptest.ResponseRecorder {
	w.t.Helper()
	rec := w.ask(role, method, path, body, change...)
	if rec.Code != status {
		w.t.Fatalf("%s %s: %d, not %d: %s\n%s", method, path, rec.Code, status, rec.Body, w.logged)
	}
	if status >= 400 {
		var p Problem
		if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || p.Status != status || p.Title == "" || p.Detail == "" || rec.Header().Get("Content-Type") != "application/problem+json" {
			w.t.Errorf("%s %s: no problem document: %s, %v", method, path, rec.Body, rec.Header())
		}
	}
	if into != nil {
		d := json.NewDecoder(rec.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			w.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return rec
}

// parts is a body of several.
type parts struct {
	b bytes.Buffer
	m *multipart.Writer
}

// several makes one of names and what they hold: []byte is a file.
func several(list ...any) *parts {
	p := &parts{}
	p.m = multipart.NewWriter(&p.b)
	for i := 0; i < len(list); i += 2 {
		name := list[i].(string)
		if b, ok := list[i+1].([]byte); ok {
			f, _ := p.m.CreateFormFile(name, "../../etc/passwd")
			f.Write(b)
		} else {
			p.m.WriteField(name, list[i+1].(string))
		}
	}
	return p
}

func (p *parts) close() []byte {
	p.m.Close()
	return p.b.Bytes()
}

// picture is a PNG of one colour.
func picture(w, h int, red uint8) []byte {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.Set(i%w, i/w, color.RGBA{red, 1, 2, 255})
	}
	var b bytes.Buffer
	png.Encode(&b, img)
	return b.Bytes()
}

func (w *world) event(e store.Event, red uint8) store.Event {
	w.t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 64, 48))
	for i := range 64 * 48 {
		img.Set(i%64, i/64, color.RGBA{red, red, red, 255})
	}
	var b bytes.Buffer
	jpeg.Encode(&b, img, nil)
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if e.Camera == "" {
		e.Camera = "door"
	}
	if err := w.Store.AddEvent(context.Background(), &e, b.Bytes()); err != nil {
		w.t.Fatal(err)
	}
	return e
}

// fill puts something for a parameter of the path.
func (e *endpoint) fill() string {
	path := e.path
	for _, p := range e.params {
		v := "door"
		switch {
		case p.kind == integer:
			v = "99"
		case len(p.one) > 0:
			v = p.one[0]
		}
		path = strings.ReplaceAll(path, "{"+p.name+"}", v)
	}
	return path
}

// TestRoles asks every endpoint as everyone: who may not is told so, and who may is not.
func TestRoles(t *testing.T) {
	w := secured(t)
	for i := range table {
		e := &table[i]
		if e.work == stream {
			w.Stop() // such end at once
		}
		for role := auth.Anyone; role <= auth.Admin; role++ {
			code := w.ask(role, e.method, e.fill(), nil).Code
			denied := code == http.StatusUnauthorized || code == http.StatusForbidden
			switch {
			case e.id == "setup" || e.id == "login": // need what is sent
			case role < e.role && role == auth.Anyone && code != http.StatusUnauthorized, role < e.role && role > auth.Anyone && code != http.StatusForbidden:
				t.Errorf("%s %s answers %d to %s", e.method, e.path, code, role)
			case role >= e.role && denied:
				t.Errorf("%s %s answers %d to %s", e.method, e.path, code, role)
			}
		}
	}
	for _, id := range []string{"addUser", "addToken", "sendModel", "activateModel", "removeUser", "listAudit", "getSettings"} {
		if find(id).role != auth.Admin {
			t.Errorf("%s is for %s", id, find(id).role)
		}
	}
	for i := range table {
		if e := &table[i]; e.role == auth.Anyone && !slices.Contains([]string{"health", "ready", "openAPI", "setup", "login", "logout", "session"}, e.id) {
			t.Errorf("%s is for anyone", e.id)
		}
		if e := &table[i]; e.method != "GET" && e.role == auth.Viewer && e.id != "infer" {
			t.Errorf("%s changes something, and is for viewers", e.id)
		}
	}
}

// cookieOf returns the session's cookie of an answer.
func cookieOf(t testing.TB, rec *httptest.ResponseRecorder) *http.Cookie {
	t.Helper()
	list := rec.Result().Cookies()
	if len(list) != 1 {
		t.Fatalf("%d cookies", len(list))
	}
	return list[0]
}

func with(c *http.Cookie) func(*http.Request) { return func(r *http.Request) { r.AddCookie(c) } }

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func from(addr string) func(*http.Request) { return func(r *http.Request) { r.RemoteAddr = addr } }

// TestFirstStart goes from a program that nobody knows to a session.
func TestFirstStart(t *testing.T) {
	w := fresh(t)
	var s Session
	w.want(200, 0, "GET", "/api/v1/session", nil, &s)
	if !s.Setup || s.Role != "anyone" {
		t.Errorf("%+v", s)
	}
	w.want(401, 0, "GET", "/api/v1/cameras", nil, nil)
	w.want(403, 0, "GET", "/api/v1/session", nil, nil, from("192.0.2.1:55"))
	w.want(403, 0, "GET", "/api/v1/session", nil, nil, from("[2001:db8::1]:55"))
	w.want(403, 0, "GET", "/healthz", nil, nil, from("192.0.2.1:55"))
	// A page of elsewhere, whose name was made to lead to this device.
	w.want(403, 0, "GET", "/api/v1/session", nil, nil, func(r *http.Request) { r.Host = "evil.example:8320" })
	w.want(403, 0, "POST", "/api/v1/setup", Setup{"guess", "ada", password}, nil)
	link := w.Auth.Link()
	w.want(422, 0, "POST", "/api/v1/setup", Setup{link, "ada", "short"}, nil)
	w.want(403, 0, "POST", "/api/v1/setup", Setup{link, "ada", password}, nil, header("Sec-Fetch-Site", "cross-site"))
	c := cookieOf(t, w.want(204, 0, "POST", "/api/v1/setup", Setup{link, "ada", password}, nil))
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Name != "ocellus" || c.Secure {
		t.Errorf("%+v", c)
	}
	w.want(200, 0, "GET", "/api/v1/session", nil, &s, with(c))
	if s.Setup || s.User != "ada" || s.Role != "admin" || s.CSRF == "" {
		t.Errorf("%+v", s)
	}
	w.want(200, 0, "GET", "/api/v1/cameras", nil, nil, with(c), from("192.0.2.1:55"), func(r *http.Request) { r.Host = "camera.local" })
	w.want(403, 0, "POST", "/api/v1/setup", Setup{link, "eve", password}, nil)
}

func TestSessions(t *testing.T) {
	w := fresh(t)
	if err := w.Auth.AddUser(context.Background(), "test", "ada", password, auth.Operator); err != nil {
		t.Fatal(err)
	}
	w.want(401, 0, "POST", "/api/v1/login", Login{"ada", "wrong password"}, nil)
	w.want(403, 0, "POST", "/api/v1/login", Login{"ada", password}, nil, header("Origin", "https://evil.example"))
	c := cookieOf(t, w.want(204, 0, "POST", "/api/v1/login", Login{"ada", password}, nil))
	var s Session
	w.want(200, 0, "GET", "/api/v1/session", nil, &s, with(c))

	arm := func(status int, change ...func(*http.Request)) {
		t.Helper()
		w.want(status, 0, "PUT", "/api/v1/cameras/door/armed", Armed{false}, nil, append(change, with(c))...)
	}
	arm(403)
	arm(403, header(csrfHeader, s.CSRF+"x"))
	arm(403, header(csrfHeader, s.CSRF), header("Sec-Fetch-Site", "cross-site"))
	arm(403, header(csrfHeader, s.CSRF), header("Origin", "http://localhost:9999"))
	arm(204, header(csrfHeader, s.CSRF), header("Sec-Fetch-Site", "same-origin"), header("Origin", "http://localhost:8320"))
	if w.watch.armed {
		t.Error("the camera is armed")
	}

	// A session over TLS has another cookie, that nobody can set from below.
	rec := w.want(204, 0, "POST", "/api/v1/login", Login{"ada", password}, nil, func(r *http.Request) { r.TLS = secure })
	if over := cookieOf(t, rec); over.Name != "__Host-ocellus" || !over.Secure || !over.HttpOnly {
		t.Errorf("%+v", over)
	}

	w.clock = w.clock.Add(auth.SessionIdle + time.Hour)
	w.want(401, 0, "GET", "/api/v1/cameras", nil, nil, with(c))
	c = cookieOf(t, w.want(204, 0, "POST", "/api/v1/login", Login{"ada", password}, nil))
	w.want(200, 0, "GET", "/api/v1/session", nil, &s, with(c))
	gone := cookieOf(t, w.want(204, 0, "POST", "/api/v1/logout", nil, nil, with(c), header(csrfHeader, s.CSRF)))
	if gone.MaxAge >= 0 || gone.Value != "" {
		t.Errorf("%+v", gone)
	}
	w.want(401, 0, "GET", "/api/v1/cameras", nil, nil, with(c))

	for i := 0; ; i++ {
		rec := w.ask(0, "POST", "/api/v1/login", Login{"ada", "wrong password"})
		if rec.Code == http.StatusTooManyRequests {
			if rec.Header().Get("Retry-After") == "" || i < 5 {
				t.Errorf("after %d attempts: %v", i, rec.Header())
			}
			break
		}
		if i > 20 {
			t.Fatal("any number of passwords may be tried")
		}
	}
	w.want(429, 0, "POST", "/api/v1/login", Login{"ada", password}, nil)
	w.want(204, 0, "POST", "/api/v1/login", Login{"ada", password}, nil, from("127.0.0.2:1"))
}

func TestTokensAndUsers(t *testing.T) {
	w := secured(t)
	var made MadeToken
	w.want(201, auth.Admin, "POST", "/api/v1/tokens", object{"name": "hass", "role": "viewer"}, &made)
	w.want(200, 0, "GET", "/api/v1/cameras", nil, nil, header("Authorization", "Bearer "+made.Secret))
	w.want(401, 0, "GET", "/api/v1/cameras", nil, nil, header("Authorization", "Bearer "+made.Secret+"x"))
	w.want(401, 0, "GET", "/api/v1/cameras", nil, nil, header("Authorization", "Basic "+made.Secret))
	w.want(422, auth.Admin, "POST", "/api/v1/tokens", object{"name": "old", "role": "viewer", "expires": "2020-01-01T00:00:00Z"}, nil)
	w.want(400, auth.Admin, "POST", "/api/v1/tokens", object{"name": "x", "role": "king"}, nil)
	var list Tokens
	w.want(200, auth.Admin, "GET", "/api/v1/tokens", nil, &list)
	if len(list.Tokens) != 4 {
		t.Errorf("%+v", list)
	}
	w.want(204, auth.Admin, "DELETE", fmt.Sprint("/api/v1/tokens/", made.Token.ID), nil, nil)
	w.want(404, auth.Admin, "DELETE", fmt.Sprint("/api/v1/tokens/", made.Token.ID), nil, nil)
	w.want(401, 0, "GET", "/api/v1/cameras", nil, nil, header("Authorization", "Bearer "+made.Secret))

	w.want(201, auth.Admin, "POST", "/api/v1/users", object{"name": "ada", "password": password, "role": "admin"}, nil)
	w.want(409, auth.Admin, "POST", "/api/v1/users", object{"name": "ada", "password": password, "role": "admin"}, nil)
	w.want(409, auth.Admin, "DELETE", "/api/v1/users/ada", nil, nil)
	w.want(204, auth.Admin, "PUT", "/api/v1/users/ada/password", Password{password + "2"}, nil)
	w.want(404, auth.Admin, "PUT", "/api/v1/users/eve/password", Password{password + "2"}, nil)
	w.want(204, 0, "POST", "/api/v1/login", Login{"ada", password + "2"}, nil)
	var log Audit
	w.want(200, auth.Admin, "GET", "/api/v1/audit?limit=2", nil, &log)
	if len(log.Entries) != 2 || log.Entries[0].Action != "user.password" || log.Entries[0].Actor != "token admin" || log.Next == 0 {
		t.Errorf("%+v", log)
	}
}

func TestCameras(t *testing.T) {
	w := secured(t)
	var list Cameras
	rec := w.want(200, auth.Viewer, "GET", "/api/v1/cameras", nil, &list)
	if c := list.Cameras[0]; c.Name != "door" || c.Tasks[0] != "pedestrians" || strings.Contains(rec.Body.String(), "secret") || strings.Contains(c.URL, "ada") {
		t.Errorf("%+v", c)
	}
	rec = w.want(200, auth.Viewer, "GET", "/api/v1/cameras/door/frame.jpg?overlay=1", nil, nil)
	if rec.Header().Get("Content-Type") != "image/jpeg" || rec.Header().Get("X-Frame-Time") == "" || rec.Body.String() != "\xff\xd8frame" {
		t.Errorf("%v", rec.Header())
	}
	w.want(404, auth.Viewer, "GET", "/api/v1/cameras/none/frame.jpg", nil, nil)
	w.watch.broken = true
	if rec := w.want(503, auth.Viewer, "GET", "/api/v1/cameras/door/frame.jpg", nil, nil); rec.Header().Get("Retry-After") == "" {
		t.Error("it does not say when to come back")
	}
	w.want(204, auth.Operator, "PUT", "/api/v1/cameras/door/zones", Shapes{[]Zone{{"porch", [][2]float64{{0, 0}, {1, 0}, {1, 1}}}}, []Line{{"gate", [2]float64{0, 0.5}, [2]float64{1, 0.5}}}}, nil)
	w.want(422, auth.Operator, "PUT", "/api/v1/cameras/door/zones", Shapes{[]Zone{{"porch", [][2]float64{{0, 0}, {2, 0}, {1, 1}}}}, []Line{}}, nil)
	w.want(400, auth.Operator, "PUT", "/api/v1/cameras/door/zones", object{"zones": []any{}}, nil)
	w.want(400, auth.Operator, "PUT", "/api/v1/cameras/door/zones", object{"zones": []any{}, "lines": []any{}, "more": 1}, nil)
	w.want(200, auth.Viewer, "GET", "/api/v1/cameras", nil, &list)
	if c := list.Cameras[0]; len(c.Zones) != 1 || c.Zones[0].Points[1] != [2]float64{1, 0} || c.Lines[0].Name != "gate" {
		t.Errorf("%+v", c)
	}
	var settings Settings
	if rec := w.want(200, auth.Admin, "GET", "/api/v1/config", nil, &settings); strings.Contains(rec.Body.String(), "secret") || !strings.Contains(settings.Text, "door") {
		t.Errorf("%s", settings.Text)
	}
	var sys System
	w.want(200, auth.Viewer, "GET", "/api/v1/system", nil, &sys)
	if sys.Version != "test" || sys.ISA == "" || sys.Disk.Free == 0 || sys.Outbox.(map[string]any)["waiting"] != 3.0 {
		t.Errorf("%+v", sys)
	}
	for _, path := range []string{"/api/v1/config/schema.json", "/metrics", "/readyz", "/healthz"} {
		w.want(200, auth.Viewer, "GET", path, nil, nil)
	}
	var m Models
	w.want(200, auth.Viewer, "GET", "/api/v1/models", nil, &m)
	if len(m.Models) != 1 || m.Models[0].Version != "built-in" || !m.Models[0].Active {
		t.Errorf("%+v", m)
	}
	w.want(422, auth.Admin, "POST", "/api/v1/models?task=pedestrians", []byte("no network"), nil)
	w.want(404, auth.Admin, "POST", "/api/v1/models/pedestrians/activate", Activation{"7"}, nil)
	w.want(404, auth.Admin, "POST", "/api/v1/models/second_opinion/activate", Activation{"built-in"}, nil)
	w.want(204, auth.Admin, "POST", "/api/v1/models/pedestrians/activate", Activation{"built-in"}, nil)
	w.want(400, auth.Admin, "POST", "/api/v1/models/nonsense/activate", Activation{"1"}, nil)
}

func TestEvents(t *testing.T) {
	w := secured(t)
	box := [4]float64{10, 10, 20, 30}
	for i := range 7 {
		w.event(store.Event{Kind: store.PedestrianEntered, Task: "pedestrians", Track: int64(i), Box: &box}, 100)
	}
	w.event(store.Event{Kind: store.FaceKnown, Name: "Ada", Box: &box}, 200)
	var page Events
	w.want(200, auth.Viewer, "GET", "/api/v1/events?limit=5", nil, &page)
	if len(page.Events) != 5 || page.Events[0].ID != 8 || page.Next != 4 {
		t.Errorf("%+v", page)
	}
	next := page.Next
	page = Events{}
	w.want(200, auth.Viewer, "GET", fmt.Sprint("/api/v1/events?limit=5&before=", next), nil, &page)
	if len(page.Events) != 3 || page.Events[0].ID != 3 || page.Next != 0 {
		t.Errorf("%+v", page)
	}
	page = Events{}
	w.want(200, auth.Viewer, "GET", "/api/v1/events?kind=face_known&name=Ada&camera=door&since=2020-01-01T00:00:00Z", nil, &page)
	if len(page.Events) != 1 || page.Events[0].Name != "Ada" {
		t.Errorf("%+v", page)
	}
	for _, bad := range []string{"limit=0", "limit=501", "limit=x", "since=yesterday", "before=-1", "kind=nonsense", "feedback=maybe", "camera=a&camera=b", "name=%ff"} {
		w.want(400, auth.Viewer, "GET", "/api/v1/events?"+bad, nil, nil)
	}
	rec := w.want(200, auth.Viewer, "GET", "/api/v1/events/1/snapshot.jpg", nil, nil)
	if _, err := jpeg.Decode(bytes.NewReader(rec.Body.Bytes())); err != nil || rec.Header().Get("ETag") == "" {
		t.Errorf("%v", err)
	}
	if rec := w.ask(auth.Viewer, "GET", "/api/v1/events/1/snapshot.jpg", nil, header("If-None-Match", rec.Header().Get("ETag"))); rec.Code != http.StatusNotModified {
		t.Errorf("%d", rec.Code)
	}
	var out Judged
	w.want(200, auth.Operator, "POST", "/api/v1/events/1/feedback", Verdict{Verdict: "wrong"}, &out)
	if out.Example || out.Reason == "" {
		t.Errorf("without a classifier: %+v", out)
	}
	w.want(422, auth.Operator, "POST", "/api/v1/events/1/feedback", Verdict{Verdict: "maybe"}, nil)
	w.want(400, auth.Operator, "POST", "/api/v1/events/1/feedback", object{"label": "x"}, nil)
	var e store.Event
	w.want(200, auth.Viewer, "GET", "/api/v1/events/1", nil, &e)
	if e.Feedback != "wrong" {
		t.Errorf("%+v", e)
	}
	w.want(204, auth.Operator, "DELETE", "/api/v1/events/1", nil, nil)
	for _, path := range []string{"/api/v1/events/1", "/api/v1/events/1/snapshot.jpg", "/api/v1/events/99999999"} {
		w.want(404, auth.Viewer, "GET", path, nil, nil)
	}
	w.want(400, auth.Viewer, "GET", "/api/v1/events/..%2f..%2fetc%2fpasswd", nil, nil)
	var teaching Teaching
	w.want(200, auth.Viewer, "GET", "/api/v1/teach", nil, &teaching)
	if teaching.Available || teaching.Why == "" {
		t.Errorf("%+v", teaching)
	}
	w.want(409, auth.Operator, "POST", "/api/v1/teach/jobs", nil, nil)
	w.want(409, auth.Operator, "DELETE", "/api/v1/teach/jobs/current", nil, nil)
}

func TestTracks(t *testing.T) {
	w := secured(t)
	begun := time.Now().Add(-time.Hour)
	var list []store.Track
	for i := range 7 {
		at := begun.Add(time.Duration(i) * time.Minute)
		list = append(list, store.Track{Camera: "door", Task: "pedestrians", Track: int64(i + 1), First: at, Last: at, End: at.Add(time.Second), Score: 0.5, Path: [][2]float64{{1, 2}}})
	}
	if err := w.Store.AddTracks(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	e := w.event(store.Event{Kind: store.PedestrianEntered, Task: "pedestrians", Track: 7, Time: begun.Add(6 * time.Minute)}, 100)
	var page Tracks
	w.want(200, auth.Viewer, "GET", "/api/v1/tracks?limit=5&camera=door&task=pedestrians", nil, &page)
	if len(page.Tracks) != 5 || page.Tracks[0].ID != 7 || !slices.Equal(page.Tracks[0].Events, []int64{e.ID}) || len(page.Tracks[1].Events) != 0 || page.Next != 3 {
		t.Errorf("%+v", page)
	}
	next := page.Next
	page = Tracks{}
	w.want(200, auth.Viewer, "GET", fmt.Sprint("/api/v1/tracks?limit=5&before=", next), nil, &page)
	if len(page.Tracks) != 2 || page.Tracks[0].ID != 2 || page.Next != 0 {
		t.Errorf("%+v", page)
	}
	for _, bad := range []string{"limit=0", "since=yesterday", "before=-1", "task=scene"} {
		w.want(400, auth.Viewer, "GET", "/api/v1/tracks?"+bad, nil, nil)
	}
}

func TestPeople(t *testing.T) {
	w := secured(t)
	var p people.Person
	w.want(201, auth.Operator, "POST", "/api/v1/people", several("name", "Ada", "picture", picture(20, 20, 0), "picture", picture(20, 20, 1)), &p)
	if p.Name != "Ada" || p.Templates != 2 {
		t.Errorf("%+v", p)
	}
	box := [4]float64{20, 10, 20, 20}
	e := w.event(store.Event{Kind: store.FaceUnknown, Box: &box}, 130)
	w.want(201, auth.Operator, "POST", "/api/v1/people", Enrolment{"Grace", e.ID}, &p)
	w.want(404, auth.Operator, "POST", "/api/v1/people", Enrolment{"Grace", 99}, nil)
	w.want(422, auth.Operator, "POST", "/api/v1/people", several("name", "Ada", "picture", picture(20, 20, 200)), nil)
	w.want(422, auth.Operator, "POST", "/api/v1/people", several("name", "Lise", "picture", picture(4, 4, 200)), nil)
	w.want(422, auth.Operator, "POST", "/api/v1/people", several("name", "unknown", "picture", picture(20, 20, 200)), nil)
	w.want(422, auth.Operator, "POST", "/api/v1/people", several("name", "Lise", "picture", []byte("no picture")), nil)
	w.want(400, auth.Operator, "POST", "/api/v1/people", several("name", "Lise"), nil)
	w.want(400, auth.Operator, "POST", "/api/v1/people", several("name", "Lise", "name", "Eve", "picture", picture(20, 20, 200)), nil)
	w.want(415, auth.Operator, "POST", "/api/v1/people", []byte("x"), nil)
	var ids Identities
	w.want(200, auth.Operator, "POST", "/api/v1/identify", several("picture", picture(9, 9, 130)), &ids)
	if ids.Faces[0].Name != "Grace" {
		t.Errorf("%+v", ids)
	}
	ids = Identities{}
	w.want(200, auth.Operator, "POST", "/api/v1/identify", picture(9, 9, 255), &ids)
	if ids.Faces[0].Name != "unknown" {
		t.Errorf("%+v", ids)
	}
	var same Verification
	w.want(200, auth.Operator, "POST", "/api/v1/verify", several("a", picture(9, 9, 0), "b", picture(9, 9, 3)), &same)
	if !same.Same || same.Threshold != 0.5 {
		t.Errorf("%+v", same)
	}
	w.want(204, auth.Operator, "DELETE", "/api/v1/people/Ada", nil, nil)
	w.want(404, auth.Operator, "DELETE", "/api/v1/people/Ada", nil, nil)
	var list People
	w.want(200, auth.Viewer, "GET", "/api/v1/people", nil, &list)
	if len(list.People) != 1 || list.People[0].Name != "Grace" || !list.Available || list.Threshold != 0.5 {
		t.Errorf("%+v", list)
	}

	var seen map[string]any
	w.want(200, auth.Viewer, "POST", "/api/v1/infer?task=pedestrians", picture(9, 7, 77), &seen, header("Content-Type", "image/png"))
	if seen["width"] != 9.0 || seen["pixel"].([]any)[0] != 77.0 {
		t.Errorf("%v", seen)
	}
	w.want(422, auth.Viewer, "POST", "/api/v1/infer?task=scene", picture(9, 7, 77), nil)
	w.want(400, auth.Viewer, "POST", "/api/v1/infer", picture(9, 7, 77), nil)
}

// TestForgetWhileRead forgets somebody while the database is read, so that the key is still in its files: the person is forgotten, and the log says what is not done.
func TestForgetWhileRead(t *testing.T) {
	w := secured(t)
	w.want(201, auth.Operator, "POST", "/api/v1/people", several("name", "Ada", "picture", picture(20, 20, 0)), nil)
	reader, err := w.Store.Read().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for _, q := range []string{"BEGIN", "SELECT count(*) FROM people"} {
		if _, err := reader.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	w.want(204, auth.Operator, "DELETE", "/api/v1/people/Ada", nil, nil, func(r *http.Request) { *r = *r.WithContext(ctx) })
	if !strings.Contains(w.logged.String(), "the key is destroyed in the database's files as soon as") {
		t.Errorf("the log says nothing of it: %s", w.logged)
	}
	w.want(404, auth.Operator, "DELETE", "/api/v1/people/Ada", nil, nil)
	if _, err := reader.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
}

// TestBombs sends what is small and becomes large.
func TestBombs(t *testing.T) {
	w := secured(t)
	bomb := picture(1, 1, 0)
	copy(bomb[16:], []byte{0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff}) // the head says 65535x65535 pixels
	w.want(422, auth.Viewer, "POST", "/api/v1/infer?task=pedestrians", bomb, nil)
	w.want(413, auth.Viewer, "POST", "/api/v1/infer?task=pedestrians", make([]byte, maxPicture+1), nil)
	w.want(413, auth.Viewer, "POST", "/api/v1/infer?task=pedestrians", make([]byte, maxPicture+1), nil, func(r *http.Request) { r.ContentLength = -1 })
	w.want(413, auth.Operator, "POST", "/api/v1/verify", several("a", make([]byte, maxPicture+1)), nil)
	w.want(413, auth.Operator, "POST", "/api/v1/events/1/feedback", object{"verdict": strings.Repeat("x", 300<<10)}, nil)
	deep := strings.Repeat(`{"zones":[`, 50000)
	rec := w.ask(auth.Operator, "PUT", "/api/v1/cameras/door/zones", []byte(deep), header("Content-Type", "application/json"))
	if rec.Code != http.StatusBadRequest && rec.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestHeaders(t *testing.T) {
	w := secured(t)
	for _, path := range []string{"/api/v1/cameras", "/", "/api/nothing", "/api/v1/events/1/snapshot.jpg"} {
		h := w.ask(auth.Viewer, "GET", path, nil).Header()
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Content-Security-Policy": "default-src 'none'"} {
			if !strings.HasPrefix(h.Get(name), want) {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
		if csp := h.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: %s", path, csp)
		}
		if h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: other pages may read it", path)
		}
	}
	rec := w.want(405, auth.Admin, "PATCH", "/api/v1/cameras", nil, nil)
	if rec.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("%v", rec.Header())
	}
	w.want(404, auth.Admin, "GET", "/api/v1/nothing", nil, nil)
	if rec := w.ask(auth.Viewer, "HEAD", "/api/v1/cameras", nil); rec.Code != 200 {
		t.Errorf("%d", rec.Code)
	}
}

func TestRateLimit(t *testing.T) {
	w := secured(t)
	w.API = New(w.Options)
	w.API.rate = auth.NewLimiter(20, time.Hour, time.Now)
	w.handler = w.Handler()
	codes := map[int]int{}
	for range 30 {
		codes[w.ask(auth.Viewer, "GET", "/api/v1/session", nil, from("192.0.2.7:1")).Code]++
	}
	if codes[200] != 20 || codes[429] != 10 {
		t.Errorf("%v", codes)
	}
	w.want(200, auth.Viewer, "GET", "/api/v1/session", nil, nil, from("192.0.2.8:1"))
}

// TestPanic lets a handler fail: the answer is a problem without the cause, which only the log has.
func TestPanic(t *testing.T) {
	w := secured(t)
	w.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the inner cause") })
	rec := w.ask(auth.Viewer, "GET", "/metrics", nil)
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "inner") || !strings.Contains(w.logged.String(), "the inner cause") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if p := explain(errors.New("secret path")); p != nil {
		t.Errorf("%+v", p)
	}
	if p := explain(fmt.Errorf("%w: secret path", auth.ErrUnwritable)); p == nil || p.Status != 503 || p.wait == 0 || p.Detail != auth.ErrUnwritable.Error() {
		t.Errorf("%+v", p)
	}
}

// TestOpenAPI looks whether the description is of the table, and whole.
func TestOpenAPI(t *testing.T) {
	w := fresh(t)
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]map[string]any
		Components struct{ Schemas map[string]any }
	}
	rec := w.ask(0, "GET", "/api/v1/openapi.json", nil)
	if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	n := 0
	for path, item := range doc.Paths {
		for method, o := range item {
			n++
			id := o["operationId"].(string)
			if ids[id] {
				t.Errorf("%s is there twice", id)
			}
			ids[id] = true
			e := find(id)
			if e.path != path || !strings.EqualFold(e.method, method) || o["summary"] == "" || o["responses"] == nil {
				t.Errorf("%s %s: %v", method, path, o)
			}
			for _, p := range e.params {
				if p.about == "" || p.kind == text && p.most == 0 {
					t.Errorf("%s: the parameter %s has no bounds or no description", id, p.name)
				}
			}
			// Each {name} of a path is a parameter.
			for _, part := range strings.Split(path, "/") {
				if name := strings.Trim(part, "{}"); name != part && !slices.ContainsFunc(e.params, func(p param) bool { return p.name == name }) {
					t.Errorf("%s: {%s} is not described", id, name)
				}
			}
		}
	}
	if n != len(table) {
		t.Errorf("%d operations of %d endpoints", n, len(table))
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				name, found := strings.CutPrefix(ref, "#/components/schemas/")
				if found && doc.Components.Schemas[name] == nil {
					t.Errorf("%s is not there", ref)
				}
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	var all any
	if err := json.Unmarshal(rec.Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	walk(all)
	if len(doc.Components.Schemas) < 20 {
		t.Errorf("%v", slices.Sorted(maps.Keys(doc.Components.Schemas)))
	}
}
