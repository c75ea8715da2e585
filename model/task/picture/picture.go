// Package picture runs networks that take one picture.
//
//	net, err := picture.New(program, card.Input{Order: "bgr", Fit: "letterbox"})
//	err = net.Run(ctx, pic)
//	x, y := net.Map().ToSource(10, 20)
package picture

import (
	"context"
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Net feeds pictures to a Session of its own. One goroutine uses a Net at a time.
type Net struct {
	session *model.Session
	in      model.Port
	spec    kernels.ResizeSpec // but for what depends on the picture
	input   card.Input
	nchw    bool
	resize  *kernels.Resize // for pictures like the last one
	region  kernels.Rect
	float   []float32 // the input as [H,W,C], where the network wants it otherwise
	bytes   []uint8
	feed    *tensor.Tensor
	feeds   model.Tensors
	outputs []*tensor.Tensor
}

// layout returns the size and the channels of an input [1,C,H,W] or [1,H,W,C].
func layout(in model.Port) (w, h, c int, nchw, ok bool) {
	shape := in.Shape
	if len(shape) != 4 || shape[0] != 1 {
		return 0, 0, 0, false, false
	}
	image := func(c int) bool { return c == 1 || c == 3 }
	switch {
	case image(shape[1]) && in.Layout != model.NHWC:
		return shape[3], shape[2], shape[1], true, shape[2] > 0 && shape[3] > 0
	case image(shape[3]):
		return shape[2], shape[1], shape[3], false, shape[1] > 0 && shape[2] > 0
	}
	return 0, 0, 0, false, false
}

// Shape completes the declared shape of a network's input for Compile: a batch of 1, and width and height where they are open.
func Shape(dims []model.Dim, w, h int) ([]int, error) {
	if len(dims) != 4 {
		return nil, fmt.Errorf("the input has %d dimensions; a picture has 4: batch, channels, height, width", len(dims))
	}
	shape := make([]int, 4)
	for i, d := range dims {
		shape[i] = d.Size
	}
	axes := [2]int{2, 3} // of height and width
	if last := shape[3]; shape[1] != 1 && shape[1] != 3 && (last == 1 || last == 3) {
		axes = [2]int{1, 2}
	} else if shape[1] < 0 {
		shape[1] = 3
	}
	if shape[0] < 0 {
		shape[0] = 1
	}
	for i, axis := range axes {
		if shape[axis] < 0 {
			shape[axis] = [2]int{h, w}[i]
		}
	}
	return shape, nil
}

// InputSize returns the width and height of the picture that a Program takes, or why it takes none.
func InputSize(p *model.Program) (w, h int, err error) {
	ports := p.Inputs()
	if len(ports) != 1 {
		return 0, 0, fmt.Errorf("the network has %d inputs; pictures go to networks of one", len(ports))
	}
	in := ports[0]
	w, h, _, _, ok := layout(in)
	if !ok {
		return 0, 0, fmt.Errorf("input %q is %s; a picture is [1 C H W] or [1 H W C] with 1 or 3 channels", in.Name, tensor.FormatShape(in.Shape))
	}
	switch in.DType {
	case tensor.Float32, tensor.Float16, tensor.Uint8:
	default:
		return 0, 0, fmt.Errorf("input %q holds %v; pictures go in as float32, float16 or uint8", in.Name, in.DType)
	}
	return w, h, nil
}

// Grey says whether a Program takes pictures of one channel.
func Grey(p *model.Program) bool {
	in := p.Inputs()
	if len(in) != 1 {
		return false
	}
	_, _, channels, _, ok := layout(in[0])
	return ok && channels == 1
}

// New returns a Net for a Program of one input, [1,C,H,W] or [1,H,W,C] with 1 or 3 channels.
func New(p *model.Program, in card.Input) (*Net, error) {
	w, h, err := InputSize(p)
	if err != nil {
		return nil, err
	}
	n := &Net{in: p.Inputs()[0], input: in}
	c := card.Card{Input: in}
	if err := c.Check(); err != nil {
		return nil, err
	}
	_, _, channels, nchw, _ := layout(n.in)
	n.nchw = nchw && channels != 1
	n.spec = kernels.ResizeSpec{W: w, H: h, Order: kernels.RGB, Area: in.Resample == "area"}
	switch {
	case channels == 1:
		n.spec.Order = kernels.Grey
	case in.Order == "grey":
		return nil, fmt.Errorf("input %q has 3 channels, and the order is grey", n.in.Name)
	case in.Order == "bgr":
		n.spec.Order = kernels.BGR
	}
	if in.Fit == "letterbox" {
		n.spec.Fit = kernels.Letterbox
	}
	for i := range 3 {
		n.spec.Pad[i] = float32(pick(in.Pad, i, 0))
		std := pick(in.Std, i, 1)
		n.spec.Scale[i], n.spec.Shift[i] = float32(1/std), float32(-pick(in.Mean, i, 0)/std)
	}
	n.session = p.NewSession()
	size := w * h * channels
	n.feed = tensor.New(n.in.DType, n.in.Shape...)
	switch {
	case n.in.DType == tensor.Uint8 && n.nchw:
		n.bytes = make([]uint8, size)
	case n.in.DType == tensor.Uint8:
		n.bytes = tensor.Data[uint8](n.feed)
	case n.in.DType == tensor.Float32 && !n.nchw:
		n.float = n.feed.Float32s()
	default:
		n.float = make([]float32, size)
	}
	n.feeds = model.Tensors{n.in.Name: n.feed}
	n.outputs = make([]*tensor.Tensor, len(p.Outputs()))
	return n, nil
}

// pick returns v[i], v[0] where v has one number, or what stands for none.
func pick(v []float64, i int, none float64) float64 {
	switch len(v) {
	case 0:
		return none
	case 1:
		return v[0]
	}
	return v[i]
}

// Size returns the width and height of the network's input.
func (n *Net) Size() (w, h int) { return n.spec.W, n.spec.H }

// Program returns what the Net runs.
func (n *Net) Program() *model.Program { return n.session.Program() }

// maxSide is the longest side of a picture.
const maxSide = 1 << 15

// plan makes the resize for pictures of src's layout and size.
func (n *Net) plan(src *kernels.Picture) error {
	if src.W < 1 || src.H < 1 || src.W > maxSide || src.H > maxSide {
		return fmt.Errorf("a picture of %dx%d; sides are 1 to %d pixels", src.W, src.H, maxSide)
	}
	if n.resize != nil {
		if s := n.resize.Spec(); s.Format == src.Format && s.Colour == src.Colour && s.SrcW == src.W && s.SrcH == src.H {
			return nil
		}
	}
	s := n.spec
	s.Format, s.Colour, s.SrcW, s.SrcH = src.Format, src.Colour, src.W, src.H
	s.Crop = kernels.Rect{W: float64(src.W), H: float64(src.H)}
	if r := n.input.Region; len(r) == 4 {
		s.Crop = kernels.Rect{X: r[0] * s.Crop.W, Y: r[1] * s.Crop.H, W: r[2] * s.Crop.W, H: r[3] * s.Crop.H}
	}
	if n.input.Fit == "crop" {
		w := math.Min(s.Crop.W, s.Crop.H*float64(s.W)/float64(s.H))
		h := math.Min(s.Crop.H, s.Crop.W*float64(s.H)/float64(s.W))
		s.Crop = kernels.Rect{X: s.Crop.X + float64((s.Crop.W-w)/2), Y: s.Crop.Y + float64((s.Crop.H-h)/2), W: w, H: h}
	}
	n.region = s.Crop
	n.resize = kernels.NewResize(s)
	return nil
}

// Run feeds a picture to the network. The outputs belong to the Net and are valid until its next Run.
func (n *Net) Run(ctx context.Context, pic kernels.Picture) error {
	if _, err := n.Input(pic); err != nil {
		return err
	}
	return n.session.Run(ctx, n.feeds, nil)
}

// Input returns a picture as the network is fed it. The tensor belongs to the Net and is valid until its next Run or Input.
func (n *Net) Input(pic kernels.Picture) (*tensor.Tensor, error) {
	if err := n.plan(&pic); err != nil {
		return nil, err
	}
	if n.bytes != nil {
		n.resize.RunBytes(nil, n.bytes, pic)
		if n.nchw {
			planes(tensor.Data[uint8](n.feed), n.bytes)
		}
	} else {
		n.resize.Run(nil, n.float, pic)
		switch {
		case n.in.DType == tensor.Float16:
			half := tensor.Data[uint16](n.feed)
			pixels := n.spec.W * n.spec.H
			c := len(n.float) / pixels
			for i, v := range n.float {
				j := i
				if n.nchw {
					j = i%c*pixels + i/c
				}
				half[j] = tensor.FloatToHalf(v)
			}
		case n.nchw:
			kernels.NHWCToNCHW(nil, n.feed.Float32s(), n.float, 1, n.spec.W*n.spec.H, 3)
		}
	}
	return n.feed, nil
}

// planes writes pixels of three bytes as three planes.
func planes(dst, src []uint8) {
	p := len(src) / 3
	for i := range p {
		dst[i], dst[p+i], dst[2*p+i] = src[3*i], src[3*i+1], src[3*i+2]
	}
}

// Outputs returns the outputs of the last Run, in the graph's order.
func (n *Net) Outputs() []*tensor.Tensor {
	for i := range n.outputs {
		n.outputs[i] = n.session.Output(i)
	}
	return n.outputs
}

// Map says where the pixels of a network's input lie in a picture: source = at + pixel·scale, an edge of a pixel on an edge.
type Map struct {
	X, Y           float64 // of the input's corner in the picture
	ScaleX, ScaleY float64 // picture pixels in an input pixel
	W, H           int     // of the picture
	Inner          [4]int  // x, y, width, height of what the picture fills of the input
}

// Map returns where the last picture lay.
func (n *Net) Map() Map {
	s := n.resize.Spec()
	x, y, w, h := s.Inner()
	m := Map{ScaleX: n.region.W / float64(w), ScaleY: n.region.H / float64(h), W: s.SrcW, H: s.SrcH, Inner: [4]int{x, y, w, h}}
	m.X, m.Y = n.region.X-float64(float64(x)*m.ScaleX), n.region.Y-float64(float64(y)*m.ScaleY)
	return m
}

// ToSource returns the place in the picture of a place in the network's input.
func (m *Map) ToSource(x, y float64) (float64, float64) {
	return m.X + float64(x*m.ScaleX), m.Y + float64(y*m.ScaleY)
}

// FromSource returns the place in the network's input of a place in the picture.
func (m *Map) FromSource(x, y float64) (float64, float64) {
	return (x - m.X) / m.ScaleX, (y - m.Y) / m.ScaleY
}

// Floats returns the elements of an output as float32.
func Floats(name string, t *tensor.Tensor) ([]float32, error) {
	if t == nil {
		return nil, fmt.Errorf("output %q is missing", name)
	}
	if d := t.DType(); !d.IsFloat() && !d.IsInt() {
		return nil, fmt.Errorf("output %q holds %v, not numbers", name, d)
	}
	return t.Floats(), nil
}

// Mirror exchanges left and right of a picture whose pixels are runs of bytes (RGB, BGR, grey), where it lies.
func Mirror(p kernels.Picture) {
	c := p.Format.Channels()
	for y := range p.H {
		row := p.Pix[y*p.Stride:][:p.W*c]
		for a, b := 0, (p.W-1)*c; a < b; a, b = a+c, b-c {
			for i := range c {
				row[a+i], row[b+i] = row[b+i], row[a+i]
			}
		}
	}
}
