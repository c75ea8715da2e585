package api

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of a server.
const (
	maxConns   = 512
	firstByte  = 10 * time.Second // within which a connection must say something
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	maxHeader  = 32 << 10
	endTime    = 5 * time.Second // that requests are given to end
)

// ServeOptions say where the API is served.
type ServeOptions struct {
	Listen string      // host:port of the settings
	TLS    *tls.Config // nil: without. On loopback plain HTTP is answered too
	Log    *slog.Logger
	Bound  func(net.Addr) // told of each address that is listened on; or nil
}

// Serve answers until ctx ends. As long as there is no password and no token it listens on loopback only, whatever the address is.
func (a *API) Serve(ctx context.Context, o ServeOptions) error {
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: o.upgrade(a.Handler()), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader, TLSConfig: o.TLS,
		ErrorLog: log.New(quiet{o.Log}, "", 0)}
	if !a.Auth.IsSecured() && !localHost(host) {
		n, err := strconv.Atoi(port)
		if err != nil {
			return err
		}
		first := o
		first.Listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(n))
		l, err := first.open()
		if err != nil {
			return err
		}
		o.Log.Info("only this device itself is answered until there is a password", "address", l.Addr().String())
		done := make(chan error, 1)
		go func() { done <- srv.Serve(l) }()
		select {
		case <-ctx.Done():
			return a.end(srv, done)
		case err := <-done:
			return err
		case <-a.Auth.Secured():
		}
		l.Close() // connections go on
		<-done
	}
	l, err := o.open()
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return a.end(srv, done)
	}
}

// end lets requests end, and then ends them.
func (a *API) end(srv *http.Server, done <-chan error) error {
	a.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if srv.Shutdown(ctx) != nil {
		srv.Close()
	}
	<-done
	return nil
}

// upgrade sends those who ask from elsewhere without TLS to the address with it.
func (o *ServeOptions) upgrade(next http.Handler) http.Handler {
	if o.TLS == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil && !address(r).IsLoopback() {
			w.Header().Set("Connection", "close")
			if !plainHost(r.Host) || r.Method != http.MethodGet && r.Method != http.MethodHead {
				refuse(w, problem(http.StatusForbidden, "this address is answered with https only"))
				return
			}
			w.Header().Set("Location", "https://"+r.Host+r.URL.EscapedPath())
			w.WriteHeader(http.StatusPermanentRedirect)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// plainHost says whether a Host header is a name or an address, and nothing that could lead elsewhere.
func plainHost(s string) bool {
	return s != "" && len(s) < 256 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(".-:[]", r)
	})
}

// quiet logs what the server complains of, which is mostly what strangers send.
type quiet struct{ log *slog.Logger }

func (q quiet) Write(p []byte) (int, error) {
	q.log.Debug("http", "error", strings.TrimSpace(string(p)))
	return len(p), nil
}

// open listens.
func (o *ServeOptions) open() (net.Listener, error) {
	in, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, err
	}
	if o.Bound != nil {
		o.Bound(in.Addr())
	}
	l := &listener{Listener: in, tls: o.TLS, ready: make(chan net.Conn), stop: make(chan struct{}), places: make(chan struct{}, maxConns)}
	go l.run()
	return l, nil
}

// listener hands out connections that have said something, with TLS where their first byte is that of a handshake: one port serves both.
type listener struct {
	net.Listener
	tls    *tls.Config
	ready  chan net.Conn
	stop   chan struct{}
	places chan struct{}
	once   sync.Once
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.stop:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.stop) })
	return l.Listener.Close()
}

func (l *listener) run() {
	for wait := 5 * time.Millisecond; ; {
		select {
		case l.places <- struct{}{}:
		case <-l.stop:
			return
		}
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.places
			if errors.Is(err, net.ErrClosed) {
				l.Close()
				return
			}
			// Such as too many open files: it goes away.
			select {
			case <-l.stop:
				return
			case <-time.After(wait):
				wait = min(2*wait, time.Second)
			}
			continue
		}
		wait = 5 * time.Millisecond
		p := &placed{Conn: c, places: l.places}
		if l.tls == nil {
			l.give(p)
			continue
		}
		go l.greet(p)
	}
}

func (l *listener) give(c net.Conn) {
	select {
	case l.ready <- c:
	case <-l.stop:
		c.Close()
	}
}

// greet looks at the first byte of a connection.
func (l *listener) greet(c *placed) {
	const handshake = 22 // ContentType of TLS records
	c.SetReadDeadline(time.Now().Add(firstByte))
	var b [1]byte
	if _, err := io.ReadFull(c.Conn, b[:]); err != nil {
		c.Close()
		return
	}
	c.SetReadDeadline(time.Time{})
	c.first = b[:]
	if b[0] == handshake {
		l.give(tls.Server(c, l.tls))
		return
	}
	l.give(c)
}

// placed is a connection that has a place among those that are open, and gives back the byte that was looked at.
type placed struct {
	net.Conn
	first  []byte
	places chan struct{}
	once   sync.Once
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
	c.once.Do(func() { <-c.places })
	return c.Conn.Close()
}

// URL returns the address under which this device finds a listener.
func URL(addr net.Addr, secure bool) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	host := addr.String()
	if p, err := netip.ParseAddrPort(host); err == nil && p.Addr().IsUnspecified() {
		host = net.JoinHostPort("127.0.0.1", strconv.Itoa(int(p.Port())))
	}
	return scheme + "://" + host + "/"
}
