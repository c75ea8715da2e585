//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// queryControl and control are struct v4l2_queryctrl and v4l2_control of linux/videodev2.h.
type queryControl struct {
	id, kind                     uint32
	name                         [32]byte
	least, most, step, initially int32
	flags                        uint32
	_                            [2]uint32
}

type control struct {
	id    uint32
	value int32
}

// Numbers of ioctls, and the bit that asks for the control after an id.
const (
	vidiocQueryControl = 0xc0445624
	vidiocSetControl   = 0xc008561c
	nextControl        = 0x80000000
)

// setControl sets a control of a camera by its name; vivid's make it fail in the ways that they are named after.
func setControl(path, name string, value int32) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	ioctl := func(request uintptr, p unsafe.Pointer) error {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(p)); errno != 0 {
			return errno
		}
		return nil
	}
	q := queryControl{id: nextControl}
	for ioctl(vidiocQueryControl, unsafe.Pointer(&q)) == nil {
		if string(bytes.TrimRight(q.name[:], "\x00")) == name {
			return ioctl(vidiocSetControl, unsafe.Pointer(&control{q.id, value}))
		}
		q = queryControl{id: q.id | nextControl}
	}
	return fmt.Errorf("%s has no control %q", path, name)
}
