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
	single  bool // the round in progress handles one element, in lane 0
	in, out []neon.R
	held    int  // sources that loads do not advance
	stay    bool // stores do not advance
}

const (
	armDst    = neon.R0
	armLeft   = neon.R5
	armTable  = neon.R6
	armLanes  = 4
	armParams = 0 // parameters are in V0...
)

// armSources are the registers of the sources.
var armSources = []neon.R{neon.R1, neon.R2, neon.R3, neon.R4, neon.R7, neon.R8, neon.R9}

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
	if source < a.held {
		switch {
		case a.single:
			a.fn.LdrS(v(0), base, 0)
		case len(dst) == 1:
			a.fn.LdrQ(v(0), base, 0)
		default:
			for i := 0; i < len(dst); i += 2 {
				a.fn.LdpQ(v(i), v(i+1), base, 16*i)
			}
		}
		return
	}
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

func (a *arm) store(out int, src []int) {
	base := a.out[out]
	v := func(i int) neon.V { return neon.V(src[i]) }
	if a.stay {
		switch {
		case a.single:
			a.fn.StrS(v(0), base, 0)
		case len(src) == 1:
			a.fn.StrQ(v(0), base, 0)
		default:
			for i := 0; i < len(src); i += 2 {
				a.fn.StpQ(v(i), v(i+1), base, 16*i)
			}
		}
		return
	}
	switch {
	case a.single:
		a.fn.StrSP(v(0), base, 4)
	case len(src) == 1:
		a.fn.StrQP(v(0), base, 16)
	default:
		for i := 2; i < len(src); i += 2 {
			a.fn.StpQ(v(i), v(i+1), base, 16*i)
		}
		a.fn.StpQP(v(0), v(1), base, 16*len(src))
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
	l := newLowering(p, results, k.states(), len(k.Param), copies, a)
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
	var pl plan
	start := &Prog{}
	var first []int
	if k.Taps != nil {
		first = k.recordStart(start)
		pl = chooseTaps(start, first, p, results, len(k.Param), most, 1, a)
	} else {
		pl = choose(p, results, k.states(), len(k.Param), most, 1, a)
	}
	if k.Reduce != nil && pl.copies != 2 {
		panic("vec: " + k.Name + " needs two registers for eight lanes")
	}
	name := k.Name + "NEON"
	fn := a.file.Func(name, k.Signature(), name+" "+k.Doc)
	a.fn = fn
	a.held, a.stay, a.single = 0, false, false
	a.out, a.in = []neon.R{armDst}, armSources[:len(k.In)]
	switch {
	case k.Map != nil:
		fn.LoadArg("dst", armDst)
	case k.Reduce != nil:
		fn.LoadArg("state", armDst)
	case k.Update != nil:
		a.out, a.held = a.in, len(results)
	default:
		a.out, a.held, a.stay = a.in, len(k.In), true
	}
	for i, in := range k.In {
		fn.LoadArg(in, a.in[i])
	}
	if k.Columns == nil && k.Taps == nil {
		fn.LoadArg("n", armLeft)
	}
	for i, param := range k.Param {
		v := neon.V(armParams + i)
		fn.LoadArgF(param, v)
		fn.DupLane(neon.S4, v, v, 0)
	}
	if usesConstants(p) || usesConstants(start) {
		fn.DataAddr("constants", armTable)
	}
	for i, b := range pl.constants {
		a.constant(a.vectors()-1-i, b)
	}
	switch {
	case k.Reduce != nil:
		a.reduce(k, p, results, pl)
		return
	case k.Columns != nil:
		a.columns(k, p, results, pl)
		return
	case k.Taps != nil:
		a.taps(k, start, p, first, results, pl)
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

// strips calls body for copies vectors of what is left at a time, as many as fit, then for fewer, and last for single elements. body
// writes labels that end in name, and leaves the pointers where they were; advance are those that move on.
func (a *arm) strips(name string, copies int, advance []neon.R, body func(name string, copies int)) {
	fn := a.fn
	loop := func(strip, next string, copies, elements int) {
		fn.T("CMP $%d, %v", elements, armLeft)
		fn.T("BLT %s", next)
		fn.Label(strip)
		body(strip, copies)
		for _, r := range advance {
			fn.T("ADD $%d, %v, %v", 4*elements, r, r)
		}
		fn.T("SUB $%d, %v, %v", elements, armLeft, armLeft)
		fn.T("CMP $%d, %v", elements, armLeft)
		fn.T("BGE %s", strip)
		fn.Label(next)
	}
	a.single = false
	for c := copies; c >= 1; c /= 2 {
		loop(fmt.Sprintf("%s%d", name, c), fmt.Sprintf("%sbelow%d", name, c), c, armLanes*c)
	}
	a.single = true
	loop(name+"element", name+"done", 1, 1)
}

// columns writes the loops over strips of columns and over rows.
func (a *arm) columns(k *Kernel, p *Prog, results []int, pl plan) {
	fn := a.fn
	stride, total, rows, count := neon.R10, neon.R11, neon.R12, neon.R13
	sums, row := []neon.R{neon.R0, neon.R14}[:len(k.Sums)], []neon.R{neon.R15}[:len(k.Rows)]
	for i, s := range k.Sums {
		fn.LoadArg(s, sums[i])
	}
	for i, r := range k.Rows {
		fn.LoadArg(r, row[i])
	}
	fn.LoadArg("width", armLeft)
	fn.LoadArg("stride", stride)
	fn.LoadArg("rows", rows)
	fn.T("LSL $2, %v, %v", stride, stride)
	fn.T("MUL %v, %v, %v", stride, rows, total)
	in := a.in
	places := append(append([]neon.R(nil), sums...), row...)
	a.strips("strip", pl.copies, append(append([]neon.R(nil), places...), in...), func(name string, copies int) {
		at := len(k.Param)
		a.in, a.held = places, len(places)
		for i := range places {
			a.load(i, sequence(at, copies))
			at += copies
		}
		a.in, a.held = in, len(in)
		fn.T("MOVD %v, %v", rows, count)
		fn.Label(name + "row")
		a.round(k, p, results, pl, copies)
		for _, r := range in {
			fn.T("ADD %v, %v, %v", stride, r, r)
		}
		fn.T("SUBS $1, %v, %v", count, count)
		fn.T("BNE %s", name+"row")
		for _, r := range in {
			fn.T("SUB %v, %v, %v", total, r, r)
		}
		a.out = sums
		for i := range sums {
			a.store(i, sequence(len(k.Param)+i*copies, copies))
		}
	})
	fn.Ret()
}

// taps writes the loops over pixels, strips of channels and positions of the window.
func (a *arm) taps(k *Kernel, start, p *Prog, first, results []int, pl plan) {
	fn := a.fn
	kh, kw, col, skip, back, pixels, step, out, channels := neon.R10, neon.R11, neon.R12, neon.R13, neon.R14, neon.R15, neon.R16, neon.R17, neon.R19
	i, j := neon.R20, neon.R21
	in, rows := a.in, []neon.R{neon.R7, neon.R8}[:len(k.Rows)]
	for i, r := range k.Rows {
		fn.LoadArg(r, rows[i])
	}
	for _, arg := range []struct {
		name string
		r    neon.R
	}{{"channels", channels}, {"kh", kh}, {"kw", kw}, {"col", col}, {"skip", skip}, {"back", back}, {"pixels", pixels}, {"step", step}, {"out", out}} {
		fn.LoadArg(arg.name, arg.r)
	}
	// The strips of a pixel move on by its channels.
	fn.T("SUB %v<<2, %v, %v", channels, step, step)
	fn.T("SUB %v<<2, %v, %v", channels, out, out)
	fn.Label("pixel")
	fn.T("MOVD %v, %v", channels, armLeft)
	a.strips("strip", pl.copies, append(append([]neon.R(nil), in...), rows...), func(name string, copies int) {
		a.in, a.held = rows, len(rows)
		a.round(k, start, first, pl, copies)
		a.in, a.held = in, len(in)
		fn.T("MOVD %v, %v", kh, i)
		fn.Label(name + "row")
		fn.T("MOVD %v, %v", kw, j)
		fn.Label(name + "tap")
		a.round(k, p, results, pl, copies)
		for _, r := range in {
			fn.T("ADD %v, %v, %v", col, r, r)
		}
		fn.T("SUBS $1, %v, %v", j, j)
		fn.T("BNE %s", name+"tap")
		for _, r := range in {
			fn.T("ADD %v, %v, %v", skip, r, r)
		}
		fn.T("SUBS $1, %v, %v", i, i)
		fn.T("BNE %s", name+"row")
		for _, r := range in {
			fn.T("SUB %v, %v, %v", back, r, r)
		}
	})
	for _, r := range in {
		fn.T("ADD %v, %v, %v", step, r, r)
	}
	for _, r := range rows {
		fn.T("ADD %v, %v, %v", out, r, r)
	}
	fn.T("SUBS $1, %v, %v", pixels, pixels)
	fn.T("BNE pixel")
	fn.Ret()
}
