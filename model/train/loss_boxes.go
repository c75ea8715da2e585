package train

import "github.com/ocellus-vision/ocellus/model/layer"

// Losses of detectors. A target of 0..1 is learnt, one below 0 is not.

// counted returns 1 for targets that are learnt and 0 for the others, and the targets with 0 in place of those.
func (t *term) counted() (mask, target layer.Ref) {
	zero := t.number(0)
	on := t.binary(layer.GreaterOrEqual, t.target, zero)
	return t.where(on, t.number(1), zero), t.where(on, t.target, zero)
}

// mean is the sum of weighted values over the sum of weights, at least floor.
func (t *term) mean(values, weights layer.Ref, floor float64) layer.Ref {
	return t.over(t.reduce(layer.ReduceSum, t.times(values, weights)), t.atLeast(t.reduce(layer.ReduceSum, weights), floor))
}

func (t *term) atLeast(a layer.Ref, floor float64) layer.Ref {
	return t.Add(&layer.Variadic{Fn: layer.Max}, a, t.number(floor))
}

// binaryCrossEntropy is the mean of -y·log σ(x) - (1-y)·log(1-σ(x)) over the targets y that are learnt.
func binaryCrossEntropy(t *term) layer.Ref {
	mask, y := t.counted()
	return t.mean(t.minus(t.unary(layer.Softplus, t.out), t.times(t.out, y)), mask, 1)
}

// focal is the sum over targets y that are learnt of -(1-p)^Power·log p where y is 1 and -(1-y)^Near·p^Power·log(1-p) elsewhere, p = σ(x), over the
// number of those that are 1 (Lin, Goyal, Girshick, He, Dollár: Focal loss for dense object detection, ICCV 2017; for targets between 0 and 1
// Law, Deng: CornerNet, ECCV 2018, section 3.2).
func focal(t *term) layer.Ref {
	power, near := t.number(or(t.Power, 2)), t.number(or(t.Near, 4))
	one, zero := t.number(1), t.number(0)
	mask, y := t.counted()
	hit := t.where(t.binary(layer.GreaterOrEqual, y, one), one, zero)
	pow := func(a, b layer.Ref) layer.Ref { return t.binary(layer.Pow, a, b) }
	p, q := t.unary(layer.Sigmoid, t.out), t.unary(layer.Sigmoid, t.unary(layer.Neg, t.out))
	right := t.times(pow(q, power), t.unary(layer.Softplus, t.unary(layer.Neg, t.out)))
	wrong := t.times(t.times(pow(t.minus(one, y), near), pow(p, power)), t.unary(layer.Softplus, t.out))
	each := t.times(mask, t.where(t.binary(layer.GreaterOrEqual, y, one), right, wrong))
	return t.over(t.reduce(layer.ReduceSum, each), t.atLeast(t.reduce(layer.ReduceSum, hit), 1))
}

// smoothL1 is the mean of ½d²/Beta for differences d below Beta and of |d|-½Beta for others (Girshick: Fast R-CNN, ICCV 2015, equation 3).
func smoothL1(t *term) layer.Ref {
	beta := or(t.Beta, 1)
	d := t.minus(t.out, t.target)
	size := t.unary(layer.Abs, d)
	small := t.times(t.times(d, d), t.number(0.5/beta))
	each := t.where(t.binary(layer.Less, size, t.number(beta)), small, t.minus(size, t.number(beta/2)))
	if t.mask == 0 {
		return t.reduce(layer.ReduceMean, each)
	}
	// The mask is broadcast to the elements.
	all := t.sum(t.times(each, t.number(0)), t.mask)
	return t.mean(each, all, 1)
}

// overlap returns, for boxes [N,4,...] round one place, their intersection over union, the union, and the smallest box round both. Outputs are the
// logarithms of the distances to the left, top, right and bottom, in units of Stride; targets the distances.
func (t *term) overlap() (iou, union, around layer.Ref) {
	d := t.times(t.unary(layer.Exp, t.out), t.number(or(t.Stride, 1)))
	area := func(s layer.Ref) layer.Ref {
		side := func(k int) layer.Ref { return t.channels(s, k, k+1) }
		return t.times(t.sum(side(0), side(2)), t.sum(side(1), side(3)))
	}
	inner := area(t.Add(&layer.Variadic{Fn: layer.Min}, d, t.target))
	around = area(t.Add(&layer.Variadic{Fn: layer.Max}, d, t.target))
	union = t.minus(t.sum(area(d), area(t.target)), inner)
	return t.over(inner, t.atLeast(union, 1e-6)), union, around
}

// weighed is the mean of a loss of each box, by the mask.
func (t *term) weighed(each layer.Ref) layer.Ref {
	if t.mask == 0 {
		return t.reduce(layer.ReduceMean, each)
	}
	return t.mean(each, t.mask, 1)
}

// iou is the mean of 1 - IoU (Yu, Jiang, Wang, Cao, Huang: UnitBox, ACM Multimedia 2016).
func iou(t *term) layer.Ref {
	v, _, _ := t.overlap()
	return t.weighed(t.minus(t.number(1), v))
}

// giou is the mean of 1 - IoU + (A-U)/A, U the union and A the smallest box round both (Rezatofighi et al.: Generalized intersection over union, CVPR 2019).
func giou(t *term) layer.Ref {
	v, union, around := t.overlap()
	empty := t.over(t.minus(around, union), t.atLeast(around, 1e-6))
	return t.weighed(t.sum(t.minus(t.number(1), v), empty))
}
