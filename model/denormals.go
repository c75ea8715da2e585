package model

import (
	"slices"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// least is the smallest normal float32.
const least = 0x1p-126

// dropDenormals makes weights zero that are denormal. Training leaves many of them where it lets weights decay, in all that feeds a dead channel, and many CPUs take a hundred
// times longer for a multiply-add that meets one. Such a weight moves a sum by less than 1e-38 times its input; a zero adds nothing, unless it meets an infinity or
// a NaN.
func (p *ir) dropDenormals() {
	clean := map[*val]*val{}
	for _, o := range p.ops {
		switch f := o.op.(type) {
		case *layer.Conv, *layer.ConvTranspose, *layer.LocallyConnected, *layer.Gemm, *layer.MatMul, *layer.BatchNorm:
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
				t := tensor.New(tensor.Float32, v.info.Shape...)
				for j, x := range w {
					if !denormal(x) {
						t.Float32s()[j] = x
					}
				}
				clean[v] = constant(v.name, t)
				clean[v].params = v.params
			}
			o.in[i] = clean[v]
		}
	}
}

func denormal(x float32) bool { return -least < x && x < least && x != 0 }
