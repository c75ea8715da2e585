package doctor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"
)

// Of linux/videodev2.h.
const (
	vidiocQueryCap = 0x80685600 // _IOR('V', 0, struct v4l2_capability)
	capCapture     = 0x00000001 // V4L2_CAP_VIDEO_CAPTURE
	capCaptureMP   = 0x00001000 // V4L2_CAP_VIDEO_CAPTURE_MPLANE
	capDeviceCaps  = 0x80000000 // V4L2_CAP_DEVICE_CAPS
)

// capability is struct v4l2_capability: driver[16], card[32], bus_info[32], version, capabilities, device_caps, reserved[3].
type capability [104]byte

// name returns the card's name.
func (c *capability) name() string {
	card := c[16:48]
	if i := bytes.IndexByte(card, 0); i >= 0 {
		card = card[:i]
	}
	return string(bytes.ToValidUTF8(card, nil))
}

// captures says whether this device node gives frames; a camera has others beside it, for metadata.
func (c *capability) captures() bool {
	caps := binary.NativeEndian.Uint32(c[84:])
	if caps&capDeviceCaps != 0 {
		caps = binary.NativeEndian.Uint32(c[88:])
	}
	return caps&(capCapture|capCaptureMP) != 0
}

// cameras lists the capture devices, and those that could not be asked.
func cameras() []Camera {
	found := []Camera{}
	paths, _ := filepath.Glob("/dev/video*")
	for _, path := range paths {
		c, err := queryCapability(path)
		switch {
		case errors.Is(err, fs.ErrPermission):
			found = append(found, Camera{Path: path, Error: "no permission: sudo usermod -aG video $USER, then log in again"})
		case err != nil:
			found = append(found, Camera{Path: path, Error: err.Error()})
		case c.captures():
			found = append(found, Camera{Path: path, Name: c.name()})
		}
	}
	return found
}

func queryCapability(path string) (*capability, error) {
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c := new(capability)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), vidiocQueryCap, uintptr(unsafe.Pointer(c))); errno != 0 {
		return nil, &fs.PathError{Op: "VIDIOC_QUERYCAP", Path: path, Err: errno}
	}
	return c, nil
}
