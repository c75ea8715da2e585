package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
)

// join takes a place among those who look at streams.
func (a *API) join(from netip.Addr) (leave func(), err error) {
	key := prefix(from)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.total >= maxStreams || a.streams[key] >= maxOwnStreams {
		return nil, later(http.StatusServiceUnavailable, 10, "too many streams are being watched")
	}
	a.total++
	a.streams[key]++
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.total--
		if a.streams[key]--; a.streams[key] == 0 {
			delete(a.streams, key)
		}
	}, nil
}

// Streams returns how many streams are being watched.
func (a *API) Streams() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.total
}

// flow writes pieces of a stream; who does not take one within streamWrite is let go.
type flow struct {
	a       *API
	q       *request
	role    *endpoint
	control *http.ResponseController
	checked time.Time
}

func (a *API) flow(q *request, e *endpoint, media string) *flow {
	h := q.w.Header()
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	f := &flow{a, q, e, http.NewResponseController(q.w), time.Now()}
	f.control.SetReadDeadline(time.Time{})
	q.w.WriteHeader(http.StatusOK)
	return f
}

// send writes a piece; false says that there is nobody any more, or nobody who may look.
func (f *flow) send(pieces ...[]byte) bool {
	now := time.Now()
	if now.Sub(f.checked) > streamCheck {
		f.checked = now
		again := &request{Request: f.q.Request, w: f.q.w}
		if err := f.a.identify(again); err != nil || again.who.Role < f.role.role {
			return false
		}
	}
	f.control.SetWriteDeadline(now.Add(streamWrite))
	for _, p := range pieces {
		if _, err := f.q.w.Write(p); err != nil {
			return false
		}
	}
	return f.control.Flush() == nil
}

// boundary parts the pictures of a stream.
const boundary = "ocellus-frame"

// streamFrames writes the frames of a camera as they come.
func streamFrames(a *API, q *request) (any, error) {
	frames, stop, err := a.Watch.Subscribe(q.text("name"), q.flag("overlay"))
	if err != nil {
		return nil, err
	}
	defer stop()
	f := a.flow(q, find("streamFrames"), "multipart/x-mixed-replace; boundary="+boundary)
	beat := time.NewTicker(streamCheck)
	defer beat.Stop()
	if !f.send([]byte("--" + boundary + "\r\n")) {
		return streamed{}, nil
	}
	for {
		select {
		case <-q.Context().Done():
			return streamed{}, nil
		case <-a.stopped:
			return streamed{}, nil
		case <-beat.C: // where no frame comes, it is still looked whether anybody is there
			if !f.send() {
				return streamed{}, nil
			}
		case b, ok := <-frames:
			if !ok {
				return streamed{}, nil
			}
			head := fmt.Sprintf("Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", len(b))
			if !f.send([]byte(head), b, []byte("\r\n--"+boundary+"\r\n")) {
				return streamed{}, nil
			}
		}
	}
}

// eventBeat is how often a stream of events says that it is alive.
const eventBeat = 15 * time.Second

// streamEvents writes events as they come, and first those after the one that the client saw last. The store is asked, so that none is missed however slow
// a client is.
func streamEvents(a *API, q *request) (any, error) {
	news, stop := a.Hub.Subscribe()
	defer stop()
	newest, err := a.Store.LastEvent(q.Context())
	if err != nil {
		return nil, err
	}
	last := newest
	if id := q.Header.Get("Last-Event-ID"); id != "" {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil || n < 0 {
			return nil, problem(http.StatusBadRequest, "Last-Event-ID is no number of an event")
		}
		last = min(n, newest) // a greater one is of a database that was put aside
	}
	f := a.flow(q, find("streamEvents"), "text/event-stream")
	if !f.send([]byte("retry: 3000\n\n")) {
		return streamed{}, nil
	}
	beat := time.NewTicker(eventBeat)
	defer beat.Stop()
	for {
		if last, err = a.catchUp(q, f, last); err != nil {
			return streamed{}, nil
		}
		select {
		case <-q.Context().Done():
			return streamed{}, nil
		case <-a.stopped:
			return streamed{}, nil
		case <-beat.C:
			if !f.send([]byte(": alive\n\n")) {
				return streamed{}, nil
			}
		case _, ok := <-news:
			if !ok {
				return streamed{}, nil
			}
			for range len(news) { // one look at the store serves them all
				<-news
			}
		}
	}
}

// catchUp writes the events after one, and returns the number of the last.
func (a *API) catchUp(q *request, f *flow, last int64) (int64, error) {
	const page = 100
	for {
		filter := store.Filter{After: last, Limit: page}
		if last == 0 {
			// 0 does not select in a Filter: all there are come, from the newest on.
			filter = store.Filter{Limit: page}
		}
		list, err := a.Store.Events(q.Context(), filter)
		if err != nil {
			return last, err
		}
		if last == 0 {
			for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
				list[i], list[j] = list[j], list[i]
			}
		}
		for i := range list {
			b, err := json.Marshal(&list[i])
			if err != nil {
				return last, err
			}
			if !f.send(fmt.Appendf(nil, "event: event\nid: %d\ndata: %s\n\n", list[i].ID, b)) {
				return last, http.ErrAbortHandler
			}
			last = list[i].ID
		}
		if len(list) < page {
			return last, nil
		}
	}
}
