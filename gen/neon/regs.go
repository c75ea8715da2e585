package neon

import (
	"fmt"
	"math/bits"
)

// V is a vector register.
type V uint8

// The vector registers.
const (
	V0 V = iota
	V1
	V2
	V3
	V4
	V5
	V6
	V7
	V8
	V9
	V10
	V11
	V12
	V13
	V14
	V15
	V16
	V17
	V18
	V19
	V20
	V21
	V22
	V23
	V24
	V25
	V26
	V27
	V28
	V29
	V30
	V31
)

// String is the register in Go's syntax, V5.
func (v V) String() string { return fmt.Sprintf("V%d", v.n()) }

// F is the register's low part as a scalar float in Go's syntax, F5.
func (v V) F() string { return fmt.Sprintf("F%d", v.n()) }

func (v V) n() uint32 {
	if v > 31 {
		panic("neon: vector register out of range")
	}
	return uint32(v)
}

// R is an integer register that a function may use, or RSP.
type R uint8

// The integer registers; R18 and R27 to R30 are reserved.
const (
	R0  R = 0
	R1  R = 1
	R2  R = 2
	R3  R = 3
	R4  R = 4
	R5  R = 5
	R6  R = 6
	R7  R = 7
	R8  R = 8
	R9  R = 9
	R10 R = 10
	R11 R = 11
	R12 R = 12
	R13 R = 13
	R14 R = 14
	R15 R = 15
	R16 R = 16
	R17 R = 17
	R19 R = 19
	R20 R = 20
	R21 R = 21
	R22 R = 22
	R23 R = 23
	R24 R = 24
	R25 R = 25
	R26 R = 26
	RSP R = 31
)

// String is the register in Go's syntax, R5.
func (r R) String() string {
	r.check()
	if r == RSP {
		return "RSP"
	}
	return fmt.Sprintf("R%d", uint8(r))
}

func (r R) check() {
	if r == 18 || r > 26 && r != RSP {
		panic(fmt.Sprintf("neon: integer register %d is reserved", uint8(r)))
	}
}

// n is the number of a register used as data.
func (r R) n() uint32 {
	r.check()
	if r == RSP {
		panic("neon: RSP as data")
	}
	return uint32(r)
}

func (r R) x() string { return fmt.Sprintf("x%d", r.n()) }
func (r R) w() string { return fmt.Sprintf("w%d", r.n()) }

// base is a register used as an address, in GNU syntax.
func (r R) base() string {
	r.check()
	if r == RSP {
		return "sp"
	}
	return fmt.Sprintf("x%d", uint8(r))
}

// Arr is an arrangement: the width of a lane and the number of lanes.
type Arr uint8

// The arrangements, 8 or 16 bytes in all.
const (
	B8 Arr = iota
	B16
	H4
	H8
	S2
	S4
	D1
	D2
)

// size is log2 of the lane's bytes, q is 1 for 16 bytes.
func (a Arr) size() uint32 { return uint32(a >> 1) }
func (a Arr) q() uint32    { return uint32(a & 1) }
func (a Arr) bytes() int   { return 8 << (a & 1) }
func (a Arr) bits() int    { return 8 << (a >> 1) }

// letter is the lane's letter in Go's syntax, lanes the number of lanes of a whole register.
func (a Arr) letter() string { return "BHSD"[a>>1 : a>>1+1] }
func (a Arr) lanes() int     { return 16 >> (a >> 1) }

// wide is the 16-byte arrangement of lanes twice as wide.
func (a Arr) wide() Arr {
	if a >= D1 {
		panic("neon: no arrangement is wider than D")
	}
	return (a | 1) + 2
}

// half is an arrangement of the same bytes in lanes twice as wide.
func (a Arr) half() Arr {
	if a >= D1 {
		panic("neon: no arrangement is wider than D")
	}
	return a + 2
}

// two is the suffix of the instruction that works on the upper half of the narrow operand.
func (a Arr) two() string {
	if a.q() == 1 {
		return "2"
	}
	return ""
}

var arrGNU = [...]string{"8b", "16b", "4h", "8h", "2s", "4s", "1d", "2d"}

// String is the arrangement in Go's syntax, S4.
func (a Arr) String() string { return a.letter() + fmt.Sprint(a.bytes()*8/a.bits()) }

// gnu and goT are a register with its arrangement in the two syntaxes.
func (a Arr) gnu(v V) string { return fmt.Sprintf("v%d.%s", v.n(), arrGNU[a]) }
func (a Arr) goT(v V) string { return v.String() + "." + a.String() }

// gnuLane and goLane are one lane in the two syntaxes.
func (a Arr) gnuLane(v V, i int) string {
	return fmt.Sprintf("v%d.%c[%d]", v.n(), arrGNU[a][len(arrGNU[a])-1], a.lane(i))
}
func (a Arr) goLane(v V, i int) string {
	return fmt.Sprintf("%v.%s[%d]", v, a.letter(), a.lane(i))
}

func (a Arr) lane(i int) int {
	if i < 0 || i >= a.lanes() {
		panic(fmt.Sprintf("neon: lane %d of %v", i, a))
	}
	return i
}

// imm5 is a lane of a whole register as DUP, INS and UMOV encode it.
func (a Arr) imm5(i int) uint32 { return (uint32(a.lane(i))<<1 | 1) << a.size() }

// Alloc claims the lowest free vector register.
func (fn *Func) Alloc() V {
	if fn.freeV == 0 {
		panic("neon: " + fn.name + ": out of vector registers")
	}
	v := V(bits.TrailingZeros32(fn.freeV))
	fn.freeV &^= 1 << v
	return v
}

// AllocN claims n vector registers.
func (fn *Func) AllocN(n int) []V {
	vs := make([]V, n)
	for i := range vs {
		vs[i] = fn.Alloc()
	}
	return vs
}

// Take claims the given vector registers.
func (fn *Func) Take(vs ...V) {
	for _, v := range vs {
		if fn.freeV>>v.n()&1 == 0 {
			panic(fmt.Sprintf("neon: %s: %v is in use", fn.name, v))
		}
		fn.freeV &^= 1 << v
	}
}

// Free gives vector registers back.
func (fn *Func) Free(vs ...V) {
	for _, v := range vs {
		if fn.freeV>>v.n()&1 == 1 {
			panic(fmt.Sprintf("neon: %s: %v is free already", fn.name, v))
		}
		fn.freeV |= 1 << v
	}
}

// AllocR claims the lowest free integer register.
func (fn *Func) AllocR() R {
	if fn.freeR == 0 {
		panic("neon: " + fn.name + ": out of integer registers")
	}
	r := R(bits.TrailingZeros32(fn.freeR))
	fn.freeR &^= 1 << r
	return r
}

// TakeR claims the given integer registers.
func (fn *Func) TakeR(rs ...R) {
	for _, r := range rs {
		if fn.freeR>>r.n()&1 == 0 {
			panic(fmt.Sprintf("neon: %s: %v is in use", fn.name, r))
		}
		fn.freeR &^= 1 << r
	}
}

// FreeR gives integer registers back.
func (fn *Func) FreeR(rs ...R) {
	for _, r := range rs {
		if fn.freeR>>r.n()&1 == 1 {
			panic(fmt.Sprintf("neon: %s: %v is free already", fn.name, r))
		}
		fn.freeR |= 1 << r
	}
}
