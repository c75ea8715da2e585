// Package x86 holds what the avo programs share.
package x86

import (
	"go/token"
	"go/types"
	"math"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The vector registers of AVX2 and of AVX-512.
var (
	YMM = []reg.VecPhysical{
		reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
	}
	ZMM = []reg.VecPhysical{
		reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
		reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
	}
)

// Declare lets signatures name a struct of package asm. avo looks names up in the universe; the fields do not matter to it.
func Declare(name string) {
	t := types.NewTypeName(token.NoPos, nil, name, nil)
	types.NewNamed(t, types.NewStruct(nil, nil), nil)
	types.Universe.Insert(t)
}

// TailMask writes eight words of ones and eight zeros: 32 bytes from 4·(8-n) on are the mask of n lanes.
func TailMask(name string) operand.Mem {
	mask := build.GLOBL(name, build.RODATA|build.NOPTR)
	for i := range 16 {
		build.DATA(4*i, operand.U32(map[bool]uint32{true: math.MaxUint32}[i < 8]))
	}
	return mask
}
