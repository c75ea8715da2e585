package api

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestIdle opens as many connections as there are places, each of which asks once and then says no more: others are answered at once nonetheless.
func TestIdle(t *testing.T) {
	w := secured(t)
	at := w.bound("127.0.0.1:0")
	for range maxConns {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if status := ask(conn, "/healthz"); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	for _, scheme := range []string{"http", "https"} {
		resp, err := client().Get(scheme + "://" + at + "/healthz")
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

// ask sends a request on a connection and returns the status of the answer; 0 where there is none.
func ask(conn net.Conn, path string) int {
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return 0
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

// crowd is a net.Listener of connections from addresses that it is told.
type crowd struct {
	t      *testing.T
	places *places
	busy   int // that were opened by held
	conns  chan net.Conn
	stop   chan struct{}
	once   sync.Once
}

func (c *crowd) Accept() (net.Conn, error) {
	select {
	case conn := <-c.conns:
		return conn, nil
	case <-c.stop:
		return nil, net.ErrClosed
	}
}

func (c *crowd) Close() error {
	c.once.Do(func() { close(c.stop) })
	return nil
}

func (c *crowd) Addr() net.Addr { return &net.TCPAddr{} }

// fromConn is a connection with the address of who opened it.
type fromConn struct {
	net.Conn
	addr netip.Addr
}

func (c fromConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.addr, 4321))
}

// open opens a connection.
func (c *crowd) open(from string) net.Conn {
	c.t.Helper()
	here, there := net.Pipe()
	c.t.Cleanup(func() { here.Close() })
	select {
	case c.conns <- fromConn{there, netip.MustParseAddr(from)}:
	case <-time.After(10 * time.Second):
		c.t.Fatal("no connection is taken any more")
	}
	return here
}

// idle opens a connection that asks once, and waits until it counts as idle: a server notes that after its answer.
func (c *crowd) idle(from string) net.Conn {
	c.t.Helper()
	conn := c.open(from)
	if status := ask(conn, "/"); status != 200 {
		c.t.Fatalf("from %s: status %d", from, status)
	}
	for range 1000 {
		c.places.mu.Lock()
		busy := 0
		for p := range c.places.taken {
			if !p.idle {
				busy++
			}
		}
		c.places.mu.Unlock()
		if busy == c.busy {
			return conn
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("from %s: an answered connection is not idle", from)
	return nil
}

// held opens a connection whose request is answered when the test says so. It returns what is closed when the connection is.
func (c *crowd) held(from string, begun chan struct{}) (gone <-chan struct{}) {
	c.t.Helper()
	conn := c.open(from)
	if _, err := io.WriteString(conn, "GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		c.t.Fatal(err)
	}
	<-begun
	c.busy++
	over := make(chan struct{})
	go func() {
		io.Copy(io.Discard, conn)
		close(over)
	}()
	return over
}

// TestPlaces fills eight places, of which one address may have three.
func TestPlaces(t *testing.T) {
	for name, run := range map[string]func(*testing.T, *crowd, chan struct{}, chan struct{}){
		"idle ones of one address": func(t *testing.T, c *crowd, _, _ chan struct{}) {
			other := c.idle("192.0.2.7")
			var own []net.Conn
			for range 20 {
				own = append(own, c.idle("192.0.2.1"))
			}
			for i, conn := range own {
				if status := ask(conn, "/"); (status == 200) != (i >= 17) {
					t.Errorf("connection %d of 20: status %d", i, status)
				}
			}
			if ask(other, "/") != 200 {
				t.Error("that of another address was closed")
			}
		},
		"busy ones of one network": func(t *testing.T, c *crowd, begun, end chan struct{}) {
			for _, from := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3"} {
				c.held(from, begun)
			}
			if ask(c.open("2001:db8::4"), "/") != 0 {
				t.Error("a fourth one was answered")
			}
			if ask(c.open("2001:db8:0:1::1"), "/") != 200 {
				t.Error("another network was not answered")
			}
			end <- struct{}{}
			for ask(c.open("2001:db8::4"), "/") != 200 { // as soon as that one is done
				time.Sleep(time.Millisecond)
			}
		},
		"those of a proxy on this device": func(t *testing.T, c *crowd, begun, _ chan struct{}) {
			busy := []<-chan struct{}{c.held("127.0.0.1", begun), c.held("127.0.0.1", begun), c.held("127.0.0.1", begun), c.held("127.0.0.1", begun)}
			first, second, third := c.idle("::1"), c.idle("127.0.0.1"), c.idle("127.0.0.1")
			last := c.idle("192.0.2.1")
			c.idle("192.0.2.2")
			if ask(second, "/") != 0 {
				t.Error("the longest idle one of who holds the most is still open")
			}
			for i, conn := range []net.Conn{first, third, last} {
				if ask(conn, "/") != 200 {
					t.Errorf("connection %d was closed", i)
				}
			}
			for _, gone := range busy {
				select {
				case <-gone:
					t.Error("a busy one was closed")
				default:
				}
			}
		},
		"all busy": func(t *testing.T, c *crowd, begun, end chan struct{}) {
			for range 8 {
				c.held("127.0.0.1", begun)
			}
			next := c.open("192.0.2.1")
			answered := make(chan int)
			go func() { answered <- ask(next, "/") }()
			select {
			case <-answered:
				t.Error("there was a ninth place")
			case <-time.After(50 * time.Millisecond):
			}
			end <- struct{}{}
			if status := <-answered; status != 200 {
				t.Errorf("when one was done the next one had the status %d", status)
			}
		},
		"mute ones": func(t *testing.T, c *crowd, _, _ chan struct{}) {
			for range 50 {
				c.open("192.0.2.1")
			}
			for range 50 {
				c.open("127.0.0.1")
			}
			c.idle("192.0.2.2")
		},
	} {
		t.Run(name, func(t *testing.T) {
			places := newPlaces(8, 3)
			c := &crowd{t: t, places: places, conns: make(chan net.Conn), stop: make(chan struct{})}
			begun, end, over := make(chan struct{}, 8), make(chan struct{}), make(chan struct{})
			l := begin(c, nil, places)
			s := Server(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/held") {
					begun <- struct{}{}
					select {
					case <-end:
					case <-over:
					}
				}
			}), nil, slog.New(slog.DiscardHandler))
			done := make(chan error, 1)
			go func() { done <- s.Serve(l) }()
			run(t, c, begun, end)
			close(over)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := <-done; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
			for wait := 0; ; wait++ { // for the server's goroutines
				places.mu.Lock()
				left, clients := len(places.taken), len(places.held)
				places.mu.Unlock()
				if left == 0 && clients == 0 {
					break
				}
				if wait == 1000 {
					t.Fatalf("%d places of %d clients are still taken", left, clients)
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
}
