package layer

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// MaxRoiPool returns the largest elements of Height x Width bins of regions of x [N,C,H,W] (Girshick: Fast R-CNN, ICCV 2015, §2.1).
// Regions [R,5] are an image's number and the first and last column and row (x1, y1, x2, y2), which are multiplied by Scale and rounded; bins overlap by what they share of a pixel.
// What is outside the image is left out; a bin without pixels is 0. The output is [R,C,Height,Width].
type MaxRoiPool struct {
	Height, Width int
	Scale         float32
}

func (*MaxRoiPool) Kind() string { return "MaxRoiPool" }

func (r *MaxRoiPool) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	if len(in[0].Shape) != 4 || len(in[1].Shape) != 2 || in[1].Shape[1] != 5 {
		return nil, fmt.Errorf("input %s, regions %s", in[0], in[1])
	}
	if r.Height < 1 || r.Width < 1 || r.Height > 1<<20 || r.Width > 1<<20 {
		return nil, fmt.Errorf("output %dx%d", r.Height, r.Width)
	}
	return one(in[0].DType, []int{in[1].Shape[0], in[0].Shape[1], r.Height, r.Width})
}

func (r *MaxRoiPool) Work(in, out []Info) int64 {
	s := in[0].Shape
	return product(in[1].Shape[0], s[1], s[2]+2*r.Height, s[3]+2*r.Width)
}

func (r *MaxRoiPool) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		return roiPool(r, tensor.Data[float64](out[0]), tensor.Data[float64](in[0]), tensor.Data[float64](in[1]), in[0].Shape())
	}
	return roiPool(r, out[0].Float32s(), in[0].Float32s(), in[1].Float32s(), in[0].Shape())
}

func roiPool[T real](r *MaxRoiPool, y, x, regions []T, s []int) error {
	n, channels, h, w := s[0], s[1], s[2], s[3]
	for k := range len(regions) / 5 {
		var at [4]int
		img := regions[k*5]
		if !(img > -1 && img < T(n)) {
			return fmt.Errorf("region %d is of image %v; there are %d", k, img, n)
		}
		for i, v := range regions[k*5+1 : k*5+5] {
			p := math.Round(float64(T(v * T(r.Scale))))
			if !(math.Abs(p) < 1<<24) {
				return fmt.Errorf("region %d is %v", k, regions[k*5:k*5+5])
			}
			at[i] = int(p)
		}
		for c := range channels {
			plane := x[(int(img)*channels+c)*h*w:][:h*w]
			for i := range r.Height {
				top, bottom := roiBin(at[1], at[3], i, r.Height, h)
				for j := range r.Width {
					left, right := roiBin(at[0], at[2], j, r.Width, w)
					most := T(math.Inf(-1))
					if top >= bottom || left >= right {
						most = 0
					}
					for p := top; p < bottom; p++ {
						for _, v := range plane[p*w+min(left, right) : p*w+right] {
							most = max(most, v)
						}
					}
					y[((k*channels+c)*r.Height+i)*r.Width+j] = most
				}
			}
		}
	}
	return nil
}

// roiBin returns where bin i of n begins and ends, within size pixels, in a region from first to last.
func roiBin(first, last, i, n, size int) (from, to int) {
	each := float32(max(last-first+1, 1)) / float32(n)
	from, to = first+int(math.Floor(float64(float32(i)*each))), first+int(math.Ceil(float64(float32(i+1)*each)))
	return min(max(from, 0), size), min(max(to, 0), size)
}
