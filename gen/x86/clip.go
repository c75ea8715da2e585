package x86

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// infinity is the bits of float32's +Inf.
const infinity = 0x7f800000

// Clip limits vectors to lo and hi; hi is at bound, too. A NaN stays. An infinite hi, a ReLU's, is left out, by way of the label: minima take the multiply-adds'
// time on some CPUs.
func Clip(ys []reg.VecPhysical, lo, hi reg.VecPhysical, bound operand.Mem, label string) {
	for _, y := range ys {
		Floor(y, lo)
	}
	Unbounded(bound, label)
	for _, y := range ys {
		Ceiling(y, hi)
	}
	build.Label(label)
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
