package data

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Alignments are faces that are aligned nearly, as by landmarks that are known roughly: what a network learns from that says where they truly are. Fields:
//
//   - image, float32 [3,H,W]
//   - offsets, float32 [10]: how far right and down of their Places the landmarks are, in distances between the eyes of Places
type Alignments struct {
	faces  *Faces
	coarse float64
	aimed  []int // the examples with landmarks
}

// OpenAlignments opens folders of faces as OpenFaces does, and takes those with Marks. Augment says how far off they are; what they are seen with is from
// coarse times to once as many pixels a side as a new picture has.
func OpenAlignments(dir string, s FaceSpec, coarse float64) (*Alignments, error) {
	if !(coarse > 0 && coarse <= 1) {
		return nil, fmt.Errorf("data: coarse is %g, not above 0 and at most 1", coarse)
	}
	f, err := OpenFaces(dir, s)
	if err != nil {
		return nil, err
	}
	a := &Alignments{faces: f, coarse: coarse}
	for i, s := range f.back {
		if s != nil {
			a.aimed = append(a.aimed, i)
		}
	}
	if len(a.aimed) == 0 {
		return nil, fmt.Errorf("%s: the landmarks of none of the faces are known", dir)
	}
	return a, nil
}

func (a *Alignments) Files() []string { return a.faces.Files() }

func (a *Alignments) Len() int { return len(a.aimed) }

func (a *Alignments) Fields() []Field {
	return []Field{{"image", tensor.Float32, []int{3, a.faces.H, a.faces.W}}, {"offsets", tensor.Float32, []int{10}}}
}

// Read draws a face: at random, or without r as far off as the number of the example says.
func (a *Alignments) Read(i int, r *Rand, dst []*tensor.Tensor) error {
	f, i := a.faces, a.aimed[i]
	random := r != nil
	if !random {
		r = NewRand(uint64(i), 0x616c69676e)
	}
	pic, err := f.picture(i)
	if err != nil {
		return err
	}
	to, step := f.place(f.Augment.Draw(r), i, &pic)
	face, err := f.Central(f.files[i])
	if err != nil {
		return err
	}
	marks, offsets := face.moved(to, f.W, f.H, &pic).Marks, dst[1].Float32s()
	eyes := math.Hypot(f.Places[1][0]-f.Places[0][0], f.Places[1][1]-f.Places[0][1])
	for k, m := range marks {
		offsets[2*k], offsets[2*k+1] = float32((m[0]-f.Places[k][0])/eyes), float32((m[1]-f.Places[k][1])/eyes)
	}
	c := canvas{w: f.W, h: f.H, pix: dst[0].Float32s()}
	c.drawCoarse(to, &pic, step, r.Between(a.coarse, 1))
	if random {
		c.recolour(r, &f.Augment)
	}
	c.normalise(f.Normal)
	return nil
}

// drawCoarse is drawFine, seen with share times as many pixels a side.
func (c *canvas) drawCoarse(a Affine, src *Pixels, step, share float64) {
	small := canvas{w: max(1, int(float64(share*float64(c.w)))), h: max(1, int(float64(share*float64(c.h))))}
	x, y := float64(c.w)/float64(small.w), float64(c.h)/float64(small.h)
	a.XX, a.YX, a.XY, a.YY = float64(a.XX*x), float64(a.YX*x), float64(a.XY*y), float64(a.YY*y)
	small.pix = make([]float32, 3*small.w*small.h)
	small.drawFine(a, src, float64(step*max(x, y)))
	seen, area := Pixels{small.w, small.h, 3, make([]byte, len(small.pix))}, small.w*small.h
	for i := range area {
		for k := range 3 {
			seen.Pix[3*i+k] = byte(small.pix[k*area+i] + 0.5)
		}
	}
	c.draw(Affine{XX: 1 / x, YY: 1 / y}, &seen)
}
