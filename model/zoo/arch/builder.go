// Package arch builds the networks that recipes name: graphs with freshly drawn weights.
package arch

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Builder adds layers to a Graph, one call each. Weights are drawn from a generator with a seed: uniform, with the variance 2/fan-in that keeps
// the scale of activations through ReLUs (He, Zhang, Ren, Sun: Delving deep into rectifiers, ICCV 2015), biases are 0.
//
// A layer that does not fit its input panics: networks of this package are fixed, and tested.
type Builder struct {
	Graph *model.Graph
	state uint64
	shape map[*model.Value][]int // with a batch of 1
	bools map[*model.Value]bool  // values that are true or false; others are float32
	count map[string]int
	gain  float64
	open  bool // height and width of inputs and outputs are
}

// NewBuilder returns a Builder of an empty Graph.
func NewBuilder(name string, seed uint64) *Builder {
	return &Builder{Graph: &model.Graph{Name: name, Producer: "ocellus"}, state: seed, shape: map[*model.Value][]int{}, bools: map[*model.Value]bool{}, count: map[string]int{}, gain: 2}
}

// Gain sets the variance of weights drawn from now on, in units of 1/fan-in: 2 for ReLU, 1 for tanh and linear layers.
func (b *Builder) Gain(g float64) { b.gain = g }

// Input adds an input [N,C,H,W] of float32 with an open batch.
func (b *Builder) Input(name string, c, h, w int) *model.Value {
	v := b.Graph.Input(name, tensor.Float32, model.Symbol("N"), model.Dim{Size: c}, model.Dim{Size: h}, model.Dim{Size: w})
	b.shape[v] = []int{1, c, h, w}
	return v
}

// Features adds an input [N,C] of float32 with an open batch.
func (b *Builder) Features(name string, c int) *model.Value {
	v := b.Graph.Input(name, tensor.Float32, model.Symbol("N"), model.Dim{Size: c})
	b.shape[v] = []int{1, c}
	return v
}

// Output makes a value an output under a name.
func (b *Builder) Output(name string, v *model.Value) {
	v.Name = name
	v.DType = tensor.Float32
	v.Shape = model.Fixed(b.shape[v]...)
	v.Shape[0] = model.Symbol("N")
	for i := 2; b.open && i < len(v.Shape); i++ {
		v.Shape[i] = model.Symbol(v.Name + "." + string("HW"[i-2]))
	}
	b.Graph.Output(v)
}

// Shape returns the shape of a value for a batch of 1.
func (b *Builder) Shape(v *model.Value) []int { return b.shape[v] }

// Channels returns the number of channels of a value.
func (b *Builder) Channels(v *model.Value) int { return b.shape[v][1] }

// Add appends an operation.
func (b *Builder) Add(op layer.Op, in ...*model.Value) *model.Value {
	return b.add(b.name(op.Kind()), op, in...)
}

func (b *Builder) name(kind string) string {
	b.count[kind]++
	return fmt.Sprintf("%s%d", kind, b.count[kind])
}

func (b *Builder) add(name string, op layer.Op, in ...*model.Value) *model.Value {
	infos := make([]layer.Info, len(in))
	for i, v := range in {
		switch {
		case v == nil:
		case v.Const != nil:
			infos[i] = layer.Info{DType: v.Const.DType(), Shape: v.Const.Shape(), Value: v.Const}
		case b.bools[v]:
			infos[i] = layer.Info{DType: tensor.Bool, Shape: b.shape[v]}
		default:
			infos[i] = layer.Info{DType: tensor.Float32, Shape: b.shape[v]}
		}
	}
	out, err := op.Infer(infos)
	if err != nil {
		panic(fmt.Sprintf("arch: %s: %s: %v", b.Graph.Name, name, err))
	}
	v := b.Graph.Add(name, op, in...)
	b.shape[v], b.bools[v] = out[0].Shape, out[0].DType == tensor.Bool
	return v
}

// uniform returns a number in [0,1) from 24 random bits (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
func (b *Builder) uniform() float64 {
	b.state += 0x9e3779b97f4a7c15
	x := b.state
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64(float64((x^x>>31)>>40) * (1.0 / (1 << 24)))
}

// weights draws a constant of weights whose inputs number fan.
func (b *Builder) weights(name string, fan int, shape ...int) *model.Value {
	t := tensor.New(tensor.Float32, shape...)
	bound := math.Sqrt(3 * b.gain / float64(fan))
	for i, d := 0, t.Float32s(); i < len(d); i++ {
		d[i] = float32(b.between(-bound, bound))
	}
	return model.Const(name, t)
}

// filled returns a constant [n] of one value.
func filled(name string, n int, value float32) *model.Value {
	t := tensor.New(tensor.Float32, n)
	for i, d := 0, t.Float32s(); i < len(d); i++ {
		d[i] = value
	}
	return model.Const(name, t)
}

// ConvSpec is a convolution: K x K, padded so that stride 1 keeps the size unless Valid is set.
type ConvSpec struct {
	Out, K, Stride, Groups, Dilation int // zeros stand for ones
	Valid, NoBias                    bool
	Bias                             float32 // that every output begins with
}

func (s *ConvSpec) window() layer.Window {
	k, stride, dil := max(1, s.K), max(1, s.Stride), max(1, s.Dilation)
	w := layer.Window{Kernel: []int{k, k}, Strides: []int{stride, stride}, Dilations: []int{dil, dil}}
	if p := dil * (k - 1) / 2; !s.Valid && p > 0 {
		w.Pads = []int{p, p, p, p}
	}
	return w
}

// Conv adds a convolution.
func (b *Builder) Conv(x *model.Value, s ConvSpec) *model.Value {
	g, k, c := max(1, s.Groups), max(1, s.K), b.Channels(x)/max(1, s.Groups)
	name := b.name("conv")
	in := []*model.Value{x, b.weights(name+".weight", c*k*k, s.Out, c, k, k)}
	if !s.NoBias {
		in = append(in, filled(name+".bias", s.Out, s.Bias))
	}
	return b.add(name, &layer.Conv{Window: s.window(), Groups: g}, in...)
}

// Local adds a locally connected layer.
func (b *Builder) Local(x *model.Value, s ConvSpec) *model.Value {
	k, c := max(1, s.K), b.Channels(x)
	name := b.name("local")
	w := s.window()
	dims, err := w.Resolve(b.shape[x], w.Kernel)
	if err != nil {
		panic("arch: " + name + ": " + err.Error())
	}
	oh, ow := dims[0].Out, dims[1].Out
	weights := b.weights(name+".weight", c*k*k, oh, ow, s.Out, c, k, k)
	bias := model.Const(name+".bias", tensor.New(tensor.Float32, s.Out, oh, ow))
	return b.add(name, &layer.LocallyConnected{Window: w}, x, weights, bias)
}

// BatchNorm adds a batch normalisation.
func (b *Builder) BatchNorm(x *model.Value) *model.Value {
	c, name := b.Channels(x), b.name("bn")
	return b.add(name, &layer.BatchNorm{Epsilon: 1e-5, Momentum: 0.9}, x, filled(name+".scale", c, 1), filled(name+".bias", c, 0),
		filled(name+".mean", c, 0), filled(name+".var", c, 1))
}

// ConvBN adds a convolution without bias, a batch normalisation and a ReLU.
func (b *Builder) ConvBN(x *model.Value, s ConvSpec) *model.Value {
	s.NoBias = true
	return b.ReLU(b.BatchNorm(b.Conv(x, s)))
}

// Dense adds a fully connected layer over all that an example has.
func (b *Builder) Dense(x *model.Value, out int) *model.Value {
	if len(b.shape[x]) != 2 {
		x = b.Add(&layer.Flatten{Axis: 1}, x)
	}
	k, name := b.shape[x][1], b.name("dense")
	return b.add(name, &layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, x, b.weights(name+".weight", k, out, k), filled(name+".bias", out, 0))
}

// ReLU, Sigmoid and Tanh add an activation.
func (b *Builder) ReLU(x *model.Value) *model.Value { return b.Add(&layer.Unary{Fn: layer.Relu}, x) }

func (b *Builder) Sigmoid(x *model.Value) *model.Value {
	return b.Add(&layer.Unary{Fn: layer.Sigmoid}, x)
}

func (b *Builder) Tanh(x *model.Value) *model.Value { return b.Add(&layer.Unary{Fn: layer.Tanh}, x) }

// PReLU adds a leaky rectifier whose slope, 0.25 at first, is learnt for each channel.
func (b *Builder) PReLU(x *model.Value) *model.Value {
	c, name := b.Channels(x), b.name("prelu")
	slope := filled(name+".slope", c, 0.25)
	slope.Const = slope.Const.Reshape(append([]int{c}, ones(len(b.shape[x])-2)...)...)
	slope.Shape = model.Fixed(slope.Const.Shape()...)
	return b.add(name, &layer.Binary{Fn: layer.PRelu}, x, slope)
}

func ones(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = 1
	}
	return s
}

// Sum adds two values of one shape.
func (b *Builder) Sum(x, y *model.Value) *model.Value {
	return b.Add(&layer.Binary{Fn: layer.Add}, x, y)
}

// Concat joins values along the channels.
func (b *Builder) Concat(x ...*model.Value) *model.Value { return b.Add(&layer.Concat{Axis: 1}, x...) }

// MaxPool and AvgPool add a pooling over K x K windows.
func (b *Builder) MaxPool(x *model.Value, k, stride, pad int) *model.Value {
	return b.Add(&layer.MaxPool{Window: poolWindow(k, stride, pad)}, x)
}

func (b *Builder) AvgPool(x *model.Value, k, stride, pad int) *model.Value {
	return b.Add(&layer.AveragePool{Window: poolWindow(k, stride, pad)}, x)
}

func poolWindow(k, stride, pad int) layer.Window {
	return layer.Window{Kernel: []int{k, k}, Strides: []int{stride, stride}, Pads: []int{pad, pad, pad, pad}}
}

// GlobalAvg averages over all positions.
func (b *Builder) GlobalAvg(x *model.Value) *model.Value {
	return b.Add(&layer.GlobalPool{Fn: layer.GlobalAveragePool}, x)
}

// LCN adds a local contrast normalisation with a Gaussian window (Jarrett et al., ICCV 2009).
func (b *Builder) LCN(x *model.Value, size int, sigma, floor float32) *model.Value {
	return b.Add(&layer.LCN{Size: size, Sigma: sigma, Floor: floor}, x)
}

// LRN adds AlexNet's local response normalisation.
func (b *Builder) LRN(x *model.Value) *model.Value {
	return b.Add(&layer.LRN{Size: 5, Alpha: 1e-4, Beta: 0.75, Bias: 2}, x)
}

// Dropout drops elements in training.
func (b *Builder) Dropout(x *model.Value, ratio float32) *model.Value {
	return b.Add(&layer.Dropout{Ratio: ratio}, x)
}

// Clip limits values to lo..hi.
func (b *Builder) Clip(x *model.Value, lo, hi float32) *model.Value {
	name := b.name("clip")
	return b.add(name, &layer.Clip{}, x, model.Const(name+".min", tensor.Scalar(lo)), model.Const(name+".max", tensor.Scalar(hi)))
}

// convBN6 adds a convolution without bias, a batch normalisation and a ReLU that stops at 6.
func (b *Builder) convBN6(x *model.Value, s ConvSpec) *model.Value {
	s.NoBias = true
	return b.Clip(b.BatchNorm(b.Conv(x, s)), 0, 6)
}

// between returns a number from lo to hi.
func (b *Builder) between(lo, hi float64) float64 { return lo + float64((hi-lo)*b.uniform()) }
