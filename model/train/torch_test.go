package train

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// recorded is one case of testdata/gradients.json, which testdata/gradients.py wrote.
type recorded struct {
	Name  string
	Terms int
	Dy    []float32
	In    []struct {
		Shape                 []int
		Data, Grad, Magnitude []float32
	}
}

// torchLayers are the recorded functions as layers; rest are the inputs after the recorded ones.
var torchLayers = map[string]struct {
	op   layer.Op
	rest []*tensor.Tensor
}{
	"conv":                  {op: &layer.Conv{Window: layer.Window{Strides: ints(2, 2), Pads: ints(1, 1, 1, 1)}, Groups: 1}},
	"conv groups dilation":  {op: &layer.Conv{Window: layer.Window{Pads: ints(2, 1, 2, 1), Dilations: ints(2, 1)}, Groups: 2}},
	"conv depthwise":        {op: &layer.Conv{Window: layer.Window{Strides: ints(1, 2), Pads: ints(1, 1, 1, 1)}, Groups: 3}},
	"conv 1-d":              {op: &layer.Conv{Window: layer.Window{Pads: ints(2, 2), Dilations: ints(2)}, Groups: 1}},
	"conv transpose":        {op: &layer.ConvTranspose{Window: layer.Window{Strides: ints(2, 2), Pads: ints(1, 1, 1, 1)}, OutPads: ints(1, 0), Groups: 1}},
	"conv transpose groups": {op: &layer.ConvTranspose{Window: layer.Window{Strides: ints(1, 3), Dilations: ints(2, 1)}, Groups: 2}},
	"linear":                {op: &layer.Gemm{Alpha: 1, Beta: 1, TransB: true}},
	"matmul":                {op: &layer.MatMul{}},
	"matmul batch":          {op: &layer.MatMul{}},

	"max pool":                  {op: &layer.MaxPool{Window: layer.Window{Kernel: ints(3, 3), Strides: ints(2, 2), Pads: ints(1, 1, 1, 1)}}},
	"max pool dilation":         {op: &layer.MaxPool{Window: layer.Window{Kernel: ints(2, 2), Dilations: ints(2, 2)}}},
	"average pool":              {op: &layer.AveragePool{Window: layer.Window{Kernel: ints(3, 3), Strides: ints(2, 2), Pads: ints(1, 1, 1, 1)}}},
	"average pool with padding": {op: &layer.AveragePool{Window: layer.Window{Kernel: ints(3, 3), Strides: ints(2, 2), Pads: ints(1, 1, 1, 1), Ceil: true}, CountPad: true}},
	"l2 pool":                   {op: &layer.LpPool{Window: layer.Window{Kernel: ints(2, 2)}, P: 2}},
	"global average":            {op: &layer.GlobalPool{Fn: layer.GlobalAveragePool}},
	"global max":                {op: &layer.GlobalPool{Fn: layer.GlobalMaxPool}},

	"batch norm":           {op: &layer.BatchNormTrain{Epsilon: 1e-3}},
	"batch norm frozen":    {op: &layer.BatchNorm{Epsilon: 1e-3}},
	"instance norm":        {op: &layer.InstanceNorm{Epsilon: 1e-3}},
	"layer norm":           {op: &layer.LayerNorm{Axis: -1, Epsilon: 1e-3}},
	"group norm":           {op: &layer.GroupNorm{Groups: 2, Epsilon: 1e-3}},
	"lrn":                  {op: &layer.LRN{Size: 3, Alpha: 0.5, Beta: 0.75, Bias: 1}},
	"normalize":            {op: &layer.LpNorm{Axis: 1, P: 2}},
	"softmax":              {op: &layer.Softmax{Axis: 1}},
	"log softmax":          {op: &layer.Softmax{Axis: -1, Log: true}},
	"cross entropy":        {op: &layer.CrossEntropy{Ignore: -100, Weights: []float32{1, 2, 0.5}}, rest: []*tensor.Tensor{tensor.Of([]int32{2, 0, -100, 1})}},
	"cross entropy smooth": {op: &layer.CrossEntropy{Ignore: -100, Smoothing: 0.125}, rest: []*tensor.Tensor{tensor.Of([]int32{2, 0, -100, 1})}},

	"relu":         {op: &layer.Unary{Fn: layer.Relu}},
	"relu6":        {op: &layer.Clip{}, rest: []*tensor.Tensor{tensor.Scalar(float32(0)), tensor.Scalar(float32(6))}},
	"leaky":        {op: &layer.Unary{Fn: layer.LeakyRelu, Alpha: 0.125}},
	"elu":          {op: &layer.Unary{Fn: layer.Elu, Alpha: 1.5}},
	"selu":         {op: &layer.Unary{Fn: layer.Selu, Alpha: 1.67326319217681884765625, Beta: 1.05070102214813232421875}},
	"celu":         {op: &layer.Unary{Fn: layer.Celu, Alpha: 0.75}},
	"hard sigmoid": {op: &layer.Unary{Fn: layer.HardSigmoid, Alpha: 1.0 / 6, Beta: 0.5}},
	"hard swish":   {op: &layer.Unary{Fn: layer.HardSwish}},
	"abs":          {op: &layer.Unary{Fn: layer.Abs}},
	"threshold":    {op: &layer.Unary{Fn: layer.ThresholdedRelu, Alpha: 0.5}},
	"sigmoid":      {op: &layer.Unary{Fn: layer.Sigmoid}},
	"tanh":         {op: &layer.Unary{Fn: layer.Tanh}},
	"softplus":     {op: &layer.Unary{Fn: layer.Softplus}},
	"softsign":     {op: &layer.Unary{Fn: layer.Softsign}},
	"mish":         {op: &layer.Unary{Fn: layer.Mish}},
	"gelu":         {op: &layer.Unary{Fn: layer.Gelu}},
	"gelu tanh":    {op: &layer.Unary{Fn: layer.Gelu, Alpha: 1}},
	"silu":         {op: &layer.Unary{Fn: layer.SiLU}},
	"erf":          {op: &layer.Unary{Fn: layer.Erf}},
	"exp":          {op: &layer.Unary{Fn: layer.Exp}},
	"atan":         {op: &layer.Unary{Fn: layer.Atan}},
	"prelu":        {op: &layer.Binary{Fn: layer.PRelu}},

	"add":                {op: &layer.Binary{Fn: layer.Add}},
	"sub":                {op: &layer.Binary{Fn: layer.Sub}},
	"mul":                {op: &layer.Binary{Fn: layer.Mul}},
	"div":                {op: &layer.Binary{Fn: layer.Div}},
	"pow":                {op: &layer.Binary{Fn: layer.Pow}},
	"maximum":            {op: &layer.Binary{Fn: layer.Max}},
	"minimum":            {op: &layer.Binary{Fn: layer.Min}},
	"reduce max":         {op: &layer.Reduce{Fn: layer.ReduceMaximum}, rest: []*tensor.Tensor{tensor.Of([]int64{1})}},
	"reduce mean":        {op: &layer.Reduce{Fn: layer.ReduceMean}, rest: []*tensor.Tensor{tensor.Of([]int64{2, 3})}},
	"reduce l2":          {op: &layer.Reduce{Fn: layer.ReduceL2}, rest: []*tensor.Tensor{tensor.Of([]int64{1})}},
	"reduce log-sum-exp": {op: &layer.Reduce{Fn: layer.ReduceLogSumExp}, rest: []*tensor.Tensor{tensor.Of([]int64{1})}},
	"reduce product":     {op: &layer.Reduce{Fn: layer.ReduceProd}, rest: []*tensor.Tensor{tensor.Of([]int64{1})}},

	"nearest":          {op: &layer.Resize{Mode: "nearest", Coordinates: "asymmetric", Nearest: "floor"}, rest: []*tensor.Tensor{nil, tensor.Of([]float32{1, 1, 2, 2})}},
	"bilinear":         {op: &layer.Resize{Mode: "linear", Coordinates: "half_pixel", Nearest: "floor"}, rest: []*tensor.Tensor{nil, nil, tensor.Of([]int64{1, 2, 5, 4})}},
	"bilinear corners": {op: &layer.Resize{Mode: "linear", Coordinates: "align_corners", Nearest: "floor"}, rest: []*tensor.Tensor{nil, nil, tensor.Of([]int64{1, 1, 4, 3})}},
	"bicubic":          {op: &layer.Resize{Mode: "cubic", Coordinates: "half_pixel", Nearest: "floor", CubicA: -0.75}, rest: []*tensor.Tensor{nil, nil, tensor.Of([]int64{1, 1, 6, 5})}},
	"pixel shuffle":    {op: &layer.DepthToSpace{B: 2, ColumnsFirst: true}},
	"pad":              {op: &layer.Pad{Mode: layer.PadConstant}, rest: []*tensor.Tensor{tensor.Of([]int64{0, 1, 1, 2})}},
	"pad reflect":      {op: &layer.Pad{Mode: layer.PadReflect}, rest: []*tensor.Tensor{tensor.Of([]int64{0, 0, 1, 2, 0, 0, 2, 1})}},
	"pad replicate":    {op: &layer.Pad{Mode: layer.PadEdge}, rest: []*tensor.Tensor{tensor.Of([]int64{0, 0, 1, 2, 0, 0, 2, 1})}},
	"pad circular":     {op: &layer.Pad{Mode: layer.PadWrap}, rest: []*tensor.Tensor{tensor.Of([]int64{0, 0, 1, 2, 0, 0, 2, 1})}},
	"gather":           {op: &layer.Gather{}, rest: []*tensor.Tensor{tensor.Of([]int64{0, 3, 3, 1, 0, 3}, 2, 3)}},
}

// torchRoundings is how many roundings a gradient goes through besides the sums: a function, its derivative and a few products.
const torchRoundings = 16

// TestGradientsOfPyTorch compares gradients in float32 with PyTorch's. Both may be off by 2⁻²⁴ of the magnitude of what they are made of at
// each of their roundings.
func TestGradientsOfPyTorch(t *testing.T) {
	b, err := os.ReadFile("testdata/gradients.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []recorded
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != len(torchLayers) {
		t.Errorf("%d recorded cases, %d layers", len(cases), len(torchLayers))
	}
	for _, c := range cases {
		for name, o := range map[string]Options{"plain": {Threads: 1, Plain: true}, "compiled": {Threads: 2}} {
			t.Run(c.Name+"/"+name, func(t *testing.T) { c.compare(t, o) })
		}
	}
}

func (c *recorded) compare(t *testing.T, o Options) {
	l, ok := torchLayers[c.Name]
	if !ok {
		t.Fatal("no layer")
	}
	tape := NewTape()
	var in, wrt []layer.Ref
	data := map[string]*tensor.Tensor{}
	for i, x := range c.In {
		name := string(rune('a' + i))
		in = append(in, tape.Input(name, tensor.Float32, x.Shape...))
		data[name] = tensor.Of(x.Data, x.Shape...)
	}
	wrt = in
	for _, x := range l.rest {
		if x == nil {
			in = append(in, 0)
		} else {
			in = append(in, tape.Const(x))
		}
	}
	outputs := 1
	switch l.op.(type) {
	case *layer.BatchNormTrain:
		outputs = 3
	case *layer.CrossEntropy:
		outputs = 2
	}
	y := tape.AddN(outputs, l.op, in...)[0]
	if err := tape.Err(); err != nil {
		t.Fatal(err)
	}
	dy := tape.Const(tensor.Of(c.Dy, tape.Info(y).Shape...))
	loss := tape.Add(&layer.Reduce{Fn: layer.ReduceSum}, tape.Add(&layer.Binary{Fn: layer.Mul}, y, dy))
	grads, err := Differentiate(tape, loss, wrt...)
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range grads {
		if g == 0 {
			t.Fatalf("no gradient by input %d", i)
		}
		tape.Output(g)
	}
	p, err := tape.Compile(o)
	if err != nil {
		t.Fatal(err)
	}
	s := p.NewSession()
	if err := s.Run(context.Background(), data, nil); err != nil {
		t.Fatal(err)
	}
	for i, x := range c.In {
		for k, got := range s.Output(i).Float32s() {
			bound := 2 * float64(c.Terms+torchRoundings) * 0x1p-24 * float64(x.Magnitude[k])
			if d := math.Abs(float64(got) - float64(x.Grad[k])); !(d <= bound) {
				t.Errorf("input %d, element %d: %g, PyTorch has %g; the bound on the difference is %.2g", i, k, got, x.Grad[k], bound)
			}
		}
	}
}
