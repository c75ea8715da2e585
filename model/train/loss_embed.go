package train

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// Losses of embeddings, [N,D] with int32 labels [N].

// unit scales rows to length 1.
func (t *term) unit(a layer.Ref) layer.Ref { return t.Add(&layer.LpNorm{Axis: 1, P: 2}, a) }

// turned is the transpose of a matrix.
func (t *term) turned(a layer.Ref) layer.Ref { return t.Add(&layer.Transpose{Perm: []int{1, 0}}, a) }

// pairs returns the cosines [N,N] of all pairs of a batch, and as 0 or 1 which are of one label without being one example, and which of two labels.
func (t *term) pairs() (cosines, same, other layer.Ref) {
	n := t.Info(t.out).Shape[0]
	x := t.unit(t.out)
	cosines = t.Add(&layer.MatMul{}, x, t.turned(x))
	shape := func(dims ...int64) layer.Ref {
		return t.Add(&layer.Reshape{}, t.target, t.Const(tensor.Of(dims)))
	}
	equal := t.binary(layer.Equal, shape(-1, 1), shape(1, -1))
	off := tensor.New(t.Info(t.out).DType, n, n)
	for i := range n {
		for j := range n {
			if i != j && off.DType() == tensor.Float64 {
				tensor.Data[float64](off)[i*n+j] = 1
			} else if i != j {
				off.Float32s()[i*n+j] = 1
			}
		}
	}
	one, zero := t.number(1), t.number(0)
	return cosines, t.times(t.where(equal, one, zero), t.Const(off)), t.where(equal, zero, one)
}

// contrastive is the supervised contrastive loss: over the examples that have others of their label, the mean of -log of the softmax of the others,
// by cosine/Heat, averaged over those of its label (Khosla et al.: Supervised contrastive learning, NeurIPS 2020, equation 2).
func contrastive(t *term) layer.Ref {
	cosines, same, other := t.pairs()
	x := t.times(cosines, t.number(1/or(t.Heat, 0.1)))
	// An example is none of its own others.
	x = t.sum(x, t.times(t.minus(t.sum(same, other), t.number(1)), t.number(1e4)))
	logp := t.Add(&layer.Softmax{Axis: 1, Log: true}, x)
	many := t.reduce(layer.ReduceSum, same, 1)
	each := t.over(t.reduce(layer.ReduceSum, t.times(logp, same), 1), t.atLeast(many, 1))
	some := t.Add(&layer.Variadic{Fn: layer.Min}, many, t.number(1))
	return t.unary(layer.Neg, t.mean(each, some, 1))
}

// triplet is the mean over examples that have both of max(0, Margin + d⁺ - d⁻), squared distances of unit vectors to the farthest example of
// their label and the nearest of another (Schroff, Kalenichenko, Philbin: FaceNet, CVPR 2015; Hermans, Beyer, Leibe: In defense of the triplet loss, 2017).
func triplet(t *term) layer.Ref {
	cosines, same, other := t.pairs()
	d := t.times(t.minus(t.number(1), cosines), t.number(2))
	none, one := t.number(8), t.number(1) // more than any distance
	far := t.reduce(layer.ReduceMaximum, t.minus(d, t.times(t.minus(one, same), none)), 1)
	near := t.reduce(layer.ReduceMinimum, t.sum(d, t.times(t.minus(one, other), none)), 1)
	both := t.times(t.reduce(layer.ReduceMaximum, same, 1), t.reduce(layer.ReduceMaximum, other, 1))
	each := t.unary(layer.Relu, t.sum(t.minus(far, near), t.number(or(t.Margin, 0.2))))
	return t.mean(each, both, 1)
}

// marginSoftmax is the cross-entropy of Scale times the cosines between embeddings and a vector for each of Count classes, where the angle to the right
// one is greater by Margin (Deng, Guo, Xue, Zafeiriou: ArcFace, CVPR 2019, equation 3). Where the angle would pass π, the cosine less Margin·sin(Margin)
// takes its place. The vectors are parameters of the loss and no part of the network.
func marginSoftmax(t *term) layer.Ref {
	width := t.Info(t.out).Shape[1]
	w := tensor.New(tensor.Float32, t.Count, width)
	r := data.NewRand(uint64(t.Count), uint64(width))
	for i, d := 0, w.Float32s(); i < len(d); i++ {
		d[i] = float32(0.05 * r.Bell())
	}
	p := &Param{Name: fmt.Sprintf("margin_softmax.%d", len(t.net.Params)), Value: w, Decay: true}
	p.ref = t.Input(p.Name, tensor.Float32, t.Count, width)
	p.Name = t.Name(p.ref)
	t.net.Params = append(t.net.Params, p)
	return t.margin(p.ref)
}

// margin is marginSoftmax with given vectors.
func (t *term) margin(vectors layer.Ref) layer.Ref {
	m := or(t.Margin, 0.5)
	sin, cos := sinCos(m)
	c := t.Add(&layer.MatMul{}, t.unit(t.out), t.turned(t.unit(vectors)))
	// sin θ; the floor keeps its slope finite.
	s := t.unary(layer.Sqrt, t.atLeast(t.minus(t.number(1), t.times(c, c)), 1e-4))
	moved := t.minus(t.times(c, t.number(cos)), t.times(s, t.number(sin)))
	moved = t.where(t.binary(layer.Greater, c, t.number(-cos)), moved, t.minus(c, t.number(float64(m*sin))))
	hit := t.oneHot(t.Count)
	logits := t.times(t.sum(c, t.times(hit, t.minus(moved, c))), t.number(or(t.Scale, 32)))
	return t.AddN(2, &layer.CrossEntropy{Ignore: -1}, logits, t.target)[0]
}

// sinCos returns sine and cosine of an angle in 0..π/2 by their Taylor series, with the same bits on every CPU.
func sinCos(x float64) (sin, cos float64) {
	x2 := float64(x * x)
	s, c := x, 1.0
	for k := 1.0; k < 24; k += 2 {
		sin += s
		cos += c
		c = -float64(c*x2) / float64(k*(k+1))
		s = -float64(s*x2) / float64((k+1)*(k+2))
	}
	return sin, cos
}
