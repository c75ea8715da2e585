// Package api answers over HTTP: it lets through who may, within limits, to the one table of what can be asked, and says what is wrong with the rest.
package api

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

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

// Watch is what is asked of the cameras.
type Watch interface {
	Status() watch.Status
	Latest(name string, overlay bool) ([]byte, time.Time, error)
	Subscribe(name string, overlay bool) (<-chan []byte, func(), error)
	SetShapes(ctx context.Context, name string, zones []config.Zone, lines []config.Line) error
	Arm(name string, armed bool) error
	Infer(ctx context.Context, task string, pic kernels.Picture) (tasks.Result, error)
	Models() []watch.Model
	Settings() *config.Config
}

// Hub tells of events once they are in the store.
type Hub interface {
	Subscribe() (events <-chan store.Event, stop func())
}

// Faces is what looks at faces in pictures that are sent.
type Faces interface {
	Ready(context.Context) error
	Threshold() (float64, error)
	Enrol(ctx context.Context, actor, name string, pics ...kernels.Picture) (people.Person, error)
	Verify(ctx context.Context, a, b kernels.Picture) (float64, error)
	Identify(ctx context.Context, pic kernels.Picture) ([]face.Identity, error)
}

// Options are what an API answers from. Outbox, Page and Metrics may be nil.
type Options struct {
	Auth    *auth.Auth
	Store   *store.DB
	Watch   Watch
	Hub     Hub // of the Watch
	Faces   Faces
	People  *people.Book
	Teach   *teach.Teacher
	Models  *models.Store
	Outbox  func() any   // how much waits to be sent, for people
	Page    http.Handler // that is served beside the API
	Metrics http.Handler
	Version string
	Log     *slog.Logger
	Rate    int // requests a second from one address; 0 for 200
}

// Bounds of what goes on at a time.
const (
	maxStreams     = 128 // of all
	maxOwnStreams  = 64  // of one address
	maxHeavy       = 2   // requests that look at pictures or networks
	maxUploads     = 4   // bodies of those that come in or wait
	lightTime      = 30 * time.Second
	heavyTime      = 2 * time.Minute
	uploadTime     = 2 * time.Minute // of a body to come
	bodyTime       = 20 * time.Second
	streamWrite    = 15 * time.Second // of one piece of a stream to be taken
	streamCheck    = 30 * time.Second // how often it is looked whether who looks still may
	defaultRate    = 200
	cookieName     = "ocellus"
	hostCookieName = "__Host-ocellus"
	csrfHeader     = "X-CSRF-Token"
)

// API answers requests.
type API struct {
	Options
	rate    *auth.Limiter
	heavy   chan struct{}
	uploads chan struct{}
	begun   time.Time
	cross   *http.CrossOriginProtection
	openapi []byte

	mu      sync.Mutex
	streams map[string]int // by address
	total   int

	stopped chan struct{} // closed when streams are to end
	once    sync.Once
}

// New returns an API.
func New(o Options) *API {
	if o.Rate == 0 {
		o.Rate = defaultRate
	}
	return &API{Options: o, rate: auth.NewLimiter(2*o.Rate, 2*time.Second, time.Now), heavy: make(chan struct{}, maxHeavy), uploads: make(chan struct{}, maxUploads),
		begun: time.Now(), cross: http.NewCrossOriginProtection(), openapi: OpenAPI(o.Version), streams: map[string]int{}, stopped: make(chan struct{})}
}

// Stop ends the streams, so that a server can shut down.
func (a *API) Stop() { a.once.Do(func() { close(a.stopped) }) }

// Handler returns what serves the API and, beside it, the page.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	var paths []string
	for i := range table {
		if !slices.Contains(paths, table[i].path) {
			paths = append(paths, table[i].path)
		}
	}
	for _, path := range paths {
		methods := map[string]*endpoint{}
		for i := range table {
			if e := &table[i]; e.path == path {
				methods[e.method] = e
			}
		}
		if get := methods[http.MethodGet]; get != nil && get.work != stream {
			methods[http.MethodHead] = get
		}
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { a.dispatch(w, r, methods) })
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, problem(http.StatusNotFound, "nothing is at this address; /api/v1/openapi.json lists what there is"))
	})
	if a.Page != nil {
		mux.Handle("/", a.Page)
	} else {
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			refuse(w, problem(http.StatusNotFound, "nothing is at this address"))
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.guard(w, r, mux) })
}

// guard is the first to see a request.
func (a *API) guard(w http.ResponseWriter, r *http.Request, next http.Handler) {
	// The server recovers too, but would cut the connection without a word.
	defer func() {
		if x := recover(); x != nil && x != http.ErrAbortHandler {
			a.Log.Error("a request failed", "path", r.URL.Path, "panic", x)
			refuse(w, problem(http.StatusInternalServerError, "the program failed; its log says more"))
		} else if x != nil {
			panic(x)
		}
	}()
	h := w.Header()
	api := strings.HasPrefix(r.URL.Path, "/api/")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
	if api {
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
	} else {
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; font-src 'self'; manifest-src 'self'; "+
			"worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	}
	from := address(r)
	if !a.Auth.IsSecured() && (!from.IsLoopback() || !localHost(r.Host)) {
		refuse(w, problem(http.StatusForbidden, "until there is a password, only this device itself is answered, under the name localhost: open the one-time link that the program printed"))
		return
	}
	if err := a.rate.Take(prefix(from), 1); err != nil {
		refuse(w, explain(err))
		return
	}
	deadlines(w, bodyTime, lightTime+bodyTime)
	next.ServeHTTP(w, r)
}

// deadlines sets by when the rest of a request must have come, and its answer be taken. Servers in tests may have none.
func deadlines(w http.ResponseWriter, read, write time.Duration) {
	c := http.NewResponseController(w)
	now := time.Now()
	c.SetReadDeadline(now.Add(read))
	c.SetWriteDeadline(now.Add(write))
}

// address is where a request comes from; the zero Addr where that cannot be told.
func address(r *http.Request) netip.Addr {
	p, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap()
}

// prefix is the part of an address that counts as one client's.
func prefix(a netip.Addr) string {
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// localHost says whether the name that a browser asked for can only be this device: a page of elsewhere, whose name was made to lead here, has another.
func localHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	name = strings.Trim(name, "[]")
	if name == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}
