package v4l2

import (
	"context"
	"fmt"
	"math"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ocellus-vision/ocellus/camera"
)

// buffers is how many pictures the driver may fill before one is read.
const buffers = 4

// capture is one opening of a camera.
type capture struct {
	s    *Source
	p    port
	path string // where the camera was found
	layout
	memory  [][]byte
	buf     buffer              // of the ioctl at hand
	seq     uint64              // how many pictures the camera has taken, as far as the driver says
	last    uint32              // the driver's number of the picture before
	started bool                // last is valid
	good    time.Time           // when the sink was done with the last good picture
	before  Stats               // at the last good picture
	faults  [len(dropped)]error // what camera.Warn is told of each kind
}

// dropped are the reasons why a picture is not handed on.
var dropped = [...]string{
	flaggedFault: "a picture that the driver marked as damaged",
	shortFault:   "a picture with less data than its size needs",
	damagedFault: "a damaged JPEG picture",
}

const (
	flaggedFault = iota
	shortFault
	damagedFault
)

// Run opens the camera and gives its frames to sink until ctx ends, which gives nil, or the camera fails.
//
// A frame's memory is a copy of the driver's: the driver has its own back at once, however long the frame is held. Its Time is the driver's,
// of when the picture was taken. Damaged pictures are dropped, counted and told of by camera.Warn.
// Seq begins with 0 and has the gaps of the driver's own count. A camera that gives no good picture for the timeout of its URI
// is given up with an error that is os.ErrDeadlineExceeded; other errors are those of the kernel, such as ENODEV for a camera that was unplugged.
// When Run is called again, it finds the camera that it had before even if that has come back as another number.
func (s *Source) Run(ctx context.Context, sink camera.Sink) (err error) {
	path := s.locate()
	p, err := s.open(path)
	if err != nil {
		return explain(path, "open", err)
	}
	defer p.close()
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { p.wake(); close(woken) })
	defer func() {
		if !stop() {
			<-woken // p is closed next
		}
	}()

	c := &capture{s: s, p: p, path: path}
	if err := c.prepare(); err != nil {
		return err
	}
	s.mu.Lock()
	s.mode = c.Mode
	s.mu.Unlock()
	c.differences(ctx)
	defer c.stop()
	if err := c.start(); err != nil {
		return err
	}
	return c.loop(ctx, sink)
}

// prepare agrees with the camera on a format.
func (c *capture) prepare() error {
	caps, err := query(c.p)
	if err != nil {
		return c.explain("query", err)
	}
	switch node := caps.ofNode(); {
	case node&capVideoCapture != 0 && node&capStreaming != 0:
	case node&capVideoCaptureMPlane != 0:
		return errPlanes(c.path)
	default:
		return fmt.Errorf("v4l2: %s (%s) gives no pictures, it is another device of that card; %s", c.path, text(caps.card[:]), whatIsThere())
	}
	c.s.last = caps.identity()
	for i, what := range dropped {
		c.faults[i] = fmt.Errorf("v4l2: %s: %s was dropped; check the cable and the power of the USB port", c.path, what)
	}
	c.layout, err = configure(c.p, c.s.options, c.path, text(caps.card[:]))
	return err
}

// differences tells of what was asked for and is not had.
func (c *capture) differences(ctx context.Context) {
	o := c.s.options
	if o.width > 0 && (o.width != c.Width || o.height != c.Height) {
		camera.Warn(ctx, fmt.Errorf("v4l2: %s: %dx%d pixels were asked for, %dx%d come", c.path, o.width, o.height, c.Width, c.Height))
	}
	if o.fps > 0 && c.FPS > 0 && math.Abs(c.FPS/o.fps-1) > 0.05 {
		camera.Warn(ctx, fmt.Errorf("v4l2: %s: %.4g frames a second were asked for, %.4g come", c.path, o.fps, c.FPS))
	}
}

// start maps the driver's buffers, hands them to it and lets the pictures flow.
func (c *capture) start() error {
	r := &requestbuffers{count: buffers, typ: bufTypeVideoCapture, memory: memoryMMAP}
	if err := c.p.ioctl(reqBufs, unsafe.Pointer(r)); err != nil {
		return c.explain("get memory from", err)
	}
	if r.count < 1 || r.count > 64 {
		return fmt.Errorf("v4l2: %s: the driver has %d buffers, not %d", c.path, r.count, buffers)
	}
	for i := range r.count {
		c.buf = buffer{index: i, typ: bufTypeVideoCapture, memory: memoryMMAP}
		if err := c.p.ioctl(queryBuf, unsafe.Pointer(&c.buf)); err != nil {
			return c.explain("get memory from", err)
		}
		m, err := c.p.mmap(c.buf.offset, int(min(c.buf.length, 1<<30)))
		if err != nil {
			return c.explain("map memory of", err)
		}
		c.memory = append(c.memory, m)
		if len(m) < c.size && c.Format != camera.JPEG {
			return fmt.Errorf("v4l2: %s: the driver's buffers have %d bytes and a picture needs %d", c.path, len(m), c.size)
		}
		if err := c.queue(i); err != nil {
			return err
		}
	}
	if c.Format == camera.JPEG {
		c.size = len(c.memory[0])
	}
	typ := int32(bufTypeVideoCapture)
	if err := c.p.ioctl(streamOn, unsafe.Pointer(&typ)); err != nil {
		return c.explain("start", err)
	}
	return nil
}

// stop gives everything back. It is called whatever start did.
func (c *capture) stop() {
	typ := int32(bufTypeVideoCapture)
	c.p.ioctl(streamOff, unsafe.Pointer(&typ))
	for _, m := range c.memory {
		c.p.munmap(m)
	}
	c.p.ioctl(reqBufs, unsafe.Pointer(&requestbuffers{typ: bufTypeVideoCapture, memory: memoryMMAP}))
}

func (c *capture) explain(doing string, err error) error { return explain(c.path, doing, err) }

func (c *capture) queue(i uint32) error {
	c.buf = buffer{index: i, typ: bufTypeVideoCapture, memory: memoryMMAP}
	if err := c.p.ioctl(qBuf, unsafe.Pointer(&c.buf)); err != nil {
		return c.explain("give a buffer to", err)
	}
	return nil
}

func (c *capture) loop(ctx context.Context, sink camera.Sink) error {
	c.good, c.before = time.Now(), c.s.Stats()
	for ctx.Err() == nil {
		left := c.s.timeout - time.Since(c.good)
		events, err := c.p.wait(max(left, 0)) // if late, a picture may be there all the same
		switch {
		case err != nil:
			return c.explain("wait for", err)
		case events == 0 && left <= 0:
			return c.frozen()
		case events == 0:
			continue
		}
		c.buf = buffer{typ: bufTypeVideoCapture, memory: memoryMMAP}
		switch err := c.p.ioctl(dqBuf, unsafe.Pointer(&c.buf)); {
		case err == unix.EAGAIN && events&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) == 0:
			continue
		case err == unix.EAGAIN:
			return c.explain("read", unix.EIO)
		case err != nil:
			return c.explain("read", err)
		}
		index := c.buf.index
		if int(index) >= len(c.memory) {
			return fmt.Errorf("v4l2: %s: the driver names buffer %d of %d", c.path, index, len(c.memory))
		}
		f := c.frame(ctx)
		if err := c.queue(index); err != nil {
			if f != nil {
				f.Release()
			}
			return err
		}
		switch {
		case f != nil:
			c.s.counts.frames.Add(1)
			c.before = c.s.Stats()
			sink(f)
			c.good = time.Now()
		case left <= 0:
			return c.frozen()
		}
	}
	return nil
}

// frozen is the error of a camera that gives nothing, or nothing of use.
func (c *capture) frozen() error {
	n, b := c.s.Stats(), c.before
	flagged, short, damaged := n.Flagged-b.Flagged, n.Short-b.Short, n.Damaged-b.Damaged
	if flagged+short+damaged > 0 {
		return fmt.Errorf("v4l2: %s: only damaged pictures for %v (%d marked by the driver, %d short, %d broken JPEG): check the cable and the power of the USB port: %w",
			c.path, c.s.timeout, flagged, short, damaged, os.ErrDeadlineExceeded)
	}
	return fmt.Errorf("v4l2: %s: no picture for %v: the camera is frozen; if it stays so, unplug it and plug it in again: %w", c.path, c.s.timeout, os.ErrDeadlineExceeded)
}

// frame copies the picture of the buffer at hand, or returns nil and counts why it is of no use.
func (c *capture) frame(ctx context.Context) *camera.Frame {
	step := c.buf.sequence - c.last
	if !c.started || step == 0 || step > 1<<31 { // the first; or a driver that does not count, or began again
		step = 1
	}
	c.last, c.started = c.buf.sequence, true
	counts := &c.s.counts
	counts.missed.Add(uint64(step - 1))
	c.seq += uint64(step)

	memory := c.memory[c.buf.index]
	data := memory[:min(int(c.buf.bytesUsed&0x7fffffff), len(memory))]
	switch {
	case c.buf.flags&bufFlagError != 0:
		counts.flagged.Add(1)
		camera.Warn(ctx, c.faults[flaggedFault])
		return nil
	case c.Format != camera.JPEG && len(data) < c.size:
		counts.short.Add(1)
		camera.Warn(ctx, c.faults[shortFault])
		return nil
	}
	f := c.picture(data)
	if f == nil {
		counts.damaged.Add(1)
		camera.Warn(ctx, c.faults[damagedFault])
		return nil
	}
	f.Seq, f.Time = c.seq-1, c.time()
	return f
}

// picture copies the pixels; nil if they are a damaged JPEG.
func (c *capture) picture(data []byte) *camera.Frame {
	s := c.s
	if c.Format == camera.JPEG {
		f := s.pool.Get(c.size + camera.MaxJPEGGrowth)
		var info camera.JPEGInfo
		var err error
		if f.Data, info, err = camera.AppendJPEG(f.Data[:0], data); err != nil {
			f.Release()
			return nil
		}
		if info.Repaired {
			s.counts.repaired.Add(1)
		}
		f.Width, f.Height, f.Format, f.Colour = info.Width, info.Height, camera.JPEG, c.colour
		return f
	}
	f := s.pool.Get(c.size)
	f.Width, f.Height, f.Stride, f.Format, f.Colour = c.Width, c.Height, c.stride, c.Format, c.colour
	if c.widen {
		for i, y := range data[:c.size] {
			f.Data[i] = wide[y]
		}
	} else {
		copy(f.Data, data)
	}
	return f
}

// wide maps luma of 16..235 to 0..255.
var wide = func() (t [256]byte) {
	for y := range t {
		t[y] = byte(min(max((2*255*(y-16)+219)/(2*219), 0), 255))
	}
	return t
}()

// time returns when the picture of the buffer at hand was taken. The driver says so by the kernel's monotonic clock.
func (c *capture) time() time.Time {
	now := time.Now()
	var clock unix.Timespec
	if c.buf.flags&bufFlagTimestampMask != bufFlagTimestampMonotonic || unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock) != nil {
		return now
	}
	taken := time.Duration(c.buf.seconds)*time.Second + time.Duration(c.buf.microseconds)*time.Microsecond
	age := time.Duration(clock.Nano()) - taken
	if age < 0 || age > time.Minute { // a driver that is wrong about its clock
		return now
	}
	return now.Add(-age)
}
