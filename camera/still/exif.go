package still

import (
	"bytes"
	"encoding/binary"
)

// orientation returns the orientation that the EXIF data of a file give, 1 to 8; 1 where they give none.
func orientation(format string, b []byte) int {
	var tiff []byte
	switch format {
	case "jpeg":
		tiff = jpegEXIF(b)
	case "png":
		tiff = pngEXIF(b)
	case "webp":
		tiff = webpChunk(b, "EXIF")
	}
	return tiffOrientation(bytes.TrimPrefix(tiff, []byte("Exif\x00\x00")))
}

// jpegEXIF returns the APP1 segment of a JPEG that holds EXIF data (JEITA CP-3451, 4.5.4 and 4.7).
func jpegEXIF(b []byte) []byte {
	for b = b[min(2, len(b)):]; len(b) >= 4 && b[0] == 0xff; {
		marker := b[1]
		if marker == 0xff { // padding
			b = b[1:]
			continue
		}
		n := 2 + int(binary.BigEndian.Uint16(b[2:]))
		if marker == 0xda || n < 4 || n > len(b) { // the scan begins
			return nil
		}
		if s := b[4:n]; marker == 0xe1 && bytes.HasPrefix(s, []byte("Exif\x00\x00")) {
			return s
		}
		b = b[n:]
	}
	return nil
}

// pngEXIF returns the eXIf chunk of a PNG.
func pngEXIF(b []byte) []byte {
	for b = b[min(8, len(b)):]; len(b) >= 12; {
		n := binary.BigEndian.Uint32(b)
		if uint64(n)+12 > uint64(len(b)) {
			return nil
		}
		if string(b[4:8]) == "eXIf" {
			return b[8 : 8+n]
		}
		b = b[12+n:]
	}
	return nil
}

// webpChunk returns the first chunk of a WebP by that name.
func webpChunk(b []byte, name string) []byte {
	for b = b[min(12, len(b)):]; len(b) >= 8; {
		n := binary.LittleEndian.Uint32(b[4:])
		if uint64(n)+8 > uint64(len(b)) {
			return nil
		}
		if string(b[:4]) == name {
			return b[8 : 8+n]
		}
		b = b[min(8+uint64(n)+uint64(n&1), uint64(len(b))):]
	}
	return nil
}

// tiffOrientation returns the tag Orientation of the first directory of TIFF data; 1 where it is missing or wrong.
func tiffOrientation(b []byte) int {
	if len(b) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if string(b[:2]) == "MM" {
		order = binary.BigEndian
	} else if string(b[:2]) != "II" {
		return 1
	}
	at := order.Uint32(b[4:])
	if order.Uint16(b[2:]) != 42 || uint64(at)+2 > uint64(len(b)) {
		return 1
	}
	entries := int(order.Uint16(b[at:]))
	for b = b[at+2:]; entries > 0 && len(b) >= 12; entries-- {
		const tag, short = 0x0112, 3
		if order.Uint16(b) == tag {
			if v := int(order.Uint16(b[8:])); order.Uint16(b[2:]) == short && order.Uint32(b[4:]) == 1 && v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
		b = b[12:]
	}
	return 1
}
