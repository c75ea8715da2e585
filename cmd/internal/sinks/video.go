package sinks

import (
	"image"
	"math"
	"time"

	"github.com/ocellus-vision/ocellus/camera/ffmpeg"
)

// video writes a clip through ffmpeg, whose frames are all as long as the time between the first two. A frame that comes later than that makes the one before
// last longer, one that comes earlier is left out.
type video struct {
	path  string
	w     *ffmpeg.Writer // from the second frame on
	first *image.RGBA    // waits for the second
	begun time.Time      // time of the first frame
	rate  float64        // frames a second
	count int            // frames written
	last  *image.RGBA
}

// Bounds of a clip's rate, and the longest pause that is filled, in seconds.
const (
	minRate = 1.0
	maxRate = 60.0
	pause   = 30.0
)

func (v *video) write(img *image.RGBA, at time.Time) error {
	if v.first == nil {
		v.first, v.last, v.begun = img, img, at
		return nil
	}
	if v.w == nil {
		v.rate = maxRate
		if gap := at.Sub(v.begun).Seconds(); gap > 0 {
			v.rate = min(max(1/gap, minRate), maxRate)
		}
		if err := v.begin(); err != nil {
			return err
		}
	}
	if img.Rect.Size() != v.first.Rect.Size() {
		return errSize
	}
	due := int(math.Round(at.Sub(v.begun).Seconds() * v.rate)) // frames before this one
	if late := due - v.count; late > int(pause*v.rate) {
		v.begun = v.begun.Add(time.Duration(float64(late) / v.rate * float64(time.Second)))
		due = v.count
	}
	for v.count < due {
		if err := v.put(v.last); err != nil {
			return err
		}
	}
	v.last = img
	return nil
}

func (v *video) begin() (err error) {
	v.w, err = ffmpeg.Create(v.path, v.first.Rect.Dx(), v.first.Rect.Dy(), v.rate)
	return err
}

func (v *video) put(img *image.RGBA) error {
	v.count++
	return v.w.Write(img)
}

func (v *video) close() error {
	if v.first == nil {
		return nil
	}
	if v.w == nil { // of a single frame
		v.rate = minRate
		if err := v.begin(); err != nil {
			return err
		}
	}
	if err := v.put(v.last); err != nil {
		v.w.Close()
		return err
	}
	return v.w.Close()
}
