package main

import "fmt"

// A machine emits vector instructions on numbered registers.
type machine interface {
	mov(d, s int)
	add(d, a, b int)
	sub(d, a, b int) // d = a - b
	mul(d int, c factor, a int)
	fma(d int, c factor, a int)  // d += c·a, rounded once
	fnma(d int, c factor, a int) // d -= c·a, rounded once
}

// factor names a constant of the transforms with n = 6.
type factor int

const (
	fa factor = iota
	fb
	fa2
	fb2
	fab  // of the input: a²b²; of the output: a³
	fsum // of the input: a²+b²; of the output: b³
	factors
)

// inputFactors and outputFactors are the constants of kernels/ref: the points 0, ±a, ±b, a = 5/8, b = 3/2, and infinity.
var (
	inputFactors  = [factors]float32{5. / 8, 3. / 2, 25. / 64, 9. / 4, 225. / 256, 169. / 64}
	outputFactors = [factors]float32{5. / 8, 3. / 2, 25. / 64, 9. / 4, 125. / 512, 27. / 8}
)

// pool hands out vector registers.
type pool struct{ free []int }

func newPool(from, to int) *pool {
	p := &pool{}
	for v := to - 1; v >= from; v-- {
		p.free = append(p.free, v)
	}
	return p
}

func (p *pool) get() int {
	if len(p.free) == 0 {
		panic("winograd: out of vector registers")
	}
	v := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	return v
}

func (p *pool) put(vs ...int) { p.free = append(p.free, vs...) }

// working is how many registers a transform of one column needs, its operands included.
func working(n int) int { return n + 2 }

// input emits the transform of n inputs and returns the registers of the results. It consumes d.
func input(x machine, p *pool, d []int) []int {
	if len(d) == 4 {
		t := p.get()
		x.sub(d[0], d[0], d[2])
		x.add(t, d[1], d[2])
		x.sub(d[2], d[2], d[1])
		x.sub(d[1], d[1], d[3])
		p.put(d[3])
		return []int{d[0], t, d[2], d[1]}
	}
	v0, v5 := p.get(), d[5]
	x.mov(v0, d[4])
	x.fnma(v0, fsum, d[2])
	x.fma(v0, fab, d[0])
	x.fnma(v5, fsum, d[3])
	x.fma(v5, fab, d[1])
	even, odd := d[0], p.get()
	x.mov(even, d[4])
	x.fnma(even, fb2, d[2])
	x.mov(odd, d[3])
	x.fnma(odd, fb2, d[1])
	even2, odd2 := d[4], d[3]
	x.fnma(even2, fa2, d[2])
	x.fnma(odd2, fa2, d[1])
	v1, v3 := d[1], d[2]
	x.mov(v1, even)
	x.fma(v1, fa, odd)
	x.fnma(even, fa, odd)
	x.mov(v3, even2)
	x.fma(v3, fb, odd2)
	x.fnma(even2, fb, odd2)
	p.put(odd, odd2)
	return []int{v0, v1, even, v3, even2, v5}
}

// output emits the transform of n products and returns the registers of the m results. It consumes q.
func output(x machine, p *pool, m int, q []int) []int {
	t := p.get()
	if len(q) == 4 {
		x.add(t, q[1], q[2])
		x.sub(q[1], q[1], q[2])
		x.add(q[0], q[0], t)
		x.sub(q[1], q[1], q[3])
		p.put(t, q[2], q[3])
		return []int{q[0], q[1]}
	}
	t2 := p.get()
	x.add(t, q[1], q[2])
	x.sub(q[1], q[1], q[2])
	x.add(t2, q[3], q[4])
	x.sub(q[3], q[3], q[4])
	sum, diff, sum2, diff2 := t, q[1], t2, q[3]
	x.add(q[2], sum, sum2)
	x.add(q[0], q[0], q[2])
	if m == 2 {
		x.fma(q[5], fa, diff)
		x.fma(q[5], fb, diff2)
		p.put(sum, diff, sum2, diff2, q[2], q[4])
		return []int{q[0], q[5]}
	}
	x.mul(q[2], fa2, sum)
	x.fma(q[2], fb2, sum2)
	x.mul(q[4], fa, diff)
	x.fma(q[4], fb, diff2)
	x.fma(q[5], fab, diff)
	x.fma(q[5], fsum, diff2)
	p.put(sum, diff, sum2, diff2)
	return []int{q[0], q[4], q[2], q[5]}
}

// passes emits a two-dimensional transform: every column of n through f, then every row of the result.
//
// load fills a register with element i, j. The first kept rows of the intermediate result stay in registers, the rest pass through spill and
// fill. finish takes the registers of row i of the end result, and gives them back to the pool.
func passes(p *pool, n, rows, kept int, f func(d []int) []int, load, spill, fill func(v, i, j int), finish func(i int, y []int)) {
	table := make([][]int, rows)
	for j := range n {
		d := make([]int, n)
		for i := range d {
			d[i] = p.get()
			load(d[i], i, j)
		}
		for i, v := range f(d) {
			if i < kept {
				table[i] = append(table[i], v)
			} else {
				spill(v, i-kept, j)
				p.put(v)
			}
		}
	}
	for i, row := range table {
		for j := len(row); j < n; j++ {
			v := p.get()
			fill(v, i-kept, j)
			row = append(row, v)
		}
		finish(i, f(row))
	}
}

// variant is F(m x m, r x r), n = m+r-1.
type variant struct{ m, r, n int }

var variants = []variant{{4, 3, 6}, {2, 3, 4}, {2, 5, 6}}

// inputs are the variants whose input transforms differ: they depend on n alone.
var inputs = variants[:2]

func (v variant) inputName(isa string) string {
	return fmt.Sprintf("WinogradInput%dx%dF32%s", v.n, v.n, isa)
}

func (v variant) inputDoc(isa string, lanes int) string {
	return fmt.Sprintf("%s computes the input transform to %dx%d elements, %d channels at a time; see WinogradArgs.", v.inputName(isa), v.n, v.n, lanes)
}

func (v variant) outputName(isa string) string {
	return fmt.Sprintf("WinogradOutput%dx%dof%dF32%s", v.m, v.m, v.n, isa)
}

func (v variant) outputDoc(isa string, lanes int) string {
	return fmt.Sprintf("%s computes the output transform of F(%dx%d,%dx%d), %d channels at a time; see WinogradArgs.", v.outputName(isa), v.m, v.m, v.r, v.r, lanes)
}

// kept returns how many rows stay in registers beside the constants and what the transform of a column needs.
func (v variant) kept(registers, constants, rows int) int {
	if v.n == 4 {
		constants = 0
	}
	return min(rows, (registers-constants-working(v.n))/v.n)
}
