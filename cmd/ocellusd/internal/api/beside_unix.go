//go:build unix

package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Beside listens on an address more of the port of what Listen returned, such as that of all networks where that is of this device only: no connection is
// refused meanwhile, and both share their bounds and TLS. From then on each is closed on its own; a connection to the narrower address comes to the narrower one.
func Beside(first net.Listener, address string) (net.Listener, error) {
	l, ok := first.(*listener)
	if !ok {
		return nil, errors.New("it is no listener of Listen")
	}
	c, ok := l.Listener.(syscall.Conn)
	if !ok {
		return nil, errors.New("it is no listener of a socket")
	}
	old, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	// Only while the second one is opened may two listen on a port, so that another program that asks for it later is told that it is taken.
	if err := share(old, 1); err != nil {
		return nil, err
	}
	defer share(old, 0)
	in, err := (&net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return share(c, 1) }}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	if c, err := in.(syscall.Conn).SyscallConn(); err == nil {
		share(c, 0)
	}
	return begin(in, l.tls, l.places), nil
}

func share(c syscall.RawConn, yes int) error {
	var err error
	if bad := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, yes) }); bad != nil {
		return bad
	}
	if err != nil {
		return fmt.Errorf("sharing a port: %w", err)
	}
	return nil
}
