package mjpeg

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// MaxPicture is the size in bytes of the largest JPEG that is taken, and how much else may stand before one.
const MaxPicture = 32 << 20

// Markers of a JPEG (ITU-T T.81, table B.1).
const (
	soi = 0xd8
	eoi = 0xd9
	sos = 0xda
	rst = 0xd0 // to 0xd7
	tem = 0x01
)

// errBroken is a picture that is lost, after which others may follow.
var errBroken = errors.New("a picture is cut short or broken")

// cutter cuts JPEGs out of a stream by their own structure. What stands between them is skipped: boundaries and headers of a multipart
// stream, which cameras write in many ways, some wrong, and padding. A thumbnail within a picture is part of it.
type cutter struct {
	r     *bufio.Reader
	begun bool // the two bytes that begin a picture have been read already
}

func newCutter(r io.Reader) *cutter { return &cutter{r: bufio.NewReaderSize(r, 64<<10)} }

// next appends the next JPEG to dst and returns it with the time at which it began to arrive. Between pictures the stream may end: io.EOF.
func (c *cutter) next(dst []byte) ([]byte, time.Time, error) {
	if err := c.seek(); err != nil {
		return dst, time.Time{}, err
	}
	began := time.Now()
	c.begun = false
	dst, err := c.rest(append(dst, 0xff, soi))
	if err == io.EOF {
		err = fmt.Errorf("the stream ended within a picture: %w", io.ErrUnexpectedEOF)
	}
	return dst, began, err
}

// seek reads up to and including the two bytes that begin a picture.
func (c *cutter) seek() error {
	for skipped := 0; !c.begun; {
		b, err := c.r.ReadSlice(0xff)
		if skipped += len(b); skipped > MaxPicture {
			return fmt.Errorf("no JPEG in %d MiB of the stream", MaxPicture>>20)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return err
		}
		next, err := c.r.Peek(2)
		if err != nil && len(next) < 2 {
			if err == io.EOF {
				continue // ReadSlice meets the end too
			}
			return err
		}
		if next[0] == soi && next[1] == 0xff {
			c.begun = true
			c.r.Discard(1)
		}
	}
	return nil
}

// rest appends the segments of a picture, from the first marker to the last.
func (c *cutter) rest(dst []byte) ([]byte, error) {
	marker, err := c.marker()
	for ; err == nil; marker, err = c.marker() {
	again:
		dst = append(dst, 0xff, marker)
		switch {
		case marker == soi: // the picture before it lacks its end
			c.begun = true
			return dst, errBroken
		case marker == eoi:
			return dst, nil
		case marker == tem || marker&^7 == rst:
			continue
		case marker < 0xc0:
			return dst, errBroken
		}
		if dst, err = c.segment(dst); err != nil {
			return dst, err
		}
		if marker == sos {
			if dst, marker, err = c.entropy(dst); err != nil {
				return dst, err
			}
			goto again
		}
	}
	return dst, err
}

// marker reads a marker and any filling before it.
func (c *cutter) marker() (byte, error) {
	if b, err := c.r.ReadByte(); err != nil || b != 0xff {
		return 0, orBroken(err)
	}
	for {
		b, err := c.r.ReadByte()
		if err != nil || b != 0xff {
			return b, err
		}
	}
}

func orBroken(err error) error {
	if err == nil {
		return errBroken
	}
	return err
}

// segment appends a segment that says how long it is.
func (c *cutter) segment(dst []byte) ([]byte, error) {
	head, err := c.r.Peek(2)
	if err != nil {
		return dst, err
	}
	n := int(head[0])<<8 | int(head[1])
	if n < 2 || len(dst)+n > MaxPicture {
		return dst, errBroken
	}
	at := len(dst)
	dst = append(dst, make([]byte, n)...)
	_, err = io.ReadFull(c.r, dst[at:])
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return dst, err
}

// entropy appends the coded pixels of a scan and returns the marker that ends it.
func (c *cutter) entropy(dst []byte) ([]byte, byte, error) {
	for {
		b, err := c.r.ReadSlice(0xff)
		if err != nil && err != bufio.ErrBufferFull {
			return dst, 0, err
		}
		if len(dst)+len(b) > MaxPicture {
			return dst, 0, errBroken
		}
		dst = append(dst, b...)
		if err != nil {
			continue
		}
		next, err := c.r.ReadByte()
		for ; err == nil && next == 0xff; next, err = c.r.ReadByte() {
		}
		if err != nil {
			return dst, 0, err
		}
		if next != 0 && next&^7 != rst {
			return dst[:len(dst)-1], next, nil
		}
		dst = append(dst, next)
	}
}

// frame returns the next picture in a frame of the pool. A broken one is passed over, and told to broken.
func (c *cutter) frame(pool *camera.Pool, size int, broken func(error)) (*camera.Frame, error) {
	f := pool.Get(size)
	for {
		data, began, err := c.next(f.Data[:0])
		f.Data = data
		switch {
		case err == errBroken:
			broken(err)
			continue
		case err != nil:
			f.Release()
			return nil, err
		}
		f.Format, f.Colour, f.Time = camera.JPEG, camera.BT601Full, began
		return f, nil
	}
}
