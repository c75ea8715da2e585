package api

import (
	"net/http"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/audit"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/auth"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/machine"
	"github.com/ocellus-vision/ocellus/kernels"
)

// Setup makes the first user.
type Setup struct {
	Token    string `json:"token" about:"of the one-time link"`
	User     string `json:"user"`
	Password string `json:"password"`
}

func setup(a *API, q *request) (any, error) {
	in := q.body.(*Setup)
	cookie, err := a.Auth.Setup(q.Context(), in.Token, in.User, in.Password)
	if err != nil {
		return nil, err
	}
	setCookie(q, cookie)
	return nil, nil
}

// Login is who wants a session.
type Login struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

func login(a *API, q *request) (any, error) {
	in := q.body.(*Login)
	cookie, err := a.Auth.Login(q.Context(), address(q.Request), in.User, in.Password)
	if err != nil {
		return nil, err
	}
	if q.cookie != "" {
		if err := a.Auth.Logout(q.Context(), q.cookie); err != nil {
			return nil, err
		}
	}
	setCookie(q, cookie)
	return nil, nil
}

func logout(a *API, q *request) (any, error) {
	if q.cookie != "" {
		if err := a.Auth.Logout(q.Context(), q.cookie); err != nil {
			return nil, err
		}
	}
	setCookie(q, "")
	return nil, nil
}

// Session is who asks.
type Session struct {
	User  string `json:"user" about:"empty for nobody"`
	Role  string `json:"role" about:"anyone, viewer, operator or admin"`
	CSRF  string `json:"csrf" about:"what unsafe requests repeat in X-CSRF-Token"`
	Setup bool   `json:"setup" about:"the first user is still to be made"`
}

func session(a *API, q *request) (any, error) {
	return Session{q.who.Name, q.who.Role.String(), q.who.CSRF, !a.Auth.IsSecured()}, nil
}

// Users are those with a password.
type Users struct {
	Users []auth.User `json:"users"`
}

// NewUser is one to be added.
type NewUser struct {
	Name     string    `json:"name"`
	Password string    `json:"password"`
	Role     auth.Role `json:"role"`
}

// Password is a new one.
type Password struct {
	Password string `json:"password"`
}

func listUsers(a *API, q *request) (any, error) {
	list, err := a.Auth.Users(q.Context())
	return Users{list}, err
}

func addUser(a *API, q *request) (any, error) {
	in := q.body.(*NewUser)
	return nil, a.Auth.AddUser(q.Context(), q.who.Name, in.Name, in.Password, in.Role)
}

func setPassword(a *API, q *request) (any, error) {
	return nil, a.Auth.SetPassword(q.Context(), q.who.Name, q.text("name"), q.body.(*Password).Password)
}

func removeUser(a *API, q *request) (any, error) {
	return nil, a.Auth.RemoveUser(q.Context(), q.who.Name, q.text("name"))
}

// Tokens are the passes of programs.
type Tokens struct {
	Tokens []auth.Token `json:"tokens"`
}

// NewToken is one to be made.
type NewToken struct {
	Name    string     `json:"name"`
	Role    auth.Role  `json:"role"`
	Expires *time.Time `json:"expires,omitempty" about:"left out: never"`
}

// MadeToken is one that was made.
type MadeToken struct {
	Token  auth.Token `json:"token"`
	Secret string     `json:"secret" about:"what to send as Authorization: Bearer; it is shown this once"`
}

func listTokens(a *API, q *request) (any, error) {
	list, err := a.Auth.Tokens(q.Context())
	return Tokens{list}, err
}

func addToken(a *API, q *request) (any, error) {
	in := q.body.(*NewToken)
	var until time.Time
	if in.Expires != nil {
		until = *in.Expires
	}
	t, secret, err := a.Auth.AddToken(q.Context(), q.who.Name, in.Name, in.Role, until)
	return MadeToken{t, secret}, err
}

func removeToken(a *API, q *request) (any, error) {
	return nil, a.Auth.RemoveToken(q.Context(), q.who.Name, q.int("id"))
}

// Audit is a page of the log of who did what.
type Audit struct {
	Entries []audit.Entry `json:"entries"`
	Next    int64         `json:"next" about:"before of the next page; 0 where this is the last"`
}

func listAudit(a *API, q *request) (any, error) {
	limit := int(q.int("limit"))
	if limit == 0 {
		limit = 100
	}
	list, err := audit.List(q.Context(), a.Store.Read(), q.int("before"), limit)
	out := Audit{Entries: list}
	if len(list) == limit {
		out.Next = list[len(list)-1].ID
	}
	return out, err
}

// Settings are those in force.
type Settings struct {
	Text   string         `json:"text" about:"the file, without its secrets"`
	Values map[string]any `json:"values" about:"all that can be set, defaults included"`
}

func getSettings(a *API, _ *request) (any, error) {
	c := a.Watch.Settings()
	return Settings{c.Text(), c.Values()}, nil
}

func settingsSchema(*API, *request) (any, error) {
	return raw{media: "application/schema+json", bytes: config.Schema()}, nil
}

func openAPI(a *API, _ *request) (any, error) {
	return raw{media: "application/json", bytes: a.openapi}, nil
}

// System is how the device does.
type System struct {
	Version     string         `json:"version"`
	Uptime      float64        `json:"uptime_s"`
	Time        time.Time      `json:"time"`
	Memory      machine.Memory `json:"memory"`
	Disk        Disk           `json:"disk"`
	Temperature *float64       `json:"temperature_c"`
	Load        Load           `json:"load"`
	ISA         string         `json:"isa" about:"instruction set of the kernels"`
	Events      EventCounts    `json:"events"`
	Streams     int            `json:"streams" about:"that are being watched"`
	Outbox      any            `json:"outbox"`
}

// Disk is in bytes.
type Disk struct {
	Free int64 `json:"free"`
	Used int64 `json:"used" about:"by events and snapshots"`
}

// Load is how far tasks step back because the device cannot keep up.
type Load struct {
	Demand float64  `json:"demand" about:"share of the time of all workers that is asked for"`
	Step   int      `json:"step" about:"0: none"`
	Paused []string `json:"paused"`
	Text   string   `json:"text"`
}

// EventCounts are those since the start.
type EventCounts struct {
	Added uint64 `json:"added"`
	Lost  uint64 `json:"lost"`
	Error string `json:"error" about:"why events cannot be written down"`
}

func system(a *API, q *request) (any, error) {
	st := a.Watch.Status()
	s := System{Version: a.Version, Uptime: time.Since(a.begun).Seconds(), Time: time.Now().UTC(), Memory: machine.ReadMemory(), ISA: kernels.Best().String(), Streams: a.Streams(),
		Load:   Load{st.Load.Demand, st.Load.Step, append([]string{}, st.Load.Paused...), st.Load.String()},
		Events: EventCounts{st.Events, st.Lost, st.Error}}
	if v, ok := machine.Temperature(); ok {
		s.Temperature = &v
	}
	var err error
	if s.Disk.Used, err = a.Store.Used(q.Context()); err != nil {
		return nil, err
	}
	if s.Disk.Free, err = a.Store.Free(); err != nil {
		return nil, err
	}
	if a.Outbox != nil {
		s.Outbox = a.Outbox()
	}
	return s, nil
}

func metrics(a *API, q *request) (any, error) {
	if a.Metrics == nil {
		return nil, problem(http.StatusNotFound, "there are no metrics")
	}
	a.Metrics.ServeHTTP(q.w, q.Request)
	return streamed{}, nil
}
