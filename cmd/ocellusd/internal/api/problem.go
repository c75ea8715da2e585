package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/auth"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/models"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/people"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/teach"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
)

// Problem is what every error is answered with (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	wait   int    // seconds after which to try again; 0 for none
}

func (p *Problem) Error() string { return p.Detail }

// problem returns a Problem of a status.
func problem(status int, format string, args ...any) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// later is a problem that goes away by itself.
func later(status, seconds int, detail string) *Problem {
	p := problem(status, "%s", detail)
	p.wait = seconds
	return p
}

// statuses are those of errors that a client can mend, or wait for.
var statuses = []struct {
	err    error
	status int
}{
	{auth.ErrDenied, http.StatusUnauthorized},
	{auth.ErrLink, http.StatusForbidden},
	{auth.ErrNoUser, http.StatusNotFound},
	{auth.ErrNoToken, http.StatusNotFound},
	{auth.ErrExists, http.StatusConflict},
	{auth.ErrLast, http.StatusConflict},
	{auth.ErrTooMany, http.StatusConflict},
	{store.ErrNoEvent, http.StatusNotFound},
	{watch.ErrNoCamera, http.StatusNotFound},
	{people.ErrNobody, http.StatusNotFound},
	{teach.ErrNone, http.StatusNotFound},
	{teach.ErrRunning, http.StatusConflict},
	{teach.ErrIdle, http.StatusConflict},
	{models.ErrNone, http.StatusNotFound},
	{models.ErrFull, http.StatusConflict},
	{models.ErrUsed, http.StatusConflict},
}

// explain returns what a client is told of an error; nil where it is the program's own fault, which only the log shall say.
func explain(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var limit *auth.LimitError
	if errors.As(err, &limit) {
		return later(http.StatusTooManyRequests, limit.Seconds(), limit.Error())
	}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return problem(s.status, "%v", s.err)
		}
	}
	switch {
	case errors.Is(err, auth.ErrUnwritable):
		return later(http.StatusServiceUnavailable, 60, auth.ErrUnwritable.Error())
	case errors.Is(err, watch.ErrNoFrame):
		return later(http.StatusServiceUnavailable, 1, err.Error())
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return later(http.StatusServiceUnavailable, 5, "this took too long: the device is busy")
	}
	if is[*people.UnavailableError](err) || is[*teach.UnavailableError](err) || is[*teach.FewError](err) {
		return problem(http.StatusConflict, "%v", err)
	}
	if is[*auth.InputError](err) || is[*people.FaceError](err) || is[*people.UnlikeError](err) || is[*teach.LabelError](err) || is[*models.ModelError](err) ||
		is[*watch.ShapeError](err) || is[*watch.TaskError](err) {
		return problem(http.StatusUnprocessableEntity, "%v", err)
	}
	return nil
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// refuse answers with a problem.
func refuse(w http.ResponseWriter, p *Problem) {
	b, err := json.Marshal(p)
	if err != nil {
		panic("api: a problem cannot be written: " + err.Error())
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Disposition")
	if p.wait > 0 {
		h.Set("Retry-After", strconv.Itoa(p.wait))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="ocellus"`)
	}
	w.WriteHeader(p.Status)
	w.Write(append(b, '\n'))
}
