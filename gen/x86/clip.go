package x86

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// infinity is the bits of float32's +Inf.
const infinity = 0x7f800000

// Clip limits vectors to lo and hi, and goes on at label+"store"; hi is at bound, too. A NaN stays. An infinite hi, a ReLU's, is left out: minima take the
// multiply-adds' time on some CPUs. Otherwise each vector is done before the next, for a store awaits it: all maxima before all minima cost products of few steps a tenth.
func Clip(ys []reg.VecPhysical, lo, hi reg.VecPhysical, bound operand.Mem, label string) {
	store := operand.LabelRef(label + "store")
	Unbounded(bound, label+"relu")
	for _, y := range ys {
		Floor(y, lo)
		Ceiling(y, hi)
	}
	build.JMP(store)
	build.Label(label + "relu")
	for _, y := range ys {
		Floor(y, lo)
	}
	build.JMP(store)
}

// Floor limits y to lo and more. The maximum is its second source unless the first is greater: a NaN in y stays.
func Floor(y, lo reg.VecPhysical) { build.VMAXPS(y, lo, y) }

// Ceiling limits y to hi and less. The minimum is its second source unless the first is less: a NaN in y stays.
func Ceiling(y, hi reg.VecPhysical) { build.VMINPS(y, hi, y) }

// Unbounded jumps to the label where the upper bound there is +Inf.
func Unbounded(bound operand.Mem, label string) {
	build.CMPL(bound, operand.U32(infinity))
	build.JEQ(operand.LabelRef(label))
}
