package face

import (
	"errors"

	"github.com/ocellus-vision/ocellus/kernels"
)

// template is where the landmarks lie in a face of 112x112 as networks are taught to expect it (Deng, Guo, Xue, Zafeiriou, ArcFace: Additive
// Angular Margin Loss for Deep Face Recognition, CVPR 2019, and most since).
var template = Landmarks{{38.2946, 51.6963}, {73.5318, 51.5014}, {56.0252, 71.7366}, {41.5493, 92.3655}, {70.7299, 92.2041}}

// templateSide is the side of the picture that template lies in.
const templateSide = 112

// aligner cuts faces out of pictures.
type aligner struct {
	w, h   int
	order  kernels.Format
	target Landmarks          // Places of this size
	warps  [3]*kernels.Warp   // to 1, 2 and 4 times the size
	pix    []uint8            // the face
	large  []uint8            // the face at 2 or 4 times the size
	plan   [3]kernels.Picture // the layout of the pictures that warps are for
}

// newAligner returns an aligner for faces of w x h.
func newAligner(w, h int, order kernels.Format) aligner {
	return aligner{w: w, h: h, order: order, target: Places(w, h)}
}

// Places returns where the landmarks of an aligned face of w x h lie: the template scaled to the height, in the middle.
func Places(w, h int) (l Landmarks) {
	scale := float64(h) / templateSide
	for i, p := range template {
		l[i] = [2]float64{float64(p[0]*scale) + float64((float64(w)-float64(templateSide*scale))/2), p[1] * scale}
	}
	return l
}

// back returns what takes pixels of the aligned face to those of the picture; false where the landmarks are one point.
func (a *aligner) back(l *Landmarks) (kernels.Similarity, bool) {
	s, ok := kernels.FitSimilarity(l[:], a.target[:])
	if !ok {
		return s, false
	}
	return s.Inverse(), true
}

// maxSide is the longest side of a picture.
const maxSide = 1 << 15

var (
	errPicture   = errors.New("a picture without pixels, or with more than 32768 on a side")
	errLandmarks = errors.New("the landmarks of this face are one point")
)

// run returns the face aligned, what lies outside the picture black. The result is valid until the next run. Faces that are larger than
// the result are averaged over up to 4x4 places a pixel.
func (a *aligner) run(pic kernels.Picture, l *Landmarks) (kernels.Picture, error) {
	back, ok := a.back(l)
	if !ok {
		return kernels.Picture{}, errLandmarks
	}
	if pic.W < 1 || pic.H < 1 || pic.W > maxSide || pic.H > maxSide {
		return kernels.Picture{}, errPicture
	}
	level := 0
	for level < 2 && back.Scale() > float64(int(1)<<level)*1.5 {
		level++
	}
	k := 1 << level
	p := &a.plan[level]
	if a.warps[level] == nil || p.Format != pic.Format || p.Colour != pic.Colour || p.W != pic.W || p.H != pic.H {
		*p = kernels.Picture{Format: pic.Format, Colour: pic.Colour, W: pic.W, H: pic.H}
		a.warps[level] = kernels.NewWarp(kernels.WarpSpec{
			Format: pic.Format, Colour: pic.Colour, SrcW: pic.W, SrcH: pic.H, W: k * a.w, H: k * a.h, Order: a.order,
		})
	}
	// Pixel i of the warp is centred at (i+½)/k in the face; pixel j of the picture at j+½.
	f := 1 / float64(k)
	x, y := back.Map(f/2, f/2)
	m := kernels.Affine{back.A * f, -back.B * f, x - 0.5, back.B * f, back.A * f, y - 0.5}
	c := a.order.Channels()
	size := a.w * a.h * c
	if len(a.pix) == 0 {
		a.pix = make([]uint8, size)
	}
	if level == 0 {
		a.warps[0].RunBytes(nil, a.pix, pic, m)
	} else {
		if len(a.large) < size*k*k {
			a.large = make([]uint8, size*k*k)
		}
		a.warps[level].RunBytes(nil, a.large[:size*k*k], pic, m)
		shrink(a.pix, a.large, a.w, a.h, c, k)
	}
	return kernels.Picture{Format: a.order, W: a.w, H: a.h, Stride: a.w * c, Pix: a.pix}, nil
}

// shrink writes the averages of k x k pixels of c bytes, rounded.
func shrink(dst, src []uint8, w, h, c, k int) {
	for y := range h {
		for x := range w {
			for i := range c {
				sum := k * k / 2
				for v := range k {
					row := src[((y*k+v)*w+x)*k*c+i:]
					for u := range k {
						sum += int(row[u*c])
					}
				}
				dst[(y*w+x)*c+i] = uint8(sum / (k * k))
			}
		}
	}
}
