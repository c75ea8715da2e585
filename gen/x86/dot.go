package x86

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
)

// VPDPBUSD emits VPDPBUSD Yb, Ya, Yacc as AVX-VNNI encodes it: Go's assembler knows only the form of AVX-512. b holds signed bytes, a unsigned ones.
func VPDPBUSD(b, a, acc int) {
	bit := func(i int) int { return 1 - i>>3 } // the inverted fourth bit of a register's number
	for _, v := range []int{
		0xc4,
		bit(acc)<<7 | 1<<6 | bit(b)<<5 | 0b00010, // map 0F38
		(15-a)<<3 | 1<<2 | 0b01,                  // W0, 256 bits, 66
		0x50,
		0b11<<6 | acc&7<<3 | b&7,
	} {
		build.Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []operand.Op{operand.U8(v)}})
	}
}
