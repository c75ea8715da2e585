package watch

import (
	"sync"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
)

// Hub tells subscribers of events. The zero Hub is ready for use.
type Hub struct {
	mu   sync.Mutex
	subs map[chan store.Event]struct{}
}

// depth is how many events wait for a subscriber.
const depth = 64

// Subscribe returns a channel of the events from now on, and what ends it: the channel is closed then. Who is slow misses the oldest: the store has them all,
// by their ID.
func (h *Hub) Subscribe() (<-chan store.Event, func()) {
	c := make(chan store.Event, depth)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs == nil {
		h.subs = map[chan store.Event]struct{}{}
	}
	h.subs[c] = struct{}{}
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, ok := h.subs[c]; ok {
			delete(h.subs, c)
			close(c)
		}
	}
}

// publish gives an event to all.
func (h *Hub) publish(e store.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.subs {
		for {
			select {
			case c <- e:
			default:
				select {
				case <-c:
				default:
				}
				continue
			}
			break
		}
	}
}
