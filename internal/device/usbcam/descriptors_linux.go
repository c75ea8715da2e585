package usbcam

import "encoding/binary"

// descriptor puts a descriptor's length before its bytes. A field is a byte (int), or 2 or 4 bytes (uint16, uint32), or bytes.
func descriptor(fields ...any) []byte {
	b := []byte{0}
	for _, f := range fields {
		switch v := f.(type) {
		case int:
			b = append(b, byte(v))
		case uint16:
			b = binary.LittleEndian.AppendUint16(b, v)
		case uint32:
			b = binary.LittleEndian.AppendUint32(b, v)
		case []byte:
			b = append(b, v...)
		default:
			panic("usbcam: descriptor: unknown type of field")
		}
	}
	b[0] = byte(len(b))
	return b
}

// Kinds of descriptors and classes, of the USB specification and of the USB Device Class Definition for Video Devices 1.0.
const (
	kindDevice, kindConfig, kindString, kindInterface, kindEndpoint, kindAssociation = 1, 2, 3, 4, 5, 11

	classVideo, subclassControl, subclassStreaming, subclassCollection = 0x0e, 1, 2, 3

	kindOfInterface = 0x24 // specific to the class
	// Of a control interface.
	header, inputTerminal, outputTerminal = 1, 2, 3
	// Of a streaming interface.
	inputHeader, formatYUYV, frameYUYV, formatMJPEG, frameMJPEG, colourMatching = 1, 4, 5, 6, 7, 13

	controlInterface, streamInterface = 0, 1
	endpointIn                        = 0x81
	bulk, bulkPacket                  = 2, 512
)

const (
	clock       = 48_000_000
	idCamera    = 1 // terminal
	idHost      = 2 // terminal
	maxPayload  = 32 * bulkPacket
	payloadHead = 2
)

var deviceDescriptor = descriptor(kindDevice, uint16(0x200), 0xef, 2, 1, 64, uint16(0x1d6b), uint16(0x0102), uint16(0x100), 1, 2, 3, 1)

// yuy2 is the GUID of YUYV.
var yuy2 = []byte{'Y', 'U', 'Y', '2', 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71}

// configDescriptor describes the camera: an interface that controls it and one, with a bulk endpoint, that pictures come through.
func configDescriptor() []byte {
	terminals := append(
		descriptor(kindOfInterface, inputTerminal, idCamera, uint16(0x0201), 0, 0, uint16(0), uint16(0), uint16(0), 3, 0, 0, 0),
		descriptor(kindOfInterface, outputTerminal, idHost, uint16(0x0101), 0, idCamera, 0)...)
	const headerLength = 13
	control := append(
		descriptor(kindOfInterface, header, uint16(0x100), uint16(headerLength+len(terminals)), uint32(clock), 1, streamInterface),
		terminals...)

	var formats []byte
	formats = append(formats, descriptor(kindOfInterface, formatMJPEG, mjpeg, len(Sizes), 1, 1, 0, 0, 0, 0)...)
	formats = append(formats, frames(frameMJPEG)...)
	formats = append(formats, descriptor(kindOfInterface, formatYUYV, yuyv, len(Sizes), yuy2, 16, 1, 0, 0, 0, 0)...)
	formats = append(formats, frames(frameYUYV)...)
	const inputLength = 15
	stream := append(
		descriptor(kindOfInterface, inputHeader, 2, uint16(inputLength+len(formats)), endpointIn, 0, idHost, 0, 0, 0, 1, 0, 0),
		formats...)

	var all []byte
	for _, d := range [][]byte{
		descriptor(kindAssociation, controlInterface, 2, classVideo, subclassCollection, 0, 2),
		descriptor(kindInterface, controlInterface, 0, 0, classVideo, subclassControl, 0, 0), control,
		descriptor(kindInterface, streamInterface, 0, 1, classVideo, subclassStreaming, 0, 0), stream,
		descriptor(kindEndpoint, endpointIn, bulk, uint16(bulkPacket), 0),
	} {
		all = append(all, d...)
	}
	const configLength = 9
	return append(descriptor(kindConfig, uint16(configLength+len(all)), 2, 1, 0, 0x80, 250), all...)
}

// frames describes the sizes of a format, and its colours: BT.709 primaries, sRGB's curve, BT.601 matrix.
func frames(kind int) []byte {
	var all []byte
	for i, s := range Sizes {
		size := uint32(2 * s[0] * s[1])
		fields := []any{kindOfInterface, kind, i + 1, 0, uint16(s[0]), uint16(s[1]), size * 8, size * 8 * 60, size, intervals[0], len(intervals)}
		for _, v := range intervals {
			fields = append(fields, v)
		}
		all = append(all, descriptor(fields...)...)
	}
	return append(all, descriptor(kindOfInterface, colourMatching, 1, 1, 4)...)
}

func stringDescriptor(i int) []byte {
	if i == 0 {
		return descriptor(kindString, uint16(0x0409)) // English
	}
	b := []byte{}
	for _, r := range [...]string{1: "Ocellus", 2: Name, 3: "1"}[min(i, 3)] {
		b = append(b, byte(r), 0)
	}
	return descriptor(kindString, b)
}
