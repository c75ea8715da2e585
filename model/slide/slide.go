// Package slide makes a detector of a network that classifies windows: the same network, at every place of a picture and at many sizes.
package slide

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Spec says what a window is moved over, and what it shows of an object.
type Spec struct {
	Width, Height int        // of the picture
	Box           [4]float64 // x, y, width, height of an object in the window, in pixels of the window
	Octave        int        // sizes from one to half of it
}

// Over returns a Graph of a picture [1,C,Height,Width] that answers for the windows of g, a Graph of [N,C,h,w] with one answer [N,K]: scores
// [1,P,K] and boxes [1,P,4], where the object of each window lies: left, top, right and bottom in pixels of the picture. Of a network
// of one score K is 2, with 0 as the score of the background in front.
//
// Nothing is computed twice where windows overlap: convolutions and poolings run over the whole picture, so g consists of these, of layers that work on each
// element, and of fully connected layers written as convolutions that cover their input, with a Flatten at the end (Sermanet et al.: OverFeat, ICLR 2014,
// section 3.5). Layers that look at all of their input, as LCN with the mean contrast of a picture, look at all of the larger one. Sizes below the first
// octave are halves of those an octave above; round the picture its edge is repeated.
func Over(g *model.Graph, s Spec) (*model.Graph, error) {
	n, err := newNetwork(g)
	if err != nil {
		return nil, fmt.Errorf("slide: %w", err)
	}
	if b := s.Box; s.Octave < 1 || min(b[0], b[1]) < 0 || !(b[2] >= 1 && b[3] >= 1) || b[0]+b[2] > float64(n.w) || b[1]+b[3] > float64(n.h) {
		return nil, fmt.Errorf("slide: %d sizes an octave, of a window of %dx%d that shows an object at %v; it lies in the window, and there is one size at the least",
			s.Octave, n.w, n.h, b)
	}
	out := &model.Graph{Name: g.Name, Producer: g.Producer, Doc: g.Doc, Meta: g.Meta}
	picture := out.Input(g.Inputs[0].Name, tensor.Float32, model.Fixed(1, n.c, s.Height, s.Width)...)
	var levels []level
	var scores []*model.Value
	var boxes []float32
	for i := 0; ; i++ {
		l := level{prefix: fmt.Sprintf("size%d.", i), value: picture, w: s.Width, h: s.Height, scaleX: 1, scaleY: 1}
		if i < s.Octave {
			f := math.Pow(2, -float64(i)/float64(s.Octave))
			l.w, l.h = int(math.Round(f*float64(s.Width))), int(math.Round(f*float64(s.Height)))
			l.scaleX, l.scaleY = float64(s.Width)/float64(l.w), float64(s.Height)/float64(l.h)
		} else {
			of := levels[i-s.Octave]
			l.value, l.w, l.h, l.scaleX, l.scaleY = of.value, of.w/2, of.h/2, 2*of.scaleX, 2*of.scaleY
		}
		if float64(l.w) < least*s.Box[2] || float64(l.h) < least*s.Box[3] {
			break
		}
		switch {
		case i >= s.Octave:
			l.value = out.Add(l.prefix+"half", &layer.AveragePool{Window: layer.Window{Kernel: []int{2, 2}, Strides: []int{2, 2}}}, l.value)
		case i > 0:
			sizes := model.Const(l.prefix+"size", tensor.Of([]int64{1, int64(n.c), int64(l.h), int64(l.w)}))
			l.value = out.Add(l.prefix+"resize", &layer.Resize{Mode: "linear", Coordinates: "half_pixel", Nearest: "floor"}, picture, nil, nil, sizes)
		}
		levels = append(levels, l)
		score, b, err := n.at(out, &l, &s)
		if err != nil {
			return nil, fmt.Errorf("slide: %w", err)
		}
		scores, boxes = append(scores, score), append(boxes, b...)
	}
	if len(scores) == 0 {
		return nil, fmt.Errorf("slide: an object of %gx%g pixels is larger than a picture of %dx%d", s.Box[2], s.Box[3], s.Width, s.Height)
	}
	all := scores[0]
	if len(scores) > 1 {
		all = out.Add("windows", &layer.Concat{Axis: 2}, scores...)
	}
	all = out.Add("rows", &layer.Transpose{Perm: []int{0, 2, 1}}, all)
	k := n.k
	if k == 1 {
		k = 2
		all = out.Add("pair", &layer.Pad{Mode: layer.PadConstant}, all, model.Const("pair.pads", tensor.Of([]int64{0, 0, 1, 0, 0, 0})))
	}
	all.Name, all.DType, all.Shape = "scores", tensor.Float32, model.Fixed(1, len(boxes)/4, k)
	places := out.Add("boxes", &layer.Identity{}, model.Const("boxes.const", tensor.Of(boxes, 1, len(boxes)/4, 4)))
	out.Output(all, places)
	return out, nil
}

// least is which part of an object a picture must have room for, across and down.
const least = 0.8

// network is the classifier of windows without its Flatten.
type network struct {
	nodes   []*model.Node
	in, out *model.Value
	c, w, h int // of the window
	k       int // scores
	stride  [2]int
}

func newNetwork(g *model.Graph) (*network, error) {
	if len(g.Inputs) != 1 || len(g.Outputs) != 1 || len(g.Inputs[0].Shape) != 4 {
		return nil, errors.New("a network of windows has one input [N C H W] and one output")
	}
	n := &network{in: g.Inputs[0], out: g.Outputs[0], c: g.Inputs[0].Shape[1].Size, h: g.Inputs[0].Shape[2].Size, w: g.Inputs[0].Shape[3].Size}
	if min(n.c, n.w, n.h) < 1 {
		return nil, errors.New("the window of the network has no size: its input leaves height and width open")
	}
	var err error
	if n.nodes, err = g.Sort(); err != nil {
		return nil, err
	}
	last := slices.IndexFunc(n.nodes, func(x *model.Node) bool { return slices.Contains(x.Out, n.out) })
	if last < 0 {
		return nil, errors.New("no layer gives the answer")
	}
	if f, ok := n.nodes[last].Op.(*layer.Flatten); ok && f.Axis == 1 {
		n.out = n.nodes[last].In[0]
		n.nodes = slices.Delete(n.nodes, last, last+1)
	}
	shape, err := n.answer(n.w, n.h)
	if err != nil {
		return nil, err
	}
	if len(shape) != 4 || shape[2] != 1 || shape[3] != 1 {
		return nil, fmt.Errorf("for its window the network answers %s; of one that can be moved over a picture the last layer with weights is a convolution, and gives [1 K 1 1]",
			tensor.FormatShape(shape))
	}
	n.k = shape[1]
	for axis := range n.stride {
		if n.stride[axis], err = n.step(axis); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// answer returns the shape of the scores of a picture of w x h.
func (n *network) answer(w, h int) ([]int, error) {
	known := map[*model.Value]layer.Info{n.in: {DType: tensor.Float32, Shape: []int{1, n.c, h, w}}}
	for _, x := range n.nodes {
		in := make([]layer.Info, len(x.In))
		for i, v := range x.In {
			switch {
			case v == nil:
			case v.Const != nil:
				in[i] = layer.Info{DType: v.Const.DType(), Shape: v.Const.Shape(), Value: v.Const}
			default:
				in[i] = known[v]
			}
		}
		out, err := x.Op.Infer(in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.Label(), err)
		}
		for i, v := range x.Out {
			if v != nil && i < len(out) {
				known[v] = out[i]
			}
		}
	}
	return known[n.out].Shape, nil
}

// step returns by how many pixels neighbouring windows differ, down (0) or across (1): by how much a picture of three answers is larger than one of two. One of two
// may be less than a step larger than the window, whose last pixels no layer may have looked at.
func (n *network) step(axis int) (int, error) {
	size := [2]int{n.h, n.w}
	second := 0
	for by := 1; by <= 2*max(n.w, n.h); by++ {
		size[axis]++
		shape, err := n.answer(size[1], size[0])
		switch {
		case err != nil:
		case shape[2+axis] == 2 && second == 0:
			second = by
		case shape[2+axis] == 3 && second > 0:
			return by - second, nil
		}
	}
	return 0, errors.New("the network gives no third answer for a picture of three times the size of its window")
}

// level is the picture at one size.
type level struct {
	prefix         string
	value          *model.Value
	w, h           int
	scaleX, scaleY float64 // pixels of the picture in one of these
}

// at adds the network over a level: scores [1,K,P], and where the objects of its P windows lie in the picture.
func (n *network) at(g *model.Graph, l *level, s *Spec) (*model.Value, []float32, error) {
	// As much is added round the picture as a window shows round its object, and half a step.
	left, right := around(l.w, n.w, n.stride[1], s.Box[0], float64(n.w)-s.Box[0]-s.Box[2])
	top, bottom := around(l.h, n.h, n.stride[0], s.Box[1], float64(n.h)-s.Box[1]-s.Box[3])
	pads := model.Const(l.prefix+"pads", tensor.Of([]int64{0, 0, int64(top), int64(left), 0, 0, int64(bottom), int64(right)}))
	values := map[*model.Value]*model.Value{n.in: g.Add(l.prefix+"pad", &layer.Pad{Mode: layer.PadEdge}, l.value, pads)}
	for _, x := range n.nodes {
		c := &model.Node{Name: l.prefix + x.Name, Op: x.Op, In: slices.Clone(x.In)}
		for i, v := range x.In {
			if to := values[v]; to != nil {
				c.In[i] = to
			}
		}
		for _, v := range x.Out {
			var to *model.Value
			if v != nil {
				to = &model.Value{Name: l.prefix + v.Name}
				values[v] = to
			}
			c.Out = append(c.Out, to)
		}
		g.Nodes = append(g.Nodes, c)
	}
	shape, err := n.answer(l.w+left+right, l.h+top+bottom)
	if err != nil {
		return nil, nil, err
	}
	var boxes []float32
	for y := range shape[2] {
		for x := range shape[3] {
			x0, y0 := float64(x*n.stride[1]-left)+s.Box[0], float64(y*n.stride[0]-top)+s.Box[1]
			boxes = append(boxes, float32(x0*l.scaleX), float32(y0*l.scaleY), float32((x0+s.Box[2])*l.scaleX), float32((y0+s.Box[3])*l.scaleY))
		}
	}
	flat := model.Const(l.prefix+"flat", tensor.Of([]int64{1, int64(n.k), -1}))
	return g.Add(l.prefix+"scores", &layer.Reshape{}, values[n.out], flat), boxes, nil
}

// around returns how much is added on both sides of size pixels, for windows a step apart that show so much before and after an object.
func around(size, window, step int, before, after float64) (int, int) {
	first := int(math.Ceil(before)) + step/2
	whole := size + first + int(math.Ceil(after)) + step/2
	steps := max(0, (whole-window+step-1)/step)
	return first, window + steps*step - size - first
}
