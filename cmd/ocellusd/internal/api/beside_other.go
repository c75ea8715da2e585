//go:build !unix

package api

import (
	"errors"
	"net"
)

// Beside fails: this system does not share ports.
func Beside(net.Listener, string) (net.Listener, error) {
	return nil, errors.ErrUnsupported
}
