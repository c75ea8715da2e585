package sinks

import (
	"bufio"
	"cmp"
	"compress/lzw"
	"image"
	"io"
	"os"
	"slices"
	"time"
)

// gifWriter writes an animated GIF frame by frame, each with the 256 colours that suit it best, so that memory does not grow with the clip.
type gifWriter struct {
	path string
	file *os.File // from the first frame on
	w    *bufio.Writer
	w0   int // size of the first frame, which is that of all
	h0   int
	last *image.Paletted // waits for the time of the next frame, which tells how long it shows
	at   time.Time       // of last
	gap  time.Duration   // between the last two
	cut  cutter
}

func newGIF(path string) *gifWriter { return &gifWriter{path: path, gap: time.Second / 10} }

func (g *gifWriter) begin(img *image.RGBA) error {
	g.w0, g.h0 = img.Rect.Dx(), img.Rect.Dy()
	if g.w0 > 1<<16-1 || g.h0 > 1<<16-1 {
		return errSize
	}
	f, err := os.Create(g.path)
	if err != nil {
		return err
	}
	g.file, g.w = f, bufio.NewWriter(f)
	g.header()
	return nil
}

func (g *gifWriter) write(img *image.RGBA, at time.Time) error {
	if g.file == nil {
		if err := g.begin(img); err != nil {
			return err
		}
	}
	if img.Rect.Dx() != g.w0 || img.Rect.Dy() != g.h0 {
		return errSize
	}
	if g.last != nil {
		if d := at.Sub(g.at); d > 0 {
			g.gap = d
		}
		if err := g.frame(g.last, g.gap); err != nil {
			return err
		}
	}
	g.last, g.at = g.cut.paletted(img, g.last), at
	return nil
}

func (g *gifWriter) close() error {
	if g.file == nil {
		return nil
	}
	err := g.frame(g.last, g.gap)
	g.w.WriteByte(';')
	return cmp.Or(err, g.w.Flush(), g.file.Close())
}

// header writes the size and that the clip begins again for ever. Errors stay in the bufio.Writer.
func (g *gifWriter) header() {
	g.w.WriteString("GIF89a")
	g.short(g.w0, g.h0)
	g.w.Write([]byte{0x70, 0, 0}) // no palette for all frames
	g.w.WriteString("!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
}

func (g *gifWriter) short(values ...int) {
	for _, v := range values {
		g.w.Write([]byte{byte(v), byte(v >> 8)})
	}
}

// frame writes one picture that shows for so long.
func (g *gifWriter) frame(img *image.Paletted, shows time.Duration) error {
	hundredths := min(max(int((shows+5*time.Millisecond)/(10*time.Millisecond)), 2), 1<<16-1)
	g.w.Write([]byte{'!', 0xf9, 4, 4}) // stays where it is
	g.short(hundredths)
	g.w.Write([]byte{0, 0, ','})
	g.short(0, 0, g.w0, g.h0)
	g.w.WriteByte(0x87) // a palette of 256 follows
	for i := range 256 {
		var c [3]byte
		if i < len(img.Palette) {
			r, gr, b, _ := img.Palette[i].RGBA()
			c = [3]byte{byte(r >> 8), byte(gr >> 8), byte(b >> 8)}
		}
		g.w.Write(c[:])
	}
	g.w.WriteByte(8)
	blocks := &blockWriter{w: g.w}
	z := lzw.NewWriter(blocks, lzw.LSB, 8)
	_, err := z.Write(img.Pix)
	return cmp.Or(err, z.Close(), blocks.close())
}

// blockWriter writes blocks of at most 255 bytes, each with its length before it.
type blockWriter struct {
	w   io.Writer
	buf [256]byte
	n   int
}

func (b *blockWriter) Write(p []byte) (int, error) {
	for _, v := range p {
		b.n++
		b.buf[b.n] = v
		if b.n == 255 {
			if err := b.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

func (b *blockWriter) flush() error {
	if b.n == 0 {
		return nil
	}
	b.buf[0] = byte(b.n)
	_, err := b.w.Write(b.buf[:b.n+1])
	b.n = 0
	return err
}

func (b *blockWriter) close() error {
	err := b.flush()
	if err == nil {
		_, err = b.w.Write([]byte{0})
	}
	return err
}

// cutter chooses 256 colours for a picture by median cut (Heckbert, Color Image Quantization for Frame Buffer Display, SIGGRAPH 1982) of its colours cut to
// 5 bits a channel.
type cutter struct {
	count [1 << 15]int
	index [1 << 15]uint8
	bins  []uint16
}

// axis returns one channel of a bin, 0..31.
func axis(bin uint16, channel int) int { return int(bin>>(10-5*channel)) & 31 }

// paletted returns img in 256 colours, in the memory of old where that fits.
func (c *cutter) paletted(img *image.RGBA, old *image.Paletted) *image.Paletted {
	clear(c.count[:])
	n := img.Rect.Dx() * img.Rect.Dy()
	bin := func(i int) uint16 {
		p := img.Pix[4*i:][:3]
		return uint16(p[0]>>3)<<10 | uint16(p[1]>>3)<<5 | uint16(p[2]>>3)
	}
	for i := range n {
		c.count[bin(i)]++
	}
	c.bins = c.bins[:0]
	for b, k := range c.count {
		if k > 0 {
			c.bins = append(c.bins, uint16(b))
		}
	}
	out := old
	if out == nil || len(out.Pix) != n {
		out = image.NewPaletted(img.Rect, nil)
	}
	out.Palette = out.Palette[:0]
	boxes := [][]uint16{c.bins}
	for len(boxes) < 256 {
		at, channel := c.widest(boxes)
		if at < 0 {
			break
		}
		low, high := c.halve(boxes[at], channel)
		boxes[at] = low
		boxes = append(boxes, high)
	}
	// The colour of a box is the mean of its pixels.
	var sum [256][3]int
	var pixels [256]int
	for i, box := range boxes {
		for _, b := range box {
			c.index[b] = uint8(i)
		}
	}
	for i := range n {
		k := c.index[bin(i)]
		out.Pix[i] = k
		pixels[k]++
		for ch := range 3 {
			sum[k][ch] += int(img.Pix[4*i+ch])
		}
	}
	for i := range boxes {
		out.Palette = append(out.Palette, rgb{uint8(sum[i][0] / pixels[i]), uint8(sum[i][1] / pixels[i]), uint8(sum[i][2] / pixels[i])})
	}
	return out
}

// rgb is an opaque colour.
type rgb [3]uint8

// RGBA implements color.Color.
func (c rgb) RGBA() (r, g, b, a uint32) {
	return uint32(c[0]) * 0x101, uint32(c[1]) * 0x101, uint32(c[2]) * 0x101, 0xffff
}

// widest returns the box to be halved next and along which channel: the one whose colours spread most, weighted by the logarithm of its pixels; -1 where
// all boxes are one colour.
func (c *cutter) widest(boxes [][]uint16) (at, channel int) {
	at, most := -1, 0
	for i, box := range boxes {
		if len(box) < 2 {
			continue
		}
		pixels := 0
		lo, hi := [3]int{31, 31, 31}, [3]int{}
		for _, b := range box {
			pixels += c.count[b]
			for ch := range 3 {
				lo[ch], hi[ch] = min(lo[ch], axis(b, ch)), max(hi[ch], axis(b, ch))
			}
		}
		weight := 0
		for p := pixels; p > 0; p >>= 1 {
			weight++
		}
		for ch := range 3 {
			if v := (hi[ch] - lo[ch]) * weight; v > most {
				at, channel, most = i, ch, v
			}
		}
	}
	return at, channel
}

// halve splits a box so that either half has about as many pixels.
func (c *cutter) halve(box []uint16, channel int) (low, high []uint16) {
	slices.SortFunc(box, func(a, b uint16) int {
		return cmp.Or(cmp.Compare(axis(a, channel), axis(b, channel)), cmp.Compare(a, b))
	})
	total := 0
	for _, b := range box {
		total += c.count[b]
	}
	sum, at := 0, 1
	for i, b := range box[:len(box)-1] {
		sum += c.count[b]
		at = i + 1
		if 2*sum >= total {
			break
		}
	}
	return box[:at:at], box[at:]
}
