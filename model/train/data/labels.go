package data

import (
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Labels are colour pictures with a map of labels each: NAME.jpg or NAME.png beside NAME_label.png. Fields: image, float32 [3,H,W], and label, int32
// [H/Stride,W/Stride], which holds the classes at the centres of blocks of pixels.
//
// Read without changes takes the middle of the picture.
type Labels struct {
	LabelSpec
	files []string
	memo  memo[[2]Pixels]
}

// LabelSpec says what examples are made of pictures with maps of labels.
type LabelSpec struct {
	W, H    int
	Stride  int
	Classes int
	Void    int // the label of pixels that do not count
	Normal  Normal
	Augment Augment
	Memory  int64 // bytes of decoded pictures that are kept
}

// OpenLabels opens the pictures in a folder.
func OpenLabels(dir string, s LabelSpec) (*Labels, error) {
	files, err := pictureFiles(dir, "_label")
	if err != nil {
		return nil, err
	}
	if s.W < 1 || s.H < 1 || s.Stride < 1 || s.W%s.Stride != 0 || s.H%s.Stride != 0 {
		return nil, fmt.Errorf("data: pictures of %dx%d pixels cannot have a label every %d", s.W, s.H, s.Stride)
	}
	for _, f := range files {
		if _, err := os.Stat(labelFile(f)); err != nil {
			return nil, fmt.Errorf("%s has no map of labels: %w", f, err)
		}
	}
	return &Labels{LabelSpec: s, files: files, memo: memo[[2]Pixels]{left: s.Memory}}, nil
}

func labelFile(picture string) string { return stem(picture) + "_label.png" }

func (l *Labels) Files() []string {
	var all []string
	for _, f := range l.files {
		all = append(all, f, labelFile(f))
	}
	return all
}

func (l *Labels) Len() int { return len(l.files) }

func (l *Labels) Fields() []Field {
	return []Field{{"image", tensor.Float32, []int{3, l.H, l.W}}, {"label", tensor.Int32, []int{l.H / l.Stride, l.W / l.Stride}}}
}

// Picture returns a picture and its labels as they stand.
func (l *Labels) Picture(i int) (picture, labels Pixels, err error) {
	both, err := l.memo.get(i, func() (both [2]Pixels, size int, err error) {
		name := l.files[i]
		if both[0], err = ReadPicture(name); err != nil {
			return both, 0, err
		}
		if both[1], err = ReadLabels(labelFile(name)); err != nil {
			return both, 0, err
		}
		p, m := &both[0], &both[1]
		if p.W != m.W || p.H != m.H {
			return both, 0, fmt.Errorf("%s: %dx%d labels for %dx%d pixels", labelFile(name), m.W, m.H, p.W, p.H)
		}
		if k := slices.IndexFunc(m.Pix, func(v byte) bool { return int(v) >= l.Classes && int(v) != l.Void }); k >= 0 {
			return both, 0, fmt.Errorf("%s: pixel %d, %d has label %d; there are %d classes", labelFile(name), k%m.W, k/m.W, m.Pix[k], l.Classes)
		}
		return both, len(p.Pix) + len(m.Pix), nil
	})
	return both[0], both[1], err
}

func (l *Labels) Read(i int, r *Rand, dst []*tensor.Tensor) error {
	picture, labels, err := l.Picture(i)
	if err != nil {
		return err
	}
	a := Affine{XX: 1, YY: 1}
	if r != nil {
		a = l.Augment.Draw(r)
		a.crop(r, l.W, l.H, picture.W, picture.H)
	}
	c := canvas{w: l.W, h: l.H, pix: dst[0].Float32s()}
	c.fill(127.5)
	c.draw(a, &picture)
	if r != nil {
		c.recolour(r, &l.Augment)
	}
	c.normalise(l.Normal)
	a.labels(tensor.Data[int32](dst[1]), &labels, l.W/l.Stride, l.H/l.Stride, l.Stride, int32(l.Void))
	return nil
}

// labels writes the labels at the centres of blocks of stride x stride pixels of the new picture; void outside of the old one.
func (a Affine) labels(dst []int32, src *Pixels, w, h, stride int, void int32) {
	// A step of the coarse picture is stride pixels of the new one.
	s := float64(stride)
	a.XX, a.XY, a.YX, a.YY = float64(a.XX*s), float64(a.XY*s), float64(a.YX*s), float64(a.YY*s)
	for y := range h {
		for x := range w {
			u, v := a.from(x, y, w, h, src.W, src.H)
			i, j := int(math.Floor(u+0.5)), int(math.Floor(v+0.5))
			dst[y*w+x] = void
			if i >= 0 && j >= 0 && i < src.W && j < src.H {
				dst[y*w+x] = int32(src.Pix[j*src.W+i])
			}
		}
	}
}
