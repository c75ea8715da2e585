package model

import (
	"slices"

	"github.com/ocellus-vision/ocellus/model/layer"
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
			w := v.floats()
			if w == nil || !slices.ContainsFunc(w, denormal) {
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

// normalOnly makes denormal elements zero.
func normalOnly(w []float32) {
	for i, x := range w {
		if denormal(x) {
			w[i] = 0
		}
	}
}

func denormal(x float32) bool { return -least < x && x < least && x != 0 }
