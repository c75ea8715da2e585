package ref

// Format says how the bytes of a picture are laid out, or which channels a kernel returns.
type Format int

const (
	RGB  Format = iota // three bytes a pixel
	BGR                // three bytes a pixel, blue first
	Grey               // one byte a pixel
	YUYV               // Y0 U Y1 V: four bytes for two pixels of a row; an odd row ends on a whole pair
	NV12               // a plane of Y, and a plane of U V pairs, each for 2x2 pixels; odd sizes round up to whole pairs
)

// Channels returns the floats or bytes that a pixel of RGB, BGR or Grey has.
func (f Format) Channels() int {
	if f == Grey {
		return 1
	}
	return 3
}

// Colour names the standard and the range of a YUYV or NV12 picture.
type Colour int

const (
	BT601     Colour = iota // ITU-R BT.601, limited range: Y in 16..235, U and V in 16..240 (webcams)
	BT601Full               // BT.601, 0..255 (JPEG)
	BT709                   // ITU-R BT.709, limited range (HD video)
	BT709Full               // BT.709, 0..255
)

// YUV holds a conversion in units of 1/8192: a channel is (Y·y + U·(u-128) + V·(v-128) + K) >> 13, cut to 0..255,
// with a row of C = {U, V} for each of red, green and blue. K is half a unit less Y times the black level.
type YUV struct {
	Y int16
	K int32
	C [3][2]int16
}

// yuv is the standards' equations with each factor rounded to the nearest 1/8192. With r and b the weights of red and blue in luma
// (BT.601: 0.299, 0.114; BT.709: 0.2126, 0.0722), g = 1-r-b, s = 255/219 and c = 255/224 (1 in full range):
// Y = s, red's V = 2(1-r)c, blue's U = 2(1-b)c, green's U = -2(1-b)c·b/g, green's V = -2(1-r)c·r/g.
var yuv = [...]YUV{
	BT601:     {9539, 4096 - 16*9539, [3][2]int16{{0, 13075}, {-3209, -6660}, {16525, 0}}},
	BT601Full: {8192, 4096, [3][2]int16{{0, 11485}, {-2819, -5850}, {14516, 0}}},
	BT709:     {9539, 4096 - 16*9539, [3][2]int16{{0, 14686}, {-1747, -4366}, {17305, 0}}},
	BT709Full: {8192, 4096, [3][2]int16{{0, 12901}, {-1535, -3835}, {15201, 0}}},
}

// YUV returns the conversion from this standard to red, green and blue.
func (c Colour) YUV() *YUV { return &yuv[c] }

// Valid says whether c is one of the named standards.
func (c Colour) Valid() bool { return c >= 0 && int(c) < len(yuv) }

// The weights of red, green and blue in BT.601 luma in units of 1/32768; they add up to one.
const (
	GreyR = 9798
	GreyG = 19235
	GreyB = 3735
)

// Picture is H rows of W pixels, as a camera or a decoder left them.
type Picture struct {
	Format   Format
	Colour   Colour // of YUYV and NV12
	W, H     int
	Pix      []uint8 // rows at distances of Stride bytes; the Y plane of NV12
	Stride   int
	UV       []uint8 // NV12 only: rows of U V pairs at distances of UVStride bytes, one for two rows of Y
	UVStride int
}

// RowBytes returns how many bytes of a row of Pix, and of UV, belong to pixels.
func (p *Picture) RowBytes() (pix, uv int) {
	switch p.Format {
	case Grey:
		return p.W, 0
	case YUYV:
		return (p.W + 1) / 2 * 4, 0
	case NV12:
		return p.W, (p.W + 1) / 2 * 2
	}
	return 3 * p.W, 0
}

// At returns pixel (x, y) in the channels of order (RGB, BGR or Grey). Every channel is a byte, rounded and cut to 0..255:
// what follows works on the bytes that a picture of that format would hold. The chroma of a pair or a 2x2 block is that of all its pixels.
func (p *Picture) At(x, y int, order Format) [3]uint8 {
	var c [3]uint8
	switch p.Format {
	case Grey:
		v := p.Pix[y*p.Stride+x]
		c = [3]uint8{v, v, v}
	case RGB, BGR:
		o := y*p.Stride + 3*x
		c = [3]uint8{p.Pix[o], p.Pix[o+1], p.Pix[o+2]}
		if p.Format == BGR {
			c[0], c[2] = c[2], c[0]
		}
		if order == Grey {
			c[0] = uint8((GreyR*uint32(c[0]) + GreyG*uint32(c[1]) + GreyB*uint32(c[2]) + 1<<14) >> 15)
		}
	default:
		var l, u, v int32
		if p.Format == YUYV {
			o := y*p.Stride + x/2*4
			l, u, v = int32(p.Pix[o+x%2*2]), int32(p.Pix[o+1]), int32(p.Pix[o+3])
		} else {
			o := y/2*p.UVStride + x/2*2
			l, u, v = int32(p.Pix[y*p.Stride+x]), int32(p.UV[o]), int32(p.UV[o+1])
		}
		k := p.Colour.YUV()
		if order == Grey {
			u, v = 128, 128
		}
		for i := range c {
			t := (int32(k.Y)*l + int32(k.C[i][0])*(u-128) + int32(k.C[i][1])*(v-128) + k.K) >> 13
			c[i] = uint8(min(max(t, 0), 255))
		}
	}
	if order == BGR {
		c[0], c[2] = c[2], c[0]
	}
	return c
}

// Row writes the pixels x0 <= x < x1 of row y to dst in the channels of order.
func (p *Picture) Row(dst []uint8, order Format, y, x0, x1 int) {
	n := order.Channels()
	for x := x0; x < x1; x++ {
		c := p.At(x, y, order)
		copy(dst[(x-x0)*n:(x-x0+1)*n], c[:])
	}
}

// Byte returns y cut to 0..255 and rounded to the nearest integer, halves to even; a NaN gives 0.
func Byte(y float32) uint8 {
	y = Min(Max(y, 0), 255)
	return uint8(int32(float32(y+0x1.8p23) - 0x1.8p23))
}
