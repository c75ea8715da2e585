package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/auth"
)

// dispatch answers a request for a path of the table.
func (a *API) dispatch(w http.ResponseWriter, r *http.Request, methods map[string]*endpoint) {
	e := methods[r.Method]
	if e == nil {
		w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		refuse(w, problem(http.StatusMethodNotAllowed, "%s is not among the methods of this address: %s", r.Method, w.Header().Get("Allow")))
		return
	}
	err := a.answer(w, r, e)
	if err == nil {
		return
	}
	p := explain(err)
	if p == nil {
		a.Log.Error("a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		p = problem(http.StatusInternalServerError, "the program failed; its log says more")
	}
	refuse(w, p)
}

// answer lets a request through to its endpoint. Where it returns an error nothing has been written.
func (a *API) answer(w http.ResponseWriter, r *http.Request, e *endpoint) error {
	q := &request{Request: r, w: w}
	if err := a.identify(q); err != nil {
		return err
	}
	switch {
	case q.who.Role >= e.role:
	case q.who.Role == auth.Anyone:
		return problem(http.StatusUnauthorized, "log in, or send a token")
	default:
		return problem(http.StatusForbidden, "%s may not do this: it takes the role %s", q.who.Role, e.role)
	}
	if err := a.unforged(q); err != nil {
		return err
	}
	if err := e.readParams(q); err != nil {
		return err
	}
	most := lightTime
	if e.work == heavy {
		most = heavyTime
		deadlines(w, uploadTime, uploadTime+heavyTime)
		leave, err := enter(r.Context(), a.uploads)
		if err != nil {
			return err
		}
		defer leave()
	}
	if err := e.readBody(q); err != nil {
		return err
	}
	if e.work == heavy {
		leave, err := enter(r.Context(), a.heavy)
		if err != nil {
			return err
		}
		defer leave()
	}
	if e.work == stream {
		leave, err := a.join(address(r))
		if err != nil {
			return err
		}
		defer leave()
	} else {
		ctx, cancel := context.WithTimeout(r.Context(), most)
		defer cancel()
		q.Request = r.WithContext(ctx)
	}
	v, err := e.do(a, q)
	if err != nil {
		return err
	}
	return write(q, e, v)
}

// write writes the answer of an endpoint.
func write(q *request, e *endpoint, v any) error {
	status := e.answer.status
	if status == 0 {
		status = http.StatusOK
	}
	switch v := v.(type) {
	case streamed:
		return nil
	case nil:
		q.w.WriteHeader(status)
		return nil
	case raw:
		h := q.w.Header()
		h.Set("Content-Type", v.media)
		if v.tag != "" {
			h.Set("Cache-Control", "private, no-cache")
			h.Set("ETag", strconv.Quote(v.tag))
			http.ServeContent(q.w, q.Request, "", time.Time{}, bytes.NewReader(v.bytes))
			return nil
		}
		h.Set("Content-Length", strconv.Itoa(len(v.bytes)))
		q.w.WriteHeader(status)
		q.w.Write(v.bytes)
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "application/json")
	q.w.Header().Set("Content-Length", strconv.Itoa(len(b)+1))
	q.w.WriteHeader(status)
	q.w.Write(append(b, '\n'))
	return nil
}

// identify finds out who asks: by a token, or by a session. A token that is not valid is refused; a session that is not is nobody's.
func (a *API) identify(q *request) error {
	if h := q.Header.Get("Authorization"); h != "" {
		scheme, token, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "bearer") || token == "" || len(token) > 200 {
			return problem(http.StatusUnauthorized, "a token is sent as: Authorization: Bearer TOKEN")
		}
		who, err := a.Auth.Bearer(q.Context(), token)
		if errors.Is(err, auth.ErrDenied) {
			return problem(http.StatusUnauthorized, "this token is not valid, or not any more")
		}
		q.who = who
		return err
	}
	c, err := q.Cookie(cookieFor(q.Request))
	if err != nil || c.Value == "" || len(c.Value) > 200 {
		return nil
	}
	who, err := a.Auth.Session(q.Context(), c.Value)
	if errors.Is(err, auth.ErrDenied) {
		return nil
	}
	if err == nil {
		q.who, q.cookie = who, c.Value
	}
	return err
}

// unforged refuses requests that change something and that another page made the browser send.
func (a *API) unforged(q *request) error {
	switch q.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if q.Header.Get("Authorization") != "" {
		return nil
	}
	if err := a.cross.Check(q.Request); err != nil {
		return problem(http.StatusForbidden, "another page sent this request")
	}
	if q.cookie != "" && !q.who.Repeats(q.Header.Get(csrfHeader)) {
		return problem(http.StatusForbidden, "the header %s does not repeat the csrf of GET /api/v1/session", csrfHeader)
	}
	return nil
}

func cookieFor(r *http.Request) string {
	if r.TLS != nil {
		return hostCookieName
	}
	return cookieName
}

// setCookie keeps a session in the browser; "" forgets it.
func setCookie(q *request, value string) {
	c := &http.Cookie{Name: cookieFor(q.Request), Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: q.TLS != nil, MaxAge: int(auth.SessionMost.Seconds())}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(q.w, c)
}

// enter waits for one of the places that a channel has.
func enter(ctx context.Context, places chan struct{}) (leave func(), err error) {
	timer := time.NewTimer(lightTime)
	defer timer.Stop()
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-timer.C:
		return nil, later(http.StatusServiceUnavailable, 5, "the device is busy with other pictures")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
