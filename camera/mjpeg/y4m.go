package mjpeg

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// The largest pictures of a Y4M stream.
const (
	MaxSide   = 1 << 15
	MaxPixels = 1 << 26
)

// y4mMagic begins a Y4M stream (man 5 yuv4mpeg).
const y4mMagic = "YUV4MPEG2"

// maxLine bounds a header, in bytes.
const maxLine = 4096

// chroma is how a Y4M stream samples colour: one sample for so many pixels across and down; 0 for none.
type chroma struct{ across, down int }

// y4m reads the frames of a Y4M stream: 4:2:0 as NV12, 4:2:2 as YUYV, 4:4:4 as YUYV too, with the colours of two neighbours averaged,
// and mono as Grey.
type y4m struct {
	r      *bufio.Reader
	w, h   int
	rate   float64 // 0 if the stream does not say
	chroma chroma
	colour camera.Colour
	limits bool   // Grey is stretched from 16..235 to 0..255
	planes []byte // of colour, of one frame or one row
	n      int    // frames read
}

// newY4M reads the header of a stream.
func newY4M(r *bufio.Reader) (*y4m, error) {
	line, err := headerLine(r)
	if err != nil {
		return nil, fmt.Errorf("Y4M header: %w", err)
	}
	y := &y4m{r: r, chroma: chroma{2, 2}}
	full, known := false, false
	fields := strings.Fields(line)
	if len(fields) == 0 || fields[0] != y4mMagic {
		return nil, errors.New("Y4M header: it does not begin with " + y4mMagic)
	}
	for _, field := range fields[1:] {
		value := field[1:]
		switch field[0] {
		case 'W':
			y.w, err = strconv.Atoi(value)
		case 'H':
			y.h, err = strconv.Atoi(value)
		case 'F':
			y.rate, err = ratio(value)
		case 'I':
			if value != "p" && value != "?" {
				err = errors.New("the stream is interlaced: make it progressive, for example with ffmpeg -vf yadif")
			}
		case 'C':
			y.chroma, err = sampling(value)
			if !known {
				full = y.chroma.across == 0 // mono is full range unless the stream says otherwise
			}
		case 'X':
			if name, value, _ := strings.Cut(value, "="); name == "COLORRANGE" {
				full, known = value == "FULL", true
			}
		}
		if err != nil {
			return nil, fmt.Errorf("Y4M header: %s: %w", field, err)
		}
	}
	if y.w < 1 || y.h < 1 || y.w > MaxSide || y.h > MaxSide || y.w*y.h > MaxPixels {
		return nil, fmt.Errorf("Y4M header: pictures of %dx%d; up to %d million pixels and %d on a side are read", y.w, y.h, MaxPixels/1000000, MaxSide)
	}
	y.colour = colour(y.w, y.h, full)
	y.limits = y.chroma.across == 0 && !full
	return y, nil
}

// headerLine reads a line of at most maxLine bytes.
func headerLine(r *bufio.Reader) (string, error) {
	var line []byte
	for len(line) <= maxLine {
		b, err := r.ReadByte()
		switch {
		case err == io.EOF:
			return "", fmt.Errorf("the stream ends here: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return "", err
		case b == '\n':
			return string(line), nil
		}
		line = append(line, b)
	}
	return "", fmt.Errorf("longer than %d bytes", maxLine)
}

// ratio reads A:B. 0:0 is a rate that is not known.
func ratio(s string) (float64, error) {
	a, b, _ := strings.Cut(s, ":")
	x, err := strconv.ParseUint(a, 10, 32)
	y, err2 := strconv.ParseUint(b, 10, 32)
	switch {
	case err != nil || err2 != nil:
		return 0, errors.New("want a rate such as 30:1")
	case x == 0 || y == 0:
		return 0, nil
	case float64(x)/float64(y) > maxRate || float64(x)/float64(y) < minRate:
		return 0, fmt.Errorf("a rate from %g to %g is read", minRate, float64(maxRate))
	}
	return float64(x) / float64(y), nil
}

// sampling reads the name of a colour space.
func sampling(s string) (chroma, error) {
	switch s {
	case "420", "420jpeg", "420mpeg2", "420paldv":
		return chroma{2, 2}, nil
	case "422":
		return chroma{2, 1}, nil
	case "444":
		return chroma{1, 1}, nil
	case "mono":
		return chroma{}, nil
	}
	return chroma{}, errors.New("8 bits of 4:2:0, 4:2:2, 4:4:4 or mono are read: convert it, for example with ffmpeg -pix_fmt yuv420p")
}

// colour guesses the standard of pictures whose stream does not name it, by their size, as players do.
func colour(w, h int, full bool) camera.Colour {
	c := camera.BT601
	if w >= 1280 || h > 576 {
		c = camera.BT709
	}
	if full {
		c++
	}
	return c
}

// frame returns the next frame, or io.EOF after the last.
func (y *y4m) frame(pool *camera.Pool) (*camera.Frame, error) {
	if _, err := y.r.Peek(1); err == io.EOF {
		return nil, io.EOF
	}
	y.n++
	line, err := headerLine(y.r)
	if err == nil && line != "FRAME" && !strings.HasPrefix(line, "FRAME ") {
		err = errors.New("it does not begin with FRAME")
	}
	if err != nil {
		return nil, fmt.Errorf("frame %d: %w", y.n, err)
	}
	f, err := y.read(pool, time.Now())
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("the stream is cut off: %w", io.ErrUnexpectedEOF)
	}
	if err != nil {
		return nil, fmt.Errorf("frame %d: %w", y.n, err)
	}
	return f, nil
}

func (y *y4m) read(pool *camera.Pool, began time.Time) (f *camera.Frame, err error) {
	even := y.w + y.w&1
	switch y.chroma {
	case chroma{2, 2}:
		f = pool.Get(even * (y.h + (y.h+1)/2))
		f.Format, f.Stride = camera.NV12, even
		err = y.nv12(f.Data)
	case chroma{}:
		f = pool.Get(y.w * y.h)
		f.Format, f.Stride = camera.Grey, y.w
		err = y.grey(f.Data)
	default:
		f = pool.Get(2 * even * y.h)
		f.Format, f.Stride = camera.YUYV, 2*even
		err = y.yuyv(f.Data)
	}
	if err != nil {
		f.Release()
		return nil, err
	}
	f.Width, f.Height, f.Colour, f.Time = y.w, y.h, y.colour, began
	return f, nil
}

// scratch returns n bytes.
func (y *y4m) scratch(n int) []byte {
	if cap(y.planes) < n {
		y.planes = make([]byte, n)
	}
	return y.planes[:n]
}

// nv12 reads the three planes of a frame of 4:2:0.
func (y *y4m) nv12(dst []byte) error {
	even, pairs := y.w+y.w&1, (y.h+1)/2*((y.w+1)/2)
	for i := range y.h {
		row := dst[i*even : (i+1)*even]
		row[even-1] = 0 // the padding of an odd row
		if _, err := io.ReadFull(y.r, row[:y.w]); err != nil {
			return err
		}
	}
	uv := dst[y.h*even:]
	plane := y.scratch(pairs)
	for i := range 2 {
		if _, err := io.ReadFull(y.r, plane); err != nil {
			return err
		}
		for j, c := range plane {
			uv[2*j+i] = c
		}
	}
	return nil
}

// yuyv reads the three planes of a frame of 4:2:2 or 4:4:4.
func (y *y4m) yuyv(dst []byte) error {
	stride := 2 * (y.w + y.w&1)
	row := y.scratch(y.w)
	for i := range y.h {
		if _, err := io.ReadFull(y.r, row); err != nil {
			return err
		}
		out := dst[i*stride : (i+1)*stride]
		out[stride-2] = 0 // the second pixel of an odd row's last pair
		for x, v := range row {
			out[2*x] = v
		}
	}
	row = row[:(y.w+y.chroma.across-1)/y.chroma.across]
	for plane := range 2 {
		for i := range y.h {
			if _, err := io.ReadFull(y.r, row); err != nil {
				return err
			}
			out := dst[i*stride : (i+1)*stride]
			if y.chroma.across == 2 {
				for x, c := range row {
					out[4*x+1+2*plane] = c
				}
				continue
			}
			for x := 0; x < y.w; x += 2 {
				a, b := int(row[x]), int(row[min(x+1, y.w-1)])
				out[2*x+1+2*plane] = byte((a + b + 1) / 2)
			}
		}
	}
	return nil
}

// grey reads the one plane of a mono frame.
func (y *y4m) grey(dst []byte) error {
	if _, err := io.ReadFull(y.r, dst); err != nil || !y.limits {
		return err
	}
	for i, v := range dst {
		dst[i] = byte(min(max((int(v)-16)*255+109, 0)/219, 255))
	}
	return nil
}
