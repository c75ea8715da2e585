package layer

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Col2Im adds blocks up to an image: the inverse of laying out a convolution's patches as columns, but for elements that lie in several of them.
//
// Inputs: columns [N,C·Π block,L], the image's shape and the block's, of as many dimensions. The output is [N,C,image...]; column l is the block at position l,
// in row-major order, of a window of Strides, Dilations and Pads over the image. Blocks' elements are added in order of their place in the block.
type Col2Im struct{ Strides, Dilations, Pads []int }

func (*Col2Im) Kind() string { return "Col2Im" }

// blockWalk is a window along one dimension.
type blockWalk struct{ size, block, stride, dilation, before, count int }

// walks resolves the window over an image.
func (c *Col2Im) walks(image, block []int) ([]blockWalk, error) {
	n := len(image)
	if n < 1 || n > tensor.MaxRank-2 || len(block) != n || len(c.Strides) != 0 && len(c.Strides) != n || len(c.Dilations) != 0 && len(c.Dilations) != n ||
		len(c.Pads) != 0 && len(c.Pads) != 2*n {
		return nil, fmt.Errorf("image %v, block %v, strides %v, dilations %v, pads %v", image, block, c.Strides, c.Dilations, c.Pads)
	}
	w := make([]blockWalk, n)
	for i := range w {
		b := blockWalk{size: image[i], block: block[i], stride: 1, dilation: 1}
		after := 0
		if len(c.Strides) > 0 {
			b.stride = c.Strides[i]
		}
		if len(c.Dilations) > 0 {
			b.dilation = c.Dilations[i]
		}
		if len(c.Pads) > 0 {
			b.before, after = c.Pads[i], c.Pads[n+i]
		}
		if min(b.size, b.before, after) < 0 || min(b.block, b.stride, b.dilation) < 1 || max(b.size, b.block, b.stride, b.dilation, b.before, after) >= maxExtent ||
			b.block > 1 && b.dilation >= maxExtent/b.block {
			return nil, fmt.Errorf("image %v, block %v, strides %v, dilations %v, pads %v", image, block, c.Strides, c.Dilations, c.Pads)
		}
		room := b.size + b.before + after - b.dilation*(b.block-1) - 1
		if room < 0 {
			return nil, fmt.Errorf("blocks of %v over an image of %v", block, image)
		}
		b.count = room/b.stride + 1
		w[i] = b
	}
	return w, nil
}

func (c *Col2Im) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 3); err != nil {
		return nil, err
	}
	if err := isType(in, 0, numeric...); err != nil {
		return nil, err
	}
	image, err := ints(in[1])
	if err != nil {
		return nil, err
	}
	block, err := ints(in[2])
	if err != nil {
		return nil, err
	}
	walks, err := c.walks(image, block)
	if err != nil {
		return nil, err
	}
	var counts []int
	for _, b := range walks {
		counts = append(counts, b.count)
	}
	s, taps := in[0].Shape, product(block...)
	if len(s) != 3 || int64(s[1])%taps != 0 || int64(s[2]) != product(counts...) {
		return nil, fmt.Errorf("columns %s for %v blocks of %v in an image of %v", in[0], counts, block, image)
	}
	return one(in[0].DType, append([]int{s[0], s[1] / int(taps)}, image...))
}

func (c *Col2Im) Forward(e *Env, in, out []*tensor.Tensor) error {
	image, _ := in[1].Ints()
	block, _ := in[2].Ints()
	walks, err := c.walks(image, block)
	if err != nil || out[0].Len() == 0 {
		return err
	}
	switch in[0].DType() {
	case tensor.Float32:
		col2im[float32](walks, in[0], out[0])
	case tensor.Float64:
		col2im[float64](walks, in[0], out[0])
	case tensor.Int8:
		col2im[int8](walks, in[0], out[0])
	case tensor.Int16:
		col2im[int16](walks, in[0], out[0])
	case tensor.Int32:
		col2im[int32](walks, in[0], out[0])
	case tensor.Int64:
		col2im[int64](walks, in[0], out[0])
	case tensor.Uint8:
		col2im[uint8](walks, in[0], out[0])
	case tensor.Uint16:
		col2im[uint16](walks, in[0], out[0])
	case tensor.Uint32:
		col2im[uint32](walks, in[0], out[0])
	case tensor.Uint64:
		col2im[uint64](walks, in[0], out[0])
	}
	return nil
}

func col2im[T interface {
	number
	tensor.Elem
}](walks []blockWalk, in, out *tensor.Tensor) {
	x, y := tensor.Data[T](in), tensor.Data[T](out)
	clear(y)
	n, count, size := len(walks), in.Dim(2), sizeOf(out.Shape()[2:])
	st := rowMajor(out.Shape()[2:])
	// next moves a position in row-major order.
	next := func(at []int, size func(d int) int) {
		for d := n - 1; d >= 0; d-- {
			if at[d]++; at[d] < size(d) {
				return
			}
			at[d] = 0
		}
	}
	taps := in.Dim(1) / out.Dim(1)
	tap, at := make([]int, n), make([]int, n)
	for row := range in.Dim(0) * in.Dim(1) {
		plane := y[row/taps*size : (row/taps+1)*size]
		for _, v := range x[row*count : (row+1)*count] {
			off, inside := 0, true
			for d, b := range walks {
				p := at[d]*b.stride - b.before + tap[d]*b.dilation
				inside = inside && p >= 0 && p < b.size
				off += p * st[d]
			}
			if inside {
				plane[off] += v
			}
			next(at, func(d int) int { return walks[d].count })
		}
		next(tap, func(d int) int { return walks[d].block })
	}
}
