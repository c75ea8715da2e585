package onnx

import (
	"slices"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
)

// microsoft are the operators that ONNX Runtime's own quantiser and optimiser put into files, in the domain "com.microsoft". Each becomes the standard
// operators that it stands for: a quantised one dequantises its inputs, computes in float32 and quantises the result.
var microsoft map[string]builder

func init() {
	microsoft = map[string]builder{
		"QuantizeLinear":   func(c *call) layer.Op { return operators["QuantizeLinear"](c) },
		"DequantizeLinear": func(c *call) layer.Op { return operators["DequantizeLinear"](c) },
		"QLinearAdd":       quantizedPair(layer.Add),
		"QLinearMul":       quantizedPair(layer.Mul),
		"QLinearSigmoid":   quantized(func(*call) layer.Op { return &layer.Unary{Fn: layer.Sigmoid} }),
		"QLinearLeakyRelu": quantized(func(c *call) layer.Op { return &layer.Unary{Fn: layer.LeakyRelu, Alpha: c.float("alpha", 0.01)} }),
		"QLinearSoftmax": quantized(func(c *call) layer.Op {
			return &layer.Softmax{Axis: c.int("axis", -1), Flatten: c.int("opset", 13) < 13}
		}),
		"QLinearGlobalAveragePool": quantized(func(c *call) layer.Op {
			c.channelsFirst()
			return &layer.GlobalPool{Fn: layer.GlobalAveragePool}
		}),
		"QLinearAveragePool": quantized(func(c *call) layer.Op {
			c.channelsFirst()
			return &layer.AveragePool{Window: c.pooling(), CountPad: c.flag("count_include_pad", false)}
		}),
		"QLinearConcat": qLinearConcat,
		"QGemm":         qGemm,
		"FusedConv":     fusedConv,
		"Gelu":          func(*call) layer.Op { return &layer.Unary{Fn: layer.Gelu} },
		"QuickGelu":     quickGelu,
		"FastGelu":      fastGelu,
	}
}

func (c *call) channelsFirst() {
	if c.flag("channels_last", false) {
		c.fail("channels_last is not supported")
	}
}

// arity checks that there are at least n inputs, none of the first n left out.
func (c *call) arity(n int) bool {
	if len(c.in) < n || slices.Contains(c.in[:n], nil) {
		c.fail("%d inputs, %d are needed", len(c.in), n)
		return false
	}
	return true
}

// dequantized adds a DequantizeLinear of inputs i, i+1 and i+2.
func (c *call) dequantized(what string, i int) *model.Value {
	return c.emit(what, &layer.Dequantize{Axis: 1}, c.in[i:min(i+3, len(c.in))]...)
}

// requantized makes the node a QuantizeLinear of y with the scale and zero point of inputs i and i+1.
func (c *call) requantized(y *model.Value, i int) layer.Op {
	in := []*model.Value{y, c.in[i]}
	if i+1 < len(c.in) {
		in = append(in, c.in[i+1])
	}
	c.in = in
	return &layer.Quantize{Axis: 1}
}

// quantizedPair reads inputs a, scale, zero, b, scale, zero, scale, zero.
func quantizedPair(fn layer.Fn) builder {
	return func(c *call) layer.Op {
		if len(c.in) == 7 {
			c.in = append(c.in, nil)
		}
		if len(c.in) != 8 || c.in[0] == nil || c.in[1] == nil || c.in[3] == nil || c.in[4] == nil || c.in[6] == nil {
			c.fail("%d inputs", len(c.in))
			return nil
		}
		y := c.emit("float", &layer.Binary{Fn: fn}, c.dequantized("a", 0), c.dequantized("b", 3))
		return c.requantized(y, 6)
	}
}

// quantized reads inputs x, scale, zero, scale, zero.
func quantized(build builder) builder {
	return func(c *call) layer.Op {
		if len(c.in) < 4 || c.in[0] == nil || c.in[1] == nil || c.in[3] == nil {
			c.fail("%d inputs", len(c.in))
			return nil
		}
		y := c.emit("float", build(c), c.dequantized("x", 0))
		return c.requantized(y, 3)
	}
}

// qLinearConcat reads inputs scale, zero, and x, scale, zero of each part.
func qLinearConcat(c *call) layer.Op {
	if !c.arity(5) || (len(c.in)-2)%3 != 0 || slices.Contains(c.in, nil) {
		c.fail("%d inputs", len(c.in))
		return nil
	}
	var parts []*model.Value
	for i := 2; i < len(c.in); i += 3 {
		parts = append(parts, c.dequantized("part", i))
	}
	y := c.emit("float", &layer.Concat{Axis: c.int("axis", 0)}, parts...)
	return c.requantized(y, 0)
}

// qGemm reads inputs a, scale, zero, b, scale, zero, bias (int32 in units of the scales' product), scale, zero; without the last two the output is float.
func qGemm(c *call) layer.Op {
	if !c.arity(6) {
		return nil
	}
	g := &layer.Gemm{Alpha: c.float("alpha", 1), Beta: 1, TransA: c.flag("transA", false), TransB: c.flag("transB", false)}
	axis := 1
	if g.TransB {
		axis = 0
	}
	in := []*model.Value{c.dequantized("a", 0), c.emit("b", &layer.Dequantize{Axis: axis}, c.in[3:6]...)}
	if len(c.in) > 6 && c.in[6] != nil {
		unit := c.emit("unit", &layer.Binary{Fn: layer.Mul}, c.in[1], c.in[4])
		wide := c.emit("wide", &layer.Cast{To: 1}, c.in[6])
		in = append(in, c.emit("bias", &layer.Binary{Fn: layer.Mul}, wide, unit))
	}
	if len(c.in) < 8 || c.in[7] == nil {
		c.in = in
		return g
	}
	return c.requantized(c.emit("float", g, in...), 7)
}

// fusedConv is a Conv with an activation and a fourth input that is added before it.
func fusedConv(c *call) layer.Op {
	if len(c.in) < 2 || len(c.in) > 4 {
		c.fail("%d inputs", len(c.in))
		return nil
	}
	y := c.emit("conv", c.conv(), c.in[:min(3, len(c.in))]...)
	if len(c.in) == 4 {
		y = c.emit("sum", &layer.Binary{Fn: layer.Add}, y, c.in[3])
	}
	p := []float32{0, 0}
	copy(p, c.floats("activation_params"))
	c.in = []*model.Value{y}
	switch name := c.text("activation", ""); name {
	case "":
		return &layer.Identity{}
	case "Relu", "Tanh", "Sigmoid":
		return &layer.Unary{Fn: layer.Fn(name)}
	case "LeakyRelu":
		return &layer.Unary{Fn: layer.LeakyRelu, Alpha: p[0]}
	case "HardSigmoid":
		return &layer.Unary{Fn: layer.HardSigmoid, Alpha: p[0], Beta: p[1]}
	case "Clip":
		c.in = []*model.Value{y, c.constant("min", scalar(p[0])), c.constant("max", scalar(p[1]))}
		return &layer.Clip{}
	default:
		c.fail("unknown activation %q", name)
		return nil
	}
}

// quickGelu is x·sigmoid(alpha·x).
func quickGelu(c *call) layer.Op {
	if !c.arity(1) {
		return nil
	}
	s := c.emit("scaled", &layer.Binary{Fn: layer.Mul}, c.in[0], c.constant("alpha", scalar(c.float("alpha", 1.702))))
	c.in = []*model.Value{c.in[0], c.emit("gate", &layer.Unary{Fn: layer.Sigmoid}, s)}
	return &layer.Binary{Fn: layer.Mul}
}

// fastGelu is the tanh form of GELU of x + bias.
func fastGelu(c *call) layer.Op {
	if !c.arity(1) {
		return nil
	}
	if len(c.in) == 2 {
		c.in = []*model.Value{c.emit("biased", &layer.Binary{Fn: layer.Add}, c.in[0], c.in[1])}
	}
	return &layer.Unary{Fn: layer.Gelu, Alpha: 1}
}
