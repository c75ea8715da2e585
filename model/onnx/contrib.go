package onnx

import (
	"slices"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
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
		"BiasGelu": func(c *call) layer.Op {
			c.arity(2)
			return biased(c, &layer.Unary{Fn: layer.Gelu})
		},
		"FusedMatMul":           fusedMatMul,
		"FusedGemm":             fusedGemm,
		"MatMulIntegerToFloat":  matMulIntegerToFloat,
		"DynamicQuantizeMatMul": dynamicQuantizeMatMul,
		"NhwcMaxPool":           nhwcMaxPool,
		"SkipLayerNormalization": func(c *call) layer.Op {
			return skipNorm(c, 4, &layer.LayerNorm{Axis: -1, Epsilon: c.float("epsilon", 1e-12)})
		},
		"SkipSimplifiedLayerNormalization": func(c *call) layer.Op {
			return skipNorm(c, 3, &layer.RMSNorm{Axis: -1, Epsilon: c.float("epsilon", 1e-12)})
		},
		"Attention":          packedAttention,
		"MultiHeadAttention": multiHeadAttention,
		"RotaryEmbedding":    runtimeRotary,
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
		if b, s := c.in[6].Const, c.in[4].Const; b != nil && s != nil && len(b.Shape()) == 1 && (s.Len() == 1 || len(s.Shape()) == 1 && s.Len() == b.Len()) {
			in = append(in, c.emit("bias", &layer.Dequantize{}, c.in[6], unit))
		} else {
			wide := c.emit("wide", &layer.Cast{To: 1}, c.in[6])
			in = append(in, c.emit("bias", &layer.Binary{Fn: layer.Mul}, wide, unit))
		}
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
	return c.activated(y, p[0], p[1])
}

// activated is what attribute "activation" names, of y, with its numbers.
func (c *call) activated(y *model.Value, alpha, beta float32) layer.Op {
	c.in = []*model.Value{y}
	switch name := c.text("activation", ""); name {
	case "":
		return &layer.Identity{}
	case "Relu", "Tanh", "Sigmoid", "Softplus", "Softsign":
		return &layer.Unary{Fn: layer.Fn(name)}
	case "LeakyRelu", "Elu", "ThresholdedRelu":
		return &layer.Unary{Fn: layer.Fn(name), Alpha: alpha}
	case "HardSigmoid", "Selu":
		return &layer.Unary{Fn: layer.Fn(name), Alpha: alpha, Beta: beta}
	case "Clip":
		c.in = []*model.Value{y, c.constant("min", scalar(alpha)), c.constant("max", scalar(beta))}
		return &layer.Clip{}
	default:
		c.fail("unknown activation %q", name)
		return nil
	}
}

// fusedGemm is a Gemm with an activation.
func fusedGemm(c *call) layer.Op {
	if !c.arity(2) {
		return nil
	}
	beta := c.float("activation_beta", 0)
	if g := c.float("activation_gamma", 0); c.text("activation", "") == "Selu" {
		beta = g
	}
	return c.activated(c.emit("gemm", gemm(c), c.in...), c.float("activation_alpha", 0), beta)
}

// fusedMatMul is alpha times the product of a and b, either transposed.
func fusedMatMul(c *call) layer.Op {
	if !c.arity(2) {
		return nil
	}
	for _, name := range []string{"transBatchA", "transBatchB"} {
		if c.flag(name, false) {
			c.fail("%s is not supported", name)
		}
	}
	k := 0
	if c.in[1].Const != nil {
		k = 1 // what is constant is scaled at Compile
	}
	equation := []byte("...ij,...jk->...ik")
	turned := false
	for i, name := range []string{"transA", "transB"} {
		if !c.flag(name, false) {
			continue
		}
		switch n := rank(c.in[i]); {
		case n >= 2:
			perm := make([]int, n)
			for k := range perm {
				perm[k] = k
			}
			perm[n-2], perm[n-1] = n-1, n-2
			c.in[i] = c.emit(name, &layer.Transpose{Perm: perm}, c.in[i])
		case n < 0:
			turned = true
			at := 3 + 6*i
			equation[at], equation[at+1] = equation[at+1], equation[at]
		}
	}
	if alpha := c.float("alpha", 1); alpha != 1 {
		c.in[k] = c.binary("scaled", layer.Mul, c.in[k], c.like("alpha", alpha, c.in[k]))
	}
	if turned {
		return &layer.Einsum{Equation: string(equation)}
	}
	return &layer.MatMul{}
}

// skipNorm normalises the sum of x, another and, after gains and biases, input number bias. The sum is output 3.
func skipNorm(c *call, bias int, norm layer.Op) layer.Op {
	if !c.arity(3) {
		return nil
	}
	sum := c.binary("sum", layer.Add, c.in[0], c.in[1])
	if b := c.optional(bias); b != nil {
		sum = c.binary("biased", layer.Add, sum, b)
	}
	c.give(3, sum)
	if len(c.out) > 4 {
		c.fail("%d outputs, at most 4 are known", len(c.out))
	}
	c.in, c.out = append([]*model.Value{sum}, c.in[2:min(bias, len(c.in))]...), c.out[:min(3, len(c.out))]
	for len(c.out) > 1 && c.out[len(c.out)-1] == nil {
		c.out = c.out[:len(c.out)-1]
	}
	return norm
}

// integerProduct makes the node a product of integers times the product of their scales, and the bias where there is one.
func (c *call) integerProduct(a, b, scaleA, scaleB, zeroA, zeroB, bias *model.Value) layer.Op {
	y := c.emit("wide", &layer.Cast{To: tensor.Float32}, c.emit("product", &layer.MatMulInteger{}, a, b, zeroA, zeroB))
	c.in = []*model.Value{y, c.binary("unit", layer.Mul, scaleA, scaleB)}
	if bias != nil {
		c.in = []*model.Value{c.binary("float", layer.Mul, c.in[0], c.in[1]), bias}
		return &layer.Binary{Fn: layer.Add}
	}
	return &layer.Binary{Fn: layer.Mul}
}

// matMulIntegerToFloat reads inputs a, b, their scales, their zero points, bias.
func matMulIntegerToFloat(c *call) layer.Op {
	if !c.arity(4) {
		return nil
	}
	return c.integerProduct(c.in[0], c.in[1], c.in[2], c.in[3], c.optional(4), c.optional(5), c.optional(6))
}

// dynamicQuantizeMatMul reads inputs a (float32), b, scale, zero, bias.
func dynamicQuantizeMatMul(c *call) layer.Op {
	if !c.arity(3) {
		return nil
	}
	a := c.several("a", 3, &layer.DynamicQuantize{}, c.in[0])
	return c.integerProduct(a[0], c.in[1], a[1], c.in[2], a[2], c.optional(3), c.optional(4))
}

// nhwcMaxPool is a MaxPool of [N,H,W,C].
func nhwcMaxPool(c *call) layer.Op {
	if !c.arity(1) {
		return nil
	}
	w := c.pooling()
	n := len(w.Kernel) + 2
	if n > tensor.MaxRank {
		c.fail("kernel_shape is %v", w.Kernel)
		return nil
	}
	in, out := []int{0, n - 1}, []int{0}
	for i := 1; i < n-1; i++ {
		in, out = append(in, i), append(out, i+1)
	}
	x := c.emit("channels first", &layer.Transpose{Perm: in}, c.in[0])
	c.in = []*model.Value{c.emit("pool", &layer.MaxPool{Window: w}, x)}
	return &layer.Transpose{Perm: append(out, 1)}
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
func fastGelu(c *call) layer.Op { return biased(c, &layer.Unary{Fn: layer.Gelu, Alpha: 1}) }

// biased is a function of x + bias, or of x alone.
func biased(c *call, f layer.Op) layer.Op {
	if c.arity(1) && len(c.in) == 2 {
		c.in = []*model.Value{c.binary("biased", layer.Add, c.in[0], c.in[1])}
	}
	return f
}
