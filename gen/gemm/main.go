// Command gemm writes the GEMM tiles for amd64 (asm/gemm_avx2_amd64.s, asm/gemm_avx512_amd64.s), with -bytes those of 8-bit integers
// (asm/gemm8_avx2_amd64.s, asm/gemm8_avx512_amd64.s), and the argument struct that all tiles share (asm/gemm_args.go).
//
// A tile of Rows x 16 (AVX2) or Rows x 32 (AVX-512) outputs stays in registers while k runs; tiles of half a panel less serve columns that
// leave half of the last panel empty. Rows of A are read through a
// table of offsets, one entry for each row and kernel position, so that a dense GEMM and a convolution without
// im2col are the same code (Dukhan: The indirect convolution algorithm, 2019). AVX-512 has tiles without the table beside them.
// B comes in packed panels of 16 columns.
package main

import (
	"flag"
	"fmt"
	"log"
	"math/bits"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/ocellus-vision/ocellus/gen/gemmargs"
	"github.com/ocellus-vision/ocellus/gen/x86"
)

var (
	isa   = flag.String("isa", "", "avx2, avx512, or args for the Go struct that they share")
	bytes = flag.Bool("bytes", false, "tiles of 8-bit integers")
)

func main() {
	flag.Parse()
	if *isa == "args" {
		if err := gemmargs.Args.WriteFile("../asm/gemm_args.go"); err != nil {
			log.Fatal("gemm: ", err)
		}
		return
	}
	ConstraintExpr("!purego")
	x86.Declare("GemmArgs")
	switch {
	case *isa == "avx2" && *bytes:
		dots := &avx2{first: 4}
		dots.data()
		dots.mask8()
		generate(avx2dot{dots})
		generate(avx2plain{avx2dot{&avx2{8, dots.window, dots.evens}}})
	case *isa == "avx2":
		t := &avx2{first: 4}
		t.data()
		generate(t)
	case *isa == "avx512" && *bytes:
		generate(avx512dot{})
	case *isa == "avx512":
		generate(&avx512{})
		for _, d := range denseTiles {
			avx512{}.denseTile(d)
		}
	default:
		log.Fatalf("gemm: unknown -isa %q", *isa)
	}
	Generate()
}

// The general registers, all in use inside the loop: a pointer for each row of A (to the end of its K floats), the running
// pointer into B, the running index k - K, and the distance between panels.
var (
	rowPtr = []reg.GPPhysical{reg.RAX, reg.RBX, reg.RCX, reg.RDX, reg.RSI, reg.RDI, reg.R8, reg.R9, reg.R10, reg.R11, reg.R12, reg.R13}
	ptrB   = reg.R14
	idx    = reg.R15
	stride = reg.RBP
)

// shape is that of a tile: rows by panels of 16 columns, or 8 fewer.
type shape struct {
	rows, panels int
	half         bool // at most 8 columns of the last panel are valid
}

func (s shape) columns() int {
	if s.half {
		return 16*s.panels - 8
	}
	return 16 * s.panels
}

// target is an instruction set: how wide a panel is in vectors, and the instructions that differ.
type target interface {
	name() string    // of what is multiplied, and the instruction set
	doc() string     // of what is narrower
	shapes() []shape // highest tiles, from wide to narrow
	bytes() int      // of a vector
	vectors(s shape) int
	acc(s shape, r, v int) reg.VecPhysical // one register may serve two rows
	masks(cols reg.GPPhysical, s shape)
	bias(m Mem, y reg.VecPhysical, s shape, v int)
	load(m Mem, s shape, r, v int, ragged bool)
	store(m Mem, s shape, r, v int, ragged bool)
	addMem(m Mem, s shape, r, v int, ragged bool)
	inner(s shape, step int)                                      // a multiply-add of all accumulators, so many steps along K from idx
	unroll(s shape) int                                           // steps of a turn of the loop
	dense() bool                                                  // whether rows that lie evenly have code of their own; no tail then, and one panel
	tail(s shape) int                                             // how many of the last products of a sum finish computes; 0 for none
	finish(f *frame, s shape, a func(r, i int) Mem, label string) // computes them, clips and stores; a is the i-th of them in a row of A
	ahead(s shape) reg.GPPhysical                                 // a register for the address to prefetch, if one is free in tiles of that shape
	leaky(y reg.VecPhysical)                                      // with alpha and zero in vec(0) and vec(1)
	vec(i int) reg.VecPhysical                                    // no accumulator
	raggedCopies() bool                                           // whether a ragged edge needs code of its own
	edge(args reg.GPPhysical)                                     // prepares that code's loads and stores; may use RDX and R8
}

func field(base reg.Register, name string) Mem {
	return Mem{Base: base, Disp: gemmargs.Args.Offset(name)}
}

// locals of the frame.
type frame struct {
	a, offs, c, res, tiles, ahead, steps, stepOffs, k, tail Mem

	bytes Mem    // of a tile of 8-bit integers that has not all columns
	label string // of the tile
}

// newFrame loads the arguments to RAX and those of them that change from tile to tile to the frame, through RBX.
func newFrame() *frame {
	l := AllocLocal(80)
	f := &frame{
		a: l, offs: l.Offset(8), c: l.Offset(16), res: l.Offset(24), tiles: l.Offset(32), ahead: l.Offset(40),
		steps: l.Offset(48), stepOffs: l.Offset(56), k: l.Offset(64), tail: l.Offset(72),
	}
	args := reg.RAX
	Load(Param("args"), args)
	for _, c := range []struct {
		field string
		local Mem
	}{{"A", f.a}, {"Offs", f.offs}, {"C", f.c}, {"Res", f.res}, {"Tiles", f.tiles}, {"Ahead", f.ahead}} {
		MOVQ(field(args, c.field), reg.RBX)
		MOVQ(reg.RBX, c.local)
	}
	return f
}

func generate(t target) {
	shapes := t.shapes()
	largest := shapes[0]
	name := fmt.Sprintf("Gemm%dx%d%s", largest.rows, largest.columns(), t.name())
	TEXT(name, NOSPLIT, "func(args *GemmArgs)")
	Doc(fmt.Sprintf("%s computes Tiles tiles of up to %d rows and %d columns%s; see GemmArgs.", name, largest.rows, largest.columns(), t.doc()))
	Pragma("noescape")
	f := newFrame()
	if _, ok := t.(integers); ok && t.raggedCopies() {
		f.bytes = AllocLocal(16 * largest.rows)
	}
	args := reg.RAX
	MOVQ(field(args, "Cols"), reg.RCX)
	MOVQ(field(args, "Rows"), reg.RDX)
	type variant struct {
		shape
		ragged bool
		label  string
	}
	var variants []variant
	// jump emits the choice of the number of rows for one number of columns.
	jump := func(s shape, ragged bool) {
		for r := s.rows; r >= 1; r-- {
			v := variant{shape{r, s.panels, s.half}, ragged, fmt.Sprintf("tile%dx%d", r, s.columns())}
			if ragged {
				v.label += "ragged"
			}
			if r > 1 {
				CMPQ(reg.RDX, U8(r))
				JEQ(LabelRef(v.label))
			} else {
				JMP(LabelRef(v.label))
			}
			variants = append(variants, v)
		}
	}
	for i, s := range shapes {
		last := i == len(shapes)-1
		if !last {
			CMPQ(reg.RCX, U8(shapes[i+1].columns()))
			JLE(LabelRef(fmt.Sprintf("columns%d", shapes[i+1].columns())))
		}
		t.masks(reg.RCX, s)
		if t.raggedCopies() {
			CMPQ(reg.RCX, U8(s.columns()))
			JNE(LabelRef(fmt.Sprintf("ragged%d", s.columns())))
			jump(s, false)
			Label(fmt.Sprintf("ragged%d", s.columns()))
		}
		jump(s, t.raggedCopies())
		if !last {
			Label(fmt.Sprintf("columns%d", shapes[i+1].columns()))
		}
	}
	for _, v := range variants {
		tile(t, f, v.shape, v.ragged, v.label)
	}
	Label("done")
	VZEROUPPER()
	RET()
}

// accs returns the accumulators, row by row.
func accs(t target, s shape) []reg.VecPhysical {
	var all []reg.VecPhysical
	for r := range s.rows {
		for v := range t.vectors(s) {
			if y := t.acc(s, r, v); !slices.Contains(all, y) {
				all = append(all, y)
			}
		}
	}
	return all
}

// eachRow calls do for all accumulators of a tile with their places in a matrix from ptr on, rows ld apart. It moves ptr to the last row.
func eachRow(t target, s shape, ptr, ld reg.GPPhysical, do func(m Mem, r, v int)) {
	for r := range s.rows {
		for v := range t.vectors(s) {
			do(Mem{Base: ptr, Disp: t.bytes() * v}, r, v)
		}
		if r < s.rows-1 {
			ADDQ(ld, ptr)
		}
	}
}

// start makes the accumulators start from C, from the bias, or, where floats have none, from +0. It leaves the arguments in RAX.
func start(t target, f *frame, s shape, ragged bool, label string) {
	args, ptr, ld := reg.RAX, reg.RBX, reg.RCX
	Load(Param("args"), args)
	CMPQ(field(args, "Load"), Imm(0))
	JEQ(LabelRef(label + "bias"))
	if ragged {
		t.edge(args)
	}
	MOVQ(f.c, ptr)
	MOVQ(field(args, "LDC"), ld)
	eachRow(t, s, ptr, ld, func(m Mem, r, v int) { t.load(m, s, r, v, ragged) })
	JMP(LabelRef(label + "start"))
	Label(label + "bias")
	MOVQ(field(args, "Bias"), ptr)
	if !*bytes {
		TESTQ(ptr, ptr)
		JEQ(LabelRef(label + "zero"))
	}
	for v := range t.vectors(s) {
		first := t.acc(s, 0, v)
		t.bias(Mem{Base: ptr, Disp: t.bytes() * v}, first, s, v)
		for r := range s.rows {
			if y := t.acc(s, r, v); y != t.acc(s, max(0, r-1), v) {
				VMOVAPS(first, y)
			}
		}
	}
	if !*bytes {
		JMP(LabelRef(label + "start"))
		Label(label + "zero")
		for _, y := range accs(t, s) {
			VXORPS(y.AsX(), y.AsX(), y.AsX())
		}
	}
	Label(label + "start")
}

// end adds the residual to the sums, applies the activation and stores.
func end(t target, f *frame, s shape, ragged bool, label string) {
	args, ptr, ld := reg.RAX, reg.RBX, reg.RCX
	Label(label + "end")
	Load(Param("args"), args)
	if i, ok := t.(integers); ok {
		f.label = label
		CMPQ(field(args, "Act"), Imm(0))
		JEQ(LabelRef(label + "store"))
		i.requantise(args, s)
		MOVQ(f.c, ptr)
		MOVQ(field(args, "LDC"), ld)
		i.storeBytes(f, s, ragged)
		MOVQ(ptr, f.c)
		JMP(LabelRef(label + "next"))
		store(t, f, s, ragged, label)
		return
	}
	MOVQ(f.res, ptr)
	TESTQ(ptr, ptr)
	JEQ(LabelRef(label + "act"))
	if ragged {
		t.edge(args)
	}
	MOVQ(field(args, "LDR"), ld)
	eachRow(t, s, ptr, ld, func(m Mem, r, v int) { t.addMem(m, s, r, v, ragged) })
	ADDQ(ld, ptr)
	MOVQ(ptr, f.res)
	Label(label + "act")
	MOVQ(field(args, "Act"), reg.RDX)
	CMPQ(reg.RDX, Imm(1))
	JLT(LabelRef(label + "store"))
	JGT(LabelRef(label + "leaky"))
	VBROADCASTSS(field(args, "Lo"), t.vec(0))
	VBROADCASTSS(field(args, "Hi"), t.vec(1))
	x86.Clip(accs(t, s), t.vec(0), t.vec(1), field(args, "Hi"), label)
	Label(label + "leaky")
	VBROADCASTSS(field(args, "Alpha"), t.vec(0))
	VXORPS(t.vec(1).AsX(), t.vec(1).AsX(), t.vec(1).AsX())
	for _, y := range accs(t, s) {
		t.leaky(y)
	}
	store(t, f, s, ragged, label)
}

// store stores the accumulators in C.
func store(t target, f *frame, s shape, ragged bool, label string) {
	args, ptr, ld := reg.RAX, reg.RBX, reg.RCX
	Label(label + "store")
	if ragged {
		t.edge(args)
	}
	MOVQ(f.c, ptr)
	MOVQ(field(args, "LDC"), ld)
	eachRow(t, s, ptr, ld, func(m Mem, r, v int) { t.store(m, s, r, v, ragged) })
	ADDQ(ld, ptr)
	MOVQ(ptr, f.c)
}

// quarter is how many tiles share what there is to prefetch: each takes one line of so many, and they follow one another.
const quarter = 4

// shares says whether tiles of a shape do: those of the highest that prefetch, which many others follow.
func shares(t target, s shape) bool {
	higher := s
	higher.rows++
	return t.ahead(s) != nil && t.unroll(s) == quarter && (s.rows == t.shapes()[0].rows || t.ahead(higher) == nil)
}

// nextAhead makes what is to be prefetched the part of the next tile that shares it: they take turns by the number of tiles left.
func nextAhead(f *frame, args, tmp reg.GPPhysical) {
	MOVQ(f.tiles, tmp)
	ANDQ(Imm(quarter-1), tmp)
	IMULQ(field(args, "K"), tmp)
	SHLQ(Imm(uint64(bits.TrailingZeros(64/quarter))), tmp)
	ADDQ(field(args, "Ahead"), tmp)
	MOVQ(tmp, f.ahead)
}

// tile emits the loop over tiles of one shape.
func tile(t target, f *frame, s shape, ragged bool, label string) {
	rows, panels, args := s.rows, s.panels, reg.RAX
	Label(label)
	start(t, f, s, ragged, label)
	if i, ok := t.(integers); ok {
		i.prepare(args)
	}
	ahead := t.ahead(s)
	aheadOf := func() {
		if ahead != nil {
			MOVQ(f.ahead, ahead)
			ADDQ(ptrB, ahead)
		}
	}
	MOVQ(field(args, "B"), ptrB)
	if t.dense() {
		MOVQ(field(args, "LDA"), stride)
		TESTQ(stride, stride)
		JEQ(LabelRef(label + "table"))
		MOVQ(field(args, "K"), idx)
		aheadOf()
		MOVQ(f.a, rowPtr[0])
		LEAQ(Mem{Base: rowPtr[0], Index: idx, Scale: 4}, rowPtr[0])
		for r := 1; r < rows; r++ {
			by := 1 << (bits.Len(uint(r)) - 1) // rows behind one that is there
			LEAQ(Mem{Base: rowPtr[r-by], Index: stride, Scale: uint8(by)}, rowPtr[r])
		}
		NEGQ(idx)
		JMP(LabelRef(label + "dense"))
		Label(label + "table")
	}
	MOVQ(field(args, "Steps"), reg.RBX)
	MOVQ(f.offs, reg.RCX)
	MOVQ(reg.RCX, f.stepOffs)
	TESTQ(reg.RBX, reg.RBX)
	JEQ(LabelRef(label + "end"))
	Label(label + "step")
	MOVQ(reg.RBX, f.steps)
	// Row pointers point K floats on, so that one negative index serves all of them.
	base, zeros, table := stride, idx, rowPtr[11] // the table's register is the last row's
	Load(Param("args"), args)
	tail := t.tail(s)
	k := field(args, "K")
	if tail > 0 {
		// The last step's end is for finish, where there is nothing but clipping to do behind it.
		MOVQ(k, reg.RDX)
		XORL(reg.ECX, reg.ECX)
		CMPQ(reg.RBX, Imm(1))
		JNE(LabelRef(label + "whole"))
		jumpIfWhole(f, args, reg.RDX, tail, label+"whole")
		MOVL(U32(tail), reg.ECX)
		SUBQ(reg.RCX, reg.RDX)
		Label(label + "whole")
		MOVQ(reg.RCX, f.tail)
		MOVQ(reg.RDX, f.k)
		k = f.k
	}
	MOVQ(k, reg.RBX)
	MOVQ(f.a, base)
	LEAQ(Mem{Base: base, Index: reg.RBX, Scale: 4}, base)
	MOVQ(field(args, "Zero"), zeros)
	LEAQ(Mem{Base: zeros, Index: reg.RBX, Scale: 4}, zeros)
	MOVQ(f.stepOffs, table)
	for r := range rows {
		MOVLQSX(Mem{Base: table, Disp: 4 * r}, rowPtr[r])
		TESTQ(rowPtr[r], rowPtr[r])
		LEAQ(Mem{Base: base, Index: rowPtr[r], Scale: 4}, rowPtr[r])
		CMOVQLT(zeros, rowPtr[r])
	}
	Load(Param("args"), stride)
	aheadOf()
	if tail == 0 {
		k = field(stride, "K")
	}
	MOVQ(k, idx)
	MOVQ(field(stride, "BPanel"), stride)
	NEGQ(idx)
	// turn emits some steps along K.
	turn := func(steps int) {
		fetches := steps // of each panel
		if ahead == nil || shares(t, s) && steps == 1 {
			fetches = 0
		} else if shares(t, s) {
			fetches = steps / quarter
		}
		for step := range steps {
			t.inner(s, step)
			for p := 0; step < fetches && p < panels; p++ {
				m := Mem{Base: ahead, Disp: 64 * step}
				if p == 1 {
					m.Index, m.Scale = stride, 1
				}
				PREFETCHT1(m)
			}
		}
		on := func(lines int) Op {
			if lines > 1 {
				return I32(int32(64 * lines))
			}
			return Imm(64)
		}
		if fetches > 0 {
			ADDQ(on(fetches), ahead)
		}
		ADDQ(on(steps), ptrB)
	}
	if t.dense() {
		Label(label + "dense")
	}
	u := t.unroll(s)
	if u > 1 {
		CMPQ(idx, I8(int8(-u)))
		JGT(LabelRef(label + "rest"))
		Label(label + "ks")
		turn(u)
		ADDQ(Imm(uint64(u)), idx)
		CMPQ(idx, I8(int8(-u)))
		JLE(LabelRef(label + "ks"))
		Label(label + "rest")
		TESTQ(idx, idx)
		JEQ(LabelRef(label + "summed"))
	}
	Label(label + "k")
	turn(1)
	INCQ(idx)
	JNZ(LabelRef(label + "k"))
	if u > 1 {
		Label(label + "summed")
	}
	if tail > 0 {
		CMPQ(f.tail, Imm(0))
		JNE(LabelRef(label + "tail"))
	}
	Load(Param("args"), reg.RAX)
	if t.dense() {
		CMPQ(field(reg.RAX, "LDA"), Imm(0))
		JNE(LabelRef(label + "end"))
	}
	MOVQ(field(reg.RAX, "OffStride"), reg.RBX)
	ADDQ(reg.RBX, f.stepOffs)
	MOVQ(f.steps, reg.RBX)
	DECQ(reg.RBX)
	JNZ(LabelRef(label + "step"))

	end(t, f, s, ragged, label)
	Label(label + "next")
	MOVQ(field(args, "AStep"), reg.RDX)
	ADDQ(reg.RDX, f.a)
	MOVQ(field(args, "OffStep"), reg.RDX)
	ADDQ(reg.RDX, f.offs)
	if shares(t, s) {
		nextAhead(f, args, reg.RDX)
	}
	DECQ(f.tiles)
	JNZ(LabelRef(label))
	JMP(LabelRef("done"))

	if tail > 0 {
		Label(label + "tail")
		t.finish(f, s, func(r, step int) Mem { return Mem{Base: rowPtr[r], Disp: 4 * step} }, label)
	}
}

// jumpIfWhole jumps where finish cannot compute the last products of K.
func jumpIfWhole(f *frame, args, k reg.Register, tail int, label string) {
	CMPQ(k, U8(tail))
	JLE(LabelRef(label))
	CMPQ(field(args, "Act"), Imm(1))
	JGT(LabelRef(label))
	CMPQ(f.res, Imm(0))
	JNE(LabelRef(label))
}
