package v4l2

import "unsafe"

// The structures and numbers of linux/videodev2.h, as the kernel lays them out on 64-bit and 32-bit machines; a name here is the one there
// without v4l2_, V4L2_ and VIDIOC_.

const pointer = unsafe.Sizeof(uintptr(0))

type capability struct {
	driver                           [16]byte
	card, bus                        [32]byte
	version, capabilities, deviceCap uint32
	_                                [3]uint32
}

const (
	capVideoCapture       = 0x00000001
	capVideoCaptureMPlane = 0x00001000
	capStreaming          = 0x04000000
	capDeviceCaps         = 0x80000000
)

const (
	bufTypeVideoCapture = 1
	memoryMMAP          = 1
	fieldNone           = 1
)

type fmtdesc struct {
	index, typ, flags uint32
	description       [32]byte
	pixelFormat       fourCC
	_                 [4]uint32
}

type frmsizeenum struct {
	index       uint32
	pixelFormat fourCC
	typ         uint32
	// width and height if typ is discrete; else the least, most and step of the width, then of the height.
	size [6]uint32
	_    [2]uint32
}

type fract struct{ num, den uint32 }

type frmivalenum struct {
	index         uint32
	pixelFormat   fourCC
	width, height uint32
	typ           uint32
	interval      [3]fract // one if typ is discrete; else least, most, step
	_             [2]uint32
}

// kindDiscrete is a kind of frmsizeenum and frmivalenum. The others are ranges: stepwise, and continuous, whose step is 1.
const kindDiscrete = 1

type pixFormat struct {
	width, height uint32
	pixelFormat   fourCC
	field         uint32
	bytesPerLine  uint32
	sizeImage     uint32
	colorspace    uint32
	priv, flags   uint32
	ycbcrEnc      uint32
	quantization  uint32
	xferFunc      uint32
}

// format's union holds a structure with pointers, so it begins where a pointer may.
type format struct {
	typ uint32
	_   [pointer - 4]byte
	pix pixFormat
	_   [200 - unsafe.Sizeof(pixFormat{})]byte
}

const (
	colorspaceREC709 = 3
	colorspaceJPEG   = 7
	colorspaceBT2020 = 10
	colorspaceDCIP3  = 12

	ycbcrDefault = 0
	ycbcr709     = 2
	ycbcrXV709   = 4

	quantizationDefault = 0
	quantizationFull    = 1
)

type streamparm struct {
	typ                     uint32
	capability, captureMode uint32
	timePerFrame            fract
	extendedMode, buffers   uint32
	_                       [200 - 24]byte
}

const capTimePerFrame = 0x1000

type requestbuffers struct {
	count, typ, memory, capabilities uint32
	flags                            uint8
	_                                [3]uint8
}

// buffer holds times as C's long. On 32-bit machines this is the layout of the first ioctl numbers, which every kernel still accepts.
type buffer struct {
	index, typ, bytesUsed, flags, field uint32
	_                                   [pointer - 4]byte
	seconds, microseconds               int
	_                                   [16]byte // time code
	sequence, memory                    uint32
	offset                              uint32 // of a union as wide as a pointer; little-endian
	_                                   [pointer - 4]byte
	length, _, requestFD                uint32
}

const (
	bufFlagError              = 0x40
	bufFlagTimestampMask      = 0xe000
	bufFlagTimestampMonotonic = 0x2000
)

// The sizes, which are part of the ioctl numbers. A wrong one does not compile.
var (
	_ = [1]int{}[unsafe.Sizeof(capability{})-104]
	_ = [1]int{}[unsafe.Sizeof(fmtdesc{})-64]
	_ = [1]int{}[unsafe.Sizeof(frmsizeenum{})-44]
	_ = [1]int{}[unsafe.Sizeof(frmivalenum{})-52]
	_ = [1]int{}[unsafe.Sizeof(format{})-(200+pointer)]
	_ = [1]int{}[unsafe.Sizeof(streamparm{})-204]
	_ = [1]int{}[unsafe.Sizeof(requestbuffers{})-20]
	_ = [1]int{}[unsafe.Sizeof(buffer{})-(48+5*pointer)]
)

// Numbers of ioctls: two bits of direction, the argument's size, 'V', the command.
const (
	write    = 1 << 30
	read     = 2 << 30
	ofV      = 'V' << 8
	sizeUnit = 1 << 16

	queryCap           = read | ofV | uint32(unsafe.Sizeof(capability{}))*sizeUnit
	enumFmt            = read | write | ofV | uint32(unsafe.Sizeof(fmtdesc{}))*sizeUnit | 2
	setFmt             = read | write | ofV | uint32(unsafe.Sizeof(format{}))*sizeUnit | 5
	reqBufs            = read | write | ofV | uint32(unsafe.Sizeof(requestbuffers{}))*sizeUnit | 8
	queryBuf           = read | write | ofV | uint32(unsafe.Sizeof(buffer{}))*sizeUnit | 9
	qBuf               = read | write | ofV | uint32(unsafe.Sizeof(buffer{}))*sizeUnit | 15
	dqBuf              = read | write | ofV | uint32(unsafe.Sizeof(buffer{}))*sizeUnit | 17
	streamOn           = write | ofV | 4*sizeUnit | 18
	streamOff          = write | ofV | 4*sizeUnit | 19
	getParm            = read | write | ofV | uint32(unsafe.Sizeof(streamparm{}))*sizeUnit | 21
	setParm            = read | write | ofV | uint32(unsafe.Sizeof(streamparm{}))*sizeUnit | 22
	enumFrameSizes     = read | write | ofV | uint32(unsafe.Sizeof(frmsizeenum{}))*sizeUnit | 74
	enumFrameIntervals = read | write | ofV | uint32(unsafe.Sizeof(frmivalenum{}))*sizeUnit | 75
)

// text returns the characters before the first zero.
func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			b = b[:i]
			break
		}
	}
	out := make([]rune, 0, len(b))
	for _, r := range string(b) {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			r = '?'
		}
		out = append(out, r)
	}
	return string(out)
}
