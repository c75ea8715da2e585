package api

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Bounds of a server.
const (
	maxConns   = 512
	maxOwn     = 128              // of them of one address that is not this device's; more than its streams
	firstByte  = 10 * time.Second // within which a connection must say something
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	maxHeader  = 32 << 10
)

// onlySecure sends those who ask from elsewhere without TLS to the address with it. On this device itself both are answered.
func onlySecure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil || address(r).IsLoopback() {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Connection", "close")
		if !plainHost(r.Host) || r.Method != http.MethodGet && r.Method != http.MethodHead {
			refuse(w, problem(http.StatusForbidden, "this address is answered with https only"))
			return
		}
		w.Header().Set("Location", "https://"+r.Host+r.URL.EscapedPath())
		w.WriteHeader(http.StatusPermanentRedirect)
	})
}

// Server returns what answers with a handler, with timeouts for all that strangers may delay. t is nil for a server without TLS. It is given what Listen returns.
func Server(h http.Handler, t *tls.Config, log *slog.Logger) *http.Server {
	if t != nil {
		h = onlySecure(h)
	}
	return &http.Server{Handler: h, TLSConfig: t, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader, ConnState: noteState,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
}

// Listen listens on an address. Connections are handed out with TLS where t is not nil and their first byte is that of a handshake: one port serves both. There
// are at most maxConns of them at a time, maxOwn of one address: for the next ones idle connections are closed, as places says.
func Listen(address string, t *tls.Config) (net.Listener, error) {
	in, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return begin(in, t, newPlaces(maxConns, maxOwn)), nil
}

func begin(in net.Listener, t *tls.Config, places *places) *listener {
	l := &listener{Listener: in, tls: t, ready: make(chan net.Conn), stop: make(chan struct{}), places: places}
	go l.run()
	return l
}

// plainHost says whether a Host header is a name or an address, and nothing that could lead elsewhere.
func plainHost(s string) bool {
	return s != "" && len(s) < 256 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(".-:[]", r)
	})
}

// listener is that of Listen.
type listener struct {
	net.Listener
	tls    *tls.Config
	ready  chan net.Conn
	stop   chan struct{}
	places *places
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
		c, err := l.Listener.Accept()
		if err != nil {
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
		p := l.places.take(c, l.stop)
		if p == nil {
			continue
		}
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
