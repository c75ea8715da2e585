package onnx

import (
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// op writes a node in the form of opset 17.
func (w *writer) op(n *model.Node) {
	w.node = n
	switch o := n.Op.(type) {
	case *layer.Unary:
		w.unary(o)
	case *layer.Binary:
		switch o.Fn {
		case layer.FMod:
			w.put("Mod", attrInt("fmod", 1))
		case layer.ShiftLeft:
			w.put("BitShift", attrText("direction", "LEFT"))
		case layer.ShiftRight:
			w.put("BitShift", attrText("direction", "RIGHT"))
		case layer.BitwiseAnd, layer.BitwiseOr, layer.BitwiseXor:
			w.cannot("the operator came with opset 18")
		default:
			w.put(o.Kind())
		}
	case *layer.IsInf:
		w.put("IsInf", attrFlag("detect_positive", o.Positive), attrFlag("detect_negative", o.Negative))
	case *layer.If:
		w.branches(o)
	case *model.Loop:
		w.loop(o)
	case *model.Sequence:
		w.sequence(o)
	case *layer.Conv:
		w.put("Conv", append(window(&o.Window, false), attrInt("group", o.Groups))...)
	case *layer.ConvInteger:
		w.put("ConvInteger", append(window(&o.Window, false), attrInt("group", o.Groups))...)
	case *layer.QLinearConv:
		w.put("QLinearConv", append(window(&o.Window, false), attrInt("group", o.Groups))...)
	case *layer.ConvTranspose:
		a := append(window(&o.Window, false), attrInt("group", o.Groups))
		if len(o.OutPads) > 0 {
			a = append(a, attrInts("output_padding", o.OutPads))
		}
		if len(o.OutputShape) > 0 {
			a = append(a, attrInts("output_shape", o.OutputShape))
		}
		w.put("ConvTranspose", a...)
	case *layer.LocallyConnected:
		w.local(o)
	case *layer.LCN:
		w.call("LCN", w.inputs(), attrInt("size", o.Size), attrFloat("sigma", o.Sigma), attrFloat("floor", o.Floor))
	case *layer.DeformConv:
		w.cannot("the operator came with opset 19")
	case *layer.MaxUnpool:
		w.put("MaxUnpool", window(&layer.Window{Kernel: o.Kernel, Strides: o.Strides, Pads: o.Pads}, false)...)
	case *layer.MaxPool:
		w.put("MaxPool", append(window(&o.Window, true), attrFlag("storage_order", o.ColumnMajor))...)
	case *layer.AveragePool:
		if dilated(&o.Window) {
			w.cannot("dilation came with opset 19")
		}
		w.put("AveragePool", append(window(&layer.Window{Kernel: o.Kernel, Strides: o.Strides, Pads: o.Pads, AutoPad: o.AutoPad, Ceil: o.Ceil}, true),
			attrFlag("count_include_pad", o.CountPad))...)
	case *layer.LpPool:
		if dilated(&o.Window) || o.Ceil {
			w.cannot("dilation and ceil_mode came with opset 18")
		}
		w.put("LpPool", append(window(&layer.Window{Kernel: o.Kernel, Strides: o.Strides, Pads: o.Pads, AutoPad: o.AutoPad}, false), attrInt("p", o.P))...)
	case *layer.GlobalPool:
		if o.Fn == layer.GlobalLpPool {
			w.put("GlobalLpPool", attrInt("p", o.P))
		} else {
			w.put(o.Kind())
		}
	case *layer.BatchNorm:
		w.put("BatchNormalization", attrFloat("epsilon", o.Epsilon), attrFloat("momentum", o.Momentum), attrFlag("training_mode", o.Training))
	case *layer.InstanceNorm:
		w.put("InstanceNormalization", attrFloat("epsilon", o.Epsilon))
	case *layer.LayerNorm:
		w.put("LayerNormalization", attrInt("axis", o.Axis), attrFloat("epsilon", o.Epsilon))
	case *layer.RMSNorm:
		w.rmsNorm(o)
	case *layer.GroupNorm:
		w.groupNorm(o)
	case *layer.MeanVarianceNorm:
		w.put("MeanVarianceNormalization", attrInts("axes", o.Axes))
	case *layer.LpNorm:
		w.put("LpNormalization", attrInt("axis", o.Axis), attrInt("p", o.P))
	case *layer.LRN:
		w.put("LRN", attrInt("size", o.Size), attrFloat("alpha", o.Alpha), attrFloat("beta", o.Beta), attrFloat("bias", o.Bias))
	case *layer.Softmax:
		w.softmax(o.Axis, o.Flatten)
	case *layer.Hardmax:
		w.softmax(o.Axis, o.Flatten)
	case *layer.Recurrent:
		w.recurrent(o)
	case *layer.Gemm:
		w.put("Gemm", attrFloat("alpha", o.Alpha), attrFloat("beta", o.Beta), attrFlag("transA", o.TransA), attrFlag("transB", o.TransB))
	case *layer.Einsum:
		w.put("Einsum", attrText("equation", o.Equation))
	case *layer.Reshape:
		w.put("Reshape", attrFlag("allowzero", o.AllowZero))
	case *layer.Flatten:
		w.put("Flatten", attrInt("axis", o.Axis))
	case *layer.RandomDropout:
		w.put("Dropout", attrInt("seed", int(o.Seed)))
	case *layer.Transpose:
		if len(o.Perm) > 0 {
			w.put("Transpose", attrInts("perm", o.Perm))
		} else {
			w.put("Transpose")
		}
	case *layer.DepthToSpace:
		mode := "DCR"
		if o.ColumnsFirst {
			mode = "CRD"
		}
		w.put("DepthToSpace", attrInt("blocksize", o.B), attrText("mode", mode))
	case *layer.SpaceToDepth:
		w.put("SpaceToDepth", attrInt("blocksize", o.B))
	case *layer.Concat:
		w.put("Concat", attrInt("axis", o.Axis))
	case *layer.Split:
		w.put("Split", attrInt("axis", o.Axis))
	case *layer.Pad:
		if o.Mode == layer.PadWrap || len(n.In) > 3 && n.In[3] != nil {
			w.cannot("mode \"wrap\" came with opset 19, an input of axes with opset 18")
		}
		w.put("Pad", attrText("mode", string(o.Mode)))
	case *layer.Gather:
		w.put("Gather", attrInt("axis", o.Axis))
	case *layer.GatherElements:
		w.put("GatherElements", attrInt("axis", o.Axis))
	case *layer.GatherND:
		w.put("GatherND", attrInt("batch_dims", o.BatchDims))
	case *layer.ScatterElements:
		w.put("ScatterElements", attrInt("axis", o.Axis), w.reduction(o.Reduction))
	case *layer.ScatterND:
		w.put("ScatterND", w.reduction(o.Reduction))
	case *layer.OneHot:
		w.put("OneHot", attrInt("axis", o.Axis))
	case *layer.Shape:
		w.put("Shape", attrInt("start", o.Start), attrInt("end", o.End))
	case *layer.Cast:
		w.plainType(o.To)
		w.put("Cast", attrInt("to", int(o.To)))
	case *layer.ConstantOfShape:
		w.plainType(o.Value.DType())
		w.put("ConstantOfShape", attrTensor("value", o.Value))
	case *layer.EyeLike:
		a := [][]byte{attrInt("k", o.K)}
		if o.DType != tensor.Invalid {
			a = append(a, attrInt("dtype", int(o.DType)))
		}
		w.put("EyeLike", a...)
	case *layer.Trilu:
		w.put("Trilu", attrFlag("upper", o.Upper))
	case *layer.Reduce:
		w.reduce(o)
	case *layer.ArgReduce:
		w.put(o.Kind(), attrInt("axis", o.Axis), attrFlag("keepdims", o.KeepDims), attrFlag("select_last_index", o.Last))
	case *layer.TopK:
		w.put("TopK", attrInt("axis", o.Axis), attrFlag("largest", o.Largest), attrFlag("sorted", o.Sorted))
	case *layer.CumSum:
		w.put("CumSum", attrFlag("exclusive", o.Exclusive), attrFlag("reverse", o.Reverse))
	case *layer.Resize:
		w.resize(o)
	case *layer.GridSample:
		mode := map[string]string{"linear": "bilinear", "cubic": "bicubic"}[o.Mode]
		w.put("GridSample", attrText("mode", orElse(mode, o.Mode)), attrText("padding_mode", o.Padding), attrFlag("align_corners", o.AlignCorners))
	case *layer.RoiAlign:
		mode, place := "avg", "output_half_pixel"
		if o.Max {
			mode = "max"
		}
		if o.HalfPixel {
			place = "half_pixel"
		}
		w.put("RoiAlign", attrText("mode", mode), attrText("coordinate_transformation_mode", place), attrInt("output_height", o.Height),
			attrInt("output_width", o.Width), attrInt("sampling_ratio", o.Samples), attrFloat("spatial_scale", o.Scale))
	case *layer.NonMaxSuppression:
		w.put("NonMaxSuppression", attrFlag("center_point_box", o.Center))
	case *layer.Quantize:
		if o.Block != 0 || o.To != tensor.Invalid && o.To != tensor.Uint8 || len(n.In) > 2 && n.In[2] != nil && n.In[2].DType != tensor.Invalid && n.In[2].DType != tensor.Uint8 && n.In[2].DType != tensor.Int8 {
			w.cannot("blocks and types other than 8-bit integers came with opset 19 and 21")
		}
		w.put("QuantizeLinear", attrInt("axis", o.Axis))
	case *layer.Dequantize:
		if o.Block != 0 {
			w.cannot("blocks came with opset 21")
		}
		w.put("DequantizeLinear", attrInt("axis", o.Axis))
	case *layer.ReverseSequence:
		w.put("ReverseSequence", attrInt("batch_axis", o.Batch), attrInt("time_axis", o.Time))
	case *layer.Unique:
		a := [][]byte{attrFlag("sorted", o.Sorted)}
		if !o.Flat {
			a = append(a, attrInt("axis", o.Axis))
		}
		w.put("Unique", a...)
	case *layer.MaxRoiPool:
		w.put("MaxRoiPool", attrInts("pooled_shape", []int{o.Height, o.Width}), attrFloat("spatial_scale", o.Scale))
	case *layer.NLL:
		a := [][]byte{attrText("reduction", o.Reduction)}
		if o.Ignores {
			a = append(a, attrInt("ignore_index", o.Ignore))
		}
		w.put(o.Kind(), a...)
	case *layer.CosineWindow:
		w.plainType(o.To)
		w.put(o.Kind(), attrFlag("periodic", o.Periodic), attrInt("output_datatype", int(o.To)))
	case *layer.DFT:
		w.dft(o)
	case *layer.MelWeightMatrix:
		w.plainType(o.To)
		w.put("MelWeightMatrix", attrInt("output_datatype", int(o.To)))
	case *layer.TensorScatter:
		w.cannot("the operator came with opset 24")
	case *layer.Identity:
		if len(n.In) > 0 && len(n.Out) > 0 && w.optionals[n.In[0]] {
			w.optionals[n.Out[0]] = true
		}
		w.put("Identity")
	case *layer.AffineGrid:
		w.cannot("the operator came with opset 20")
	case *layer.CenterCropPad, *layer.Col2Im:
		w.cannot("the operator came with opset 18")
	case *layer.Not, *layer.IsNaN, *layer.Variadic, *layer.Clip, *layer.Where, *layer.MatMul, *layer.MatMulInteger, *layer.QLinearMatMul, *layer.Squeeze,
		*layer.Unsqueeze, *layer.Dropout, *layer.Slice, *layer.Expand, *layer.Tile, *layer.NonZero, *layer.Size, *layer.CastLike,
		*layer.Range, *layer.DynamicQuantize, *layer.Det:
		w.put(o.Kind())
	default:
		w.cannot("there is no such operator")
	}
}

func (w *writer) plainType(d tensor.DType) {
	switch d {
	case tensor.Float8E4M3, tensor.Float8E4M3UZ, tensor.Float8E5M2, tensor.Float8E5M2UZ, tensor.Int4, tensor.Uint4:
		w.cannot(fmt.Sprintf("the type %v came later", d))
	}
}

func (w *writer) reduction(r layer.Reduction) []byte {
	if r == layer.ReduceMax || r == layer.ReduceMin {
		w.cannot("the reductions max and min came with opset 18")
	}
	return attrText("reduction", orElse(string(r), "none"))
}

func (w *writer) unary(o *layer.Unary) {
	in := w.inputs()
	switch o.Fn {
	case layer.LeakyRelu, layer.ThresholdedRelu, layer.Elu, layer.Celu:
		w.put(o.Kind(), attrFloat("alpha", o.Alpha))
	case layer.HardSigmoid:
		w.put("HardSigmoid", attrFloat("alpha", o.Alpha), attrFloat("beta", o.Beta))
	case layer.Selu:
		w.put("Selu", attrFloat("alpha", o.Alpha), attrFloat("gamma", o.Beta))
	case layer.Shrink:
		w.put("Shrink", attrFloat("lambd", o.Alpha), attrFloat("bias", o.Beta))
	case layer.Step:
		w.call("Step", in)
	case layer.SiLU:
		w.putIn("Mul", "", []string{in[0], w.step("Sigmoid", in)})
	case layer.Mish:
		w.putIn("Mul", "", []string{in[0], w.step("Tanh", []string{w.step("Softplus", in)})})
	case layer.Gelu:
		half, one := w.constant("half", tensor.Scalar(float32(0.5))), w.constant("one", tensor.Scalar(float32(1)))
		var t string
		if o.Alpha == 1 {
			cube := w.step("Mul", []string{w.step("Mul", []string{in[0], in[0]}), in[0]})
			sum := w.step("Add", []string{in[0], w.step("Mul", []string{cube, w.constant("cubic", tensor.Scalar(float32(0.044715)))})})
			t = w.step("Tanh", []string{w.step("Mul", []string{sum, w.constant("scale", tensor.Scalar(float32(0.7978845608028654)))})})
		} else {
			t = w.step("Erf", []string{w.step("Mul", []string{in[0], w.constant("scale", tensor.Scalar(float32(0.7071067811865476)))})})
		}
		w.putIn("Mul", "", []string{w.step("Mul", []string{in[0], half}), w.step("Add", []string{t, one})})
	case layer.BitwiseNot:
		w.cannot("the operator came with opset 18")
	default:
		w.put(o.Kind())
	}
}

// softmax writes a Softmax, LogSoftmax or Hardmax.
func (w *writer) softmax(axis int, flatten bool) {
	op := w.node.Op.Kind()
	if !flatten {
		w.put(op, attrInt("axis", axis))
		return
	}
	in := w.inputs()
	flat := w.step("Flatten", in, attrInt("axis", axis))
	w.putIn("Reshape", "", []string{w.step(op, []string{flat}, attrInt("axis", 1)), w.step("Shape", in)}, attrInt("allowzero", 1))
}

// rmsNorm writes an RMS normalisation as its pieces, over rows that hold the dimensions from the axis on.
func (w *writer) rmsNorm(o *layer.RMSNorm) {
	in := w.inputs()
	x := w.step("Flatten", in[:1], attrInt("axis", o.Axis))
	epsilon := w.step("CastLike", []string{w.constant("epsilon", tensor.Scalar(o.Epsilon)), in[0]})
	mean := w.step("ReduceMean", []string{w.step("Mul", []string{x, x})}, attrInts("axes", []int{1}))
	y := w.step("Div", []string{x, w.step("Sqrt", []string{w.step("Add", []string{mean, epsilon})})})
	w.putIn("Mul", "", []string{w.step("Reshape", []string{y, w.step("Shape", in[:1])}, attrInt("allowzero", 1)), in[1]})
}

// groupNorm writes a group normalisation as an instance normalisation of [N,Groups,...].
func (w *writer) groupNorm(o *layer.GroupNorm) {
	in := w.inputs()
	shape := w.step("Shape", in[:1])
	x := w.step("Reshape", []string{in[0], w.int64s("groups", 0, int64(o.Groups), -1)})
	if o.PerGroup {
		y := w.step("InstanceNormalization", []string{x, in[1], in[2]}, attrFloat("epsilon", o.Epsilon))
		w.putIn("Reshape", "", []string{y, shape})
		return
	}
	ones, zeros := tensor.New(tensor.Float32, o.Groups), tensor.New(tensor.Float32, o.Groups)
	for i := range ones.Float32s() {
		ones.Float32s()[i] = 1
	}
	y := w.step("InstanceNormalization", []string{x, w.constant("ones", ones), w.constant("zeros", zeros)}, attrFloat("epsilon", o.Epsilon))
	// [N,C,positions], so that [C,1] broadcasts.
	channels := w.step("Concat", []string{w.int64s("batch", 0), w.step("Shape", in[1:2]), w.int64s("rest", -1)}, attrInt("axis", 0))
	y = w.step("Reshape", []string{y, channels})
	axis := w.int64s("last", 1)
	y = w.step("Mul", []string{y, w.step("Unsqueeze", []string{in[1], axis})})
	y = w.step("Add", []string{y, w.step("Unsqueeze", []string{in[2], axis})})
	w.putIn("Reshape", "", []string{y, shape})
}

func (w *writer) reduce(o *layer.Reduce) {
	keep := attrFlag("keepdims", o.KeepDims)
	if o.Fn == layer.ReduceSum {
		w.put("ReduceSum", keep, attrFlag("noop_with_empty_axes", o.NoopIfEmpty))
		return
	}
	axes, ok := w.constInts(1)
	switch {
	case !ok:
		w.cannot("axes that are not constant came with opset 18")
	case len(axes) > 0:
		w.putIn(o.Kind(), "", w.inputs()[:1], keep, attrInts("axes", axes))
	case o.NoopIfEmpty:
		w.cannot("noop_with_empty_axes came with opset 18")
	default:
		w.putIn(o.Kind(), "", w.inputs()[:1], keep)
	}
}

func (w *writer) dft(o *layer.DFT) {
	in := w.inputs()
	axis, ok := w.constInts(2)
	if len(axis) == 0 && ok {
		axis = []int{-2}
	}
	if len(axis) != 1 {
		w.cannot("an axis that is not constant came with opset 20")
		return
	}
	w.putIn("DFT", "", in[:min(2, len(in))], attrInt("axis", axis[0]), attrFlag("inverse", o.Inverse), attrFlag("onesided", o.Onesided))
}

func (w *writer) resize(o *layer.Resize) {
	switch {
	case o.Antialias, o.Axes != nil, o.Keep != "" && o.Keep != "stretch":
		w.cannot("antialias, axes and keep_aspect_ratio_policy came with opset 18")
	case o.Nearest == "ceil_where_smaller":
		w.cannot("one nearest_mode for axes that grow and another for those that shrink went with opset 11")
	case o.Coordinates == "half_pixel_symmetric" || o.Coordinates == "tf_half_pixel_for_nn":
		w.cannot(fmt.Sprintf("there is no coordinate_transformation_mode %q", o.Coordinates))
	}
	w.put("Resize", attrText("mode", o.Mode), attrText("coordinate_transformation_mode", o.Coordinates), attrText("nearest_mode", o.Nearest),
		attrFloat("cubic_coeff_a", o.CubicA), attrFlag("exclude_outside", o.Exclude), attrFloat("extrapolation_value", o.Outside))
}

// call writes a call to one of the functions of Domain.
func (w *writer) call(f string, in []string, attrs ...[]byte) {
	w.functions[f] = true
	w.putIn(f, Domain, in, attrs...)
}

// local writes a locally connected layer, with a bias and with all attributes: a function cannot do without.
func (w *writer) local(o *layer.LocallyConnected) {
	in := w.inputs()
	weights := w.node.In[1].Const
	if weights == nil || weights.Rank() != 6 {
		w.cannot("the weights are not constant")
		return
	}
	if o.AutoPad != "" && o.AutoPad != layer.PadExplicit {
		w.cannot("auto_pad; give pads")
		return
	}
	s := weights.Shape()
	if len(in) < 3 || in[2] == "" {
		in = append(in[:2:2], w.constant("bias", tensor.New(tensor.Float32, s[2], s[0], s[1])))
	}
	or := func(v []int, def ...int) []int {
		if len(v) > 0 {
			return v
		}
		return def
	}
	w.call("LocallyConnected", in, attrInts("kernel_shape", s[4:]), attrInts("strides", or(o.Strides, 1, 1)), attrInts("dilations", or(o.Dilations, 1, 1)),
		attrInts("pads", or(o.Pads, 0, 0, 0, 0)))
}

// functionBodies make the functions of Domain.
var functionBodies = map[string]func() []byte{
	"Step": func() []byte {
		return function("Step", "y = 1 where x > 0, else 0", []string{"x"}, []string{"y"}, nil,
			fn("Constant", nil, "zero", attrTensor("value", tensor.Scalar(float32(0)))),
			fn("Greater", []string{"x", "zero"}, "above"),
			fn("Cast", []string{"above"}, "y", attrInt("to", int(tensor.Float32))))
	},
	"LCN": func() []byte {
		// The window is not scaled to sum to 1: dividing by what it gives on ones does that, at the border too.
		same := attrText("auto_pad", "SAME_UPPER")
		return function("LCN", "local contrast normalisation (Jarrett et al. 2009) with a Gaussian window whose weights inside the picture sum to 1",
			[]string{"x"}, []string{"y"}, []string{"size", "sigma", "floor"},
			fn("Constant", nil, "size", attrRef("value_int", "size", kindInt)),
			fn("Constant", nil, "sigma", attrRef("value_float", "sigma", kindFloat)),
			fn("Constant", nil, "floor", attrRef("value_float", "floor", kindFloat)),
			fn("Constant", nil, "zero", attrInt("value_int", 0)),
			fn("Constant", nil, "one", attrInt("value_int", 1)),
			fn("Constant", nil, "two", attrInt("value_int", 2)),
			fn("Range", []string{"zero", "size", "one"}, "index"),
			fn("Div", []string{"size", "two"}, "middle"),
			fn("Sub", []string{"index", "middle"}, "offset"),
			fn("Cast", []string{"offset"}, "distance", attrInt("to", int(tensor.Float32))),
			fn("Div", []string{"distance", "sigma"}, "deviations"),
			fn("Mul", []string{"deviations", "deviations"}, "exponent"),
			fn("Constant", nil, "minusHalf", attrTensor("value", tensor.Scalar(float32(-0.5)))),
			fn("Mul", []string{"exponent", "minusHalf"}, "logarithm"),
			fn("Exp", []string{"logarithm"}, "gaussian"),
			fn("Constant", nil, "rowShape", attrInts("value_ints", []int{1, 1, 1, -1})),
			fn("Constant", nil, "columnShape", attrInts("value_ints", []int{1, 1, -1, 1})),
			fn("Reshape", []string{"gaussian", "rowShape"}, "row"),
			fn("Reshape", []string{"gaussian", "columnShape"}, "column"),
			fn("Mul", []string{"row", "column"}, "window"), // [1, 1, size, size]
			fn("Shape", []string{"x"}, "area", attrInt("start", 2), attrInt("end", 4)),
			fn("Constant", nil, "single", attrInts("value_ints", []int{1, 1})),
			fn("Concat", []string{"single", "area"}, "mapShape", attrInt("axis", 0)),
			fn("ConstantOfShape", []string{"mapShape"}, "ones", attrTensor("value", tensor.Of([]float32{1}, 1))),
			fn("Conv", []string{"ones", "window"}, "inside", same), // [1, 1, H, W]
			fn("ReduceMean", []string{"x"}, "mean", attrInts("axes", []int{1})),
			fn("Conv", []string{"mean", "window"}, "meanSum", same),
			fn("Div", []string{"meanSum", "inside"}, "local"),
			fn("Sub", []string{"x", "local"}, "v"),
			fn("Mul", []string{"v", "v"}, "square"),
			fn("ReduceMean", []string{"square"}, "power", attrInts("axes", []int{1})),
			fn("Conv", []string{"power", "window"}, "powerSum", same),
			fn("Div", []string{"powerSum", "inside"}, "variance"),
			fn("Sqrt", []string{"variance"}, "deviation"),
			fn("ReduceMean", []string{"deviation"}, "typical", attrInts("axes", []int{2, 3})),
			fn("Max", []string{"floor", "typical", "deviation"}, "divisor"),
			fn("Div", []string{"v", "divisor"}, "y"))
	},
	"LocallyConnected": func() []byte {
		// Patches come from a convolution with one kernel per tap, over each channel as if it were an image; then each position is a matrix product.
		c := func(out string, v ...int) []byte { return fn("Constant", nil, out, attrInts("value_ints", v)) }
		part := func(shape, out string, from, to int) []byte {
			return fn("Shape", []string{shape}, out, attrInt("start", from), attrInt("end", to))
		}
		return function("LocallyConnected", "a convolution with weights of its own at each output position: x [N,C,H,W], w [OH,OW,O,C,KH,KW], b [O,OH,OW]",
			[]string{"x", "w", "b"}, []string{"y"}, []string{"kernel_shape", "strides", "dilations", "pads"},
			c("one", 1), c("any", -1),
			part("x", "batch", 0, 1), part("x", "channels", 1, 2), part("x", "area", 2, 4),
			part("w", "positions", 0, 2), part("w", "outputs", 2, 3), part("w", "kernel", 4, 6),
			fn("ReduceProd", []string{"kernel"}, "taps", attrInts("axes", []int{0})),
			fn("Concat", []string{"taps", "taps"}, "square", attrInt("axis", 0)),
			fn("ConstantOfShape", []string{"square"}, "zeros"),
			fn("EyeLike", []string{"zeros"}, "eye"),
			fn("Concat", []string{"taps", "one", "kernel"}, "eyeShape", attrInt("axis", 0)),
			fn("Reshape", []string{"eye", "eyeShape"}, "kernels"),
			fn("Concat", []string{"any", "one", "area"}, "imageShape", attrInt("axis", 0)),
			fn("Reshape", []string{"x", "imageShape"}, "images"),
			fn("Conv", []string{"images", "kernels"}, "patches", attrRef("kernel_shape", "kernel_shape", kindInts), attrRef("strides", "strides", kindInts), attrRef("dilations", "dilations", kindInts), attrRef("pads", "pads", kindInts)),
			fn("Mul", []string{"channels", "taps"}, "inputs"),
			fn("Concat", []string{"batch", "inputs", "any"}, "rowShape", attrInt("axis", 0)),
			fn("Reshape", []string{"patches", "rowShape"}, "rows"), // [N, C·K, P]
			fn("Transpose", []string{"rows"}, "columns", attrInts("perm", []int{2, 1, 0})),
			fn("Concat", []string{"any", "outputs", "inputs"}, "matrixShape", attrInt("axis", 0)),
			fn("Reshape", []string{"w", "matrixShape"}, "matrices"), // [P, O, C·K]
			fn("MatMul", []string{"matrices", "columns"}, "product"),
			fn("Transpose", []string{"product"}, "turned", attrInts("perm", []int{2, 1, 0})), // [N, O, P]
			fn("Concat", []string{"batch", "outputs", "positions"}, "outputShape", attrInt("axis", 0)),
			fn("Reshape", []string{"turned", "outputShape"}, "sums"),
			fn("Add", []string{"sums", "b"}, "y"))
	},
}

// fn is a node of a function, named after its output.
func fn(op string, in []string, out string, attrs ...[]byte) []byte {
	return nodeMessage(op, "", out, in, []string{out}, attrs...)
}

func function(name, doc string, in, out, attrs []string, nodes ...[]byte) []byte {
	var m message
	m.text(1, name)
	for _, s := range in {
		m.text(4, s)
	}
	for _, s := range out {
		m.text(5, s)
	}
	for _, s := range attrs {
		m.text(6, s)
	}
	m.bytes(7, nil, nodes...)
	m.text(8, doc)
	m.bytes(9, opset("", writtenOpset))
	m.text(10, Domain)
	return slices.Clip(m)
}

func (w *writer) recurrent(r *layer.Recurrent) {
	attrs := [][]byte{attrText("direction", r.Direction), attrFlag("layout", r.BatchFirst)}
	if r.Hidden > 0 {
		attrs = append(attrs, attrInt("hidden_size", r.Hidden))
	}
	if r.Clip > 0 {
		attrs = append(attrs, attrFloat("clip", r.Clip))
	}
	if r.Coupled {
		attrs = append(attrs, attrInt("input_forget", 1))
	}
	if r.LinearBeforeReset {
		attrs = append(attrs, attrInt("linear_before_reset", 1))
	}
	names := attribute("activations", kindStrings)
	var alpha, beta []float32
	for _, a := range r.Activations {
		names.bytes(9, []byte(a.Fn))
		switch a.Fn {
		case layer.Affine, layer.ScaledTanh, layer.HardSigmoid:
			beta = append(beta, a.Beta)
			fallthrough
		case layer.LeakyRelu, layer.ThresholdedRelu, layer.Elu:
			alpha = append(alpha, a.Alpha)
		}
	}
	attrs = append(attrs, names)
	if alpha != nil {
		attrs = append(attrs, attrFloats("activation_alpha", alpha))
	}
	if beta != nil {
		attrs = append(attrs, attrFloats("activation_beta", beta))
	}
	w.put(r.Kind(), attrs...)
}
