package x86

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Multiples are registers that hold a distance and its odd multiples: with scales they lead to the first eight of things that lie evenly.
type Multiples struct{ By1, By3, By5, By7 reg.GPPhysical }

// Make computes the multiples of By1.
func (m Multiples) Make() {
	build.LEAQ(operand.Mem{Base: m.By1, Index: m.By1, Scale: 2}, m.By3)
	build.LEAQ(operand.Mem{Base: m.By1, Index: m.By1, Scale: 4}, m.By5)
	build.LEAQ(operand.Mem{Base: m.By3, Index: m.By1, Scale: 4}, m.By7)
}

// From is the n-th place from base on, 0 to 8 but no other.
func (m Multiples) From(base reg.Register, n int) operand.Mem {
	switch n {
	case 0:
		return operand.Mem{Base: base}
	case 1, 2, 4, 8:
		return operand.Mem{Base: base, Index: m.By1, Scale: uint8(n)}
	case 3, 6:
		return operand.Mem{Base: base, Index: m.By3, Scale: uint8(n / 3)}
	case 5:
		return operand.Mem{Base: base, Index: m.By5, Scale: 1}
	case 7:
		return operand.Mem{Base: base, Index: m.By7, Scale: 1}
	}
	panic("x86: no register leads so far")
}
