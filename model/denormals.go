package model

import (
	"encoding/binary"
	"slices"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// least is the smallest normal float32.
const least = 0x1p-126

// dropDenormals makes weights zero that are denormal. Training leaves many of them where it lets weights decay, in all that feeds a dead channel, and many CPUs take a hundred
// times longer for a multiply-add that meets one. Such a weight moves a sum by less than 1e-38 times its input; a zero adds nothing, unless it meets an infinity or
// a NaN.
func (p *ir) dropDenormals(consume bool) {
	uses, clean := p.uses(), map[*val]*val{}
	for _, o := range p.ops {
		switch f := o.op.(type) {
		case *layer.Conv, *layer.ConvTranspose, *layer.LocallyConnected, *layer.Gemm, *layer.MatMul:
		case *layer.Binary:
			if f.Fn != layer.PRelu {
				continue
			}
		default:
			continue
		}
		for i, v := range o.in {
			if v.floats() == nil || !anyDenormal(v.info.Value) {
				continue
			}
			if clean[v] == nil {
				t := v.info.Value
				if !consume || uses[v] > 1 {
					t = t.Clone()
				}
				normalOnly(t.Float32s())
				clean[v] = constant(v.name, t)
				clean[v].params = v.params
			}
			o.in[i] = clean[v]
		}
	}
}

// anyDenormal says whether an element of a float32 constant is denormal. It is asked of all weights of a network, so it takes them two by two, and looks closer only where
// an exponent is 0, as that of zero is.
func anyDenormal(t *tensor.Tensor) bool {
	const exponents, ones = 0x7f800000_7f800000, 0x00800000_00800000
	var a, b uint64 // the first bit of a half is set by an exponent of 0
	raw := t.Raw()
	for ; len(raw) >= 32; raw = raw[32:] {
		a |= binary.LittleEndian.Uint64(raw)&exponents - ones
		b |= binary.LittleEndian.Uint64(raw[8:])&exponents - ones
		a |= binary.LittleEndian.Uint64(raw[16:])&exponents - ones
		b |= binary.LittleEndian.Uint64(raw[24:])&exponents - ones
	}
	w := t.Float32s()
	if (a|b)&0x80000000_80000000 == 0 {
		w = w[len(w)-len(raw)/4:]
	}
	return slices.ContainsFunc(w, denormal)
}

// normalOnly makes denormal elements zero.
func normalOnly(w []float32) {
	for i, x := range w {
		if denormal(x) {
			w[i] = 0
		}
	}
}

func denormal(x float32) bool { return -least < x && x < least && x != 0 }
