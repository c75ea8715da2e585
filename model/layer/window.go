package layer

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// AutoPad says how a Window chooses its padding.
type AutoPad string

const (
	PadExplicit  AutoPad = "NOTSET"     // as Pads says
	PadSameUpper AutoPad = "SAME_UPPER" // output = ceil(input/stride), the odd element after
	PadSameLower AutoPad = "SAME_LOWER" // the same, the odd element before
	PadValid     AutoPad = "VALID"      // none
)

// Window is how a convolution or a pooling slides over an input [N,C,...] of one to three spatial dimensions.
// Empty slices stand for ones (Strides, Dilations) and zeroes (Pads, all befores and then all afters).
type Window struct {
	Kernel    []int
	Strides   []int
	Dilations []int
	Pads      []int
	AutoPad   AutoPad
	Ceil      bool // round the output's size up
}

// span is a Window over a given input, with leading dimensions of size 1 where there are fewer than three.
type span struct {
	in, out, kernel, stride, dilation, before, after [3]int
}

// Spatial is what a Window comes to on a given input, per spatial dimension.
type Spatial struct{ In, Out, Kernel, Stride, Dilation, Before, After int }

// Resolve gives each spatial dimension's numbers for an input [N,C,spatial...] and a kernel.
func (w *Window) Resolve(shape, kernel []int) ([]Spatial, error) {
	s, err := w.over(shape, kernel)
	if err != nil {
		return nil, err
	}
	return s.spatial(len(kernel)), nil
}

// spatial returns the numbers of the last n dimensions.
func (s *span) spatial(n int) []Spatial {
	out := make([]Spatial, n)
	for i := range out {
		d := 3 - n + i
		out[i] = Spatial{s.in[d], s.out[d], s.kernel[d], s.stride[d], s.dilation[d], s.before[d], s.after[d]}
	}
	return out
}

const maxExtent = 1 << 28 // of strides, dilations, pads and kernels, so that sums of a few fit an int of 32 bits

// base checks the attributes against the number of dimensions and fills in all but the output's size.
func (w *Window) base(shape, kernel []int) (s span, err error) {
	n := len(kernel)
	if n < 1 || n > 3 || len(shape) != n+2 {
		return s, fmt.Errorf("a window of %d dimensions over %s", n, tensor.FormatShape(shape))
	}
	if len(w.Strides) != 0 && len(w.Strides) != n || len(w.Dilations) != 0 && len(w.Dilations) != n || len(w.Pads) != 0 && len(w.Pads) != 2*n {
		return s, fmt.Errorf("strides %v, dilations %v, pads %v for %d dimensions", w.Strides, w.Dilations, w.Pads, n)
	}
	for d := range 3 {
		s.in[d], s.out[d], s.kernel[d], s.stride[d], s.dilation[d] = 1, 1, 1, 1, 1
	}
	for i := range n {
		d := 3 - n + i
		s.in[d], s.kernel[d] = shape[i+2], kernel[i]
		if len(w.Strides) > 0 {
			s.stride[d] = w.Strides[i]
		}
		if len(w.Dilations) > 0 {
			s.dilation[d] = w.Dilations[i]
		}
		if len(w.Pads) > 0 {
			s.before[d], s.after[d] = w.Pads[i], w.Pads[n+i]
		}
		if k, t, l := s.kernel[d], s.stride[d], s.dilation[d]; k < 1 || t < 1 || l < 1 || k >= maxExtent || t >= maxExtent || l >= maxExtent ||
			s.before[d] < 0 || s.after[d] < 0 || s.before[d] >= maxExtent || s.after[d] >= maxExtent || s.in[d] >= maxExtent ||
			k > 1 && l >= maxExtent/k {
			return s, fmt.Errorf("kernel %v, strides %v, dilations %v, pads %v", kernel, w.Strides, w.Dilations, w.Pads)
		}
	}
	switch w.AutoPad {
	case PadExplicit, PadSameUpper, PadSameLower, PadValid, "":
	default:
		return s, fmt.Errorf("unknown auto_pad %q", string(w.AutoPad))
	}
	if w.AutoPad != PadExplicit && w.AutoPad != "" {
		s.before, s.after = [3]int{}, [3]int{}
	}
	return s, nil
}

// extent is the number of input elements from the first to the last that a window covers.
func (s *span) extent(d int) int { return s.dilation[d]*(s.kernel[d]-1) + 1 }

// over resolves the window over an input.
func (w *Window) over(shape, kernel []int) (span, error) {
	s, err := w.base(shape, kernel)
	if err != nil {
		return s, err
	}
	for d := range 3 {
		if w.AutoPad == PadSameUpper || w.AutoPad == PadSameLower {
			s.out[d] = (s.in[d] + s.stride[d] - 1) / s.stride[d]
			total := max(0, (s.out[d]-1)*s.stride[d]+s.extent(d)-s.in[d])
			s.before[d] = total / 2
			if w.AutoPad == PadSameLower {
				s.before[d] = total - total/2
			}
			s.after[d] = total - s.before[d]
			continue
		}
		room := s.in[d] + s.before[d] + s.after[d] - s.extent(d)
		if room < 0 {
			return s, fmt.Errorf("a window of %d over %d elements padded by %d and %d", s.extent(d), s.in[d], s.before[d], s.after[d])
		}
		s.out[d] = room/s.stride[d] + 1
		if w.Ceil && room%s.stride[d] != 0 {
			// A window that would begin in the padding after the input does not count.
			if s.out[d]*s.stride[d] < s.in[d]+s.before[d] {
				s.out[d]++
			}
		}
	}
	return s, nil
}

// shape is the output's: batch and channels, and as many spatial dimensions as the kernel has.
func (s *span) shape(n, c, dims int) []int {
	return append([]int{n, c}, s.out[3-dims:]...)
}

// taps is the number of elements of the window.
func (s *span) taps() int { return s.kernel[0] * s.kernel[1] * s.kernel[2] }

// valid returns the outputs x along dimension d for which x·stride + off lies in the input: lo <= x < hi.
func (s *span) valid(d, off int) (lo, hi int) {
	if off < 0 {
		lo = (-off + s.stride[d] - 1) / s.stride[d]
	}
	if last := s.in[d] - 1 - off; last >= 0 {
		hi = min(s.out[d], last/s.stride[d]+1)
	}
	return min(lo, hi), hi
}

// work is how many elements all windows cover.
func (w *Window) work(in, out []Info) int64 {
	n := []int{sizeOf(out[0].Shape)}
	for i, k := range w.Kernel {
		n = append(n, min(k, in[0].Shape[2+i]))
	}
	return product(n...)
}
