package watch

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
)

// item is an event on its way into the store.
type item struct {
	event store.Event
	jpeg  []byte
}

// queue is between the cameras, which must not wait, and the store, which may. When it is full the oldest snapshots are let go, then the oldest events.
type queue struct {
	mu     sync.Mutex
	change sync.Cond
	items  []item
	bytes  int // of snapshots
	closed bool
	lost   uint64
	added  uint64
	err    error
	tracks []store.Track // that have ended
}

const (
	mostItems = 4096
	mostBytes = 8 << 20
)

func newQueue() *queue {
	q := &queue{}
	q.change.L = &q.mu
	return q
}

func (q *queue) put(i item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.items, q.bytes = append(q.items, i), q.bytes+len(i.jpeg)
	for n := 0; q.bytes > mostBytes && n < len(q.items); n++ {
		q.bytes -= len(q.items[n].jpeg)
		q.items[n].jpeg = nil
	}
	if len(q.items) > mostItems {
		q.items = q.items[1:]
		q.lost++
	}
	q.change.Signal()
}

// follow queues tracks that have ended.
func (q *queue) follow(list []store.Track) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tracks = append(q.tracks, list...)
	q.tracks = q.tracks[max(0, len(q.tracks)-mostItems):]
}

// keep adds the tracks that are queued to the store, in one transaction. Where that fails they stay.
func (w *Watch) keep(ctx context.Context) {
	q := w.queue
	q.mu.Lock()
	list := q.tracks
	q.tracks = nil
	q.mu.Unlock()
	if len(list) == 0 {
		return
	}
	if err := w.o.Store.AddTracks(ctx, list); err != nil {
		w.o.Log.Error("tracks wait for the store", "tracks", len(list), "error", err)
		q.mu.Lock()
		defer q.mu.Unlock()
		q.tracks = append(list, q.tracks...)
		q.tracks = q.tracks[max(0, len(q.tracks)-mostItems):]
	}
}

// first waits for an item and returns it without taking it; false when the queue is closed and empty.
func (q *queue) first() (item, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.change.Wait()
	}
	if len(q.items) == 0 {
		return item{}, false
	}
	i := q.items[0]
	q.items, q.bytes = q.items[1:], q.bytes-len(i.jpeg)
	return i, true
}

// close lets run end after what is queued.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.change.Broadcast()
}

// note counts an item that was added, or says why it was not yet.
func (q *queue) note(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err = err; err == nil {
		q.added++
	}
}

// run adds events to the store and publishes them, in order, until the queue is closed and empty or ctx ends. While the store fails it tries again.
func (w *Watch) run(ctx context.Context) {
	for {
		i, ok := w.queue.first()
		if !ok {
			return
		}
		for wait := 250 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
			err := w.o.Store.AddEvent(ctx, &i.event, i.jpeg)
			var without *store.SnapshotError
			if errors.As(err, &without) {
				w.o.Log.Warn("an event has no snapshot", "event", i.event.ID, "error", err)
				err = nil
			}
			w.queue.note(err)
			if err == nil {
				w.hub.publish(i.event)
				break
			}
			w.o.Log.Error("an event waits for the store", "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
	}
}
