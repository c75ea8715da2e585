// Package gocv takes frames from anything that OpenCV reads, and writes clips through it, in programs built with -tags gocv (make gocv).
// Without the tag it needs neither cgo nor OpenCV, and says how to build it.
package gocv

import (
	"fmt"
	"image"
)

// Options say what is read and how.
type Options struct {
	// Width and Height in pixels and Rate in frames a second are asked of a camera. What comes otherwise is told with camera.Warn. 0: any.
	Width, Height int
	Rate          float64
	// Live is true of a camera: frames are stamped as they come and the end is a failure. Numbered cameras always are. Without it the
	// time of a frame is that at which Run began plus its place in the clip, and the next one follows as soon as sink has returned.
	Live bool
	// RealTime hands out each frame of a clip when its time has come.
	RealTime bool
}

func (o Options) check(input string) error {
	const most = 1 << 15
	if input == "" || o.Width < 0 || o.Height < 0 || o.Width > most || o.Height > most || (o.Width == 0) != (o.Height == 0) || !(o.Rate >= 0 && o.Rate <= 1000) {
		return fmt.Errorf("gocv:%s: %dx%d pixels at a rate of %g cannot be asked for", input, o.Width, o.Height, o.Rate)
	}
	return nil
}

// Writer writes pictures into a clip. Close must be called; only then the file bears its name.
type Writer interface {
	// Write adds a picture, which must have the size of the clip.
	Write(*image.RGBA) error
	Close() error
}
