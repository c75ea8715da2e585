package still

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// GIFWriter writes pictures into an animated GIF that repeats for ever, one at a time, each with the colours that suit it best. Pixels that
// stay as they were are not written again. Close must be called; only then the file bears its name.
type GIFWriter struct {
	path, part string
	f          *os.File
	w          *bufio.Writer
	rate       float64
	size       image.Point // of the first picture, and of all
	n          int         // pictures written
	shown      []uint8     // RGB: what the pixels were when they were written last
	frame      *image.Paletted
	err        error
}

// CreateGIF begins a GIF of rate pictures a second, at most 50. All have the size of the first.
func CreateGIF(path string, rate float64) (*GIFWriter, error) {
	if !(rate >= 0.01 && rate <= 1000) {
		return nil, fmt.Errorf("%s: a GIF of %g pictures a second cannot be written", path, rate)
	}
	w := &GIFWriter{path: path, part: filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".part"), rate: min(rate, 50)}
	f, err := os.Create(w.part)
	if err != nil {
		return nil, err
	}
	w.f, w.w = f, bufio.NewWriterSize(f, 64<<10)
	return w, nil
}

// Write adds a picture.
func (w *GIFWriter) Write(img *image.RGBA) error {
	size := img.Bounds().Size()
	switch {
	case w.err != nil:
		return w.err
	case w.f == nil:
		return fmt.Errorf("%s: the GIF has been closed", w.path)
	case size.X < 1 || size.Y < 1 || size.X > math.MaxUint16 || size.Y > math.MaxUint16 || size.X*size.Y > MaxPixels:
		return fmt.Errorf("%s: a GIF of %dx%d pixels cannot be written", w.path, size.X, size.Y)
	case w.n > 0 && size != w.size:
		return fmt.Errorf("%s: a picture of %dx%d in a GIF of %dx%d", w.path, size.X, size.Y, w.size.X, w.size.Y)
	}
	if w.n == 0 {
		w.size, w.frame, w.shown = size, image.NewPaletted(image.Rectangle{Max: size}, nil), make([]uint8, 3*size.X*size.Y)
	}
	w.paint(img)
	at := func(n int) int { return int(math.Round(float64(n) * 100 / w.rate)) }
	var b bytes.Buffer
	err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{w.frame}, Delay: []int{at(w.n+1) - at(w.n)}, Disposal: []byte{gif.DisposalNone}, Config: image.Config{Width: size.X, Height: size.Y}})
	if err != nil {
		return w.fail(err)
	}
	blocks := gifBlocks{rest: b.Bytes()}
	header, err := blocks.header()
	if err != nil {
		return w.fail(err)
	}
	if w.n == 0 {
		w.w.Write(header)
		w.w.WriteString("!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
	}
	control, data, err := blocks.frame()
	if err != nil {
		return w.fail(err)
	}
	w.w.Write(control)
	w.n++
	if _, err := w.w.Write(data); err != nil {
		return w.fail(err)
	}
	return nil
}

// fail removes the file.
func (w *GIFWriter) fail(err error) error {
	w.f.Close()
	os.Remove(w.part)
	w.err = fmt.Errorf("%s: %w", w.path, err)
	return w.err
}

// Close ends the GIF and gives the file its name.
func (w *GIFWriter) Close() error {
	if w.err != nil || w.f == nil {
		return w.err
	}
	if w.n == 0 {
		return w.fail(fmt.Errorf("no pictures were written"))
	}
	w.w.WriteByte(';')
	err := w.w.Flush()
	if e := w.f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(w.part, w.path)
	}
	if err != nil {
		return w.fail(err)
	}
	w.f = nil
	return nil
}

// same is by how much a channel of a pixel may change before the pixel is written again.
const same = 6

// paint turns img into the palette and the pixels of the next frame. Colour 0 lets through what was there.
func (w *GIFWriter) paint(img *image.RGBA) {
	var count [1 << 15]uint32
	for y := range w.size.Y {
		row := img.Pix[y*img.Stride:]
		for x := range w.size.X {
			if w.changed(row[4*x:], x, y) {
				count[bin(row[4*x:])]++
			}
		}
	}
	colours := medianCut(&count, 255)
	w.frame.Palette = append(w.frame.Palette[:0], color.RGBA{})
	for _, c := range colours {
		w.frame.Palette = append(w.frame.Palette, color.RGBA{c[0], c[1], c[2], 255})
	}
	if len(colours) == 0 { // a palette has two colours at least
		w.frame.Palette = append(w.frame.Palette, color.RGBA{A: 255})
	}
	var nearest [1 << 15]uint8 // of each bin; 0 is not known yet
	for y := range w.size.Y {
		row := img.Pix[y*img.Stride:]
		for x := range w.size.X {
			p, i := row[4*x:4*x+3], y*w.size.X+x
			if !w.changed(p, x, y) {
				w.frame.Pix[i] = 0
				continue
			}
			copy(w.shown[3*i:3*i+3], p)
			var q [3]uint8
			for c, v := range p {
				q[c] = uint8(min(max(int(v)+int(bayer[y&3][x&3]), 0), 255))
			}
			b := bin(q[:])
			if nearest[b] == 0 {
				nearest[b] = closest(colours, b)
			}
			w.frame.Pix[i] = nearest[b]
		}
	}
}

// changed says whether the pixel p at (x, y) has to be written.
func (w *GIFWriter) changed(p []uint8, x, y int) bool {
	if w.n == 0 {
		return true
	}
	old := w.shown[3*(y*w.size.X+x):][:3]
	for c := range old {
		if d := int(p[c]) - int(old[c]); d > same || d < -same {
			return true
		}
	}
	return false
}

// bayer is added to the channels before they are rounded to 5 bits: ordered dithering (Bayer, "An optimum method for two-level rendition of
// continuous-tone pictures", ICC 1973), which stands still from frame to frame.
var bayer = [4][4]int8{{-4, 0, -3, 1}, {2, -2, 3, -1}, {-3, 1, -4, 0}, {3, -1, 2, -2}}

// bin returns the number of a colour's cell in a cube of 32x32x32.
func bin(p []uint8) int { return int(p[0])>>3<<10 | int(p[1])>>3<<5 | int(p[2])>>3 }

// channel returns one coordinate of a bin, 0 to 31.
func channel(b, c int) int { return b >> (10 - 5*c) & 31 }

// box is some of the bins that are in use.
type box struct {
	bins   []int
	pixels uint64
	axis   int // along which it is the longest
	length int // along that, in cells; 0 for a single cell
}

// medianCut returns at most n colours that stand for the counted bins (Heckbert, "Color Image Quantization for Frame Buffer Display",
// SIGGRAPH 1982): the box with the most pixels times length is halved along its longest axis until there are enough.
func medianCut(count *[1 << 15]uint32, n int) [][3]uint8 {
	var all []int
	for b, c := range count {
		if c > 0 {
			all = append(all, b)
		}
	}
	if len(all) == 0 {
		return nil
	}
	boxes := []box{newBox(all, count)}
	for len(boxes) < n {
		best, most := -1, uint64(0)
		for i, b := range boxes {
			if score := b.pixels * uint64(b.length); score > most {
				best, most = i, score
			}
		}
		if best < 0 {
			break
		}
		b := boxes[best]
		slices.SortFunc(b.bins, func(x, y int) int { return channel(x, b.axis) - channel(y, b.axis) })
		cut, sum := 0, uint64(0)
		for cut < len(b.bins)-1 && (cut == 0 || sum < b.pixels/2) {
			sum += uint64(count[b.bins[cut]])
			cut++
		}
		boxes[best] = newBox(b.bins[:cut], count)
		boxes = append(boxes, newBox(b.bins[cut:], count))
	}
	colours := make([][3]uint8, len(boxes))
	for i, b := range boxes {
		colours[i] = b.mean(count)
	}
	return colours
}

func newBox(bins []int, count *[1 << 15]uint32) box {
	b := box{bins: bins}
	low, high := [3]int{31, 31, 31}, [3]int{}
	for _, x := range bins {
		b.pixels += uint64(count[x])
		for c := range 3 {
			low[c], high[c] = min(low[c], channel(x, c)), max(high[c], channel(x, c))
		}
	}
	for c := range 3 {
		if d := high[c] - low[c]; d > b.length {
			b.axis, b.length = c, d
		}
	}
	return b
}

// mean returns the mean colour of a box; a cell's is the one that fills 0..255 with 32 steps.
func (b *box) mean(count *[1 << 15]uint32) (m [3]uint8) {
	for c := range 3 {
		sum := uint64(0)
		for _, x := range b.bins {
			sum += uint64(channel(x, c)) * uint64(count[x])
		}
		m[c] = uint8((sum*255/31 + b.pixels/2) / b.pixels)
	}
	return m
}

// closest returns the place in the palette of the colour that is the closest to a bin: 1 for the first one.
func closest(colours [][3]uint8, b int) uint8 {
	best, least := 0, math.MaxInt
	for i, c := range colours {
		d := 0
		for k := range 3 {
			e := int(c[k]) - channel(b, k)*255/31
			d += e * e
		}
		if d < least {
			best, least = i, d
		}
	}
	return uint8(best + 1)
}
