package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/api"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/auth"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
)

// server listens where the settings say: until there is somebody who may come in, on loopback only.
type server struct {
	log     *slog.Logger
	dir     string // of a certificate of the daemon's own
	auth    *auth.Auth
	handler http.Handler

	mu      sync.Mutex
	address string // listened on; "" while none is
	tls     config.TLS
	in      net.Listener // the first one of http
	http    *http.Server
	serving *sync.WaitGroup // of http, on each of its listeners
}

// wanted returns what is listened on for the settings' address.
func (s *server) wanted(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	if !s.auth.IsSecured() && !loopback(host) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// widens says whether an address is that of all networks on the port of another that is of this device only.
func widens(from, to string) bool {
	host, port, _ := net.SplitHostPort(from)
	wide, same, _ := net.SplitHostPort(to)
	ip := net.ParseIP(wide)
	return loopback(host) && (wide == "" || ip != nil && ip.IsUnspecified()) && port == same && port != "0"
}

// encrypts says whether TLS is spoken: it does not change when the first user is made.
func encrypts(c *config.Config) bool {
	host, _, _ := net.SplitHostPort(c.Listen)
	return c.TLS.Mode == "file" || c.TLS.Mode == "auto" && !loopback(host)
}

// apply listens as the settings say. Where that fails all stays as it was, as far as it can.
func (s *server) apply(c *config.Config) error {
	m, err := s.prepare(c)
	if err != nil {
		return err
	}
	defer m.end()
	return m.do()
}

// move is another address, or other certificates, that all is ready for.
type move struct {
	s       *server
	address string
	tls     config.TLS
	secure  *tls.Config
	in      net.Listener // nil: its port is this server's own, which must be closed before
	beside  bool         // in is beside what is listened on already
}

// prepare reads certificates and opens the port that the settings say, and changes nothing. What it returns must be ended, and does nothing where nothing is to change.
func (s *server) prepare(c *config.Config) (*move, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	address, err := s.wanted(c.Listen)
	if err != nil {
		return nil, err
	}
	t := c.TLS
	if !encrypts(c) {
		t.Mode = "off"
	}
	if s.http != nil && address == s.address && t == s.tls {
		return &move{}, nil
	}
	m := &move{s: s, address: address, tls: t}
	if s.http != nil && t == s.tls && widens(s.address, address) {
		if m.in, err = api.Beside(s.in, address); err == nil {
			m.beside = true
			return m, nil
		}
	}
	if t.Mode != "off" {
		cert, err := auth.OpenCertificate(t.Certificate, t.Key, filepath.Join(s.dir, "tls"), s.log)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		m.secure = cert.Config()
	}
	if m.in, err = m.open(); err != nil && (s.http == nil || !samePort(s.address, address)) {
		return nil, err
	}
	return m, nil
}

// samePort says whether two addresses are of one port, of which both cannot always be had.
func samePort(a, b string) bool {
	_, p, _ := net.SplitHostPort(a)
	_, q, _ := net.SplitHostPort(b)
	return p == q
}

func (m *move) open() (net.Listener, error) {
	l, err := api.Listen(m.address, m.secure)
	if err != nil {
		return nil, fmt.Errorf("%w: choose another address with listen in the settings, or --listen", err)
	}
	return l, nil
}

// do listens as was prepared. Where that fails, as where another program takes the port, the server listens where it did, as far as it can.
func (m *move) do() error {
	s := m.s
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.beside {
		s.address = m.address
		s.serve(m.take())
		return nil
	}
	was := move{s: s, address: s.address, tls: s.tls}
	if s.http != nil {
		was.secure = s.http.TLSConfig
	}
	s.close(2 * time.Second)
	if m.in == nil {
		var err error
		if m.in, err = m.open(); err != nil {
			if was.address == "" {
				return err
			}
			var again error
			if was.in, again = was.open(); again == nil {
				was.begin()
			}
			return errors.Join(err, again)
		}
	}
	m.begin()
	return nil
}

// begin answers at the address. s.mu is held, and the server is closed.
func (m *move) begin() {
	s := m.s
	l := m.take()
	s.address, s.tls, s.in, s.http, s.serving = m.address, m.tls, l, api.Server(s.handler, m.secure, s.log), new(sync.WaitGroup)
	s.serve(l)
}

// take returns the listener, which from then on is the server's.
func (m *move) take() net.Listener {
	l := m.in
	m.in = nil
	return l
}

// end closes what was opened and not used.
func (m *move) end() {
	if m.in != nil {
		m.in.Close()
	}
}

// serve answers who comes to a listener, until http is closed. s.mu is held.
func (s *server) serve(l net.Listener) {
	h := s.http
	s.serving.Go(func() {
		if err := h.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("nobody is answered any more", "address", l.Addr().String(), "error", err)
		}
	})
	url := "http://" + shownHost(l.Addr().String()) // on this device itself, without TLS too
	s.log.Info("listening", "address", l.Addr().String(), "here", url, "tls", s.tls.Mode != "off")
	if link := s.auth.Link(); link != "" {
		s.log.Info("nobody has a password yet: open this once in a browser on this device", "link", url+"/#setup="+link)
	}
}

// shownHost is an address that a browser on this device can open.
func shownHost(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (ip == nil || ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return address
}

// close stops listening and gives requests that run some time. s.mu is held.
func (s *server) close(wait time.Duration) {
	if s.http == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		s.http.Close()
	}
	s.serving.Wait()
	s.http, s.in, s.address = nil, nil, ""
}

// Close ends the server.
func (s *server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close(2 * time.Second)
}
