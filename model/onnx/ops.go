package onnx

import (
	"math"
	"slices"
	"strings"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// own are the operators of Domain.
var own = map[string]builder{
	"LCN": func(c *call) layer.Op {
		return &layer.LCN{Size: c.int("size", 0), Sigma: c.float("sigma", 0), Floor: c.float("floor", 0)}
	},
	"LocallyConnected": func(c *call) layer.Op { return &layer.LocallyConnected{Window: c.window()} },
	"Step":             unary(layer.Step),
}

// operators are the standard ones. A builder gives every opset's form the meaning and the inputs of the newest.
var operators map[string]builder

func init() {
	operators = map[string]builder{
		"Abs": unary(layer.Abs), "Neg": unary(layer.Neg), "Ceil": unary(layer.Ceil), "Floor": unary(layer.Floor), "Round": unary(layer.Round),
		"Sign": unary(layer.Sign), "Sqrt": unary(layer.Sqrt), "Reciprocal": unary(layer.Reciprocal), "Exp": unary(layer.Exp), "Log": unary(layer.Log),
		"Erf": unary(layer.Erf), "Sin": unary(layer.Sin), "Cos": unary(layer.Cos), "Tan": unary(layer.Tan), "Asin": unary(layer.Asin),
		"Acos": unary(layer.Acos), "Atan": unary(layer.Atan), "Sinh": unary(layer.Sinh), "Cosh": unary(layer.Cosh), "Asinh": unary(layer.Asinh),
		"Acosh": unary(layer.Acosh), "Atanh": unary(layer.Atanh), "Relu": unary(layer.Relu), "Sigmoid": unary(layer.Sigmoid),
		"HardSwish": unary(layer.HardSwish), "Tanh": unary(layer.Tanh), "Softplus": unary(layer.Softplus), "Softsign": unary(layer.Softsign),
		"Mish": unary(layer.Mish), "BitwiseNot": unary(layer.BitwiseNot),
		"LeakyRelu":       curve(layer.LeakyRelu, "alpha", 0.01, "", 0),
		"ThresholdedRelu": curve(layer.ThresholdedRelu, "alpha", 1, "", 0),
		"Shrink":          curve(layer.Shrink, "lambd", 0.5, "bias", 0),
		"Elu":             curve(layer.Elu, "alpha", 1, "", 0),
		"Celu":            curve(layer.Celu, "alpha", 1, "", 0),
		"HardSigmoid":     curve(layer.HardSigmoid, "alpha", 0.2, "beta", 0.5),
		"Selu": func(c *call) layer.Op {
			if c.version < 6 {
				return curve(layer.Selu, "alpha", 1.6732, "gamma", 1.0507)(c)
			}
			return curve(layer.Selu, "alpha", 1.67326319217681884765625, "gamma", 1.05070102214813232421875)(c)
		},
		"Gelu": func(c *call) layer.Op {
			u := &layer.Unary{Fn: layer.Gelu}
			switch mode := c.text("approximate", "none"); mode {
			case "none":
			case "tanh":
				u.Alpha = 1
			default:
				c.fail("unknown approximation %q", mode)
			}
			return u
		},
		"Not":   func(*call) layer.Op { return &layer.Not{} },
		"IsNaN": func(*call) layer.Op { return &layer.IsNaN{} },
		"IsInf": func(c *call) layer.Op {
			return &layer.IsInf{Positive: c.flag("detect_positive", true), Negative: c.flag("detect_negative", true)}
		},

		"Add": pairwise(layer.Add), "Sub": pairwise(layer.Sub), "Mul": pairwise(layer.Mul), "Div": pairwise(layer.Div), "Pow": pairwise(layer.Pow),
		"PRelu": prelu, "And": pairwise(layer.And), "Or": pairwise(layer.Or), "Xor": pairwise(layer.Xor),
		"BitwiseAnd": pairwise(layer.BitwiseAnd), "BitwiseOr": pairwise(layer.BitwiseOr), "BitwiseXor": pairwise(layer.BitwiseXor),
		"Equal": pairwise(layer.Equal), "Less": pairwise(layer.Less), "LessOrEqual": pairwise(layer.LessOrEqual),
		"Greater": pairwise(layer.Greater), "GreaterOrEqual": pairwise(layer.GreaterOrEqual),
		"Mod": func(c *call) layer.Op {
			if c.flag("fmod", false) {
				return &layer.Binary{Fn: layer.FMod}
			}
			return &layer.Binary{Fn: layer.Mod}
		},
		"BitShift": func(c *call) layer.Op {
			switch d := c.text("direction", ""); d {
			case "LEFT":
				return &layer.Binary{Fn: layer.ShiftLeft}
			case "RIGHT":
				return &layer.Binary{Fn: layer.ShiftRight}
			default:
				c.fail("unknown direction %q", d)
				return nil
			}
		},
		"Max": variadic(layer.Max), "Min": variadic(layer.Min), "Sum": variadic(layer.Sum), "Mean": variadic(layer.Mean),
		"Clip":  clip,
		"Where": func(*call) layer.Op { return &layer.Where{} },
		"If": func(c *call) layer.Op {
			yes, no := c.branch("then_branch"), c.branch("else_branch")
			if len(c.in) != 1 || len(yes) != len(no) || len(c.out) > len(yes) {
				c.fail("%d inputs and %d outputs; its branches have %d and %d outputs", len(c.in), len(c.out), len(yes), len(no))
			}
			c.in = slices.Concat(c.in, yes, no)
			return &layer.If{Outputs: len(yes)}
		},
		"Loop": repeat,
		"Scan": scan,

		"SequenceConstruct": sequence(model.SequenceConstruct), "SequenceInsert": sequence(model.SequenceInsert), "SequenceErase": sequence(model.SequenceErase),
		"SequenceAt": sequence(model.SequenceAt), "SequenceLength": sequence(model.SequenceLength),
		"SequenceEmpty": func(c *call) layer.Op {
			return &model.Sequence{Fn: model.SequenceEmpty, DType: tensor.DType(c.int("dtype", int(tensor.Float32)))}
		},
		"SplitToSequence": func(c *call) layer.Op {
			return &model.Sequence{Fn: model.SplitToSequence, Axis: c.int("axis", 0), Drop: !c.flag("keepdims", true)}
		},
		"ConcatFromSequence": func(c *call) layer.Op {
			if !c.has("axis") {
				c.fail("there is no axis")
			}
			return &model.Sequence{Fn: model.ConcatFromSequence, Axis: c.int("axis", 0), New: c.flag("new_axis", false)}
		},
		"SequenceMap": sequenceMap,
		"Optional":    optional, "OptionalGetElement": sequence(model.OptionalGetElement), "OptionalHasElement": sequence(model.OptionalHasElement),

		"Conv": func(c *call) layer.Op { return c.conv() },
		"ConvTranspose": func(c *call) layer.Op {
			return &layer.ConvTranspose{Window: c.window(), Groups: c.int("group", 1), OutPads: c.ints("output_padding"), OutputShape: c.ints("output_shape")}
		},
		"DeformConv": func(c *call) layer.Op {
			w := layer.Window{Kernel: c.ints("kernel_shape"), Strides: c.ints("strides"), Dilations: c.ints("dilations"), Pads: c.ints("pads")}
			return &layer.DeformConv{Window: w, Groups: c.int("group", 1), OffsetGroups: c.int("offset_group", 1)}
		},
		"ConvInteger": func(c *call) layer.Op { return &layer.ConvInteger{Conv: *c.conv()} },
		"QLinearConv": func(c *call) layer.Op { return &layer.QLinearConv{Conv: *c.conv()} },
		"MaxPool": func(c *call) layer.Op {
			return &layer.MaxPool{Window: c.pooling(), ColumnMajor: c.flag("storage_order", false)}
		},
		"AveragePool": func(c *call) layer.Op {
			return &layer.AveragePool{Window: c.pooling(), CountPad: c.flag("count_include_pad", false)}
		},
		"MaxUnpool": func(c *call) layer.Op {
			return &layer.MaxUnpool{Kernel: c.ints("kernel_shape"), Strides: c.ints("strides"), Pads: c.ints("pads")}
		},
		"LpPool":            func(c *call) layer.Op { return &layer.LpPool{Window: c.pooling(), P: c.norm()} },
		"GlobalAveragePool": func(*call) layer.Op { return &layer.GlobalPool{Fn: layer.GlobalAveragePool} },
		"GlobalMaxPool":     func(*call) layer.Op { return &layer.GlobalPool{Fn: layer.GlobalMaxPool} },
		"GlobalLpPool":      func(c *call) layer.Op { return &layer.GlobalPool{Fn: layer.GlobalLpPool, P: c.norm()} },

		"BatchNormalization": batchNorm,
		"InstanceNormalization": func(c *call) layer.Op {
			return &layer.InstanceNorm{Epsilon: c.float("epsilon", 1e-5)}
		},
		"LayerNormalization": func(c *call) layer.Op {
			if c.int("stash_type", 1) != 1 {
				c.fail("stash_type is not 1")
			}
			return &layer.LayerNorm{Axis: c.int("axis", -1), Epsilon: c.float("epsilon", 1e-5)}
		},
		"RMSNormalization":             rmsNorm,
		"SimplifiedLayerNormalization": rmsNorm, // ONNX Runtime's, which it puts among the standard ones
		"GroupNormalization": func(c *call) layer.Op {
			_ = c.int("stash_type", 1)
			return &layer.GroupNorm{Groups: c.int("num_groups", 0), Epsilon: c.float("epsilon", 1e-5), PerGroup: c.version < 21}
		},
		"MeanVarianceNormalization": func(c *call) layer.Op {
			axes := c.ints("axes")
			if axes == nil {
				axes = []int{0, 2, 3}
			}
			return &layer.MeanVarianceNorm{Axes: axes}
		},
		"LpNormalization": func(c *call) layer.Op { return &layer.LpNorm{Axis: c.int("axis", -1), P: c.int("p", 2)} },
		"LRN": func(c *call) layer.Op {
			return &layer.LRN{Size: c.int("size", 0), Alpha: c.float("alpha", 1e-4), Beta: c.float("beta", 0.75), Bias: c.float("bias", 1)}
		},
		"Softmax":    func(c *call) layer.Op { return c.softmax(false) },
		"LogSoftmax": func(c *call) layer.Op { return c.softmax(true) },
		"Hardmax": func(c *call) layer.Op {
			s := c.softmax(false)
			return &layer.Hardmax{Axis: s.Axis, Flatten: s.Flatten}
		},

		"Attention":       standardAttention,
		"RotaryEmbedding": standardRotary,

		"NegativeLogLikelihoodLoss": func(c *call) layer.Op { return c.nll() },
		"SoftmaxCrossEntropyLoss":   softmaxCrossEntropy,

		"BlackmanWindow": cosine(layer.BlackmanWindow), "HammingWindow": cosine(layer.HammingWindow), "HannWindow": cosine(layer.HannWindow),
		"DFT":             dft,
		"MelWeightMatrix": func(c *call) layer.Op { return &layer.MelWeightMatrix{To: c.dtype("output_datatype", tensor.Float32)} },

		"MatMul":        func(*call) layer.Op { return &layer.MatMul{} },
		"Gemm":          gemm,
		"MatMulInteger": func(*call) layer.Op { return &layer.MatMulInteger{} },
		"QLinearMatMul": func(*call) layer.Op { return &layer.QLinearMatMul{} },
		"Det":           func(*call) layer.Op { return &layer.Det{} },
		"Einsum":        func(c *call) layer.Op { return &layer.Einsum{Equation: c.text("equation", "")} },

		"Reshape": reshape,
		"Flatten": func(c *call) layer.Op { return &layer.Flatten{Axis: c.int("axis", 1)} },
		"Squeeze": func(c *call) layer.Op {
			if c.version < 13 {
				c.intsInput(1, "axes")
			}
			return &layer.Squeeze{}
		},
		"Unsqueeze": func(c *call) layer.Op {
			if c.version < 13 {
				c.intsInput(1, "axes")
			}
			return &layer.Unsqueeze{}
		},
		"Identity":  func(*call) layer.Op { return &layer.Identity{} },
		"Dropout":   dropout,
		"Transpose": func(c *call) layer.Op { return &layer.Transpose{Perm: c.ints("perm")} },
		"Concat": func(c *call) layer.Op {
			def := 0
			if c.version < 4 {
				def = 1
			} else if !c.has("axis") {
				c.fail("attribute \"axis\" is missing")
			}
			return &layer.Concat{Axis: c.int("axis", def)}
		},
		"Split": func(c *call) layer.Op {
			if c.version < 13 {
				c.intsInput(1, "split")
			}
			parts := len(c.out)
			if n := c.int("num_outputs", parts); n != parts {
				c.fail("num_outputs is %d, there are %d", n, parts)
			}
			return &layer.Split{Axis: c.int("axis", 0), Parts: parts}
		},
		"Slice": func(c *call) layer.Op {
			if c.version < 10 {
				c.intsInput(1, "starts")
				c.intsInput(2, "ends")
				c.intsInput(3, "axes")
			}
			return &layer.Slice{}
		},
		"Pad":           pad,
		"CenterCropPad": func(c *call) layer.Op { return &layer.CenterCropPad{Axes: c.ints("axes")} },
		"Expand":        func(*call) layer.Op { return &layer.Expand{} },
		"Tile":          tile,
		"Gather":        func(c *call) layer.Op { return &layer.Gather{Axis: c.int("axis", 0)} },
		"GatherElements": func(c *call) layer.Op {
			return &layer.GatherElements{Axis: c.int("axis", 0)}
		},
		"GatherND": func(c *call) layer.Op { return &layer.GatherND{BatchDims: c.int("batch_dims", 0)} },
		"ScatterElements": func(c *call) layer.Op {
			return &layer.ScatterElements{Axis: c.int("axis", 0), Reduction: layer.Reduction(c.text("reduction", "none"))}
		},
		"Scatter":       func(c *call) layer.Op { return &layer.ScatterElements{Axis: c.int("axis", 0)} },
		"TensorScatter": tensorScatter,
		"ScatterND": func(c *call) layer.Op {
			return &layer.ScatterND{Reduction: layer.Reduction(c.text("reduction", "none"))}
		},
		"OneHot":  func(c *call) layer.Op { return &layer.OneHot{Axis: c.int("axis", -1)} },
		"NonZero": func(*call) layer.Op { return &layer.NonZero{} },
		"Unique": func(c *call) layer.Op {
			return &layer.Unique{Axis: c.int("axis", 0), Flat: !c.has("axis"), Sorted: c.flag("sorted", true)}
		},
		"Compress": compress,
		"ReverseSequence": func(c *call) layer.Op {
			return &layer.ReverseSequence{Batch: c.int("batch_axis", 1), Time: c.int("time_axis", 0)}
		},
		"Col2Im": func(c *call) layer.Op {
			return &layer.Col2Im{Strides: c.ints("strides"), Dilations: c.ints("dilations"), Pads: c.ints("pads")}
		},
		"DepthToSpace": depthToSpace,
		"SpaceToDepth": func(c *call) layer.Op { return &layer.SpaceToDepth{B: c.int("blocksize", 0)} },
		"Shape": func(c *call) layer.Op {
			return &layer.Shape{Start: c.int("start", 0), End: c.int("end", math.MaxInt32)}
		},
		"Size": func(*call) layer.Op { return &layer.Size{} },
		"Cast": cast,
		"CastLike": func(c *call) layer.Op {
			if m := c.text("round_mode", "up"); m != "up" {
				c.fail("unknown round_mode %q", m)
			}
			return &layer.CastLike{Saturate: c.flag("saturate", true)}
		},
		"Constant": constant,
		"ConstantOfShape": func(c *call) layer.Op {
			v := c.tensorAttr("value")
			if v == nil {
				v = tensor.Of([]float32{0})
			}
			return &layer.ConstantOfShape{Value: v}
		},
		"Range": func(*call) layer.Op { return &layer.Range{} },
		"EyeLike": func(c *call) layer.Op {
			return &layer.EyeLike{DType: tensor.DType(c.int("dtype", 0)), K: c.int("k", 0)}
		},
		"Trilu": func(c *call) layer.Op { return &layer.Trilu{Upper: c.flag("upper", true)} },

		"ReduceSum": reduce(layer.ReduceSum, 13), "ReduceMean": reduce(layer.ReduceMean, 18), "ReduceProd": reduce(layer.ReduceProd, 18),
		"ReduceMax": reduce(layer.ReduceMaximum, 18), "ReduceMin": reduce(layer.ReduceMinimum, 18), "ReduceL1": reduce(layer.ReduceL1, 18),
		"ReduceL2": reduce(layer.ReduceL2, 18), "ReduceLogSum": reduce(layer.ReduceLogSum, 18),
		"ReduceLogSumExp": reduce(layer.ReduceLogSumExp, 18), "ReduceSumSquare": reduce(layer.ReduceSumSquare, 18),
		"ArgMax": func(c *call) layer.Op { return c.arg(true) },
		"ArgMin": func(c *call) layer.Op { return c.arg(false) },
		"TopK":   topK,
		"CumSum": func(c *call) layer.Op {
			return &layer.CumSum{Exclusive: c.flag("exclusive", false), Reverse: c.flag("reverse", false)}
		},

		"RNN":  recurrent(layer.CellRNN),
		"GRU":  recurrent(layer.CellGRU),
		"LSTM": recurrent(layer.CellLSTM),

		"Resize":   resize,
		"Upsample": upsample,
		"GridSample": func(c *call) layer.Op {
			mode := c.text("mode", "linear")
			switch mode {
			case "bilinear":
				mode = "linear"
			case "bicubic":
				mode = "cubic"
			}
			return &layer.GridSample{Mode: mode, Padding: c.text("padding_mode", "zeros"), AlignCorners: c.flag("align_corners", false)}
		},
		"AffineGrid": func(c *call) layer.Op { return &layer.AffineGrid{AlignCorners: c.flag("align_corners", false)} },
		"RoiAlign":   roiAlign,
		"MaxRoiPool": maxRoiPool,
		"NonMaxSuppression": func(c *call) layer.Op {
			return &layer.NonMaxSuppression{Center: c.flag("center_point_box", false)}
		},

		"QuantizeLinear": func(c *call) layer.Op {
			if p := c.int("precision", 0); p != 0 && p != 1 {
				c.fail("precision %d is not supported", p)
			}
			return &layer.Quantize{Axis: c.int("axis", 1), Block: c.int("block_size", 0), Saturate: c.flag("saturate", true), To: tensor.DType(c.int("output_dtype", 0))}
		},
		"DequantizeLinear": func(c *call) layer.Op {
			if d := c.int("output_dtype", 0); d != 0 && d != 1 && d != 10 && d != 16 {
				c.fail("output_dtype %d is not supported", d)
			}
			return &layer.Dequantize{Axis: c.int("axis", 1), Block: c.int("block_size", 0)}
		},
		"Swish": func(c *call) layer.Op {
			alpha := c.float("alpha", 1)
			if alpha == 1 || !c.arity(1) {
				return &layer.Unary{Fn: layer.SiLU}
			}
			s := c.emit("scaled", &layer.Binary{Fn: layer.Mul}, c.in[0], c.constant("alpha", scalar(alpha)))
			c.in = []*model.Value{c.in[0], c.emit("gate", &layer.Unary{Fn: layer.Sigmoid}, s)}
			return &layer.Binary{Fn: layer.Mul}
		},
		"DynamicQuantizeLinear": func(*call) layer.Op { return &layer.DynamicQuantize{} },
	}
}

func unary(fn layer.Fn) builder {
	return func(*call) layer.Op { return &layer.Unary{Fn: fn} }
}

// gateActivations are the activations that recurrent layers may name, with what their numbers are by default.
var gateActivations = map[string]layer.Unary{
	"relu": {Fn: layer.Relu}, "tanh": {Fn: layer.Tanh}, "sigmoid": {Fn: layer.Sigmoid}, "softsign": {Fn: layer.Softsign}, "softplus": {Fn: layer.Softplus},
	"affine": {Fn: layer.Affine, Alpha: 1}, "leakyrelu": {Fn: layer.LeakyRelu, Alpha: 0.01}, "thresholdedrelu": {Fn: layer.ThresholdedRelu, Alpha: 1},
	"scaledtanh": {Fn: layer.ScaledTanh, Alpha: 1, Beta: 1}, "hardsigmoid": {Fn: layer.HardSigmoid, Alpha: 0.2, Beta: 0.5}, "elu": {Fn: layer.Elu, Alpha: 1},
}

func recurrent(cell layer.Cell) builder {
	return func(c *call) layer.Op {
		r := &layer.Recurrent{Cell: cell, Hidden: c.int("hidden_size", 0), Direction: c.text("direction", "forward"), Clip: c.float("clip", 0), BatchFirst: c.flag("layout", false)}
		names := []string{"Tanh"}
		switch cell {
		case layer.CellLSTM:
			names = []string{"Sigmoid", "Tanh", "Tanh"}
			r.Coupled = c.flag("input_forget", false)
		case layer.CellGRU:
			names = []string{"Sigmoid", "Tanh"}
			r.LinearBeforeReset = c.flag("linear_before_reset", false)
		}
		if r.Direction == "bidirectional" {
			names = slices.Concat(names, names)
		}
		if a := c.attr("activations", kindStrings); a != nil {
			names = nil
			for _, s := range a.strings {
				names = append(names, string(s))
			}
		}
		// Each list of numbers goes to the activations that take such a number, in order.
		alpha, beta := c.floats("activation_alpha"), c.floats("activation_beta")
		take := func(list *[]float32, def float32) float32 {
			if len(*list) == 0 {
				return def
			}
			v := (*list)[0]
			*list = (*list)[1:]
			return v
		}
		for _, n := range names {
			u, ok := gateActivations[strings.ToLower(n)]
			if !ok {
				c.fail("unknown activation %q", n)
			}
			switch u.Fn {
			case layer.Affine, layer.ScaledTanh, layer.HardSigmoid:
				u.Beta = take(&beta, u.Beta)
				fallthrough
			case layer.LeakyRelu, layer.ThresholdedRelu, layer.Elu:
				u.Alpha = take(&alpha, u.Alpha)
			}
			r.Activations = append(r.Activations, u)
		}
		return r
	}
}

func curve(fn layer.Fn, a string, alpha float32, b string, beta float32) builder {
	return func(c *call) layer.Op {
		u := &layer.Unary{Fn: fn, Alpha: c.float(a, alpha)}
		if b != "" {
			u.Beta = c.float(b, beta)
		}
		return u
	}
}

// pairwise reads an arithmetic operator; before opset 7 its second input broadcast only where an attribute says so, from an axis on.
func pairwise(fn layer.Fn) builder {
	return func(c *call) layer.Op {
		if c.version < 7 {
			axis, wide := c.int("axis", math.MinInt32), c.flag("broadcast", false)
			if wide && axis != math.MinInt32 && len(c.in) == 2 {
				c.in[1] = c.emit("aligned", &align{axis: axis}, c.in[1], c.in[0])
			}
		}
		return &layer.Binary{Fn: fn}
	}
}

// align gives its first input the trailing dimensions of 1 that make axis its first dimension in the second one's shape.
type align struct{ axis int }

func (*align) Kind() string { return "Unsqueeze" }

// Alias marks the output as the first input's storage.
func (*align) Alias() {}

func (a *align) Infer(in []layer.Info) ([]layer.Info, error) {
	at := a.axis
	if at < 0 {
		at += len(in[1].Shape)
	}
	shape := slices.Clone(in[0].Shape)
	for at >= 0 && at+len(shape) < len(in[1].Shape) {
		shape = append(shape, 1)
	}
	return []layer.Info{{DType: in[0].DType, Shape: shape}}, nil
}

func (*align) Forward(e *layer.Env, in, out []*tensor.Tensor) error {
	return tensor.Convert(out[0], in[0], false)
}

func prelu(c *call) layer.Op {
	if c.version < 7 && len(c.in) == 2 {
		// One slope per channel.
		c.in[1] = c.emit("aligned", &align{axis: 1}, c.in[1], c.in[0])
	}
	return &layer.Binary{Fn: layer.PRelu}
}

func variadic(fn layer.Fn) builder {
	return func(*call) layer.Op { return &layer.Variadic{Fn: fn} }
}

func clip(c *call) layer.Op {
	if c.version < 11 {
		lo, hi := c.float("min", -math.MaxFloat32), c.float("max", math.MaxFloat32)
		if c.has("min") {
			c.input(1, c.constant("min", tensor.Scalar(lo)))
		}
		if c.has("max") {
			c.input(2, c.constant("max", tensor.Scalar(hi)))
		}
	}
	return &layer.Clip{}
}

func scalar(v float32) *tensor.Tensor { return tensor.Scalar(v) }

// pooling reads the attributes of poolings.
func (c *call) pooling() layer.Window {
	w := c.window()
	w.Ceil = c.flag("ceil_mode", false)
	if w.Kernel == nil {
		c.fail("attribute \"kernel_shape\" is missing")
	}
	return w
}

// window reads the attributes of convolutions and poolings.
func (c *call) window() layer.Window {
	w := layer.Window{Kernel: c.ints("kernel_shape"), Strides: c.ints("strides"), Dilations: c.ints("dilations"), Pads: c.ints("pads"),
		AutoPad: layer.AutoPad(c.text("auto_pad", "NOTSET"))}
	if w.AutoPad == "" {
		w.AutoPad = layer.PadExplicit
	}
	return w
}

func (c *call) conv() *layer.Conv {
	return &layer.Conv{Window: c.window(), Groups: c.int("group", 1)}
}

// norm reads p, which was a float in the first opset.
func (c *call) norm() int {
	if c.version < 2 {
		return int(c.float("p", 2))
	}
	return c.int("p", 2)
}

func batchNorm(c *call) layer.Op {
	b := &layer.BatchNorm{Epsilon: c.float("epsilon", 1e-5), Momentum: c.float("momentum", 0.9)}
	if c.version < 9 {
		if c.int("spatial", 1) != 1 {
			c.fail("statistics per element (spatial 0) are not supported")
		}
	}
	if c.version < 7 {
		_ = c.int("is_test", 1)
	}
	if c.version >= 14 {
		b.Training = c.flag("training_mode", false)
	} else if len(c.out) > 1 {
		// What else it gave was of use to training only.
		c.out = c.out[:1]
	}
	return b
}

func rmsNorm(c *call) layer.Op {
	if c.int("stash_type", 1) != 1 {
		c.fail("stash_type is not 1")
	}
	return &layer.RMSNorm{Axis: c.int("axis", -1), Epsilon: c.float("epsilon", 1e-5)}
}

func (c *call) softmax(log bool) *layer.Softmax {
	if c.version < 13 {
		return &layer.Softmax{Axis: c.int("axis", 1), Log: log, Flatten: true}
	}
	return &layer.Softmax{Axis: c.int("axis", -1), Log: log}
}

func gemm(c *call) layer.Op {
	if c.version < 7 {
		_ = c.flag("broadcast", false)
	}
	return &layer.Gemm{Alpha: c.float("alpha", 1), Beta: c.float("beta", 1), TransA: c.flag("transA", false), TransB: c.flag("transB", false)}
}

func reshape(c *call) layer.Op {
	if c.version < 5 {
		c.intsInput(1, "shape")
	}
	return &layer.Reshape{AllowZero: c.flag("allowzero", false)}
}

func dropout(c *call) layer.Op {
	d := &layer.Dropout{Ratio: 0.5}
	if c.version < 12 {
		d.Ratio = c.float("ratio", 0.5)
	}
	if c.version < 7 {
		_ = c.int("is_test", 1)
	}
	seed := c.int("seed", 0)
	if len(c.in) == 3 && !isFalse(c.in[2].Const) {
		return &layer.RandomDropout{Seed: uint32(seed)}
	}
	return d
}

func isFalse(t *tensor.Tensor) bool {
	return t != nil && t.DType() == tensor.Bool && t.Len() == 1 && !tensor.Data[bool](t)[0]
}

func pad(c *call) layer.Op {
	if c.version < 11 {
		name := "pads"
		if c.version < 2 {
			name = "paddings"
		}
		c.intsInput(1, name)
		if v := c.float("value", 0); v != 0 {
			c.input(2, c.constant("value", tensor.Scalar(v)))
		}
	}
	return &layer.Pad{Mode: layer.PadMode(c.text("mode", "constant"))}
}

func tile(c *call) layer.Op {
	if c.version < 6 {
		c.fail("Tile is supported from opset 6 on")
	}
	return &layer.Tile{}
}

// compress gathers the slices along axis, or the elements, whose condition is true.
func compress(c *call) layer.Op {
	if !c.arity(2) {
		return nil
	}
	at := c.emit("positions", &layer.Squeeze{}, c.emit("true", &layer.NonZero{}, c.in[1]), c.constant("row", tensor.Of([]int64{0})))
	x, axis := c.in[0], 0
	if c.has("axis") {
		axis = c.int("axis", 0)
	} else {
		x = c.emit("flat", &layer.Reshape{}, x, c.constant("all", tensor.Of([]int64{-1})))
	}
	c.in = []*model.Value{x, at}
	return &layer.Gather{Axis: axis}
}

func depthToSpace(c *call) layer.Op {
	d := &layer.DepthToSpace{B: c.int("blocksize", 0)}
	switch m := c.text("mode", "DCR"); m {
	case "DCR":
	case "CRD":
		d.ColumnsFirst = true
	default:
		c.fail("unknown mode %q", m)
	}
	return d
}

func cast(c *call) layer.Op {
	to := tensor.DType(0)
	if c.version < 6 {
		d, ok := tensor.ParseDType(oldTypes[c.text("to", "")])
		if !ok {
			c.fail("cannot convert to %q", c.text("to", ""))
		}
		to = d
	} else {
		to = c.dtype("to", tensor.Invalid)
	}
	if m := c.text("round_mode", "up"); m != "up" {
		c.fail("unknown round_mode %q", m)
	}
	return &layer.Cast{To: to, Saturate: c.flag("saturate", true)}
}

// oldTypes are the names of types in Cast before opset 6.
var oldTypes = map[string]string{"FLOAT": "float32", "DOUBLE": "float64", "FLOAT16": "float16", "INT8": "int8", "INT16": "int16", "INT32": "int32",
	"INT64": "int64", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64", "BOOL": "bool", "STRING": "string"}

// constant gives its output the value at once; the graph gets no node.
func constant(c *call) layer.Op {
	if len(c.out) != 1 || c.out[0] == nil {
		c.fail("%d outputs", len(c.out))
		return nil
	}
	var t *tensor.Tensor
	switch {
	case c.has("value"):
		t = c.tensorAttr("value")
	case c.has("value_float"):
		t = tensor.Scalar(c.float("value_float", 0))
	case c.has("value_int"):
		if a := c.attr("value_int", kindInt); a != nil {
			t = tensor.Scalar(a.i)
		}
	case c.has("value_floats"):
		if v := c.floats("value_floats"); v != nil {
			t = tensor.Of(slices.Clone(v), len(v))
		}
	case c.has("value_ints"):
		if a := c.attr("value_ints", kindInts); a != nil {
			t = tensor.Of(slices.Clone(a.ints), len(a.ints))
		}
	case c.has("value_string"):
		t = tensor.Strings([]string{c.text("value_string", "")})
	case c.has("value_strings"):
		if a := c.attr("value_strings", kindStrings); a != nil {
			var s []string
			for _, b := range a.strings {
				s = append(s, string(b))
			}
			t = tensor.Strings(s, len(s))
		}
	}
	if t == nil {
		c.fail("no value")
		return nil
	}
	if v := c.out[0]; slices.Contains(c.g.Inputs, v) {
		c.fail("its output %q is an input", v.Name)
	}
	*c.out[0] = *model.Const(c.out[0].Name, t)
	return nil
}

// reduce reads a reduction, whose axes are an input from an opset on.
func reduce(fn layer.Fn, since int) builder {
	return func(c *call) layer.Op {
		r := &layer.Reduce{Fn: fn, KeepDims: c.flag("keepdims", true)}
		if c.version < since {
			c.intsInput(1, "axes")
		} else {
			r.NoopIfEmpty = c.flag("noop_with_empty_axes", false)
		}
		return r
	}
}

func (c *call) arg(top bool) layer.Op {
	return &layer.ArgReduce{Max: top, KeepDims: c.flag("keepdims", true), Last: c.flag("select_last_index", false), Axis: c.int("axis", 0)}
}

func topK(c *call) layer.Op {
	if c.version < 10 {
		c.input(1, c.constant("k", tensor.Of([]int64{int64(c.int("k", 0))})))
	}
	return &layer.TopK{Axis: c.int("axis", -1), Largest: c.flag("largest", true), Sorted: c.flag("sorted", true)}
}

func resize(c *call) layer.Op {
	r := &layer.Resize{Mode: c.text("mode", "nearest"), Coordinates: "asymmetric", Nearest: "floor", CubicA: -0.75}
	if c.version < 11 {
		if !c.arity(2) {
			return nil
		}
		s := c.in[1]
		c.in = []*model.Value{c.in[0], nil, s}
		// The standard left it open; runtimes came to round up where they shrink.
		if s.Const != nil && s.Const.DType() == tensor.Float32 && len(s.Const.Float32s()) > 0 {
			least, most := slices.Min(s.Const.Float32s()), slices.Max(s.Const.Float32s())
			switch {
			case least < 1 && most > 1:
				r.Nearest = "ceil_where_smaller"
			case least < 1:
				r.Nearest = "ceil"
			}
		}
		return oldMode(r)
	}
	r.Coordinates = c.text("coordinate_transformation_mode", "half_pixel")
	r.Nearest = c.text("nearest_mode", "round_prefer_floor")
	r.CubicA = c.float("cubic_coeff_a", -0.75)
	r.Exclude = c.flag("exclude_outside", false)
	r.Outside = c.float("extrapolation_value", 0)
	r.Antialias = c.flag("antialias", false)
	r.Axes = c.ints("axes")
	r.Keep = c.text("keep_aspect_ratio_policy", "stretch")
	return r
}

// oldMode renames the linear mode of the first Upsample.
func oldMode(r *layer.Resize) layer.Op {
	if r.Mode == "bilinear" {
		r.Mode = "linear"
	}
	return r
}

func upsample(c *call) layer.Op {
	r := &layer.Resize{Mode: c.text("mode", "nearest"), Coordinates: "asymmetric", Nearest: "floor", CubicA: -0.75}
	scales := func(v ...float32) { c.input(2, c.constant("scales", tensor.Of(v))) }
	switch {
	case c.version < 7:
		scales(1, 1, c.float("height_scale", 1), c.float("width_scale", 1))
	case c.version < 9:
		a := c.attr("scales", kindFloats)
		if a == nil {
			c.fail("attribute \"scales\" is missing")
			return nil
		}
		scales(slices.Clone(a.floats)...)
	default:
		if len(c.in) != 2 {
			c.fail("%d inputs", len(c.in))
			return nil
		}
		c.in = []*model.Value{c.in[0], nil, c.in[1]}
	}
	return oldMode(r)
}

func roiAlign(c *call) layer.Op {
	r := &layer.RoiAlign{Height: c.int("output_height", 1), Width: c.int("output_width", 1), Samples: c.int("sampling_ratio", 0), Scale: c.float("spatial_scale", 1)}
	switch m := c.text("mode", "avg"); m {
	case "avg":
	case "max":
		r.Max = true
	default:
		c.fail("unknown mode %q", m)
	}
	def := "half_pixel"
	if c.version < 16 {
		def = "output_half_pixel"
	}
	switch m := c.text("coordinate_transformation_mode", def); m {
	case "half_pixel":
		r.HalfPixel = true
	case "output_half_pixel":
	default:
		c.fail("unknown coordinate_transformation_mode %q", m)
	}
	return r
}

func maxRoiPool(c *call) layer.Op {
	size := c.ints("pooled_shape")
	if len(size) != 2 {
		c.fail("pooled_shape has %d entries", len(size))
		return nil
	}
	return &layer.MaxRoiPool{Height: size[0], Width: size[1], Scale: c.float("spatial_scale", 1)}
}

func tensorScatter(c *call) layer.Op {
	s := &layer.TensorScatter{Axis: c.int("axis", -2)}
	switch m := c.text("mode", "linear"); m {
	case "linear":
	case "circular":
		s.Circular = true
	default:
		c.fail("unknown mode %q", m)
	}
	return s
}

func (c *call) nll() layer.Op {
	return &layer.NLL{Reduction: c.text("reduction", "mean"), Ignore: c.int("ignore_index", 0), Ignores: c.has("ignore_index")}
}

// softmaxCrossEntropy reads the loss as that of the logarithms of the softmax, which are its second output.
func softmaxCrossEntropy(c *call) layer.Op {
	if !c.arity(2) {
		return nil
	}
	if len(c.out) > 2 {
		c.fail("%d outputs", len(c.out))
		return nil
	}
	c.in[0] = c.emit("log_prob", &layer.Softmax{Axis: 1, Log: true}, c.in[0])
	if len(c.out) == 2 {
		if c.out[1] != nil {
			c.in[0] = c.out[1]
			c.g.Nodes[len(c.g.Nodes)-1].Out = c.out[1:]
		}
		c.out = c.out[:1:1]
	}
	return c.nll()
}

func cosine(fn layer.WindowFn) builder {
	return func(c *call) layer.Op {
		return &layer.CosineWindow{Fn: fn, Periodic: c.flag("periodic", true), To: c.dtype("output_datatype", tensor.Float32)}
	}
}

func dft(c *call) layer.Op {
	if c.version < 20 {
		if len(c.in) > 2 {
			c.fail("%d inputs", len(c.in))
			return nil
		}
		c.input(2, c.constant("axis", tensor.Scalar(int64(c.int("axis", 1)))))
	}
	return &layer.DFT{Inverse: c.flag("inverse", false), Onesided: c.flag("onesided", false)}
}
