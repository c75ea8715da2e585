//go:build !linux

package v4l2

import (
	"context"
	"errors"
	"runtime"

	"github.com/ocellus-vision/ocellus/camera"
)

var errSystem = errors.New("v4l2: cameras are read this way on Linux only, and this is " + runtime.GOOS + "; use ffmpeg:")

type port struct{}

func openDevice(string) (port, error) { return port{}, errSystem }

func nodes() []string { return nil }

// Devices returns an error: there is no Video4Linux here.
func Devices() ([]Device, error) { return nil, errSystem }

// Run returns an error: there is no Video4Linux here.
func (s *Source) Run(context.Context, camera.Sink) error { return errSystem }
