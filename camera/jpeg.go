package camera

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Faults that AppendJPEG finds.
var (
	ErrJPEGCut     = errors.New("the JPEG picture is cut short")
	ErrJPEGDamaged = errors.New("the JPEG picture is damaged")
)

// JPEGInfo is what AppendJPEG learns of a picture.
type JPEGInfo struct {
	Width, Height int
	Repaired      bool // it came without Huffman tables
}

// AppendJPEG appends to dst the JPEG picture that src begins with, made fit for any decoder, and returns the extended slice: what follows the
// end of the picture is left off, and the tables that Motion JPEG leaves out (ITU-T T.81, K.3.3) are put before the first scan.
//
// A picture with no end gives ErrJPEGCut. One that another has run into, or that has lost restart intervals, gives ErrJPEGDamaged. dst is
// then returned as it was. The entropy-coded data is not decoded.
func AppendJPEG(dst, src []byte) ([]byte, JPEGInfo, error) {
	w := jpegWalk{src: src}
	if err := w.walk(); err != nil {
		return dst, JPEGInfo{}, err
	}
	info := JPEGInfo{w.width, w.height, w.sequential && !w.tables}
	if !info.Repaired {
		return append(dst, src[:w.at]...), info, nil
	}
	dst = append(dst, src[:w.scan]...)
	dst = append(dst, huffmanTables...)
	return append(dst, src[w.scan:w.at]...), info, nil
}

// MaxJPEGGrowth is by how many bytes AppendJPEG can lengthen a picture.
const MaxJPEGGrowth = len(huffmanTables)

// Markers of ITU-T T.81, table B.1.
const (
	mSOF0, mSOF1, mSOF15 = 0xc0, 0xc1, 0xcf
	mDHT, mJPG, mDAC     = 0xc4, 0xc8, 0xcc
	mRST0, mRST7         = 0xd0, 0xd7
	mSOI, mEOI, mSOS     = 0xd8, 0xd9, 0xda
	mDRI, mTEM           = 0xdd, 0x01
)

// jpegWalk goes through the segments of a picture.
type jpegWalk struct {
	src           []byte
	at            int // what is next to be read; after walk, the end of the picture
	scan          int // where the first scan begins, 0 until then
	width, height int
	components    int
	mcuW, mcuH    int // pixels of an MCU of a scan that holds all components
	interval      int // MCUs between restart markers, or 0
	sequential    bool
	tables        bool
}

func (w *jpegWalk) walk() error {
	if len(w.src) < 2 || w.src[0] != 0xff || w.src[1] != mSOI {
		return ErrJPEGDamaged
	}
	w.at = 2
	for {
		start := w.at
		m, err := w.marker()
		switch {
		case err != nil:
			return err
		case m == mEOI && w.scan > 0:
			return nil
		case m <= mTEM || m >= mRST0 && m <= mEOI:
			return ErrJPEGDamaged
		}
		seg, err := w.segment()
		if err != nil {
			return err
		}
		switch {
		case m == mDHT:
			w.tables = true
		case m == mDRI && len(seg) == 2:
			w.interval = int(binary.BigEndian.Uint16(seg))
		case m >= mSOF0 && m <= mSOF15 && m != mJPG && m != mDAC:
			if !w.frame(seg) {
				return ErrJPEGDamaged
			}
			w.sequential = m == mSOF0 || m == mSOF1
		case m == mSOS:
			if w.width == 0 || len(seg) < 1 {
				return ErrJPEGDamaged
			}
			if w.scan == 0 {
				w.scan = start
			}
			if err := w.entropy(int(seg[0]) == w.components); err != nil {
				return err
			}
		}
	}
}

// marker reads a marker and the fill bytes before it.
func (w *jpegWalk) marker() (byte, error) {
	for n := 0; w.at < len(w.src); n++ {
		b := w.src[w.at]
		w.at++
		switch {
		case b == 0xff:
		case n == 0:
			return 0, ErrJPEGDamaged
		default:
			return b, nil
		}
	}
	return 0, ErrJPEGCut
}

// segment reads the parameters that follow a marker.
func (w *jpegWalk) segment() ([]byte, error) {
	rest := w.src[w.at:]
	if len(rest) < 2 {
		return nil, ErrJPEGCut
	}
	n := int(binary.BigEndian.Uint16(rest))
	switch {
	case n < 2:
		return nil, ErrJPEGDamaged
	case n > len(rest):
		return nil, ErrJPEGCut
	}
	w.at += n
	return rest[2:n], nil
}

// frame reads a frame header: 8 or 12 bits, height, width, and for each component its name, sampling factors and quantisation table.
func (w *jpegWalk) frame(seg []byte) bool {
	if w.width > 0 || len(seg) < 6 || len(seg) != 6+3*int(seg[5]) || seg[5] == 0 {
		return false
	}
	w.height, w.width = int(binary.BigEndian.Uint16(seg[1:])), int(binary.BigEndian.Uint16(seg[3:]))
	w.components = int(seg[5])
	h, v := 1, 1
	for c := range w.components {
		factors := seg[6+3*c+1]
		h, v = max(h, int(factors>>4)), max(v, int(factors&15))
	}
	if w.components == 1 {
		h, v = 1, 1 // A.2.2: its scan is not interleaved
	}
	w.mcuW, w.mcuH = 8*h, 8*v
	return w.width > 0 && w.height > 0
}

// entropy goes to the end of a scan. all means that the scan holds every component, so that the number of its MCUs is known.
func (w *jpegWalk) entropy(all bool) error {
	restarts := 0
	for {
		k := bytes.IndexByte(w.src[w.at:], 0xff)
		if k < 0 || w.at+k+1 >= len(w.src) {
			return ErrJPEGCut
		}
		w.at += k
		switch m := w.src[w.at+1]; {
		case m == 0: // a byte 0xff of the data
			w.at += 2
		case m == 0xff:
			w.at++
		case m >= mRST0 && m <= mRST7:
			if w.interval == 0 || int(m-mRST0) != restarts%8 {
				return ErrJPEGDamaged
			}
			restarts++
			w.at += 2
		default:
			if all && w.interval > 0 && w.sequential && restarts < (w.mcus()-1)/w.interval {
				return ErrJPEGDamaged
			}
			return nil
		}
	}
}

func (w *jpegWalk) mcus() int {
	return ((w.width + w.mcuW - 1) / w.mcuW) * ((w.height + w.mcuH - 1) / w.mcuH)
}

// huffmanTables is the DHT segment of the tables of ITU-T T.81, K.3.3: for DC and AC of luminance and of chrominance, the number of codes of
// each length from 1 to 16 and then the symbols in order of their codes.
const huffmanTables = "\xff\xc4\x01\xa2" +
	"\x00" + "\x00\x01\x05\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b" +
	"\x10" + "\x00\x02\x01\x03\x03\x02\x04\x03\x05\x05\x04\x04\x00\x00\x01\x7d" +
	"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\x23\x42\xb1\xc1\x15\x52\xd1\xf0" +
	"\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49" +
	"\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89" +
	"\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5" +
	"\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8" +
	"\xf9\xfa" +
	"\x01" + "\x00\x03\x01\x01\x01\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00" +
	"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b" +
	"\x11" + "\x00\x02\x01\x02\x04\x04\x03\x04\x07\x05\x04\x04\x00\x01\x02\x77" +
	"\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\xa1\xb1\xc1\x09\x23\x33\x52\xf0" +
	"\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48" +
	"\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87" +
	"\x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3" +
	"\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8" +
	"\xf9\xfa"
