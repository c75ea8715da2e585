package layer

import (
	"fmt"
	"sort"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// NonMaxSuppression picks boxes, best score first, that overlap none picked before by more than a threshold. Inputs: boxes [B,N,4], scores [B,C,N], the most boxes per class
// (default 0), the IoU threshold (default 0) and the least score. The output [M,3] lists image, class and box.
// Boxes are two opposite corners (y, x, y, x) or, with Center, (x, y, width, height) about a centre.
type NonMaxSuppression struct{ Center bool }

func (*NonMaxSuppression) Kind() string { return "NonMaxSuppression" }

func (*NonMaxSuppression) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 5); err != nil {
		return nil, err
	}
	b, s := in[0].Shape, in[1].Shape
	if in[0].DType != tensor.Float32 || in[1].DType != tensor.Float32 || len(b) != 3 || len(s) != 3 || b[2] != 4 || b[0] != s[0] || b[1] != s[2] {
		return nil, fmt.Errorf("boxes %s, scores %s", in[0], in[1])
	}
	for i, d := range []tensor.DType{tensor.Int64, tensor.Float32, tensor.Float32} {
		if x := opt(in, i+2); x.Present() && (x.DType != d || sizeOf(x.Shape) != 1) {
			return nil, fmt.Errorf("input %d is %s", i+2, x)
		}
	}
	return nil, ErrUnknown
}

func (*NonMaxSuppression) Work(in, out []Info) int64 {
	s := in[1].Shape
	return product(s[0], s[1], s[2], s[2])
}

func (*NonMaxSuppression) Forward(e *Env, in, out []*tensor.Tensor) error {
	panic("layer: NonMaxSuppression: use Run")
}

func (n *NonMaxSuppression) Run(e *Env, in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	if _, err := n.Infer(infosOf(in)); err != ErrUnknown {
		return nil, err
	}
	var most int64
	var iou float32
	if t := optT(in, 2); t != nil {
		most = t.Int64s()[0]
	}
	if t := optT(in, 3); t != nil {
		iou = t.Float32s()[0]
	}
	boxes, scores := in[0].Float32s(), in[1].Float32s()
	count, classes := in[0].Dim(1), in[1].Dim(1)
	var picked []int64
	var order, kept []int
	for img := range in[0].Dim(0) {
		area := boxes[img*count*4 : (img+1)*count*4]
		for c := range classes {
			s := scores[(img*classes+c)*count : (img*classes+c+1)*count]
			order, kept = order[:0], kept[:0]
			for i, v := range s {
				if t := optT(in, 4); t == nil || v > t.Float32s()[0] {
					order = append(order, i)
				}
			}
			sort.SliceStable(order, func(i, j int) bool { return s[order[i]] > s[order[j]] })
			for _, i := range order {
				if int64(len(kept)) >= most {
					break
				}
				free := true
				for _, k := range kept {
					if n.overlap(area[i*4:i*4+4], area[k*4:k*4+4]) > iou {
						free = false
						break
					}
				}
				if free {
					kept = append(kept, i)
					picked = append(picked, int64(img), int64(c), int64(i))
				}
			}
		}
	}
	return []*tensor.Tensor{tensor.Of(picked, len(picked)/3, 3)}, nil
}

// overlap returns intersection over union of two boxes.
func (n *NonMaxSuppression) overlap(a, b []float32) float32 {
	a0, a1, a2, a3 := n.corners(a)
	b0, b1, b2, b3 := n.corners(b)
	h, w := minOf(a2, b2)-maxOf(a0, b0), minOf(a3, b3)-maxOf(a1, b1)
	if h <= 0 || w <= 0 {
		return 0
	}
	inter := float32(h * w)
	union := float32((a2-a0)*(a3-a1)) + float32((b2-b0)*(b3-b1)) - inter
	if union <= 0 {
		return 0
	}
	return inter / union
}

// corners returns the box as least and greatest of both coordinates.
func (n *NonMaxSuppression) corners(b []float32) (y0, x0, y1, x1 float32) {
	if n.Center {
		h, w := float32(b[3]/2), float32(b[2]/2)
		return b[1] - h, b[0] - w, b[1] + h, b[0] + w
	}
	return minOf(b[0], b[2]), minOf(b[1], b[3]), maxOf(b[0], b[2]), maxOf(b[1], b[3])
}
