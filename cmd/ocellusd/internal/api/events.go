package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/teach"
	"github.com/ocellus-vision/ocellus/kernels"
)

// Events is a page of them, the newest first.
type Events struct {
	Events []store.Event `json:"events"`
	Next   int64         `json:"next" about:"before of the next page; 0 where this is the last"`
}

func listEvents(a *API, q *request) (_ any, err error) {
	f := store.Filter{Camera: q.text("camera"), Kind: q.text("kind"), Name: q.text("name"), Feedback: q.text("feedback"), Since: q.time("since"), Until: q.time("until"),
		Before: q.int("before"), Limit: q.limit()}
	var page Events
	page.Events, page.Next, err = paged(a.Store.Events, q, f, f.Limit, func(e *store.Event) int64 { return e.ID })
	return page, err
}

// Tracks is a page of them, those that ended last first.
type Tracks struct {
	Tracks []store.Track `json:"tracks"`
	Next   int64         `json:"next" about:"before of the next page; 0 where this is the last"`
}

func listTracks(a *API, q *request) (_ any, err error) {
	f := store.TrackFilter{Camera: q.text("camera"), Task: q.text("task"), Since: q.time("since"), Until: q.time("until"), Before: q.int("before"), Limit: q.limit()}
	var page Tracks
	page.Tracks, page.Next, err = paged(a.Store.Tracks, q, f, f.Limit, func(t *store.Track) int64 { return t.ID })
	return page, err
}

// limit returns how many of a list are asked for.
func (q *request) limit() int {
	if n := q.int("limit"); n > 0 {
		return int(n)
	}
	return 50
}

// paged reads a page of a list, and what is before of the next page: the number of the last one that was read, or 0 where that was the list's end.
func paged[T, F any](read func(context.Context, F) ([]T, error), q *request, f F, limit int, number func(*T) int64) (list []T, next int64, err error) {
	list, err = read(q.Context(), f)
	if err == nil && len(list) == limit {
		next = number(&list[limit-1])
	}
	return list, next, err
}

func getEvent(a *API, q *request) (any, error) {
	e, err := a.Store.Event(q.Context(), q.int("id"))
	return &e, err
}

func eventSnapshot(a *API, q *request) (any, error) {
	b, err := a.Store.Snapshot(q.Context(), q.int("id"))
	if err != nil {
		return nil, err
	}
	return raw{media: "image/jpeg", bytes: b, tag: fmt.Sprintf("%d-%d", q.int("id"), len(b))}, nil
}

func deleteEvent(a *API, q *request) (any, error) {
	e, err := a.Store.Event(q.Context(), q.int("id"))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(a.Store.DeleteEvent(q.Context(), e.ID), a.Teach.Unlearn(q.Context(), e.ID)); err != nil {
		return nil, err
	}
	return nil, a.record(q, "event.delete", fmt.Sprint("event ", e.ID), e.Kind+" of "+e.Camera)
}

// Verdict is what somebody says of an event.
type Verdict struct {
	Verdict string `json:"verdict" about:"right, wrong, or empty to take it back"`
	Label   string `json:"label,omitempty" about:"what it shows, one of the labels of GET /api/v1/teach; left out: a person where it is right"`
}

// Judged is what came of a verdict.
type Judged struct {
	Example bool   `json:"example" about:"the event is an example to learn from"`
	Label   string `json:"label,omitempty" about:"of that"`
	Reason  string `json:"reason,omitempty" about:"why it is none"`
}

// ofPeople are the kinds of events that a classifier of people learns from.
var ofPeople = []string{store.PedestrianEntered, store.PedestrianLeft, store.LineCrossed, store.Loitering}

func judgeEvent(a *API, q *request) (any, error) {
	in := q.body.(*Verdict)
	if in.Verdict != "" && in.Verdict != store.Right && in.Verdict != store.Wrong {
		return nil, problem(http.StatusUnprocessableEntity, "the verdict is right, wrong, or empty to take it back")
	}
	e, err := a.Store.Event(q.Context(), q.int("id"))
	if err != nil {
		return nil, err
	}
	if in.Verdict == "" {
		return Judged{}, errors.Join(a.Store.SetFeedback(q.Context(), e.ID, ""), a.Teach.Unlearn(q.Context(), e.ID))
	}
	out, err := a.learn(q, &e, in)
	if err != nil {
		return nil, err
	}
	return out, a.Store.SetFeedback(q.Context(), e.ID, in.Verdict)
}

// learn makes an example of an event, where it can be one.
func (a *API) learn(q *request, e *store.Event, in *Verdict) (Judged, error) {
	if !slices.Contains(ofPeople, e.Kind) || e.Box == nil {
		return Judged{Reason: "only events of people are learnt from"}, nil
	}
	label, err := a.Teach.Label(in.Verdict == store.Right, in.Label)
	var un *teach.UnavailableError
	switch {
	case errors.As(err, &un):
		return Judged{Reason: un.Error()}, nil
	case err != nil:
		return Judged{}, err
	}
	b, err := a.Store.Snapshot(q.Context(), e.ID)
	if errors.Is(err, store.ErrNoEvent) {
		return Judged{Reason: "the event has no snapshot"}, nil
	}
	if err != nil {
		return Judged{}, err
	}
	pic, err := decode(b)
	if err != nil {
		return Judged{Reason: "the snapshot cannot be read"}, nil
	}
	// The same person is seen in many events, and nearly alike.
	source := fmt.Sprintf("%s %d %s", e.Camera, e.Track, e.Time.UTC().Format("2006-01-02"))
	if err := a.Teach.Learn(q.Context(), e.ID, source, pic, *e.Box, label); err != nil {
		return Judged{}, err
	}
	return Judged{Example: true, Label: label}, nil
}

// around cuts a box with half of its size on each side out of a picture.
func around(pic kernels.Picture, box [4]float64) (kernels.Picture, bool) {
	x0, y0 := int(max(0, box[0]-box[2]/2)), int(max(0, box[1]-box[3]/2))
	x1, y1 := int(min(float64(pic.W), box[0]+1.5*box[2])), int(min(float64(pic.H), box[1]+1.5*box[3]))
	if x1-x0 < 8 || y1-y0 < 8 {
		return kernels.Picture{}, false
	}
	return kernels.Picture{Format: kernels.RGB, W: x1 - x0, H: y1 - y0, Stride: pic.Stride, Pix: pic.Pix[y0*pic.Stride+3*x0:]}, true
}
