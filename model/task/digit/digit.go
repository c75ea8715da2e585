// Package digit reads single handwritten digits, with any network of package classify that knows ten classes.
package digit

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/classify"
)

// Digit is what was read.
type Digit struct {
	Value int     `json:"value"` // 0 to 9
	Score float64 `json:"score"` // its probability
}

// Side is that of the picture that a network is shown, and ink the one that a digit fills of it (LeCun, Bottou, Bengio, Haffner,
// Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 1998, §III).
const (
	Side = 28
	ink  = 20
)

// Reader reads digits. One goroutine uses a Reader at a time.
type Reader struct {
	net  *classify.Classifier
	page kernels.Picture // 28x28, light ink on black
	grey []uint8
}

// New returns a Reader for a Program whose class k is the digit k.
func New(p *model.Program, c card.Card) (*Reader, error) {
	net, err := classify.New(p, c)
	if err != nil {
		return nil, err
	}
	if net.Classes() != 10 {
		return nil, fmt.Errorf("the network has %d classes; one for digits has 10", net.Classes())
	}
	page := kernels.Picture{Format: kernels.Grey, W: Side, H: Side, Stride: Side, Pix: make([]uint8, Side*Side)}
	return &Reader{net: net, page: page}, nil
}

// Card returns the card in force.
func (r *Reader) Card() card.Card { return r.net.Card() }

// Read reads the digit in a picture, dark on light or light on dark. A picture of 28x28 is shown to the network as it is, but for the inversion;
// of others the ink is brought to 20x20 and its centre of mass to the middle, as in MNIST.
func (r *Reader) Read(ctx context.Context, pic kernels.Picture) (Digit, error) {
	if err := r.prepare(pic); err != nil {
		return Digit{}, err
	}
	best, err := r.net.Classify(ctx, r.page, 1)
	if err != nil {
		return Digit{}, err
	}
	return Digit{best[0].Class, best[0].Score}, nil
}

// least is the least difference between ink and paper.
const least = 32

// maxSide is the longest side of a picture.
const maxSide = 1 << 13

func (r *Reader) prepare(pic kernels.Picture) error {
	if pic.W < 1 || pic.H < 1 || pic.W > maxSide || pic.H > maxSide {
		return fmt.Errorf("a picture of %dx%d; sides are 1 to %d pixels", pic.W, pic.H, maxSide)
	}
	w, h := pic.W, pic.H
	r.grey = slices.Grow(r.grey[:0], w*h)[:w*h]
	resize(r.grey, w, h, pic, kernels.Rect{W: float64(w), H: float64(h)})
	lo, hi := slices.Min(r.grey), slices.Max(r.grey)
	if hi-lo < least {
		return fmt.Errorf("nothing is written on this picture: its brightness goes from %d to %d", lo, hi)
	}
	if light(r.grey, w, h) > (int(lo)+int(hi))/2 {
		for i, v := range r.grey {
			r.grey[i] = 255 - v
		}
		lo, hi = 255-hi, 255-lo
	}
	if w == Side && h == Side {
		copy(r.page.Pix, r.grey)
		return nil
	}
	for i, v := range r.grey { // paper to 0, the strongest ink to 255
		r.grey[i] = uint8((int(v) - int(lo)) * 255 / (int(hi) - int(lo)))
	}
	r.centre(w, h)
	return nil
}

// light is the median brightness along the border.
func light(v []uint8, w, h int) int {
	var count [256]int
	n := 0
	for y := range h {
		step := max(w-1, 1)
		if y == 0 || y == h-1 {
			step = 1
		}
		for x := 0; x < w; x += step {
			count[v[y*w+x]]++
			n++
		}
	}
	for at, sum := 0, 0; ; at++ {
		if sum += count[at]; 2*sum >= n {
			return at
		}
	}
}

// centre draws the ink of grey, w x h, on the page.
func (r *Reader) centre(w, h int) {
	const edge = 64 // brightness from which on ink is ink
	x0, y0, x1, y1 := w, h, 0, 0
	for y := range h {
		for x, v := range r.grey[y*w : (y+1)*w] {
			if v >= edge {
				x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x+1), max(y1, y+1)
			}
		}
	}
	scale := ink / float64(max(x1-x0, y1-y0))
	tw, th := max(1, int(math.Round(float64(x1-x0)*scale))), max(1, int(math.Round(float64(y1-y0)*scale)))
	small := make([]uint8, tw*th)
	src := kernels.Picture{Format: kernels.Grey, W: w, H: h, Stride: w, Pix: r.grey}
	resize(small, tw, th, src, kernels.Rect{X: float64(x0), Y: float64(y0), W: float64(x1 - x0), H: float64(y1 - y0)})
	var sum, sx, sy float64
	for i, v := range small {
		sum += float64(v)
		sx += float64(float64(v) * (float64(i%tw) + 0.5))
		sy += float64(float64(v) * (float64(i/tw) + 0.5))
	}
	clear(r.page.Pix)
	left := min(max(int(math.Round(Side/2-sx/sum)), 0), Side-tw)
	top := min(max(int(math.Round(Side/2-sy/sum)), 0), Side-th)
	for y := range th {
		copy(r.page.Pix[(top+y)*Side+left:], small[y*tw:(y+1)*tw])
	}
}

// resize writes a part of a picture as w x h grey pixels, each the average of what it covers.
func resize(dst []uint8, w, h int, src kernels.Picture, part kernels.Rect) {
	kernels.NewResize(kernels.ResizeSpec{
		Format: src.Format, Colour: src.Colour, SrcW: src.W, SrcH: src.H, Crop: part, W: w, H: h, Order: kernels.Grey, Area: true,
	}).RunBytes(nil, dst, src)
}
