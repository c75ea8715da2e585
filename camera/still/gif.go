package still

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"io"

	"github.com/ocellus-vision/ocellus/camera"
)

// How a frame of a GIF makes room for the next (GIF89a, section 23).
const (
	disposeBackground = 2
	disposePrevious   = 3
)

// slowest is how long a frame is shown whose file asks for less than two hundredths of a second: what browsers do.
const slowest = 10

// decodeGIF hands the frames of a GIF to yield, each laid over what the ones before it left, and returns how many they were. It decodes
// one at a time, so that memory does not grow with their number. A GIF without the block that ends it was cut off, which is an error after its last frame.
func decodeGIF(b []byte, pool *camera.Pool, yield func(picture) error) (n int, err error) {
	blocks := gifBlocks{rest: b}
	head, err := blocks.header()
	if err != nil {
		return 0, fmt.Errorf("broken picture: %w", err)
	}
	canvas := image.NewRGBA(image.Rect(0, 0, int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:]))))
	var before *image.RGBA
	for {
		control, data, err := blocks.frame()
		switch {
		case err == io.EOF && n == 0:
			return 0, fmt.Errorf("broken picture: no frames")
		case err == io.EOF:
			return n, nil
		case err != nil:
			return n, fmt.Errorf("broken picture: frame %d: %w", n+1, err)
		}
		img, err := safely("gif", func() (image.Image, error) {
			return gif.Decode(io.MultiReader(bytes.NewReader(head), bytes.NewReader(control), bytes.NewReader(data), bytes.NewReader([]byte{';'})))
		})
		if err != nil {
			return n, fmt.Errorf("broken picture: frame %d: %w", n+1, err)
		}
		dispose, delay := 0, 0
		if control != nil {
			dispose, delay = int(control[3]>>2&7), int(binary.LittleEndian.Uint16(control[4:]))
		}
		if ahead := blocks; n == 0 && !ahead.more() {
			delay = 0
		} else if delay < 2 {
			delay = slowest
		}
		if dispose == disposePrevious {
			if before == nil {
				before = image.NewRGBA(canvas.Rect)
			}
			copy(before.Pix, canvas.Pix)
		}
		draw.Draw(canvas, img.Bounds(), img, img.Bounds().Min, draw.Over)
		n++
		if err := yield(picture{pack(pool, canvas, 1), delay}); err != nil {
			return n, err
		}
		switch dispose {
		case disposeBackground:
			draw.Draw(canvas, img.Bounds(), image.Transparent, image.Point{}, draw.Src)
		case disposePrevious:
			copy(canvas.Pix, before.Pix)
		}
	}
}

var errCut = fmt.Errorf("the file is cut off: %w", io.ErrUnexpectedEOF)

// gifBlocks splits a GIF into the blocks that it is made of, without decoding them.
type gifBlocks struct{ rest []byte }

// take returns the next n bytes.
func (g *gifBlocks) take(n int) ([]byte, error) {
	if n > len(g.rest) {
		return nil, errCut
	}
	b := g.rest[:n]
	g.rest = g.rest[n:]
	return b, nil
}

// table skips the table of colours that the flags of a header announce.
func (g *gifBlocks) table(flags byte) error {
	if flags&0x80 == 0 {
		return nil
	}
	_, err := g.take(3 << (flags&7 + 1))
	return err
}

// data skips a chain of sub-blocks, the empty one that ends it included.
func (g *gifBlocks) data() error {
	for {
		size, err := g.take(1)
		if err != nil {
			return err
		}
		if size[0] == 0 {
			return nil
		}
		if _, err := g.take(int(size[0])); err != nil {
			return err
		}
	}
}

// header returns what stands before the first block: the size of the picture and the colours that all frames share.
func (g *gifBlocks) header() ([]byte, error) {
	all := g.rest
	b, err := g.take(13)
	if err == nil {
		err = g.table(b[10])
	}
	return all[:len(all)-len(g.rest)], err
}

// more says whether another frame follows.
func (g *gifBlocks) more() bool {
	_, _, err := g.frame()
	return err != io.EOF
}

// frame returns the next frame: its graphic control extension, nil where it has none, and its image block. After the last it returns io.EOF.
func (g *gifBlocks) frame() (control, data []byte, err error) {
	for {
		all := g.rest
		kind, err := g.take(1)
		if err != nil {
			return nil, nil, err
		}
		switch kind[0] {
		case 0x00: // padding that some writers leave
		case ';':
			return nil, nil, io.EOF
		case '!':
			label, err := g.take(1)
			if err == nil {
				err = g.data()
			}
			if err != nil {
				return nil, nil, err
			}
			if block := all[:len(all)-len(g.rest)]; label[0] == 0xf9 && len(block) == 8 && block[2] == 4 {
				control = block
			}
		case ',':
			b, err := g.take(9)
			if err == nil {
				err = g.table(b[8])
			}
			if err == nil {
				_, err = g.take(1) // the width of the first code
			}
			if err == nil {
				err = g.data()
			}
			return control, all[:len(all)-len(g.rest)], err
		default:
			return nil, nil, fmt.Errorf("block of unknown kind %#02x", kind[0])
		}
	}
}
