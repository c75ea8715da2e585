// Package v4l2 gives frames from cameras that Linux knows as /dev/videoN: webcams, capture cards, sensors. It speaks to the kernel's Video4Linux2
// interface by itself (ioctl, mmap, poll) and reads YUYV, NV12, grey and Motion JPEG.
package v4l2

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ocellus-vision/ocellus/camera"
)

// Source is one camera. Only one Run at a time; the other methods may be called from anywhere while it runs.
type Source struct {
	options
	pool   camera.Pool
	counts counters
	last   identity // of the camera that was opened last
	open   func(path string) (port, error)
	nodes  func() []string // paths of all devices

	mu   sync.Mutex
	mode Mode
}

// Mode is how a camera gives its pictures.
type Mode struct {
	Format        camera.Format
	Width, Height int
	FPS           float64 // 0 where the driver does not say
}

func (m Mode) String() string {
	s := fmt.Sprintf("%dx%d %s", m.Width, m.Height, formatName(m.Format))
	if m.FPS > 0 {
		s += fmt.Sprintf(" at %.4g fps", m.FPS)
	}
	return s
}

// Stats counts pictures since New.
type Stats struct {
	Frames   uint64 // given to the sink
	Missed   uint64 // gaps in the driver's count: taken by the camera, never seen here
	Flagged  uint64 // marked by the driver as damaged
	Short    uint64 // uncompressed, with less data than their size needs
	Damaged  uint64 // JPEG that is cut short or has lost parts
	Repaired uint64 // JPEG that came without Huffman tables; among Frames
}

type counters struct{ frames, missed, flagged, short, damaged, repaired atomic.Uint64 }

// Stats may be called at any time.
func (s *Source) Stats() Stats {
	c := &s.counts
	return Stats{c.frames.Load(), c.missed.Load(), c.flagged.Load(), c.short.Load(), c.damaged.Load(), c.repaired.Load()}
}

// New returns the camera that a URI names: a device's path, with or without "v4l2:" before it and options behind it, as in
//
//	/dev/video0
//	v4l2:/dev/v4l/by-id/usb-X-video-index0?size=1280x720&fps=15&format=mjpeg
//
// size, fps and format (yuyv, nv12, grey, mjpeg) ask for the nearest that the camera has; of a format, for that and no other. timeout is
// how long the camera may give nothing before Run fails (5s). range (full, limited) corrects a driver that is wrong about the range of its luma.
// Nothing is opened before Run.
func New(uri string) (*Source, error) {
	o, err := parse(uri)
	if err != nil {
		return nil, fmt.Errorf("v4l2: %q: %w", uri, err)
	}
	return &Source{options: o, open: openDevice, nodes: nodes}, nil
}

func (s *Source) String() string { return s.uri }

// Mode is what the camera agreed to when it was last opened, which may be another size or rate than was asked for.
func (s *Source) Mode() Mode {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mode
}

// Held is how many frames are still held by those they were given to.
func (s *Source) Held() int { return s.pool.Out() }

// identity tells cameras apart, whatever their numbers.
type identity struct{ card, bus string }

// Device is a device that gives pictures.
type Device struct {
	Path   string
	Name   string // of the camera
	Driver string
	Bus    string // where it is plugged in
	Sizes  []Size
	Others []string // formats that it has and this package does not read, by their four characters
	Err    error    // why it could not be asked; what else is known may be empty
}

// Size is one size in one format. Where the camera has a range of sizes, Width and Height are the largest.
type Size struct {
	Format              camera.Format
	Width, Height       int
	MinWidth, MinHeight int
	StepX, StepY        int
	FPS                 []float64 // fastest first; empty where the driver does not say
}

func (s Size) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %dx%d", formatName(s.Format), s.Width, s.Height)
	if s.MinWidth < s.Width || s.MinHeight < s.Height {
		fmt.Fprintf(&b, " down to %dx%d", s.MinWidth, s.MinHeight)
	}
	for i, f := range s.FPS {
		if i == 0 {
			b.WriteString(" at")
		}
		fmt.Fprintf(&b, " %.4g", f)
	}
	return b.String()
}

// formatName is the word for a format in URIs.
func formatName(f camera.Format) string {
	if f == camera.JPEG {
		return "mjpeg"
	}
	return f.String()
}
