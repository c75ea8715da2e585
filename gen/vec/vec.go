// Package vec writes loops over float32 slices for AVX2, AVX-512 and NEON from one program.
//
// A program is straight-line code over vectors of float32 (or of the 32-bit integers with the same bits), recorded by calling the methods
// of Prog. It says nothing of registers or of how wide a vector is. WriteX86 and WriteNEON turn a Kernel, a program and its slices,
// into a function: constants in registers where there is room and from memory otherwise, a loop over whole vectors, and
// what is left at the end without touching memory outside the slices. Each operation of a program is one IEEE operation on every
// instruction set, so that the bits of the results are the same.
package vec

import (
	"fmt"
	"math"
	"strings"
)

// V is a vector value of a program, M a mask: all ones or all zeros per lane.
type (
	V int
	M int
)

type op uint8

const (
	opIn op = iota // imm numbers the source
	opParam
	opState
	opConst // imm holds the bits
	opAdd
	opSub
	opMul
	opDiv
	opFMA
	opSqrt
	opMax
	opMin
	opAnd
	opAndNot
	opOr
	opXor
	opIAdd
	opISub
	opShl
	opShr
	opSar
	opToFloat
	opScale
	opLt
	opLe
	opEq
	opSelect
)

var arity = [...]int{opAdd: 2, opSub: 2, opMul: 2, opDiv: 2, opFMA: 3, opSqrt: 1, opMax: 2, opMin: 2, opAnd: 2, opAndNot: 2, opOr: 2, opXor: 2,
	opIAdd: 2, opISub: 2, opShl: 1, opShr: 1, opSar: 1, opToFloat: 1, opScale: 2, opLt: 2, opLe: 2, opEq: 2, opSelect: 3}

func (o op) commutes() bool {
	switch o {
	case opAdd, opMul, opFMA, opAnd, opOr, opXor, opIAdd, opEq:
		return true
	}
	return false
}

func (o op) isMask() bool { return o >= opLt && o <= opEq }

type node struct {
	op  op
	arg [3]int
	imm uint32
}

// Prog records a program for one instruction set.
type Prog struct {
	nodes  []node
	seen   map[node]int
	minmax bool // has compare-and-select maximum and minimum
	scale  bool // has multiplication by a power of two with one rounding
}

func (p *Prog) add(o op, imm uint32, args ...int) int {
	n := node{op: o, imm: imm}
	copy(n.arg[:], args)
	if o.commutes() && p.nodes[n.arg[0]].op == opConst {
		n.arg[0], n.arg[1] = n.arg[1], n.arg[0]
	}
	if i, ok := p.seen[n]; ok {
		return i
	}
	p.nodes = append(p.nodes, n)
	p.seen[n] = len(p.nodes) - 1
	return len(p.nodes) - 1
}

func (p *Prog) v(o op, args ...V) V {
	a := make([]int, len(args))
	for i, x := range args {
		a[i] = int(x)
	}
	return V(p.add(o, 0, a...))
}

// Const is x in every lane, Bits the float32 with those bits.
func (p *Prog) Const(x float32) V           { return p.Bits(math.Float32bits(x)) }
func (p *Prog) Bits(bits uint32) V          { return V(p.add(opConst, bits)) }
func (p *Prog) Add(a, b V) V                { return p.v(opAdd, a, b) }
func (p *Prog) Sub(a, b V) V                { return p.v(opSub, a, b) }
func (p *Prog) Mul(a, b V) V                { return p.v(opMul, a, b) }
func (p *Prog) Div(a, b V) V                { return p.v(opDiv, a, b) }
func (p *Prog) Sqrt(a V) V                  { return p.v(opSqrt, a) }
func (p *Prog) And(a, b V) V                { return p.v(opAnd, a, b) }
func (p *Prog) Or(a, b V) V                 { return p.v(opOr, a, b) }
func (p *Prog) Xor(a, b V) V                { return p.v(opXor, a, b) }
func (p *Prog) IAdd(a, b V) V               { return p.v(opIAdd, a, b) }
func (p *Prog) ISub(a, b V) V               { return p.v(opISub, a, b) }
func (p *Prog) Lt(a, b V) M                 { return M(p.v(opLt, a, b)) }
func (p *Prog) Le(a, b V) M                 { return M(p.v(opLe, a, b)) }
func (p *Prog) Eq(a, b V) M                 { return M(p.v(opEq, a, b)) }
func (p *Prog) ToFloat(a V) V               { return p.v(opToFloat, a) } // from int32
func (p *Prog) Select(m M, a, b V) V        { return p.v(opSelect, V(m), a, b) }
func (p *Prog) Shl(a V, bits int) V         { return p.shift(opShl, a, bits) }
func (p *Prog) Shr(a V, bits int) V         { return p.shift(opShr, a, bits) } // zeros come in
func (p *Prog) Sar(a V, bits int) V         { return p.shift(opSar, a, bits) } // the sign comes in
func (p *Prog) shift(o op, a V, bits int) V { return V(p.add(o, uint32(bits), int(a))) }

// AndNot is a &^ b.
func (p *Prog) AndNot(a, b V) V { return p.v(opAndNot, a, b) }

// FMA is a·b+c, rounded once.
func (p *Prog) FMA(a, b, c V) V { return p.v(opFMA, a, b, c) }

// Max is a > b ? a : b, Min is a < b ? a : b.
func (p *Prog) Max(a, b V) V {
	if p.minmax {
		return p.v(opMax, a, b)
	}
	return p.Select(p.Lt(b, a), a, b)
}

func (p *Prog) Min(a, b V) V {
	if p.minmax {
		return p.v(opMin, a, b)
	}
	return p.Select(p.Lt(a, b), a, b)
}

// Magic is 1.5·2²³: adding it to |x| < 2²² rounds x to a whole number (ties to even), which then stands in the low bits.
const Magic = 0x1.8p23

// Scale2 is x·2ⁿ with one rounding, for n whole in -252..254 and x whose product with 2^⌊n/2⌋ is a normal number; t is n + Magic.
func (p *Prog) Scale2(x, n, t V) V {
	if p.scale {
		return p.v(opScale, x, n)
	}
	one := p.Const(1)
	h := p.Shr(t, 1) // ⌊n/2⌋ in the low bits
	lo := p.IAdd(p.Shl(h, 23), one)
	hi := p.IAdd(p.Shl(p.ISub(t, h), 23), one)
	return p.Mul(p.Mul(x, lo), hi)
}

// Kernel is a function to be written, of one of five kinds.
type Kernel struct {
	Name  string // Go name without the instruction set
	Doc   string // what it computes, after the name
	In    []string
	Param []string // float32 scalars

	// Map computes dst[i] from element i of each source, i < n.
	Map func(p *Prog, in, param []V) V
	// Update computes new values of element i of the first sources, i < n, and puts them in their place.
	Update func(p *Prog, in, param []V) []V
	// Reduce updates State vectors of eight lanes for each block of eight elements of the sources, n a multiple of 8.
	Reduce func(p *Prog, in, param, state []V) []V
	// Columns updates the Sums for each of rows rows of the sources: column i < width of each sum takes column i of the sources and of the Rows, which
	// are the same for all.
	Columns func(p *Prog, in, row, param, sum []V) []V
	// Taps goes through the kh·kw positions of a window for each of a number of pixels. Start computes State vectors from the Rows, which belong to a pixel, and Taps the
	// new value of the first source, which it replaces, and the new states.
	Start func(p *Prog, row, param []V) []V
	Taps  func(p *Prog, in, param, state []V) []V

	State int
	Sums  []string
	Rows  []string
}

// states returns how many vectors are kept from one round to the next.
func (k *Kernel) states() int {
	if k.Columns != nil {
		return len(k.Sums) + len(k.Rows)
	}
	return k.State
}

// inPlace says whether the kernel stores to its sources.
func (k *Kernel) inPlace() bool { return k.Update != nil || k.Taps != nil }

// Signature is the Go signature without func.
func (k *Kernel) Signature() string {
	pointers, ints := append([]string(nil), k.In...), []string{"n"}
	switch {
	case k.Map != nil:
		pointers = append([]string{"dst"}, pointers...)
	case k.Reduce != nil:
		pointers = append([]string{"state"}, pointers...)
	case k.Columns != nil:
		pointers = append(append(append([]string(nil), k.Sums...), pointers...), k.Rows...)
		ints = []string{"width", "stride", "rows"}
	case k.Taps != nil:
		pointers = append(pointers, k.Rows...)
		ints = []string{"channels", "kh", "kw", "col", "skip", "back", "pixels", "step", "out"}
	}
	s := "(" + strings.Join(pointers, ", ") + " *float32, " + strings.Join(ints, ", ") + " int"
	if len(k.Param) > 0 {
		s += ", " + strings.Join(k.Param, ", ") + " float32"
	}
	return s + ")"
}

func (p *Prog) list(o op, n int) []V {
	vs := make([]V, n)
	for i := range vs {
		vs[i] = V(p.add(o, uint32(i)))
	}
	return vs
}

// record runs the kernel's function and returns the program and its results: those to be stored, then the new states.
func (k *Kernel) record(p *Prog) (results []int) {
	p.seen = map[node]int{}
	in, param, state := p.list(opIn, len(k.In)), p.list(opParam, len(k.Param)), p.list(opState, k.states())
	var out []V
	want := k.states()
	switch {
	case k.Map != nil:
		out, want = []V{k.Map(p, in, param)}, 1
	case k.Update != nil:
		out = k.Update(p, in, param)
		want = len(out)
	case k.Reduce != nil:
		out = k.Reduce(p, in, param, state)
	case k.Columns != nil:
		n := len(k.Sums)
		out = append(k.Columns(p, in, state[n:], param, state[:n]), state[n:]...)
	case k.Taps != nil:
		out = k.Taps(p, in, param, state)
		want++
	}
	if len(out) != want {
		panic(fmt.Sprintf("vec: %s: %d results, want %d", k.Name, len(out), want))
	}
	results = p.finish(out)
	if k.Columns != nil || k.inPlace() {
		results = p.sink(results)
	}
	return results
}

// sink moves each source to where it is first used, so that it takes a register for no longer than it must, and returns the results' new numbers.
func (p *Prog) sink(results []int) []int {
	number := make([]int, len(p.nodes))
	for i := range number {
		number[i] = -1
	}
	var nodes []node
	place := func(i int) {
		number[i] = len(nodes)
		nodes = append(nodes, p.nodes[i])
	}
	for i, n := range p.nodes {
		if n.op == opIn {
			continue
		}
		for _, a := range n.arg[:arityOf(n.op)] {
			if number[a] < 0 {
				place(a)
			}
		}
		place(i)
		for j, a := range n.arg[:arityOf(n.op)] {
			nodes[number[i]].arg[j] = number[a]
		}
	}
	p.nodes = nodes
	for i, r := range results {
		if number[r] < 0 {
			panic("vec: a result is a source")
		}
		results[i] = number[r]
	}
	return results
}

// recordStart records the program that makes the states of a pixel of Taps.
func (k *Kernel) recordStart(p *Prog) (results []int) {
	p.seen = map[node]int{}
	out := k.Start(p, p.list(opIn, len(k.Rows)), p.list(opParam, len(k.Param)))
	if len(out) != k.State {
		panic(fmt.Sprintf("vec: %s: Start has %d results for %d states", k.Name, len(out), k.State))
	}
	return p.finish(out)
}

func (p *Prog) finish(out []V) []int {
	results := make([]int, len(out))
	for i, v := range out {
		results[i] = int(v)
	}
	return p.prune(results)
}

// prune drops what no result needs and returns the results' new numbers.
func (p *Prog) prune(results []int) []int {
	live := make([]bool, len(p.nodes))
	for _, r := range results {
		live[r] = true
	}
	for i := len(p.nodes) - 1; i >= 0; i-- {
		if live[i] {
			for _, a := range p.nodes[i].arg[:arityOf(p.nodes[i].op)] {
				live[a] = true
			}
		}
	}
	number := make([]int, len(p.nodes))
	var kept []node
	for i, n := range p.nodes {
		if live[i] {
			for j := range arityOf(n.op) {
				n.arg[j] = number[n.arg[j]]
			}
			number[i] = len(kept)
			kept = append(kept, n)
		}
	}
	p.nodes, p.seen = kept, nil
	out := make([]int, len(results))
	for i, r := range results {
		out[i] = number[r]
	}
	return out
}
