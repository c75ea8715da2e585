package model

import (
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// recogniser finds functions that exporters write in several nodes.
type recogniser struct {
	*edit
	uses  map[*val]int
	norms map[*val]*foundNorm // by what reads as their output; they take a gain and a bias that follow
	ops   []*op               // in place of the program's
}

// foundNorm is a layer norm that was found, and whether it has a gain.
type foundNorm struct {
	*op
	gained bool
}

// recognise puts one operation in place of several that are SiLU, hard swish, GELU or a layer norm.
func (p *ir) recognise() {
	r := &recogniser{edit: p.edit(), uses: p.uses(), norms: map[*val]*foundNorm{}}
	for _, o := range p.ops {
		if b, ok := o.op.(*layer.Binary); ok && len(o.in) == 2 && o.in[0] != nil && o.in[1] != nil && o.out[0].info.DType == tensor.Float32 {
			for i, v := range o.in {
				o.in[i] = r.end(v)
			}
			_ = r.gated(o, b) || r.product(o, b) || r.layerNorm(o, b) || r.affine(o, b)
		}
		r.ops = append(r.ops, o)
	}
	p.ops = r.ops
	r.apply()
}

// become makes o another operation, and drops those that nothing reads any more.
func (r *recogniser) become(o *op, f layer.Op, in ...*val) {
	old := o.in
	o.op, o.in = f, in
	for _, v := range in {
		r.uses[v]++
	}
	for _, v := range old {
		r.release(v)
	}
}

// release counts one reading of v less.
func (r *recogniser) release(v *val) {
	if r.uses[v]--; r.uses[v] > 0 || v.def == nil || len(v.def.out) != 1 {
		return
	}
	r.drop[v.def] = true
	for _, in := range v.def.in {
		if in != nil {
			r.release(r.end(in))
		}
	}
}

// binary returns the operation on two values that makes v, or nil.
func (r *recogniser) binary(v *val, fn layer.Fn) *op {
	if v == nil || v.def == nil || v.info.DType != tensor.Float32 {
		return nil
	}
	if b, ok := v.def.op.(*layer.Binary); ok && b.Fn == fn && len(v.def.in) == 2 {
		return v.def
	}
	return nil
}

// unary returns what v is a function of, or nil.
func (r *recogniser) unary(v *val, fn layer.Fn) *val {
	if v == nil || v.def == nil || v.info.DType != tensor.Float32 {
		return nil
	}
	if u, ok := v.def.op.(*layer.Unary); ok && u.Fn == fn {
		return r.end(v.def.in[0])
	}
	return nil
}

// plus returns what one number is added to where that makes v, and the number; or nil.
func (r *recogniser) plus(v *val) (*val, float32) {
	if o := r.binary(v, layer.Add); o != nil {
		for i := range 2 {
			if s, ok := o.in[i].scalar(); ok {
				return r.end(o.in[1-i]), s
			}
		}
	}
	return nil, 0
}

// gated finds x·sigmoid(x) and x·hardsigmoid(x).
func (r *recogniser) gated(o *op, b *layer.Binary) bool {
	if b.Fn != layer.Mul {
		return false
	}
	for i := range 2 {
		x, gate := o.in[1-i], o.in[i]
		if gate.def == nil || gate == x || r.uses[gate] != 1 {
			continue
		}
		u, ok := gate.def.op.(*layer.Unary)
		if !ok || r.end(gate.def.in[0]) != x {
			continue
		}
		switch {
		case u.Fn == layer.Sigmoid:
			r.become(o, &layer.Unary{Fn: layer.SiLU}, x)
			return true
		case u.Fn == layer.HardSigmoid && u.Alpha == float32(1)/6 && u.Beta == 0.5:
			r.become(o, &layer.Unary{Fn: layer.HardSwish}, x)
			return true
		}
	}
	return false
}

// near says whether a number that an exporter wrote stands for another. It may have been a 16-bit float.
func near(a, b float64) bool { return math.Abs(a-b) <= 0x1p-11*math.Abs(b) }

// factors returns of what o is the product, beside the numbers among it, and the product of these.
func (r *recogniser) factors(o *op) (of []*val, scale float64) {
	scale = 1
	divides := o.op.(*layer.Binary).Fn == layer.Div
	for i, v := range o.in {
		v = r.end(v)
		if s, ok := v.scalar(); ok {
			if scale *= float64(s); divides && i == 1 {
				scale /= float64(s) * float64(s)
			}
			continue
		}
		if divides && i == 1 {
			return nil, 0
		}
		inner := r.binary(v, layer.Mul)
		if inner == nil {
			inner = r.binary(v, layer.Div)
		}
		if inner != nil && r.uses[v] == 1 {
			if more, s := r.factors(inner); more != nil {
				of, scale = append(of, more...), scale*s
				continue
			}
		}
		of = append(of, v)
	}
	return of, scale
}

// product finds products of x and a gate that is a function of x: GELU, x/2·(1+erf(x/√2)) (Hendrycks, Gimpel, 2016) or its approximation by tanh; and hard
// swish, x·clip(x+3, 0, 6)/6 (Howard et al., 2019).
func (r *recogniser) product(o *op, b *layer.Binary) bool {
	if b.Fn != layer.Mul && b.Fn != layer.Div {
		return false
	}
	of, scale := r.factors(o)
	if len(of) != 2 {
		return false
	}
	for i := range 2 {
		x, gate := of[i], of[1-i]
		if gate.def == nil || r.uses[gate] != 1 || !x.known || !o.out[0].known || !slices.Equal(x.info.Shape, o.out[0].info.Shape) {
			continue
		}
		u := &layer.Unary{}
		switch inner, one := r.plus(gate); {
		case near(scale, 0.5) && one == 1 && r.scaled(r.unary(inner, layer.Erf), x, math.Sqrt2/2):
			u.Fn = layer.Gelu
		case near(scale, 0.5) && one == 1 && r.cubic(r.unary(inner, layer.Tanh), x):
			u.Fn, u.Alpha = layer.Gelu, 1
		case near(scale, 1./6) && r.clipped(gate, x):
			u.Fn = layer.HardSwish
		default:
			continue
		}
		r.become(o, u, x)
		return true
	}
	return false
}

// scaled says whether v is x times a number.
func (r *recogniser) scaled(v, x *val, by float64) bool {
	o := r.binary(v, layer.Mul)
	if o == nil {
		o = r.binary(v, layer.Div)
	}
	if o == nil {
		return false
	}
	of, scale := r.factors(o)
	return len(of) == 1 && of[0] == x && near(scale, by)
}

// cubic says whether v is √(2/π)·(x + 0.044715·x³).
func (r *recogniser) cubic(v, x *val) bool {
	o := r.binary(v, layer.Mul)
	if o == nil {
		return false
	}
	of, scale := r.factors(o)
	if len(of) != 1 || !near(scale, math.Sqrt(2/math.Pi)) {
		return false
	}
	sum := r.binary(of[0], layer.Add)
	for i := 0; sum != nil && i < 2; i++ {
		part := r.binary(r.end(sum.in[1-i]), layer.Mul)
		if r.end(sum.in[i]) != x || part == nil {
			continue
		}
		of, scale := r.factors(part)
		if !near(scale, 0.044715) {
			continue
		}
		if len(of) == 3 && of[0] == x && of[1] == x && of[2] == x {
			return true
		}
		if len(of) == 1 {
			if cube := r.binary(of[0], layer.Pow); cube != nil && r.end(cube.in[0]) == x {
				s, ok := cube.in[1].scalar()
				return ok && s == 3
			}
		}
	}
	return false
}

// clipped says whether v is clip(x+3, 0, 6).
func (r *recogniser) clipped(v, x *val) bool {
	a, ok := activation(v.def)
	if !ok || a.Kind != kernels.ActClip || a.Lo != 0 || a.Hi != 6 {
		return false
	}
	of, three := r.plus(r.end(v.def.in[0]))
	return of == x && three == 3
}

// layerNorm finds (x-mean)/√(mean of (x-mean)² + ε), with means along the last axis or along the channels (Ba, Kiros, Hinton: Layer Normalization, 2016).
func (r *recogniser) layerNorm(o *op, b *layer.Binary) bool {
	if b.Fn != layer.Div || r.uses[o.in[1]] != 1 { // a gradient reads the pieces: they have to stay
		return false
	}
	variance, epsilon := r.plus(r.unary(o.in[1], layer.Sqrt))
	x, axis := r.centred(o.in[0])
	squares, same := r.mean(variance)
	if x == nil || squares == nil || same != axis {
		return false
	}
	var from *val
	if sq := r.binary(squares, layer.Mul); sq != nil && r.end(sq.in[0]) == r.end(sq.in[1]) {
		from = r.end(sq.in[0])
	} else if sq := r.binary(squares, layer.Pow); sq != nil {
		if s, ok := sq.in[1].scalar(); ok && s == 2 {
			from = r.end(sq.in[0])
		}
	}
	if again, at := r.centred(from); again != x || at != axis {
		return false
	}
	rank := len(x.info.Shape)
	c := x.info.Shape[axis]
	ones := tensor.New(tensor.Float32, c)
	for i := range ones.Float32s() {
		ones.Float32s()[i] = 1
	}
	norm := &layer.LayerNorm{Axis: rank - 1, Epsilon: epsilon}
	gain := constant(o.name+":gain", ones)
	if axis == rank-1 {
		r.become(o, norm, x, gain)
		r.norms[o.out[0]] = &foundNorm{op: o}
		return true
	}
	// Channels go to the end and back again, where images have them anyway.
	made := func(suffix string, f layer.Op, in ...*val) *val {
		v := &val{name: o.out[0].name + suffix, known: true, info: layer.Info{DType: tensor.Float32, Shape: last(x.info.Shape)}}
		v.def = &op{name: o.name, op: f, in: in, out: []*val{v}}
		r.ops = append(r.ops, v.def)
		for _, u := range in {
			r.uses[u]++
		}
		return v
	}
	y := made(":norm", norm, made(":rows", &layer.Transpose{Perm: last(countUp(rank))}, x), gain)
	r.become(o, &layer.Transpose{Perm: first(countUp(rank))}, y)
	r.norms[o.out[0]] = &foundNorm{op: y.def}
	return true
}

// centred returns x and the axis where v is x less its mean along that; or nil.
func (r *recogniser) centred(v *val) (x *val, axis int) {
	sub := r.binary(v, layer.Sub)
	if sub == nil {
		return nil, 0
	}
	x = r.end(sub.in[0])
	if of, axis := r.mean(r.end(sub.in[1])); of == x {
		return x, axis
	}
	return nil, 0
}

// mean returns x and the axis where v is the mean of x along that, the last one or the channels; or nil.
func (r *recogniser) mean(v *val) (x *val, axis int) {
	if v == nil || v.def == nil || v.info.DType != tensor.Float32 {
		return nil, 0
	}
	f, ok := v.def.op.(*layer.Reduce)
	if !ok || f.Fn != layer.ReduceMean || !f.KeepDims || len(v.def.in) < 2 || v.def.in[1] == nil || !v.def.in[1].constant() {
		return nil, 0
	}
	axes, ok := v.def.in[1].info.Value.Ints()
	if x = r.end(v.def.in[0]); !ok || len(axes) != 1 || !x.known || !x.filled() {
		return nil, 0
	}
	rank := len(x.info.Shape)
	if axis = axes[0]; axis < 0 {
		axis += rank
	}
	if axis != rank-1 && (axis != 1 || rank < 3) {
		return nil, 0
	}
	return x, axis
}

// affine takes a product or a sum with a constant of one number for each place in a row into the layer norm before it.
func (r *recogniser) affine(o *op, b *layer.Binary) bool {
	if b.Fn != layer.Mul && b.Fn != layer.Add {
		return false
	}
	for i := range 2 {
		y, c := o.in[i], o.in[1-i]
		norm := r.norms[y]
		if norm == nil || r.uses[y] != 1 || !slices.Equal(y.info.Shape, o.out[0].info.Shape) || c.floats() == nil {
			continue
		}
		rows, shape := norm.in[0].info.Shape, c.info.Shape
		n := rows[len(rows)-1]
		whole := slices.Concat(slices.Repeat([]int{1}, max(0, len(rows)-len(shape))), shape)
		if norm.op != y.def {
			whole = last(whole)
		}
		if len(whole) != len(rows) || len(c.floats()) != n || whole[len(rows)-1] != n {
			continue
		}
		row := constant(c.name, tensor.Of(c.floats(), n))
		switch {
		case len(norm.in) > 2:
			continue
		case b.Fn == layer.Add:
			norm.in = append(norm.in, row)
		case norm.gained:
			continue
		default:
			norm.in[1], norm.gained = row, true
		}
		norm.params += o.params
		r.replace[o.out[0]] = y
		r.uses[y] = r.uses[o.out[0]]
		r.drop[o] = true
		return true
	}
	return false
}
