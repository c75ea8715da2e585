package vec

import (
	"fmt"
	"sort"
)

// loc is where an operand is: a register, or a constant in memory.
type loc struct {
	reg  int
	mem  bool
	bits uint32
	dies bool // the register is free after this instruction
}

// machine is what lowering needs of an instruction set. Registers are numbered from 0.
type machine interface {
	vectors() int               // vector registers
	masks() int                 // mask registers, 0 where masks are vectors
	memOK(o op, arg int) bool   // whether that operand may be a constant in memory
	fma213() bool               // whether a multiplicand may be overwritten by the result
	tiedSelect() bool           // whether select overwrites an operand
	constant(dst int, b uint32) // loads a constant
	move(dst, src int)
	load(source int, dst []int) // one register for each copy of the program
	store(out int, src []int)   // to the place of result out
	emit(o op, imm uint32, dst int, arg []loc)
	fma(dst int, tied int, arg []loc) // tied: 2 is dst += a·b, 0 is dst = dst·b+c
	sel(dst int, tied int, arg []loc)
}

// lowering turns a program into instructions for copies vectors at a time, interleaved, with registers given out in one scan.
type lowering struct {
	p        *Prog
	results  []int
	stores   int // results that are stored; the others are new states
	copies   int
	m        machine
	last     []int // index of each node's last use
	newState map[int]int
	resident map[uint32]int // constants in registers
	params   []int
	states   [][]int // register of each state and copy
	free     []bool
	freeMask []bool
	reg      [][]int // of each node and copy, -1: none
	used     int     // the most vector registers at a time
	inUse    int
	temps    map[uint32]int // loads of constants that were not resident
	mems     map[uint32]int
}

func newLowering(p *Prog, results []int, states, params, copies int, m machine) *lowering {
	l := &lowering{p: p, results: results, stores: len(results) - states, copies: copies, m: m, newState: map[int]int{}, resident: map[uint32]int{},
		temps: map[uint32]int{}, mems: map[uint32]int{}, last: make([]int, len(p.nodes)), free: make([]bool, m.vectors()), freeMask: make([]bool, m.masks())}
	for i := range l.free {
		l.free[i] = true
	}
	for i := range l.freeMask {
		l.freeMask[i] = true
	}
	for i, n := range p.nodes {
		for _, a := range n.arg[:arityOf(n.op)] {
			l.last[a] = i
		}
	}
	for k, r := range results {
		l.last[r] = len(p.nodes)
		if k >= l.stores {
			l.newState[r] = k - l.stores
		}
	}
	l.reg = make([][]int, len(p.nodes))
	for i := range l.reg {
		l.reg[i] = make([]int, copies)
		for u := range l.reg[i] {
			l.reg[i][u] = -1
		}
	}
	for range params {
		l.params = append(l.params, l.alloc())
	}
	for range states {
		var rs []int
		for range copies {
			rs = append(rs, l.alloc())
		}
		l.states = append(l.states, rs)
	}
	return l
}

func arityOf(o op) int {
	if int(o) < len(arity) {
		return arity[o]
	}
	return 0
}

// tooMany is what alloc panics with.
type tooMany struct{}

func (l *lowering) alloc() int {
	for i, f := range l.free {
		if f {
			l.free[i] = false
			l.inUse++
			l.used = max(l.used, l.inUse)
			return i
		}
	}
	panic(tooMany{})
}

func (l *lowering) release(r int) {
	if l.free[r] {
		panic(fmt.Sprintf("vec: register %d freed twice", r))
	}
	l.free[r] = true
	l.inUse--
}

func (l *lowering) allocMask() int {
	for i, f := range l.freeMask {
		if f {
			l.freeMask[i] = false
			return i
		}
	}
	panic(tooMany{})
}

// use returns where argument arg of node i stands for copy u.
func (l *lowering) use(i, arg, u int, memOK bool) loc {
	a := l.p.nodes[i].arg[arg]
	n := l.p.nodes[a]
	switch n.op {
	case opConst:
		if memOK && !l.m.fma213() {
			// An addend: loaded into the register that the result takes, which is no slower than a move and leaves the vector units alone.
			return loc{reg: -1, mem: true, bits: n.imm}
		}
		if r, ok := l.resident[n.imm]; ok {
			return loc{reg: r}
		}
		if memOK {
			l.mems[n.imm]++
			return loc{reg: -1, mem: true, bits: n.imm}
		}
		r := l.alloc()
		l.temps[n.imm]++
		l.m.constant(r, n.imm)
		return loc{reg: r, dies: true}
	case opParam:
		return loc{reg: l.params[n.imm]}
	case opState:
		return loc{reg: l.states[n.imm][u]}
	}
	return loc{reg: l.reg[a][u], dies: l.last[a] == i}
}

// target returns the register that node i's result must take, where it has to: that of the state whose new value it is, after the last use of
// the old one.
func (l *lowering) target(i, u int) (r int, ok bool) {
	k, isNew := l.newState[i]
	if !isNew {
		return 0, false
	}
	for j, n := range l.p.nodes {
		if n.op == opState && int(n.imm) == k && l.last[j] <= i {
			return l.states[k][u], true
		}
	}
	return 0, false
}

func (l *lowering) run() {
	for i := range l.p.nodes {
		switch n := l.p.nodes[i]; n.op {
		case opConst, opParam, opState:
		case opIn:
			for u := range l.copies {
				l.reg[i][u] = l.alloc()
			}
			l.m.load(int(n.imm), l.reg[i])
		default:
			for u := range l.copies {
				l.step(i, u)
			}
		}
	}
	for k, r := range l.results[:l.stores] {
		src := make([]int, l.copies)
		for u := range src {
			src[u] = l.regOf(r, u)
		}
		l.m.store(k, src)
		if l.p.nodes[r].op != opParam {
			for _, r := range src {
				l.release(r)
			}
		}
	}
	for k, r := range l.results[l.stores:] {
		for u := range l.copies {
			if src := l.regOf(r, u); src != l.states[k][u] {
				l.m.move(l.states[k][u], src)
				l.release(src)
			}
		}
	}
}

// regOf returns the register of result r for copy u.
func (l *lowering) regOf(r, u int) int {
	switch n := l.p.nodes[r]; n.op {
	case opParam:
		return l.params[n.imm]
	case opState:
		return l.states[n.imm][u]
	}
	return l.reg[r][u]
}

// step lowers node i for copy u.
func (l *lowering) step(i, u int) {
	n := l.p.nodes[i]
	args := make([]loc, arity[n.op])
	haveMem := false
	// Arguments in registers first: a constant goes to memory only beside them.
	order := []int{0, 1, 2}[:len(args)]
	for _, a := range order {
		args[a] = l.use(i, a, u, !haveMem && l.memOK(i, a))
		haveMem = haveMem || args[a].mem
	}
	target, hasTarget := l.target(i, u)
	canTie := func(a int) bool {
		if hasTarget {
			return args[a].reg == target
		}
		return args[a].dies && !args[a].mem
	}
	releaseArgs := func(keep int) {
		done := map[int]bool{keep: true}
		for _, a := range args {
			if a.dies && !a.mem && !done[a.reg] {
				done[a.reg] = true
				l.release(a.reg)
			}
		}
	}
	dest := func() int {
		if hasTarget {
			return target
		}
		return l.alloc()
	}
	var dst int
	switch {
	case n.op == opFMA:
		switch {
		case !args[2].mem && canTie(2):
			dst = args[2].reg
			l.m.fma(dst, 2, args)
		case l.m.fma213() && !args[1].mem && canTie(0):
			dst = args[0].reg
			l.m.fma(dst, 0, args)
		case l.m.fma213() && !args[1].mem && canTie(1):
			dst = args[1].reg
			l.m.fma(dst, 0, []loc{args[1], args[0], args[2]})
		default:
			dst = dest()
			if args[2].mem {
				l.m.constant(dst, args[2].bits)
			} else {
				l.m.move(dst, args[2].reg)
			}
			l.m.fma(dst, 2, args)
		}
		releaseArgs(dst)
	case n.op == opSelect && l.m.tiedSelect():
		switch {
		case canTie(0):
			dst = args[0].reg
			l.m.sel(dst, 0, args)
		case canTie(2):
			dst = args[2].reg
			l.m.sel(dst, 2, args)
		case canTie(1):
			dst = args[1].reg
			l.m.sel(dst, 1, args)
		default:
			dst = dest()
			l.m.move(dst, args[0].reg)
			l.m.sel(dst, 0, args)
		}
		releaseArgs(dst)
	case n.op == opSelect && l.m.masks() > 0:
		mask := args[0]
		args = args[1:]
		releaseArgs(-1)
		dst = dest()
		l.m.sel(dst, -1, append([]loc{mask}, args...))
		if mask.dies {
			l.freeMask[mask.reg] = true
		}
	case n.op.isMask() && l.m.masks() > 0:
		releaseArgs(-1)
		dst = l.allocMask()
		l.m.emit(n.op, n.imm, dst, args)
	case n.op == opSelect:
		releaseArgs(-1)
		dst = dest()
		l.m.sel(dst, -1, args)
	default:
		releaseArgs(-1)
		dst = dest()
		l.m.emit(n.op, n.imm, dst, args)
	}
	l.reg[i][u] = dst
}

// memOK says whether argument a of node i may stand in memory, and is the constant that gains most from it.
func (l *lowering) memOK(i, a int) bool {
	n := l.p.nodes[i]
	if !l.m.memOK(n.op, a) {
		return false
	}
	if n.op == opFMA && a == 1 {
		// dst += a·mem needs the addend in a register of its own.
		c := n.arg[2]
		return l.last[c] == i && l.p.nodes[c].op > opConst
	}
	return true
}

// dry is a machine that writes nothing.
type dry struct{ machine }

func (dry) constant(int, uint32)        {}
func (dry) move(int, int)               {}
func (dry) load(int, []int)             {}
func (dry) store(int, []int)            {}
func (dry) emit(op, uint32, int, []loc) {}
func (dry) fma(int, int, []loc)         {}
func (dry) sel(int, int, []loc)         {}

// plan is how a kernel is lowered: how many copies of the program per round, and which constants stay in registers.
type plan struct {
	copies    int
	constants []uint32
}

// choose returns the plan for at most most copies; smallest is the fewest registers that the code around the program needs besides the constants.
func choose(p *Prog, results []int, states, params, most, smallest int, m machine) plan {
	for copies := most; copies >= 1; copies /= 2 {
		l, ok := try(p, results, states, params, copies, m)
		if !ok {
			continue
		}
		var bits []uint32
		for b := range l.temps {
			bits = append(bits, b)
		}
		for b := range l.mems {
			if l.temps[b] == 0 {
				bits = append(bits, b)
			}
		}
		sort.Slice(bits, func(i, j int) bool {
			wi, wj := 8*l.temps[bits[i]]+l.mems[bits[i]], 8*l.temps[bits[j]]+l.mems[bits[j]]
			if wi != wj {
				return wi > wj
			}
			return bits[i] < bits[j]
		})
		room := m.vectors() - max(l.used, smallest+params+states*copies)
		return plan{copies, bits[:min(max(room, 0), len(bits))]}
	}
	panic("vec: the program needs more registers than there are")
}

// chooseTaps is choose for a program whose states are made by another one, start, which must fit beside the constants too.
func chooseTaps(start *Prog, first []int, p *Prog, results []int, params, most, smallest int, m machine) plan {
	for ; most >= 1; most /= 2 {
		pl := choose(p, results, len(first), params, most, smallest, m)
		if l, ok := try(start, first, len(first), params, pl.copies, m); ok {
			pl.constants = pl.constants[:min(len(pl.constants), m.vectors()-l.used)]
			return pl
		}
	}
	panic("vec: the program needs more registers than there are")
}

// try lowers the program without writing anything; ok is false where the registers do not suffice.
func try(p *Prog, results []int, states, params, copies int, m machine) (l *lowering, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, full := r.(tooMany); !full {
				panic(r)
			}
			ok = false
		}
	}()
	l = newLowering(p, results, states, params, copies, dry{m})
	l.run()
	return l, true
}
