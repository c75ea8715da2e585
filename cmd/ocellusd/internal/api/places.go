package api

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// places are those for connections: at most so many of all clients, and so many of one. This device itself, where a proxy may stand for many, has all of them.
type places struct {
	most, own int

	mu     sync.Mutex
	taken  map[*placed]struct{}
	held   map[string]int // by client
	change chan struct{}  // closed when a place may have become free; nil where nobody waits for that
}

func newPlaces(most, own int) *places {
	return &places{most: most, own: own, taken: map[*placed]struct{}{}, held: map[string]int{}}
}

// take gives a connection a place. Where its client has no more, the place of that client's connection which has been idle for the longest is taken, and where all are
// taken, that of the client who holds the most. Where none of these is idle, a client's connection is closed if it is one too many of its own, and else waits. It
// returns nil for one that was closed, or when stop is.
func (p *places) take(in net.Conn, stop <-chan struct{}) *placed {
	from := source(in)
	c := &placed{Conn: in, places: p, client: prefix(from), idle: true, since: time.Now()}
	for {
		p.mu.Lock()
		var old *placed
		wait := false
		switch {
		case !from.IsLoopback() && p.held[c.client] >= p.own:
			if old = p.idlest(c.client); old == nil {
				p.mu.Unlock()
				in.Close()
				return nil
			}
		case len(p.taken) >= p.most:
			old = p.idlest("")
			wait = old == nil
		}
		if !wait {
			if old != nil {
				p.remove(old)
			}
			p.taken[c] = struct{}{}
			p.held[c.client]++
			p.mu.Unlock()
			if old != nil {
				old.Conn.Close()
			}
			return c
		}
		if p.change == nil {
			p.change = make(chan struct{})
		}
		change := p.change
		p.mu.Unlock()
		select {
		case <-change:
		case <-stop:
			in.Close()
			return nil
		}
	}
}

// idlest is the connection that has been idle for the longest: of a client, or where that is "" of the one who holds the most of those who have an idle one. It is
// nil for none. p.mu is held.
func (p *places) idlest(client string) *placed {
	var best *placed
	for c := range p.taken {
		if !c.idle || client != "" && c.client != client {
			continue
		}
		if best == nil || p.held[c.client] > p.held[best.client] || p.held[c.client] == p.held[best.client] && c.since.Before(best.since) {
			best = c
		}
	}
	return best
}

// remove takes a connection's place away. p.mu is held.
func (p *places) remove(c *placed) {
	if _, ok := p.taken[c]; !ok {
		return
	}
	delete(p.taken, c)
	if p.held[c.client]--; p.held[c.client] == 0 {
		delete(p.held, c.client)
	}
	p.wake()
}

// wake tells who waits for a place. p.mu is held.
func (p *places) wake() {
	if p.change != nil {
		close(p.change)
		p.change = nil
	}
}

// source is where a connection comes from; the zero Addr where that cannot be told.
func source(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// placed is a connection that has a place among those that are open, and gives back the byte that was looked at.
type placed struct {
	net.Conn
	first  []byte
	places *places
	client string

	idle  bool // no request is being answered; guarded by places.mu, as since is
	since time.Time
}

// Read implements net.Conn.
func (c *placed) Read(p []byte) (int, error) {
	if len(c.first) > 0 && len(p) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// Close implements net.Conn.
func (c *placed) Close() error {
	c.places.mu.Lock()
	c.places.remove(c)
	c.places.mu.Unlock()
	return c.Conn.Close()
}

// noteState notes whether a request of a connection is being answered: a server's ConnState.
func noteState(conn net.Conn, state http.ConnState) {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn() // under TLS
	}
	c, ok := conn.(*placed)
	if !ok {
		return
	}
	p := c.places
	p.mu.Lock()
	defer p.mu.Unlock()
	switch state {
	case http.StateActive:
		c.idle = false
	case http.StateIdle:
		c.idle, c.since = true, time.Now()
		p.wake()
	}
}
