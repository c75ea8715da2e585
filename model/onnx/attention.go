package onnx

import (
	"math"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// list is a constant list of integers.
func (c *call) list(what string, v ...int64) *model.Value { return c.constant(what, tensor.Of(v)) }

// like is a constant of the type of x.
func (c *call) like(what string, n float32, x *model.Value) *model.Value {
	return c.emit(what, &layer.CastLike{Saturate: true}, c.constant(what+":float", scalar(n)), x)
}

func (c *call) binary(what string, fn layer.Fn, a, b *model.Value) *model.Value {
	return c.emit(what, &layer.Binary{Fn: fn}, a, b)
}

// sizes lists the dimensions of x from one on up to another.
func (c *call) sizes(what string, x *model.Value, from, to int) *model.Value {
	return c.emit(what, &layer.Shape{Start: from, End: to}, x)
}

func (c *call) concat(what string, axis int, parts ...*model.Value) *model.Value {
	return c.emit(what, &layer.Concat{Axis: axis}, parts...)
}

// ramp counts from 0 on up to n, a list of one number.
func (c *call) ramp(what string, n *model.Value) *model.Value {
	return c.emit(what, &layer.Range{}, c.constant(what+":from", tensor.Scalar[int64](0)), c.emit(what+":to", &layer.Squeeze{}, n), c.constant(what+":step", tensor.Scalar[int64](1)))
}

// give makes v an output of the node beside its first one.
func (c *call) give(i int, v *model.Value) {
	if i < len(c.out) && c.out[i] != nil {
		c.g.Nodes = append(c.g.Nodes, &model.Node{Name: c.out[i].Name, Op: &layer.Identity{}, In: []*model.Value{v}, Out: []*model.Value{c.out[i]}})
	}
}

// first makes y the first of up to so many outputs of the node, of which the others have been given.
func (c *call) first(y *model.Value, most int) layer.Op {
	if len(c.out) > most {
		c.fail("%d outputs, at most %d are known", len(c.out), most)
	}
	c.in, c.out = []*model.Value{y}, c.out[:min(1, len(c.out))]
	return &layer.Identity{}
}

// optional returns input i, or nil.
func (c *call) optional(i int) *model.Value {
	if i < len(c.in) {
		return c.in[i]
	}
	return nil
}

// rank returns the number of dimensions of x where the file tells it, else -1.
func rank(x *model.Value) int {
	switch {
	case x.Const != nil:
		return x.Const.Rank()
	case x.Shape != nil:
		return len(x.Shape)
	}
	return -1
}

// ranked returns yes where x has n dimensions, else no. Where only Compile can tell, it chooses.
func (c *call) ranked(what string, x *model.Value, n int, yes, no func() *model.Value) *model.Value {
	switch r := rank(x); {
	case r == n:
		return yes()
	case r >= 0:
		return no()
	}
	is := c.binary(what+":is", layer.Equal, c.emit(what+":rank", &layer.Size{}, c.sizes(what+":of", x, 0, tensor.MaxRank)), c.constant(what+":count", tensor.Scalar(int64(n))))
	return c.emit(what, &layer.If{Outputs: 1}, is, yes(), no())
}

// heads turns x [B,S,heads·D] into [B,heads,S,D], or into [B,heads,D,S]; x of four dimensions is the former already.
func (c *call) heads(what string, x *model.Value, heads int, turned bool) *model.Value {
	apart, turn := []int{0, 2, 1, 3}, []int{0, 1, 3, 2}
	if turned {
		apart = []int{0, 2, 3, 1}
	}
	four := func() *model.Value {
		if turned {
			return c.emit(what+":turned", &layer.Transpose{Perm: turn}, x)
		}
		return x
	}
	if heads == 0 {
		if rank(x) == 3 {
			c.fail("an input of three dimensions, and no number of heads in q_num_heads or kv_num_heads")
		}
		return four()
	}
	return c.ranked(what, x, 3, func() *model.Value {
		return c.emit(what+":heads", &layer.Transpose{Perm: apart}, c.emit(what+":apart", &layer.Reshape{}, x, c.list(what+":shape", 0, 0, int64(heads), -1)))
	}, four)
}

// together turns y [B,heads,S,D] into [B,S,heads·D] where the query has three dimensions.
func (c *call) together(y, query *model.Value) *model.Value {
	return c.ranked("result", query, 3, func() *model.Value {
		return c.emit("joined", &layer.Reshape{}, c.emit("rows", &layer.Transpose{Perm: []int{0, 2, 1, 3}}, y), c.list("joined:shape", 0, 0, -1))
	}, func() *model.Value { return y })
}

// keys returns keys and values [B,heads,T,D] with what came before them in front, and the keys once more as [B,heads,D,T]; the former only if they may be an output.
func (c *call) keys(k, v, pastK, pastV *model.Value, heads int) (keys, values, turned *model.Value) {
	values = c.heads("v", v, heads, false)
	if pastV != nil {
		values = c.concat("values", 2, pastV, values)
	}
	if pastK == nil && len(c.out) < 2 {
		return nil, values, c.heads("k", k, heads, true)
	}
	keys = c.heads("k", k, heads, false)
	if pastK != nil {
		keys = c.concat("keys", 2, pastK, keys)
	}
	return keys, values, c.emit("keys:turned", &layer.Transpose{Perm: []int{0, 1, 3, 2}}, keys)
}

// attention computes softmax(cap(scale·q·k) + bias)·v (Vaswani et al.: Attention Is All You Need, NeurIPS 2017) of q [B,heads,S,D], k [B,kv,D,T] and v [B,kv,T,E].
// Several heads of q may share one of k and v (Ainslie et al.: GQA, EMNLP 2023).
type attention struct {
	q, k, v   *model.Value
	heads, kv *model.Value // lists of one number; nil where they are equal
	scale     float32      // 0 is 1/√D
	softcap   float32      // 0 is none
	bias      *model.Value // or nil
}

// attend returns the result [B,heads,S,E] and the scores [B,heads,S,T]: as they are, capped, with the bias, and after the softmax.
func (c *call) attend(a *attention) (y *model.Value, scores [4]*model.Value) {
	group := func(what string, x, heads *model.Value) *model.Value {
		if heads == nil {
			return x
		}
		return c.emit(what, &layer.Reshape{}, x, c.concat(what+":shape", 0, c.list(what+":first", 0), heads, c.list(what+":last", -1, 0)))
	}
	var scale *model.Value
	if a.scale != 0 {
		scale = c.like("scale", a.scale, a.q)
	} else {
		d := c.emit("width", &layer.CastLike{}, c.sizes("d", a.q, 3, 4), a.q)
		scale = c.emit("scale", &layer.Unary{Fn: layer.Reciprocal}, c.emit("root", &layer.Unary{Fn: layer.Sqrt}, d))
	}
	s := c.emit("product", &layer.MatMul{}, group("q:groups", c.binary("scaled", layer.Mul, a.q, scale), a.kv), a.k)
	s = group("scores", s, a.heads)
	scores[0] = s
	if a.softcap != 0 {
		limit := c.like("cap", a.softcap, a.q)
		s = c.binary("capped", layer.Mul, c.emit("tanh", &layer.Unary{Fn: layer.Tanh}, c.binary("fraction", layer.Div, s, limit)), limit)
	}
	scores[1] = s
	if a.bias != nil {
		s = c.binary("biased", layer.Add, s, a.bias)
	}
	scores[2] = s
	s = c.emit("weights", &layer.Softmax{Axis: -1}, s)
	scores[3] = s
	return group("y", c.emit("y:groups", &layer.MatMul{}, group("weights:groups", s, a.kv), a.v), a.heads), scores
}

// visible says for a query at row i of s which of t keys, a list of one number each, are not behind it. Row 0 stands at key number offset, or at the first.
func (c *call) visible(s, t, offset *model.Value) *model.Value {
	rows := c.emit("row", &layer.Unsqueeze{}, c.ramp("queries", s), c.list("row:axis", 1))
	if offset != nil {
		rows = c.binary("place", layer.Add, rows, offset)
	}
	return c.binary("visible", layer.LessOrEqual, c.ramp("columns", t), rows)
}

// standardAttention reads query, key, value, mask, past key, past value, numbers of keys that count.
func standardAttention(c *call) layer.Op {
	if !c.arity(3) {
		return nil
	}
	heads, kv := c.int("q_num_heads", 0), c.int("kv_num_heads", 0)
	if heads < 0 || kv < 0 || (heads == 0) != (kv == 0) || kv > 0 && heads%kv != 0 {
		c.fail("q_num_heads is %d, kv_num_heads is %d", heads, kv)
		return nil
	}
	switch p := c.int("softmax_precision", 0); tensor.DType(p) {
	case 0, tensor.Float32, tensor.Float16, tensor.BFloat16:
	default:
		c.fail("softmax_precision %d is not supported", p)
	}
	mode := c.int("qk_matmul_output_mode", 0)
	if mode < 0 || mode > 3 {
		c.fail("unknown qk_matmul_output_mode %d", mode)
		return nil
	}
	mask, pastK, pastV, counts := c.optional(3), c.optional(4), c.optional(5), c.optional(6)
	if len(c.in) > 7 || (pastK == nil) != (pastV == nil) || counts != nil && pastK != nil {
		c.fail("%d inputs, of which past_key, past_value and nonpad_kv_seqlen do not go together", len(c.in))
		return nil
	}
	a := &attention{q: c.heads("q", c.in[0], heads, false), scale: c.float("scale", 0), softcap: c.float("softcap", 0)}
	var keys *model.Value
	keys, a.v, a.k = c.keys(c.in[1], c.in[2], pastK, pastV, kv)
	switch {
	case heads == 0:
		a.heads, a.kv = c.sizes("heads", a.q, 1, 2), c.sizes("kv", a.v, 1, 2)
	case heads != kv:
		a.heads, a.kv = c.list("heads", int64(heads)), c.list("kv", int64(kv))
	}

	const lowest = -math.MaxFloat32
	where := func(what string, cond, x *model.Value) *model.Value {
		return c.emit(what, &layer.Where{}, cond, x, c.like(what+":hidden", lowest, a.q))
	}
	zero := c.like("zero", 0, a.q)
	a.bias = mask
	if mask != nil {
		d := mask.DType
		if mask.Const != nil {
			d = mask.Const.DType()
		}
		switch d {
		case tensor.Bool:
			a.bias = where("mask", mask, zero)
		case tensor.Invalid: // ½ becomes 1 where it is bool
			half := c.emit("mask:half", &layer.Cast{To: tensor.Float32}, c.like("mask:type", 0.5, mask))
			is := c.binary("mask:is", layer.Equal, half, c.constant("mask:one", scalar(1)))
			a.bias = c.emit("bias", &layer.If{Outputs: 1}, is, where("mask", c.emit("mask:bool", &layer.Cast{To: tensor.Bool}, mask), zero), mask)
		}
	}
	s, t := c.sizes("s", a.q, 2, 3), c.sizes("t", a.v, 2, 3)
	if mask != nil && c.version >= 24 {
		// Keys behind the end of the mask are hidden.
		short := c.binary("short", layer.Sub, t, c.sizes("mask:keys", a.bias, -1, tensor.MaxRank))
		none := c.list("none", 0)
		pads := c.concat("pads", 0, none, c.binary("missing", layer.Max, short, none))
		a.bias = c.emit("mask:padded", &layer.Pad{Mode: layer.PadConstant}, a.bias, pads, c.like("mask:pad", lowest, a.q), c.list("mask:axis", -1))
	}
	var seen, offset *model.Value
	if counts != nil {
		counts = c.emit("counts", &layer.Reshape{}, counts, c.list("counts:shape", -1, 1, 1, 1))
		offset = c.binary("offset", layer.Sub, counts, s)
		seen = c.binary("counted", layer.Less, c.ramp("places", t), counts)
	}
	if pastK != nil {
		offset = c.sizes("offset", pastK, 2, 3)
	}
	if c.flag("is_causal", false) {
		v := c.visible(s, t, offset)
		if seen != nil {
			v = c.binary("seen", layer.And, v, seen)
		}
		seen = v
	}
	if seen != nil {
		if a.bias == nil {
			a.bias = zero
		}
		a.bias = where("hidden", seen, a.bias)
	}
	y, scores := c.attend(a)
	if mask != nil || counts != nil {
		// A query that sees nothing gets zeros.
		most := c.emit("most", &layer.Reduce{Fn: layer.ReduceMaximum, KeepDims: true}, a.bias, c.list("most:axis", -1))
		sees := c.binary("sees", layer.Greater, most, c.like("least", lowest, a.q))
		y = c.emit("shown", &layer.Where{}, sees, y, zero)
		if mode == 3 && len(c.out) > 3 {
			scores[3] = c.emit("weights:shown", &layer.Where{}, sees, scores[3], zero)
		}
	}
	c.give(1, keys)
	c.give(2, a.v)
	c.give(3, scores[mode])
	return c.first(c.together(y, c.in[0]), 4)
}

// multiHead finishes a node of com.microsoft that attends from q to k and v, [B,S,heads·D] each. mask says which keys count: [B,T] or [B,S,T], or how many, [B].
func (c *call) multiHead(q, k, v, mask, bias, pastK, pastV *model.Value) (y, keys, values *model.Value, scores [4]*model.Value) {
	heads := c.int("num_heads", 0)
	if heads <= 0 {
		c.fail("num_heads is %d", heads)
		return nil, nil, nil, scores
	}
	a := &attention{q: c.heads("q", q, heads, false), scale: c.float("scale", 0), bias: bias}
	keys, a.v, a.k = c.keys(k, v, pastK, pastV, heads)
	hide := func(what string, seen *model.Value, by float32) {
		b := c.emit(what, &layer.Where{}, seen, c.like(what+":zero", 0, a.q), c.like(what+":hidden", by, a.q))
		if a.bias != nil {
			b = c.binary(what+":sum", layer.Add, a.bias, b)
		}
		a.bias = b
	}
	s, t := c.sizes("s", a.q, 2, 3), c.sizes("t", a.v, 2, 3)
	filter := c.float("mask_filter_value", -10000)
	if mask != nil {
		seen := c.ranked("mask", mask, 1, func() *model.Value {
			counts := c.emit("counts", &layer.Reshape{}, c.emit("lengths", &layer.Cast{To: tensor.Int64}, mask), c.concat("counts:shape", 0, c.sizes("b", a.q, 0, 1), c.list("counts:ones", 1, 1, 1)))
			return c.binary("counted", layer.Less, c.ramp("places", t), counts)
		}, func() *model.Value {
			set := c.emit("set", &layer.Cast{To: tensor.Bool}, mask)
			return c.ranked("set:of", mask, 2, func() *model.Value {
				return c.emit("set:rows", &layer.Unsqueeze{}, set, c.list("set:rows:axes", 1, 2))
			}, func() *model.Value { return c.emit("set:heads", &layer.Unsqueeze{}, set, c.list("set:heads:axis", 1)) })
		})
		hide("masked", seen, filter)
	}
	if c.flag("unidirectional", false) {
		var offset *model.Value
		if pastK != nil {
			offset = c.sizes("offset", pastK, 2, 3)
		}
		hide("hidden", c.visible(s, t, offset), -math.MaxFloat32)
	}
	y, scores = c.attend(a)
	return c.together(y, q), keys, a.v, scores
}

// multiHeadAttention reads query, key, value, the bias of all three, which keys count, a bias of the scores, past key, past value.
func multiHeadAttention(c *call) layer.Op {
	if !c.arity(3) {
		return nil
	}
	if len(c.in) > 8 {
		c.fail("past_sequence_length and cache_indirection are not supported")
	}
	q, k, v := c.in[0], c.in[1], c.in[2]
	if b := c.optional(3); b != nil {
		h, all := c.sizes("hidden size", q, 2, 3), c.list("end", math.MaxInt32)
		twice := c.binary("hidden sizes", layer.Add, h, h)
		q = c.binary("q:biased", layer.Add, q, c.slice("q:bias", b, c.list("start", 0), h, 0, 1))
		k = c.binary("k:biased", layer.Add, k, c.slice("k:bias", b, h, twice, 0, 1))
		v = c.binary("v:biased", layer.Add, v, c.slice("v:bias", b, twice, all, 0, 1))
	}
	if (c.optional(6) == nil) != (c.optional(7) == nil) {
		c.fail("only one of past_key and past_value")
		return nil
	}
	y, keys, values, scores := c.multiHead(q, k, v, c.optional(4), c.optional(5), c.optional(6), c.optional(7))
	c.give(1, keys)
	c.give(2, values)
	c.give(3, scores[0])
	return c.first(y, 4)
}

// packedAttention reads x, the weights of query, key and value side by side, their bias, which keys count, past keys and values, a bias of the scores.
func packedAttention(c *call) layer.Op {
	if !c.arity(2) {
		return nil
	}
	if len(c.in) > 6 || c.flag("do_rotary", false) || c.flag("past_present_share_buffer", false) {
		c.fail("past_sequence_length, do_rotary and past_present_share_buffer are not supported")
	}
	_ = c.int("rotary_embedding_dim", 0) // of do_rotary
	x := c.emit("projected", &layer.MatMul{}, c.in[0], c.in[1])
	if b := c.optional(2); b != nil {
		x = c.binary("projected:biased", layer.Add, x, b)
	}
	in := []*model.Value{x}
	if s := c.ints("qkv_hidden_sizes"); s != nil {
		if len(s) != 3 || s[0] != s[1] {
			c.fail("qkv_hidden_sizes is %v", s)
			return nil
		}
		in = append(in, c.list("qkv sizes", int64(s[0]), int64(s[1]), int64(s[2])))
	}
	qkv := c.several("qkv", 3, &layer.Split{Axis: -1, Parts: 3}, in...)
	var pastK, pastV *model.Value
	if p := c.optional(4); p != nil {
		pastK = c.emit("past:k", &layer.Gather{}, p, c.constant("past:first", tensor.Scalar[int64](0)))
		pastV = c.emit("past:v", &layer.Gather{}, p, c.constant("past:second", tensor.Scalar[int64](1)))
	}
	y, keys, values, _ := c.multiHead(qkv[0], qkv[1], qkv[2], c.optional(3), c.optional(5), pastK, pastV)
	if len(c.out) > 1 && c.err == nil {
		first := c.list("present:axis", 0)
		c.give(1, c.concat("present", 0, c.emit("present:k", &layer.Unsqueeze{}, keys, first), c.emit("present:v", &layer.Unsqueeze{}, values, first)))
	}
	return c.first(y, 2)
}

// slice takes every step-th of x along an axis, between lists of one number.
func (c *call) slice(what string, x, from, to *model.Value, axis, step int64) *model.Value {
	return c.emit(what, &layer.Slice{}, x, from, to, c.list(what+":axis", axis), c.list(what+":step", step))
}

// rotary turns pairs of elements of x by angles that depend on their place (Su et al.: RoFormer, Neurocomputing 568, 2024). x is [B,S,heads·D] or [B,heads,S,D];
// cos and sin are [B,S,R/2] for the first R elements of a head, or without dim for all.
func (c *call) rotary(x, cos, sin *model.Value) layer.Op {
	heads, dim, all := c.int("num_heads", 0), c.int("rotary_embedding_dim", 0), c.list("end", math.MaxInt32)
	if heads < 0 || dim < 0 || dim%2 != 0 {
		c.fail("num_heads is %d, rotary_embedding_dim is %d", heads, dim)
		return nil
	}
	half := c.list("half", int64(dim/2))
	if dim == 0 {
		half = c.sizes("half", cos, -1, tensor.MaxRank)
	}
	zero, whole := c.list("start", 0), c.binary("whole", layer.Add, half, half)
	joined := func(what string, yes, no func() *model.Value) *model.Value {
		if heads > 0 || dim == 0 {
			return c.ranked(what, x, 3, yes, no)
		}
		if rank(x) == 3 {
			c.fail("attribute \"num_heads\" is missing beside rotary_embedding_dim")
		}
		return no()
	}
	apart := joined("x", func() *model.Value {
		shape := c.list("heads:shape", 0, 0, int64(heads), -1)
		if heads == 0 {
			shape = c.concat("heads:shape", 0, c.list("heads:first", 0, 0, -1), whole)
		}
		return c.emit("heads", &layer.Reshape{}, x, shape)
	}, func() *model.Value { return x })
	axis := joined("axis", func() *model.Value { return c.list("axis:3", 2) }, func() *model.Value { return c.list("axis:4", 1) })
	cos, sin = c.emit("cos", &layer.Unsqueeze{}, cos, axis), c.emit("sin", &layer.Unsqueeze{}, sin, axis)

	var a, b *model.Value
	interleaved := c.flag("interleaved", false)
	if interleaved {
		a, b = c.slice("a", apart, zero, whole, -1, 2), c.slice("b", apart, c.list("next", 1), whole, -1, 2)
	} else {
		a, b = c.slice("a", apart, zero, half, -1, 1), c.slice("b", apart, half, whole, -1, 1)
	}
	re := c.binary("re", layer.Sub, c.binary("a·cos", layer.Mul, a, cos), c.binary("b·sin", layer.Mul, b, sin))
	im := c.binary("im", layer.Add, c.binary("a·sin", layer.Mul, a, sin), c.binary("b·cos", layer.Mul, b, cos))
	if interleaved {
		last := c.list("last", -1)
		pairs := c.concat("pairs", -1, c.emit("re:pair", &layer.Unsqueeze{}, re, last), c.emit("im:pair", &layer.Unsqueeze{}, im, last))
		re, im = c.emit("turned", &layer.Reshape{}, pairs, c.list("turned:shape", 0, 0, 0, -1)), nil
	}
	parts := []*model.Value{re}
	if im != nil {
		parts = append(parts, im)
	}
	if dim != 0 {
		parts = append(parts, c.slice("rest", apart, whole, all, -1, 1))
	}
	c.in = []*model.Value{c.concat("result", -1, parts...), c.sizes("shape", x, 0, tensor.MaxRank)}
	return &layer.Reshape{AllowZero: true}
}

// standardRotary reads x, cos, sin and the rows of these that go with each place.
func standardRotary(c *call) layer.Op {
	if !c.arity(3) {
		return nil
	}
	cos, sin := c.in[1], c.in[2]
	if ids := c.optional(3); ids != nil {
		cos, sin = c.emit("cos:rows", &layer.Gather{}, cos, ids), c.emit("sin:rows", &layer.Gather{}, sin, ids)
	}
	return c.rotary(c.in[0], cos, sin)
}

// runtimeRotary reads x, rows of cos and sin, [B,S] or the first one alone, cos, sin.
func runtimeRotary(c *call) layer.Op {
	if !c.arity(4) {
		return nil
	}
	if c.float("scale", 1) != 1 || c.flag("is_packed_batching", false) {
		c.fail("scale and is_packed_batching are not supported")
	}
	x, ids := c.in[0], c.in[1]
	ids = c.ranked("ids", ids, 1, func() *model.Value {
		return c.emit("ids:all", &layer.Unsqueeze{}, c.binary("ids:row", layer.Add, c.ramp("places", c.sizes("s", x, -2, -1)), c.in[1]), c.list("ids:axis", 0))
	}, func() *model.Value { return c.in[1] })
	return c.rotary(x, c.emit("cos:rows", &layer.Gather{}, c.in[2], ids), c.emit("sin:rows", &layer.Gather{}, c.in[3], ids))
}
