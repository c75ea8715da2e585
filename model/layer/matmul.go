package layer

import (
	"fmt"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels/ref"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// MatMul multiplies matrices as NumPy's matmul does: [...,M,K] by [...,K,N], the leading dimensions broadcast; a vector counts as one row or one column.
// Sums go over K in order.
type MatMul struct{}

func (*MatMul) Kind() string { return "MatMul" }

// matPlan is a batched matrix product: m x k by k x n, over the walk's rows.
type matPlan struct {
	m, k, n int
	batch   []int // the broadcast leading dimensions
	a, b    []int // each operand's own leading dimensions
	out     []int
}

func planMatMul(a, b []int) (p matPlan, err error) {
	bad := fmt.Errorf("cannot multiply %s by %s", tensor.FormatShape(a), tensor.FormatShape(b))
	if len(a) == 0 || len(b) == 0 {
		return p, bad
	}
	rows, cols := len(a) > 1, len(b) > 1
	if !rows {
		a = []int{1, a[0]}
	}
	if !cols {
		b = []int{b[0], 1}
	}
	p.m, p.k, p.n = a[len(a)-2], a[len(a)-1], b[len(b)-1]
	if b[len(b)-2] != p.k {
		return p, bad
	}
	p.a, p.b = a[:len(a)-2], b[:len(b)-2]
	if p.batch, err = Broadcast(p.a, p.b); err != nil {
		return p, bad
	}
	p.out = slices.Clone(p.batch)
	if rows {
		p.out = append(p.out, p.m)
	}
	if cols {
		p.out = append(p.out, p.n)
	}
	return p, nil
}

func (*MatMul) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	if err := isType(in, 0, tensor.Float32, tensor.Float64, tensor.Int32, tensor.Int64, tensor.Uint32, tensor.Uint64); err != nil {
		return nil, err
	}
	if in[0].DType != in[1].DType {
		return nil, fmt.Errorf("the inputs are %v and %v", in[0].DType, in[1].DType)
	}
	p, err := planMatMul(in[0].Shape, in[1].Shape)
	if err != nil {
		return nil, err
	}
	return one(in[0].DType, p.out)
}

func (*MatMul) MACs(in, out []Info) int64 {
	return int64(sizeOf(out[0].Shape)) * int64(in[0].Shape[len(in[0].Shape)-1])
}

func (*MatMul) Forward(e *Env, in, out []*tensor.Tensor) error {
	p, err := planMatMul(in[0].Shape(), in[1].Shape())
	if err != nil {
		return err
	}
	p.run(e, in, out[0])
	return nil
}

// Backward multiplies by the other matrix, transposed. Where b is one matrix for a whole batch, the batch counts as more rows.
func (*MatMul) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	a, b := t.Info(in[0]).Shape, t.Info(in[1]).Shape
	p, err := planMatMul(a, b)
	if err != nil {
		return make([]Ref, 2)
	}
	d := make([]Ref, 2)
	if len(p.b) == 0 {
		rows := sizeOf(p.a) * p.m
		x, w := reshaped(t, in[0], []int{rows, p.k}), reshaped(t, in[1], []int{p.k, p.n})
		grads := (&Gemm{Alpha: 1}).Backward(t, []Ref{x, w}, nil, []Ref{reshaped(t, dout[0], []int{rows, p.n})}, want)
		for i, s := range [][]int{a, b} {
			if want[i] {
				d[i] = reshaped(t, grads[i], s)
			}
		}
		return d
	}
	matrix := func(r Ref, batch []int, m, n int) Ref { return reshaped(t, r, slices.Concat(batch, []int{m, n})) }
	turned := func(r Ref) Ref {
		n := len(t.Info(r).Shape)
		perm := make([]int, n)
		for i := range perm {
			perm[i] = i
		}
		perm[n-1], perm[n-2] = n-2, n-1
		return t.Add(&Transpose{perm}, r)
	}
	dy := matrix(dout[0], p.batch, p.m, p.n)
	if want[0] {
		g := t.Add(&MatMul{}, dy, turned(matrix(in[1], p.b, p.k, p.n)))
		d[0] = reshaped(t, summedTo(t, g, slices.Concat(p.a, []int{p.m, p.k})), a)
	}
	if want[1] {
		g := t.Add(&MatMul{}, turned(matrix(in[0], p.a, p.m, p.k)), dy)
		d[1] = reshaped(t, summedTo(t, g, slices.Concat(p.b, []int{p.k, p.n})), b)
	}
	return d
}

func (p *matPlan) run(e *Env, in []*tensor.Tensor, out *tensor.Tensor) {
	switch in[0].DType() {
	case tensor.Float32:
		multiply(e, p, out.Float32s(), in[0].Float32s(), in[1].Float32s(), ref.FMA32)
	case tensor.Float64:
		multiplyAny[float64](e, p, out, in[0], in[1])
	case tensor.Int32:
		multiplyAny[int32](e, p, out, in[0], in[1])
	case tensor.Int64:
		multiplyAny[int64](e, p, out, in[0], in[1])
	case tensor.Uint32:
		multiplyAny[uint32](e, p, out, in[0], in[1])
	case tensor.Uint64:
		multiplyAny[uint64](e, p, out, in[0], in[1])
	}
}

// Plan works the shapes out once.
func (m *MatMul) Plan(in, out []Info) Op {
	p, err := planMatMul(in[0].Shape, in[1].Shape)
	if err != nil {
		return nil
	}
	return &matMulPlan{p: p}
}

type matMulPlan struct {
	MatMul
	p matPlan
}

func (m *matMulPlan) Forward(e *Env, in, out []*tensor.Tensor) error {
	m.p.run(e, in, out[0])
	return nil
}

func multiplyAny[T interface {
	number
	tensor.Elem
}](e *Env, p *matPlan, y, a, b *tensor.Tensor) {
	multiply(e, p, tensor.Data[T](y), tensor.Data[T](a), tensor.Data[T](b), func(a, b, c T) T { return T(a*b) + c })
}

// multiply runs the plan; one tile is one row of the output.
func multiply[T number](e *Env, p *matPlan, y, a, b []T, mac func(a, b, c T) T) {
	if len(y) == 0 {
		return
	}
	w := walk(p.batch, broadcastStrides(p.a, p.batch), broadcastStrides(p.b, p.batch))
	n, sa, sb := w.dim[w.n-1], w.step[0][w.n-1], w.step[1][w.n-1]
	t := taskOf[matTask[T]](e)
	*t = matTask[T]{p: p, mac: mac}
	w.rows(func(at int, off [3]int) {
		for i := range n {
			t.y = y[(at+i)*p.m*p.n:]
			t.a = a[(off[0]+i*sa)*p.m*p.k:]
			t.b = b[(off[1]+i*sb)*p.k*p.n:]
			e.Team.Run(t, p.m)
		}
	})
}

type matTask[T number] struct {
	p       *matPlan
	y, a, b []T
	mac     func(a, b, c T) T
}

func (t *matTask[T]) Tile(i, _ int) {
	n := t.p.n
	y := t.y[i*n : (i+1)*n]
	clear(y)
	for k, v := range t.a[i*t.p.k : (i+1)*t.p.k] {
		for j, b := range t.b[k*n : (k+1)*n] {
			y[j] = t.mac(v, b, y[j])
		}
	}
}

// Gemm computes y = Alpha·A'·B' + Beta·C for matrices, where ' transposes if TransA or TransB says so and C, which may be left out, broadcasts to [M,N].
type Gemm struct {
	Alpha, Beta    float32
	TransA, TransB bool
}

func (*Gemm) Kind() string { return "Gemm" }

func (g *Gemm) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 3); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	if len(in[0].Shape) != 2 || len(in[1].Shape) != 2 {
		return nil, fmt.Errorf("%s and %s are not both matrices", in[0], in[1])
	}
	m, k := in[0].Shape[0], in[0].Shape[1]
	if g.TransA {
		m, k = k, m
	}
	l, n := in[1].Shape[0], in[1].Shape[1]
	if g.TransB {
		l, n = n, l
	}
	if k != l {
		return nil, fmt.Errorf("cannot multiply %s (transposed: %v) by %s (transposed: %v)", in[0], g.TransA, in[1], g.TransB)
	}
	if c := opt(in, 2); c.Present() {
		if s, err := Broadcast([]int{m, n}, c.Shape); err != nil || !slices.Equal(s, []int{m, n}) {
			return nil, fmt.Errorf("%s does not broadcast to [%d %d]", c, m, n)
		}
	}
	return one(in[0].DType, []int{m, n})
}

func (g *Gemm) MACs(in, out []Info) int64 {
	k := in[0].Shape[1]
	if g.TransA {
		k = in[0].Shape[0]
	}
	return int64(sizeOf(out[0].Shape)) * int64(k)
}

func (g *Gemm) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		gemm[float64](e, g, in, out)
	} else {
		gemm[float32](e, g, in, out)
	}
	return nil
}

func gemm[T real](e *Env, g *Gemm, in, out []*tensor.Tensor) {
	m, n := out[0].Dim(0), out[0].Dim(1)
	t := taskOf[gemmTask[T]](e)
	*t = gemmTask[T]{g: g, m: m, n: n, k: in[0].Dim(1), a: tensor.Data[T](in[0]), b: tensor.Data[T](in[1]), y: tensor.Data[T](out[0])}
	if g.TransA {
		t.k = in[0].Dim(0)
	}
	if c := optT(in, 2); c != nil {
		t.c = tensor.Data[T](c)
		s := broadcastStrides(c.Shape(), out[0].Shape())
		t.cm, t.cn = s[0], s[1]
	}
	const cols = 64
	t.cols = cols
	e.Team.Run(t, m*((n+cols-1)/cols))
}

func (g *Gemm) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	a, b, dy, d := in[0], in[1], dout[0], make([]Ref, len(in))
	if want[0] {
		op := &Gemm{Alpha: g.Alpha, TransB: !g.TransB}
		if d[0] = dy; g.TransA {
			op.TransA, op.TransB = g.TransB, true
			d[0] = t.Add(op, b, dy)
		} else {
			d[0] = t.Add(op, dy, b)
		}
	}
	if want[1] {
		op := &Gemm{Alpha: g.Alpha, TransA: !g.TransA}
		if g.TransB {
			op.TransA, op.TransB = true, g.TransA
			d[1] = t.Add(op, dy, a)
		} else {
			d[1] = t.Add(op, a, dy)
		}
	}
	if len(in) > 2 && want[2] {
		d[2] = scaled(t, summedTo(t, dy, t.Info(in[2]).Shape), float64(g.Beta))
	}
	return d
}

// gemmTask computes cols elements of one row per tile. The sum begins with Beta·C where Alpha is 1, so that a fully connected layer is one sum.
type gemmTask[T real] struct {
	g             *Gemm
	m, n, k, cols int
	cm, cn        int
	a, b, c, y    []T
}

func (t *gemmTask[T]) Tile(i, _ int) {
	per := (t.n + t.cols - 1) / t.cols
	r, from := i/per, i%per*t.cols
	to := min(t.n, from+t.cols)
	y := t.y[r*t.n+from : r*t.n+to]
	alpha, beta := T(t.g.Alpha), T(t.g.Beta)
	first := func(j int) T {
		if t.c == nil {
			return 0
		}
		return beta * t.c[r*t.cm+(from+j)*t.cn]
	}
	for j := range y {
		y[j] = 0
		if alpha == 1 {
			y[j] = first(j)
		}
	}
	as, at := 1, r*t.k
	if t.g.TransA {
		as, at = t.m, r
	}
	if t.g.TransB {
		for j := range y {
			acc := y[j]
			for k, b := range t.b[(from+j)*t.k : (from+j+1)*t.k] {
				acc = fma(t.a[at+k*as], b, acc)
			}
			y[j] = acc
		}
	} else {
		for k := range t.k {
			v := t.a[at+k*as]
			for j, b := range t.b[k*t.n+from : k*t.n+to] {
				y[j] = fma(v, b, y[j])
			}
		}
	}
	if alpha != 1 {
		for j := range y {
			y[j] = T(alpha*y[j]) + first(j)
		}
	}
}
