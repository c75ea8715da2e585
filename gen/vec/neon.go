package vec

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/gen/neon"
)

// arm writes NEON.
type arm struct {
	file   *neon.File
	fn     *neon.Func
	pool   []uint32
	offset map[uint32]int

	// Of the function being written:
	single bool // the round in progress handles one element, in lane 0
	in     []neon.R
}

const (
	armDst    = neon.R0
	armLeft   = neon.R5
	armTable  = neon.R6
	armLanes  = 4
	armFirst  = neon.R1 // sources are in R1..R4
	armParams = 0       // parameters are in V0...
)

// WriteNEON adds the kernels to f.
func WriteNEON(f *neon.File, kernels []Kernel) {
	a := &arm{file: f, offset: map[uint32]int{}}
	for i := range kernels {
		a.kernel(&kernels[i])
	}
	if len(a.pool) > 0 {
		var words []uint32
		for _, b := range a.pool {
			words = append(words, b, b, b, b)
		}
		f.Data("constants", words)
	}
}

func (a *arm) vectors() int     { return 32 }
func (a *arm) masks() int       { return 0 }
func (a *arm) fma213() bool     { return false }
func (a *arm) tiedSelect() bool { return true }

// memOK: a constant addend of FMA goes straight to the register of the result.
func (a *arm) memOK(o op, arg int) bool { return o == opFMA && arg == 2 }

func (a *arm) constantOffset(b uint32) int {
	off, ok := a.offset[b]
	if !ok {
		off = 16 * len(a.pool)
		a.offset[b] = off
		a.pool = append(a.pool, b)
	}
	return off
}

func (a *arm) constant(dst int, b uint32) {
	if b == 0 {
		a.fn.Movi(neon.S4, neon.V(dst), 0)
		return
	}
	a.fn.LdrQ(neon.V(dst), armTable, a.constantOffset(b))
}

func (a *arm) move(dst, src int) { a.fn.Mov(neon.V(dst), neon.V(src)) }

func (a *arm) load(source int, dst []int) {
	base := a.in[source]
	v := func(i int) neon.V { return neon.V(dst[i]) }
	switch {
	case a.single:
		a.fn.LdrSP(v(0), base, 4)
	case len(dst) == 1:
		a.fn.LdrQP(v(0), base, 16)
	default:
		for i := 2; i < len(dst); i += 2 {
			a.fn.LdpQ(v(i), v(i+1), base, 16*i)
		}
		a.fn.LdpQP(v(0), v(1), base, 16*len(dst))
	}
}

func (a *arm) store(src []int) {
	v := func(i int) neon.V { return neon.V(src[i]) }
	switch {
	case a.single:
		a.fn.StrSP(v(0), armDst, 4)
	case len(src) == 1:
		a.fn.StrQP(v(0), armDst, 16)
	default:
		for i := 2; i < len(src); i += 2 {
			a.fn.StpQ(v(i), v(i+1), armDst, 16*i)
		}
		a.fn.StpQP(v(0), v(1), armDst, 16*len(src))
	}
}

func (a *arm) emit(o op, imm uint32, dst int, arg []loc) {
	f, d, n := a.fn, neon.V(dst), neon.V(arg[0].reg)
	var m neon.V
	if len(arg) > 1 {
		m = neon.V(arg[1].reg)
	}
	switch o {
	case opAdd:
		f.Fadd(d, n, m)
	case opSub:
		f.Fsub(d, n, m)
	case opMul:
		f.Fmul(d, n, m)
	case opDiv:
		f.Fdiv(d, n, m)
	case opSqrt:
		f.Fsqrt(d, n)
	case opAnd:
		f.And(d, n, m)
	case opAndNot:
		f.Bic(d, n, m)
	case opOr:
		f.Orr(d, n, m)
	case opXor:
		f.Eor(d, n, m)
	case opIAdd:
		f.Add(neon.S4, d, n, m)
	case opISub:
		f.Sub(neon.S4, d, n, m)
	case opShl:
		f.Shl(neon.S4, d, n, int(imm))
	case opShr:
		f.Ushr(neon.S4, d, n, int(imm))
	case opSar:
		f.Sshr(neon.S4, d, n, int(imm))
	case opToFloat:
		f.Scvtf(d, n)
	case opLt:
		f.Fcmgt(d, m, n)
	case opLe:
		f.Fcmge(d, m, n)
	case opEq:
		f.Fcmeq(d, n, m)
	default:
		panic(fmt.Sprintf("vec: no NEON instruction for operation %d", o))
	}
}

func (a *arm) fma(dst, _ int, arg []loc) {
	a.fn.Fmla(neon.V(dst), neon.V(arg[0].reg), neon.V(arg[1].reg))
}

func (a *arm) sel(dst, tied int, arg []loc) {
	mask, yes, no := neon.V(arg[0].reg), neon.V(arg[1].reg), neon.V(arg[2].reg)
	switch tied {
	case 0:
		a.fn.Bsl(neon.V(dst), yes, no)
	case 1:
		a.fn.Bif(neon.V(dst), no, mask)
	default:
		a.fn.Bit(neon.V(dst), yes, mask)
	}
}

func (a *arm) round(k *Kernel, p *Prog, results []int, pl plan, copies int) {
	l := newLowering(p, results, k.State, len(k.Param), copies, a)
	for i, b := range pl.constants {
		r := a.vectors() - 1 - i
		l.resident[b] = r
		l.free[r] = false
		l.inUse++
	}
	l.run()
}

func (a *arm) kernel(k *Kernel) {
	p := &Prog{}
	results := k.record(p)
	most := 4
	if k.Reduce != nil || len(p.nodes) > 20 {
		most = 2
	}
	pl := choose(p, results, k.State, len(k.Param), most, 1, a)
	if k.Reduce != nil && pl.copies != 2 {
		panic("vec: " + k.Name + " needs two registers for eight lanes")
	}
	name := k.Name + "NEON"
	fn := a.file.Func(name, k.Signature(), name+" "+k.Doc)
	a.fn = fn
	out := "dst"
	if k.Reduce != nil {
		out = "state"
	}
	fn.LoadArg(out, armDst)
	a.in = nil
	for i, in := range k.In {
		a.in = append(a.in, armFirst+neon.R(i))
		fn.LoadArg(in, a.in[i])
	}
	fn.LoadArg("n", armLeft)
	for i, param := range k.Param {
		v := neon.V(armParams + i)
		fn.LoadArgF(param, v)
		fn.DupLane(neon.S4, v, v, 0)
	}
	if usesConstants(p) {
		fn.DataAddr("constants", armTable)
	}
	for i, b := range pl.constants {
		a.constant(a.vectors()-1-i, b)
	}
	a.single = false
	if k.Reduce != nil {
		a.reduce(k, p, results, pl)
		return
	}
	loop := func(label, next string, copies, elements int) {
		fn.T("CMP $%d, %v", elements, armLeft)
		fn.T("BLT %s", next)
		fn.Label(label)
		a.round(k, p, results, pl, copies)
		fn.T("SUB $%d, %v, %v", elements, armLeft, armLeft)
		fn.T("CMP $%d, %v", elements, armLeft)
		fn.T("BGE %s", label)
		fn.Label(next)
	}
	if pl.copies > 1 {
		loop("rounds", "few", pl.copies, armLanes*pl.copies)
	}
	loop("one", "rest", 1, armLanes)
	a.single = true
	loop("element", "done", 1, 1)
	fn.Ret()
}

// usesConstants says whether the program has a constant other than zero.
func usesConstants(p *Prog) bool {
	for _, n := range p.nodes {
		if n.op == opConst && n.imm != 0 {
			return true
		}
	}
	return false
}

// reduce writes the loop over blocks of eight elements, lanes 0 to 3 in one register and 4 to 7 in the next.
func (a *arm) reduce(k *Kernel, p *Prog, results []int, pl plan) {
	fn := a.fn
	first := len(k.Param)
	state := func(i int) (lo, hi neon.V) { return neon.V(first + 2*i), neon.V(first + 2*i + 1) }
	for i := range k.State {
		lo, hi := state(i)
		fn.LdpQ(lo, hi, armDst, 32*i)
	}
	fn.T("CMP $8, %v", armLeft)
	fn.T("BLT done")
	fn.Label("blocks")
	a.round(k, p, results, pl, 2)
	fn.T("SUB $8, %v, %v", armLeft, armLeft)
	fn.T("CMP $8, %v", armLeft)
	fn.T("BGE blocks")
	fn.Label("done")
	for i := range k.State {
		lo, hi := state(i)
		fn.StpQ(lo, hi, armDst, 32*i)
	}
	fn.Ret()
}
