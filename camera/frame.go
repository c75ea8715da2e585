// Package camera holds frames in time: what a picture from a camera is (Frame), where pictures come from (Source), the pool that their memory
// goes back to, and the supervisor that opens a source again after it failed.
package camera

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Format is how a Frame's pixels lie in memory.
type Format uint8

const (
	RGB  Format = iota // 3 bytes a pixel
	BGR                // 3 bytes a pixel
	Grey               // 1 byte a pixel
	YUYV               // 4 bytes for 2 pixels of a row: Y0 U Y1 V
	NV12               // Height rows of Y, then Height/2 rows of U V pairs
	JPEG               // one compressed picture
)

func (f Format) String() string {
	if int(f) < len(formats) {
		return formats[f]
	}
	return fmt.Sprintf("format %d", uint8(f))
}

var formats = [...]string{RGB: "rgb", BGR: "bgr", Grey: "grey", YUYV: "yuyv", NV12: "nv12", JPEG: "jpeg"}

// Colour is the standard by which YUYV and NV12 become red, green and blue.
type Colour uint8

const (
	BT601     Colour = iota // luma 16..235
	BT601Full               // luma 0..255, as in JPEG
	BT709
	BT709Full
)

// Frame is one picture. It has one owner at a time, who may change it, or any number that have called Retain and only read it.
type Frame struct {
	Seq           uint64    // counts the pictures that the source has seen, those it dropped included
	Time          time.Time // of capture, with Go's monotonic reading
	Width, Height int       // pixels; of a JPEG 0 where the source did not look
	Stride        int       // bytes from one row to the next; 0 for JPEG
	Format        Format
	Colour        Colour
	Data          []byte
	Truth         any // what a drawn source knows of the picture; nil for a camera

	pool *Pool
	uses atomic.Int32
}

// Retain makes room for one more Release.
func (f *Frame) Retain() { f.uses.Add(1) }

// Release gives up one hold on the frame. The last one sends its memory back to the pool it came from. It panics when there is no hold left.
func (f *Frame) Release() {
	switch n := f.uses.Add(-1); {
	case n > 0:
	case n < 0:
		panic("camera: Frame: released more often than retained")
	case f.pool != nil:
		f.pool.put(f)
	}
}

// Pool recycles frames. The zero Pool is ready for use; many goroutines may share it.
type Pool struct {
	mu   sync.Mutex
	free []*Frame
	out  int
}

// keep is how many unused frames a Pool holds.
const keep = 4

// Get returns a frame with one hold and size bytes of Data, not cleared. Its other fields are zero.
func (p *Pool) Get(size int) *Frame {
	p.mu.Lock()
	p.out++
	var f *Frame
	if n := len(p.free); n > 0 {
		f, p.free = p.free[n-1], p.free[:n-1]
	}
	p.mu.Unlock()
	if f == nil {
		f = &Frame{pool: p}
	}
	if cap(f.Data) < size {
		f.Data = make([]byte, size)
	}
	f.Data = f.Data[:size]
	f.uses.Store(1)
	return f
}

// Out is how many frames are held: 0 when everyone has released theirs.
func (p *Pool) Out() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out
}

func (p *Pool) put(f *Frame) {
	f.Seq, f.Time, f.Width, f.Height, f.Stride, f.Format, f.Colour, f.Truth = 0, time.Time{}, 0, 0, 0, 0, 0, nil
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out--
	if len(p.free) < keep {
		p.free = append(p.free, f)
	}
}

// Sink takes over one hold on a frame and returns at once.
type Sink func(*Frame)

// Source gives frames. Run hands them to sink, in order, until ctx ends (it returns nil or ctx's error) or the source fails or
// ends (io.EOF). It does not retry, frees all it opened before it returns, and may be called again.
type Source interface {
	Run(ctx context.Context, sink Sink) error
	String() string // what is opened, for people; without passwords
}
