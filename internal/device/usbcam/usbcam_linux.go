// Package usbcam is a USB camera that exists in memory: it speaks USB/IP to the kernel's virtual host controller (vhci-hcd), so that the kernel's
// own driver of USB cameras (uvcvideo) makes a /dev/videoN of it. It can be unplugged, frozen, and made to send damaged pictures. It needs root.
package usbcam

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Name is what the camera calls itself.
const Name = "Emulated camera"

// Sizes are the widths and heights that it has in both formats.
var Sizes = [][2]int{{640, 480}, {320, 240}}

// intervals are the times between pictures that it has, in units of 100 ns: 60, 30, 15 and 5 a second.
var intervals = []uint32{166666, 333333, 666666, 2000000}

// Numbers of its formats.
const mjpeg, yuyv = 1, 2

// Pictures are what it shows in one size, over and over.
type Pictures struct{ MJPEG, YUYV [][]byte }

// Camera is a camera; it begins unplugged.
type Camera struct {
	mu     sync.Mutex
	wire   net.Conn // to the kernel; nil while unplugged
	served chan struct{}
	show   []Pictures // by size
	modes  [2]mode    // offered and agreed
	waits  []uint32   // requests for data that are not answered yet, by number
	ready  [][]byte   // payloads that nobody has asked for yet
	next   int        // picture
	toggle byte
	frozen bool
	cut    int // pictures yet to be cut short
	flag   int // pictures yet to be marked as damaged
}

// mode is what a stream has been set to.
type mode struct {
	format, size byte // from 1
	interval     uint32
}

// New returns a camera that shows pictures, one Pictures for each of Sizes.
func New(pictures []Pictures) *Camera {
	c := &Camera{}
	c.Show(pictures)
	return c
}

// Show changes what the camera shows.
func (c *Camera) Show(pictures []Pictures) {
	if len(pictures) != len(Sizes) {
		panic("usbcam: Show: not one Pictures for each size")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.show, c.next = pictures, 0
}

// Freeze makes it send nothing, or go on.
func (c *Camera) Freeze(on bool) { c.mu.Lock(); c.frozen = on; c.mu.Unlock() }

// Cut makes it send only half of the next n pictures.
func (c *Camera) Cut(n int) { c.mu.Lock(); c.cut = n; c.mu.Unlock() }

// Flag makes it mark the next n pictures as damaged, after those that are to be cut.
func (c *Camera) Flag(n int) { c.mu.Lock(); c.flag = n; c.mu.Unlock() }

// Plug connects it to the kernel's first virtual port.
func (c *Camera) Plug() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wire != nil {
		return errors.New("usbcam: it is plugged in already")
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(ends[1]) // the kernel keeps its own hold
	ours := os.NewFile(uintptr(ends[0]), "usbip")
	wire, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return err
	}
	c.modes = [2]mode{{mjpeg, 1, intervals[1]}, {mjpeg, 1, intervals[1]}}
	c.waits, c.ready, c.wire, c.served = nil, nil, wire, make(chan struct{})
	go c.serve(wire, c.served)
	const highSpeed, device = 3, 1<<16 | 1
	if err := os.WriteFile("/sys/devices/platform/vhci_hcd.0/attach", fmt.Appendf(nil, "0 %d %d %d", ends[1], device, highSpeed), 0); err != nil {
		wire.Close()
		c.wire = nil
		return err
	}
	return nil
}

// Unplug pulls the cable.
func (c *Camera) Unplug() {
	c.mu.Lock()
	wire, served := c.wire, c.served
	c.wire = nil
	c.mu.Unlock()
	if wire != nil {
		wire.Close()
		<-served
	}
}

// Commands of USB/IP, of the kernel's Documentation/usb/usbip_protocol.
const (
	submit, unlink, submitted, unlinked = 1, 2, 3, 4
	headLength                          = 48
	directionIn                         = 1
)

// request is the head of what the kernel sends: five numbers, five more, and the setup packet of a control transfer.
type request struct {
	Command, Number, Device, Direction, Endpoint uint32
	Flags, Length, Start, Packets, Interval      uint32 // of submit; Flags is the number of the other request in unlink
	Setup                                        setup
}

// setup is the setup packet of USB 2.0, table 9-2. It is little-endian within the big-endian request.
type setup struct {
	Type, Request byte
	Rest          [6]byte
}

func (s setup) value() uint16 { return binary.LittleEndian.Uint16(s.Rest[0:]) }
func (s setup) index() uint16 { return binary.LittleEndian.Uint16(s.Rest[2:]) }
func (s setup) length() int   { return int(binary.LittleEndian.Uint16(s.Rest[4:])) }

// answer is the head of what it sends back.
type answer struct {
	Command, Number, Device, Direction, Endpoint uint32
	Status                                       int32
	Length, Start, Packets, Errors               uint32
	_                                            [8]byte
}

// serve answers the kernel until the cable is pulled, and sends pictures meanwhile.
func (c *Camera) serve(wire net.Conn, served chan struct{}) {
	defer close(served)
	pulled, stopped := make(chan struct{}), make(chan struct{})
	go func() { defer close(stopped); c.film(pulled) }()
	defer func() { close(pulled); <-stopped }()
	for {
		var r request
		if binary.Read(wire, binary.BigEndian, &r) != nil {
			return
		}
		var sent []byte
		if r.Command == submit && r.Direction != directionIn {
			sent = make([]byte, min(r.Length, 1<<16))
			if _, err := io.ReadFull(wire, sent); err != nil {
				return
			}
		}
		c.mu.Lock()
		c.take(wire, r, sent)
		c.mu.Unlock()
	}
}

// take handles one request.
func (c *Camera) take(wire net.Conn, r request, sent []byte) {
	switch {
	case r.Command == unlink:
		a := answer{Command: unlinked, Number: r.Number}
		for i, n := range c.waits {
			if n == r.Flags {
				c.waits = append(c.waits[:i:i], c.waits[i+1:]...)
				a.Status = -int32(unix.ECONNRESET)
				break
			}
		}
		reply(wire, a, nil)
	case r.Endpoint == 0:
		a := answer{Command: submitted, Number: r.Number, Length: uint32(len(sent))}
		data, ok := c.control(r.Setup, sent)
		if !ok {
			a.Status, a.Length = -int32(unix.EPIPE), 0
		} else if r.Direction == directionIn {
			data = data[:min(len(data), r.Setup.length())]
			a.Length = uint32(len(data))
		}
		reply(wire, a, data)
	case r.Direction == directionIn:
		c.waits = append(c.waits, r.Number)
		c.send(wire)
	}
}

// reply writes an answer. What goes wrong with the wire shows when it is read next.
func reply(wire io.Writer, a answer, data []byte) {
	b, err := binary.Append(make([]byte, 0, headLength+len(data)), binary.BigEndian, a)
	if err == nil {
		wire.Write(append(b, data...))
	}
}

// Requests of USB and of the video class.
const (
	getStatus, clearFeature, getDescriptor, setConfiguration, setInterface = 0, 1, 6, 9, 11
	setCurrent, getCurrent, getLength, getInfo                             = 0x01, 0x81, 0x85, 0x86
	getMin, getMax, getRes, getDef                                         = 0x82, 0x83, 0x84, 0x87
	classMask, ofClass                                                     = 0x60, 0x20
	probeControl, commitControl                                            = 1, 2
	probeLength                                                            = 26
)

// control answers a transfer to endpoint 0; false refuses it.
func (c *Camera) control(s setup, sent []byte) ([]byte, bool) {
	which := s.value() >> 8
	if s.Type&classMask == ofClass {
		if s.index() != streamInterface || which != probeControl && which != commitControl {
			return nil, false
		}
		return c.negotiate(&c.modes[which-probeControl], s.Request, sent)
	}
	switch s.Request {
	case getDescriptor:
		switch which {
		case kindDevice:
			return deviceDescriptor, true
		case kindConfig:
			return configDescriptor(), true
		case kindString:
			return stringDescriptor(int(s.value() & 255)), true
		}
		return nil, false
	case getStatus:
		return []byte{0, 0}, true
	case clearFeature, setInterface:
		c.ready = nil // the stream begins again
		return nil, true
	case setConfiguration:
		return nil, true
	}
	return nil, false
}

// negotiate reads or sets a mode, in the form of the probe and commit controls.
func (c *Camera) negotiate(m *mode, request byte, sent []byte) ([]byte, bool) {
	switch request {
	case setCurrent:
		if len(sent) < 8 {
			return nil, false
		}
		m.format, m.size = min(max(sent[2], mjpeg), yuyv), min(max(sent[3], 1), byte(len(Sizes)))
		m.interval = intervals[0]
		for asked, i := binary.LittleEndian.Uint32(sent[4:]), 0; i < len(intervals) && intervals[i] <= asked; i++ {
			m.interval = intervals[i]
		}
		return nil, true
	case getCurrent, getMin, getMax, getDef:
		b := make([]byte, probeLength)
		b[2], b[3] = m.format, m.size
		size := Sizes[m.size-1]
		binary.LittleEndian.PutUint32(b[4:], m.interval)
		binary.LittleEndian.PutUint32(b[18:], uint32(2*size[0]*size[1]))
		binary.LittleEndian.PutUint32(b[22:], maxPayload)
		return b, true
	case getLength:
		return []byte{probeLength, 0}, true
	case getInfo:
		return []byte{3}, true // can be read and set
	}
	return nil, false
}

// film takes pictures at the agreed rate until the cable is pulled.
func (c *Camera) film(pulled chan struct{}) {
	due := time.Now()
	for {
		c.mu.Lock()
		c.picture()
		due = due.Add(time.Duration(c.modes[1].interval) * 100)
		c.mu.Unlock()
		wait := time.Until(due)
		if wait < 0 {
			wait, due = 0, time.Now()
		}
		select {
		case <-pulled:
			return
		case <-time.After(wait):
		}
	}
}

// picture makes payloads of the next picture, if somebody watches.
func (c *Camera) picture() {
	if c.frozen || len(c.waits) == 0 || len(c.ready) > 0 || c.wire == nil {
		return
	}
	m := c.modes[1]
	all := c.show[m.size-1].MJPEG
	if m.format == yuyv {
		all = c.show[m.size-1].YUYV
	}
	if len(all) == 0 {
		return
	}
	data := all[c.next%len(all)]
	c.next++
	const endOfFrame, damaged, endOfHeader = 0x02, 0x40, 0x80
	head := endOfHeader | c.toggle
	c.toggle ^= 1
	switch {
	case c.cut > 0:
		c.cut--
		data = data[:len(data)/2]
	case c.flag > 0:
		c.flag--
		head |= damaged
	}
	for len(data) > 0 {
		n := min(len(data), maxPayload-payloadHead)
		if n == len(data) {
			head |= endOfFrame
		}
		c.ready = append(c.ready, append([]byte{payloadHead, head}, data[:n]...))
		data = data[n:]
	}
	c.send(c.wire)
}

// send answers waiting requests with payloads.
func (c *Camera) send(wire net.Conn) {
	for len(c.waits) > 0 && len(c.ready) > 0 {
		data := c.ready[0]
		reply(wire, answer{Command: submitted, Number: c.waits[0], Length: uint32(len(data))}, data)
		c.waits, c.ready = c.waits[1:], c.ready[1:]
	}
}
