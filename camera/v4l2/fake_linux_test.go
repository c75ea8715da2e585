package v4l2

import (
	"cmp"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fake is a driver in memory. It gives the pictures of its script in order and then nothing more.
type fake struct {
	caps   uint32
	card   string
	bus    string
	rate   fract     // that it agrees to; zero: what it is asked for
	pix    pixFormat // what it agrees to
	length int       // of its buffers
	script []picture
	loop   bool // begin the script again at its end

	fails    map[uint32]error // ioctls that fail
	failAt   int              // the number of the call that fails; 0: none
	calls    int
	memory   map[uint32][]byte
	queued   []uint32
	mapped   int
	on, open bool
	next     int
	alarm    chan struct{}
}

// picture is what a driver hands over in one buffer.
type picture struct {
	data     []byte
	sequence uint32
	flags    uint32
	age      time.Duration
	err      error // of the ioctl
	events   int16 // of poll; 0: POLLIN
}

var errInjected = errors.New("injected")

func newFake(code string, w, h, stride int, script ...picture) *fake {
	pix := pixFormat{width: uint32(w), height: uint32(h), pixelFormat: cc(code), bytesPerLine: uint32(stride), sizeImage: uint32(4 * w * h)}
	return &fake{caps: capVideoCapture | capStreaming, pix: pix, length: 4096, script: script, memory: map[uint32][]byte{}, alarm: make(chan struct{}, 1)}
}

// source returns a Source that opens the fake.
func (k *fake) source(query string) *Source {
	s, err := New("/dev/video0" + query)
	if err != nil {
		panic(err)
	}
	s.open = func(string) (port, error) { k.open = true; return k, nil }
	return s
}

// leak says what was not given back.
func (k *fake) leak() error {
	if k.on || k.open || k.mapped != 0 {
		return fmt.Errorf("streaming %v, open %v, %d mapped", k.on, k.open, k.mapped)
	}
	return nil
}

func (k *fake) fail(request uint32) error {
	k.calls++
	if k.calls == k.failAt {
		return errInjected
	}
	return k.fails[request]
}

func (k *fake) ioctl(request uint32, argument unsafe.Pointer) error {
	if err := k.fail(request); err != nil {
		return err
	}
	switch request {
	case queryCap:
		c := (*capability)(argument)
		copy(c.card[:], cmp.Or(k.card, "Fake"))
		copy(c.bus[:], k.bus)
		c.capabilities, c.deviceCap = k.caps|capDeviceCaps, k.caps
	case enumFmt:
		if f := (*fmtdesc)(argument); f.index == 0 {
			f.pixelFormat = k.pix.pixelFormat
			return nil
		}
		return unix.EINVAL
	case enumFrameSizes:
		if e := (*frmsizeenum)(argument); e.index == 0 {
			e.typ, e.size[0], e.size[1] = kindDiscrete, k.pix.width, k.pix.height
			return nil
		}
		return unix.EINVAL
	case enumFrameIntervals:
		if e := (*frmivalenum)(argument); e.index == 0 {
			e.typ, e.interval[0] = kindDiscrete, fract{1, 30}
			return nil
		}
		return unix.EINVAL
	case setFmt:
		(*format)(argument).pix = k.pix
	case setParm:
		s := (*streamparm)(argument)
		s.capability = capTimePerFrame
		if k.rate.den > 0 {
			s.timePerFrame = k.rate
		}
	case reqBufs:
		k.queued = nil
	case queryBuf:
		b := (*buffer)(argument)
		b.offset, b.length = b.index<<16, uint32(k.length)
	case qBuf:
		k.queued = append(k.queued, (*buffer)(argument).index)
	case streamOn, streamOff:
		k.on = request == streamOn
	case dqBuf:
		return k.dequeue((*buffer)(argument))
	default:
		return unix.ENOTTY
	}
	return nil
}

func (k *fake) dequeue(b *buffer) error {
	if len(k.queued) == 0 || k.next >= len(k.script) {
		return unix.EAGAIN
	}
	p := &k.script[k.next]
	k.next++
	if k.loop {
		k.next %= len(k.script)
	}
	if p.err != nil {
		return p.err
	}
	b.index = k.queued[0]
	copy(k.queued, k.queued[1:])
	k.queued = k.queued[:len(k.queued)-1]
	b.bytesUsed = uint32(copy(k.memory[b.index], p.data))
	b.sequence, b.flags = p.sequence, p.flags
	if p.age > 0 {
		var now unix.Timespec
		unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
		taken := time.Duration(now.Nano()) - p.age
		b.flags |= bufFlagTimestampMonotonic
		b.seconds, b.microseconds = int(taken/time.Second), int(taken%time.Second/time.Microsecond)
	}
	return nil
}

func (k *fake) mmap(offset uint32, length int) ([]byte, error) {
	if err := k.fail(0); err != nil {
		return nil, err
	}
	k.mapped++
	m := k.memory[offset>>16]
	if len(m) != length {
		m = make([]byte, length)
		k.memory[offset>>16] = m
	}
	return m, nil
}

func (k *fake) munmap([]byte) error { k.mapped--; return nil }

func (k *fake) wait(limit time.Duration) (int16, error) {
	if err := k.fail(0); err != nil {
		return 0, err
	}
	if k.next < len(k.script) {
		if e := k.script[k.next].events; e != 0 {
			return e, nil
		}
		return unix.POLLIN, nil
	}
	select {
	case <-k.alarm:
	case <-time.After(limit):
	}
	return 0, nil
}

func (k *fake) wake() {
	select {
	case k.alarm <- struct{}{}:
	default:
	}
}

// close stops what still streams, as the kernel does.
func (k *fake) close() error { k.open, k.on = false, false; return nil }

// liar is a fake whose answers are changed: each byte of lies says what becomes of the next one. When they are used up, it is unplugged.
type liar struct {
	*fake
	lies []byte
}

func (l *liar) take(b []byte) int {
	n := copy(b, l.lies)
	l.lies = l.lies[n:]
	return n
}

func (l *liar) ioctl(request uint32, argument unsafe.Pointer) error {
	err := l.fake.ioctl(request, argument)
	var lie [1]byte
	if l.take(lie[:]) == 0 {
		return unix.ENODEV
	}
	arg := unsafe.Slice((*byte)(argument), request>>16&0x3fff)
	switch {
	case lie[0] == 0:
		return unix.EINVAL
	case lie[0] < 16 && request&read != 0: // four bytes of the answer
		var four [5]byte
		l.take(four[:])
		copy(arg[int(four[0])%len(arg)&^3:], four[1:])
	case lie[0] == 16 && request&read != 0: // all of it
		l.take(arg)
		return nil
	}
	return err
}

func (l *liar) mmap(offset uint32, length int) ([]byte, error) {
	if length < 1 || length > 1<<20 {
		return nil, unix.ENOMEM
	}
	return l.fake.mmap(offset, length)
}

func (l *liar) wait(time.Duration) (int16, error) { return unix.POLLIN, nil }
