package vec

import (
	"fmt"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// x86 writes AVX2 or AVX-512 through avo's global context.
type x86 struct {
	isa    string // suffix of the functions' names
	wide   bool   // AVX-512
	pool   []uint32
	offset map[uint32]int

	// Of the function being written:
	masked  bool // the round in progress handles what is left
	in, out []reg.GPPhysical
	tail    int // register of the tail's mask for stores, -1: any
}

// The general registers: addresses, the next element's index, elements left, the end of the tail's mask.
var (
	rdst       = reg.RDI
	rin        = []reg.GPPhysical{reg.RSI, reg.RDX, reg.R8, reg.R9, reg.R11, reg.R12, reg.R13}
	rindex     = reg.RAX
	rleft      = reg.RBX
	rmask      = reg.R10
	constants  = NewStaticSymbol("constants")
	tailMasks  = NewStaticSymbol("tail")
	maskOfTail = reg.K7
)

// WriteX86 adds the kernels to avo's global context, for isa "AVX2" or "AVX512". Reduce kernels work on eight lanes on either.
func WriteX86(isa string, kernels []Kernel) {
	x := &x86{isa: isa, wide: isa == "AVX512", offset: map[uint32]int{}}
	for i := range kernels {
		x.kernel(&kernels[i])
	}
	size, copies := 4, 1
	if !x.wide {
		size, copies = 32, 8
	}
	if len(x.pool) > 0 {
		GLOBL("constants", RODATA|NOPTR)
		for i, b := range x.pool {
			for j := range copies {
				DATA(i*size+4*j, U32(b))
			}
		}
	}
	if !x.wide {
		GLOBL("tail", RODATA|NOPTR)
		for i := range 16 {
			DATA(4*i, U32(0xffffffff*uint32(1-i/8)))
		}
	}
}

func (x *x86) lanes() int {
	if x.wide {
		return 16
	}
	return 8
}

// v is vector register i.
func (x *x86) v(i int) reg.VecPhysical {
	r := x86regs[i]
	if x.wide {
		return r.AsZ().(reg.VecPhysical)
	}
	return r.AsY().(reg.VecPhysical)
}

var x86regs = []reg.VecPhysical{
	reg.X0, reg.X1, reg.X2, reg.X3, reg.X4, reg.X5, reg.X6, reg.X7, reg.X8, reg.X9, reg.X10, reg.X11, reg.X12, reg.X13, reg.X14, reg.X15,
	reg.X16, reg.X17, reg.X18, reg.X19, reg.X20, reg.X21, reg.X22, reg.X23, reg.X24, reg.X25, reg.X26, reg.X27, reg.X28, reg.X29, reg.X30, reg.X31,
}

var kregs = []reg.OpmaskPhysical{reg.K1, reg.K2, reg.K3, reg.K4, reg.K5, reg.K6}

func (x *x86) vectors() int {
	switch {
	case x.wide:
		return 32
	case x.tail >= 0:
		return x.tail
	}
	return 16
}

func (x *x86) masks() int {
	if x.wide {
		return len(kregs)
	}
	return 0
}

func (x *x86) fma213() bool     { return true }
func (x *x86) tiedSelect() bool { return false }

func (x *x86) memOK(o op, arg int) bool {
	if x.wide {
		return false
	}
	switch o {
	case opSqrt, opShl, opShr, opSar, opToFloat, opSelect:
		return o == opSelect && arg == 1
	case opFMA:
		return arg > 0
	case opLt, opLe:
		return true
	case opAndNot:
		return arg == 0
	}
	return arg == 1
}

func (x *x86) constantAddr(b uint32) Mem {
	off, ok := x.offset[b]
	if !ok {
		off = len(x.pool) * 4
		if !x.wide {
			off *= 8
		}
		x.offset[b] = off
		x.pool = append(x.pool, b)
	}
	return NewDataAddr(constants, off)
}

func (x *x86) constant(dst int, b uint32) {
	switch {
	case b == 0:
		r := x86regs[dst].AsX().(reg.VecPhysical)
		if dst < 16 {
			VXORPS(r, r, r)
		} else {
			VPXORD(x.v(dst), x.v(dst), x.v(dst))
		}
	case x.wide:
		VBROADCASTSS(x.constantAddr(b), x.v(dst))
	default:
		VMOVUPS(x.constantAddr(b), x.v(dst))
	}
}

func (x *x86) move(dst, src int) { VMOVAPS(x.v(src), x.v(dst)) }

func (x *x86) addr(base reg.GPPhysical, u int) Mem {
	return Mem{Base: base, Index: rindex, Scale: 4, Disp: 4 * x.lanes() * u}
}

func (x *x86) load(source int, dst []int) {
	for u, d := range dst {
		m := x.addr(x.in[source], u)
		switch {
		case !x.masked:
			VMOVUPS(m, x.v(d))
		case x.wide:
			VMOVUPS_Z(m, maskOfTail, x.v(d))
		default:
			VMOVUPS(Mem{Base: rmask}, x.v(d))
			VMASKMOVPS(m, x.v(d), x.v(d))
		}
	}
}

func (x *x86) store(out int, src []int) {
	for u, s := range src {
		m := x.addr(x.out[out], u)
		switch {
		case !x.masked:
			VMOVUPS(x.v(s), m)
		case x.wide:
			VMOVUPS(x.v(s), maskOfTail, m)
		case x.tail >= 0:
			VMASKMOVPS(x.v(s), x.v(x.tail), m)
		default:
			t := 0
			if s == 0 {
				t = 1
			}
			VMOVUPS(Mem{Base: rmask}, x.v(t))
			VMASKMOVPS(x.v(s), x.v(t), m)
		}
	}
}

func (x *x86) op(l loc) Op {
	if l.mem {
		return x.constantAddr(l.bits)
	}
	return x.v(l.reg)
}

func (x *x86) emit(o op, imm uint32, dst int, arg []loc) {
	var a, b Op
	a = x.op(arg[0])
	if len(arg) > 1 {
		b = x.op(arg[1])
	}
	d := x.v(dst2(dst, o, x.wide))
	switch o {
	case opAdd:
		VADDPS(b, a, d)
	case opSub:
		VSUBPS(b, a, d)
	case opMul:
		VMULPS(b, a, d)
	case opDiv:
		VDIVPS(b, a, d)
	case opSqrt:
		VSQRTPS(a, d)
	case opMax:
		VMAXPS(b, a, d)
	case opMin:
		VMINPS(b, a, d)
	case opAnd:
		x.either(VPANDD, VANDPS, b, a, d)
	case opOr:
		x.either(VPORD, VORPS, b, a, d)
	case opXor:
		x.either(VPXORD, VXORPS, b, a, d)
	case opAndNot: // x86 inverts the first source
		x.either(VPANDND, VANDNPS, a, b, d)
	case opIAdd:
		VPADDD(b, a, d)
	case opISub:
		VPSUBD(b, a, d)
	case opShl:
		VPSLLD(U8(imm), a, d)
	case opShr:
		VPSRLD(U8(imm), a, d)
	case opSar:
		VPSRAD(U8(imm), a, d)
	case opToFloat:
		VCVTDQ2PS(a, d)
	case opScale:
		VSCALEFPS(b, a, d)
	case opLt, opLe, opEq:
		predicate := map[op]uint8{opLt: 0x11, opLe: 0x12, opEq: 0x00}[o]
		if arg[0].mem { // swapped
			predicate = map[op]uint8{opLt: 0x1e, opLe: 0x1d}[o]
			a, b = b, a
		}
		if x.wide {
			VCMPPS(U8(predicate), b, a, kregs[dst])
		} else {
			VCMPPS(U8(predicate), b, a, d)
		}
	default:
		panic(fmt.Sprintf("vec: no instruction for operation %d", o))
	}
}

// dst2 keeps a mask register's number from being looked up among the vectors.
func dst2(dst int, o op, wide bool) int {
	if wide && o.isMask() {
		return 0
	}
	return dst
}

func (x *x86) either(wide func(...Op), narrow func(...Op), b, a, d Op) {
	if x.wide {
		wide(b, a, d)
	} else {
		narrow(b, a, d)
	}
}

func (x *x86) fma(dst, tied int, arg []loc) {
	d := x.v(dst)
	if tied == 2 {
		VFMADD231PS(x.op(arg[1]), x.op(arg[0]), d)
	} else {
		VFMADD213PS(x.op(arg[2]), x.op(arg[1]), d)
	}
}

func (x *x86) sel(dst, _ int, arg []loc) {
	if x.wide {
		VBLENDMPS(x.op(arg[1]), x.op(arg[2]), kregs[arg[0].reg], x.v(dst))
	} else {
		VBLENDVPS(x.op(arg[0]), x.op(arg[1]), x.op(arg[2]), x.v(dst))
	}
}

// round writes the program for copies vectors.
func (x *x86) round(k *Kernel, p *Prog, results []int, pl plan, copies int) {
	l := newLowering(p, results, k.states(), len(k.Param), copies, x)
	for _, b := range pl.constants {
		l.resident[b] = x.residentReg(pl, b)
		l.free[l.resident[b]] = false
		l.inUse++
	}
	l.run()
}

// residentReg is the register of a constant that stays in one: they are taken from the top.
func (x *x86) residentReg(pl plan, b uint32) int {
	for i, c := range pl.constants {
		if c == b {
			return x.vectors() - 1 - i
		}
	}
	panic("vec: constant not in the plan")
}

func (x *x86) kernel(k *Kernel) {
	if k.Reduce != nil && x.wide {
		panic("vec: sums across lanes have eight lanes")
	}
	p := &Prog{minmax: true, scale: x.wide}
	results := k.record(p)
	x.tail = -1
	if !x.wide && (k.inPlace() || k.Columns != nil) {
		x.tail = 15
	}
	most := 4
	if k.Reduce != nil {
		most = 1
	} else if len(p.nodes) > 20 {
		most = 2
	}
	var pl plan
	start := &Prog{minmax: true, scale: x.wide}
	var first []int
	if k.Taps != nil {
		first = k.recordStart(start)
		pl = chooseTaps(start, first, p, results, len(k.Param), most, 2, x)
	} else {
		pl = choose(p, results, k.states(), len(k.Param), most, 2, x)
	}
	name := k.Name + x.isa
	TEXT(name, NOSPLIT, "func"+k.Signature())
	Pragma("noescape")
	Doc(strings.Split(name+" "+k.Doc, "\n")...)
	x.in, x.out = rin[:len(k.In)], []reg.GPPhysical{rdst}
	switch {
	case k.Map != nil:
		Load(Param("dst"), rdst)
	case k.Reduce != nil:
		Load(Param("state"), rdst)
	case k.inPlace():
		x.out = x.in
	}
	for i, in := range k.In {
		Load(Param(in), x.in[i])
	}
	if k.Columns == nil && k.Taps == nil {
		Load(Param("n"), rleft)
	}
	for i, param := range k.Param {
		b, err := Param(param).Resolve()
		if err != nil {
			panic(err)
		}
		VBROADCASTSS(b.Addr, x.v(i))
	}
	for _, b := range pl.constants {
		x.constant(x.residentReg(pl, b), b)
	}
	x.masked = false
	switch {
	case k.Columns != nil:
		x.columns(k, p, results, pl)
		return
	case k.Taps != nil:
		x.taps(k, start, p, first, results, pl)
		return
	}
	XORQ(rindex, rindex)
	if k.Reduce != nil {
		x.reduce(k, p, results, pl)
		return
	}
	w := x.lanes()
	step := func(n int) {
		ADDQ(U32(n), rindex)
		SUBQ(U32(n), rleft)
	}
	loop := func(label, next string, copies int) {
		CMPQ(rleft, U32(copies*w))
		JLT(LabelRef(next))
		Label(label)
		x.round(k, p, results, pl, copies)
		step(copies * w)
		CMPQ(rleft, U32(copies*w))
		JGE(LabelRef(label))
		Label(next)
	}
	if pl.copies > 1 {
		loop("rounds", "few", pl.copies)
	}
	if x.wide {
		if pl.copies == 1 {
			loop("one", "rest", 1)
		}
		TESTQ(rleft, rleft)
		JLE(LabelRef("done"))
		Label("masked")
		MOVQ(U32(w), reg.RCX)
		CMPQ(rleft, reg.RCX)
		CMOVQLT(rleft, reg.RCX)
		MOVL(U32(1), rmask.As32())
		SHLL(reg.CL, rmask.As32())
		DECL(rmask.As32())
		KMOVW(rmask.As32(), maskOfTail)
		x.masked = true
		x.round(k, p, results, pl, 1)
		step(w)
		JGT(LabelRef("masked"))
	} else {
		loop("one", "rest", 1)
		TESTQ(rleft, rleft)
		JLE(LabelRef("done"))
		LEAQ(NewDataAddr(tailMasks, 32), rmask)
		SHLQ(U8(2), rleft)
		SUBQ(rleft, rmask)
		if x.tail >= 0 {
			VMOVUPS(Mem{Base: rmask}, x.v(x.tail))
		}
		x.masked = true
		x.round(k, p, results, pl, 1)
	}
	Label("done")
	VZEROUPPER()
	RET()
}

// reduce writes the loop over blocks of eight elements.
func (x *x86) reduce(k *Kernel, p *Prog, results []int, pl plan) {
	first := len(k.Param)
	for i := range k.State {
		VMOVUPS(Mem{Base: rdst, Disp: 32 * i}, x.v(first+i))
	}
	TESTQ(rleft, rleft)
	JLE(LabelRef("done"))
	Label("blocks")
	x.round(k, p, results, pl, 1)
	ADDQ(U8(8), rindex)
	SUBQ(U8(8), rleft)
	JGT(LabelRef("blocks"))
	Label("done")
	for i := range k.State {
		VMOVUPS(x.v(first+i), Mem{Base: rdst, Disp: 32 * i})
	}
	VZEROUPPER()
	RET()
}

// strips calls body for copies vectors of what is left at a time, as many as fit, then for fewer, and last for the rest under a mask. body
// writes labels that end in name.
func (x *x86) strips(name string, copies int, body func(name string, copies int)) {
	w := x.lanes()
	x.masked = false
	XORQ(rindex, rindex)
	for c := copies; c >= 1; c /= 2 {
		strip, next := fmt.Sprintf("%s%d", name, c), fmt.Sprintf("%sbelow%d", name, c)
		CMPQ(rleft, U32(c*w))
		JLT(LabelRef(next))
		Label(strip)
		body(strip, c)
		ADDQ(U32(c*w), rindex)
		SUBQ(U32(c*w), rleft)
		CMPQ(rleft, U32(c*w))
		JGE(LabelRef(strip))
		Label(next)
	}
	TESTQ(rleft, rleft)
	JLE(LabelRef(name + "done"))
	if x.wide {
		MOVQ(rleft, reg.RCX)
		MOVL(U32(1), rmask.As32())
		SHLL(reg.CL, rmask.As32())
		DECL(rmask.As32())
		KMOVW(rmask.As32(), maskOfTail)
	} else {
		LEAQ(NewDataAddr(tailMasks, 32), rmask)
		SHLQ(U8(2), rleft)
		SUBQ(rleft, rmask)
		VMOVUPS(Mem{Base: rmask}, x.v(x.tail))
	}
	x.masked = true
	body(name+"rest", 1)
	Label(name + "done")
}

// loadFrom loads vectors from one place for all copies.
func (x *x86) loadFrom(base reg.GPPhysical, first, copies int) {
	in := x.in
	x.in = []reg.GPPhysical{base}
	x.load(0, sequence(first, copies))
	x.in = in
}

func sequence(first, n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = first + i
	}
	return s
}

// argument is the place of an int argument.
func argument(name string) Mem {
	b, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// columns writes the loops over strips of columns and over rows.
func (x *x86) columns(k *Kernel, p *Prog, results []int, pl plan) {
	stride, total, count := reg.R12, reg.R13, reg.RCX
	sums, rows := []reg.GPPhysical{rdst, reg.R11}[:len(k.Sums)], []reg.GPPhysical{reg.R9}[:len(k.Rows)]
	x.out = sums
	for i, s := range k.Sums {
		Load(Param(s), sums[i])
	}
	for i, r := range k.Rows {
		Load(Param(r), rows[i])
	}
	Load(Param("width"), rleft)
	Load(Param("stride"), stride)
	SHLQ(U8(2), stride)
	MOVQ(stride, total)
	IMULQ(argument("rows"), total)
	x.strips("strip", pl.copies, func(name string, copies int) {
		at := len(k.Param)
		for _, base := range append(append([]reg.GPPhysical(nil), sums...), rows...) {
			x.loadFrom(base, at, copies)
			at += copies
		}
		Load(Param("rows"), count)
		Label(name + "row")
		x.round(k, p, results, pl, copies)
		for _, in := range x.in {
			ADDQ(stride, in)
		}
		DECQ(count)
		JNZ(LabelRef(name + "row"))
		for _, in := range x.in {
			SUBQ(total, in)
		}
		for i := range sums {
			x.store(i, sequence(len(k.Param)+i*copies, copies))
		}
	})
	VZEROUPPER()
	RET()
}

// taps writes the loops over pixels, strips of channels and positions of the window.
func (x *x86) taps(k *Kernel, start, p *Prog, first, results []int, pl plan) {
	kw, kh, col, skip, pixels := reg.RCX, reg.R11, reg.R12, reg.R13, reg.R15
	in, rows := x.in, []reg.GPPhysical{reg.R8, reg.R9}[:len(k.Rows)]
	for i, r := range k.Rows {
		Load(Param(r), rows[i])
	}
	Load(Param("col"), col)
	Load(Param("skip"), skip)
	Load(Param("pixels"), pixels)
	Label("pixel")
	Load(Param("channels"), rleft)
	x.strips("strip", pl.copies, func(name string, copies int) {
		x.in = rows
		x.round(k, start, first, pl, copies)
		x.in = in
		Load(Param("kh"), kh)
		Label(name + "row")
		Load(Param("kw"), kw)
		Label(name + "tap")
		x.round(k, p, results, pl, copies)
		for _, r := range in {
			ADDQ(col, r)
		}
		DECQ(kw)
		JNZ(LabelRef(name + "tap"))
		for _, r := range in {
			ADDQ(skip, r)
		}
		DECQ(kh)
		JNZ(LabelRef(name + "row"))
		for _, r := range in {
			SUBQ(argument("back"), r)
		}
	})
	for _, r := range in {
		ADDQ(argument("step"), r)
	}
	for _, r := range rows {
		ADDQ(argument("out"), r)
	}
	DECQ(pixels)
	JNZ(LabelRef("pixel"))
	VZEROUPPER()
	RET()
}
