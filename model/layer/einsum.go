package layer

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Einsum sums products of its inputs' elements as an equation in Einstein's convention says, "bij,bjk->bik": indices that are missing on the right are
// summed over, in the order in which they first appear. "..." stands for dimensions that broadcast.
type Einsum struct{ Equation string }

func (*Einsum) Kind() string { return "Einsum" }

// einsumPlan is an equation for given shapes: the loop's dimensions, first those of the output, and each input's stride in each.
type einsumPlan struct {
	out   []int
	dim   []int
	steps [][]int
}

func (s *Einsum) plan(shapes [][]int) (p einsumPlan, err error) {
	bad := func() (einsumPlan, error) {
		return p, fmt.Errorf("equation %q for %d inputs", s.Equation, len(shapes))
	}
	eq := strings.ReplaceAll(s.Equation, " ", "")
	left, right, arrow := strings.Cut(eq, "->")
	terms := strings.Split(left, ",")
	if len(terms) != len(shapes) || len(eq) > 1<<10 {
		return bad()
	}
	// Dimensions that "..." stands for are the labels 0x80 + distance from the last one.
	expand := func(term string, rank int) ([]rune, bool) {
		if rank < 0 && !strings.Contains(term, "...") {
			rank = len(term)
		}
		head, tail, dots := strings.Cut(term, "...")
		var out []rune
		for _, c := range head {
			out = append(out, c)
		}
		if dots {
			for k := rank - len(head) - len(tail); k > 0; k-- {
				out = append(out, rune(0x80+k))
			}
			for _, c := range tail {
				out = append(out, c)
			}
		}
		for _, c := range head + tail {
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
				return nil, false
			}
		}
		return out, len(out) == rank
	}
	size, count := map[rune]int{}, map[rune]int{}
	var order []rune
	labels := make([][]rune, len(terms))
	dots := 0
	for i, t := range terms {
		l, ok := expand(t, len(shapes[i]))
		if !ok {
			return bad()
		}
		labels[i] = l
		for k, c := range l {
			d := shapes[i][k]
			was, seen := size[c]
			switch {
			case !seen:
				order = append(order, c)
				size[c] = d
			case was == 1 && c >= 0x80:
				size[c] = d
			case d != was && !(d == 1 && c >= 0x80):
				return bad()
			}
			count[c]++
			if c >= 0x80 {
				dots = max(dots, int(c)-0x80)
			}
		}
	}
	var out []rune
	if arrow {
		var ok bool
		rank := len(right)
		if strings.Contains(right, "...") {
			rank += dots - 3
		}
		if out, ok = expand(right, rank); !ok {
			return bad()
		}
	} else {
		for k := dots; k > 0; k-- {
			out = append(out, rune(0x80+k))
		}
		var single []rune
		for _, c := range order {
			if c < 0x80 && count[c] == 1 {
				single = append(single, c)
			}
		}
		slices.Sort(single)
		out = append(out, single...)
	}
	loop := slices.Clone(out)
	for i, c := range out {
		if _, ok := size[c]; !ok || slices.Contains(out[:i], c) {
			return bad()
		}
	}
	for _, c := range order {
		if !slices.Contains(out, c) {
			loop = append(loop, c)
		}
	}
	p.out = []int{}
	for i, c := range loop {
		p.dim = append(p.dim, size[c])
		if i < len(out) {
			p.out = append(p.out, size[c])
		}
	}
	for i, l := range labels {
		st := rowMajor(shapes[i])
		steps := make([]int, len(loop))
		for k, c := range l {
			if shapes[i][k] != 1 {
				steps[slices.Index(loop, c)] += st[k]
			}
		}
		p.steps = append(p.steps, steps)
	}
	if _, ok := tensor.Count(p.out); !ok || len(p.dim) > 64 {
		return bad()
	}
	return p, nil
}

// MatrixProduct is a product of two tensors as one of matrices: their axes, as permutations of the inputs, in the order batch, rows, inner and batch, inner, columns,
// how many of each there are, and where the axes batch, rows, columns go in the output.
type MatrixProduct struct {
	A, B, Out                   []int
	Batch, Rows, Inner, Columns int
}

// Product returns what matrix product an equation of two terms is for inputs of these shapes, or nil.
func (s *Einsum) Product(a, b []int) *MatrixProduct {
	left, right, arrow := strings.Cut(strings.ReplaceAll(s.Equation, " ", ""), "->")
	first, second, two := strings.Cut(left, ",")
	if !arrow || !two || strings.Contains(second, ",") {
		return nil
	}
	// Dimensions that "..." stands for are digits, if they are the same in all three.
	const dots = "..."
	n := len(a) - len(first) + len(dots)
	if has := strings.Contains(first, dots); has {
		if n > 10 || n != len(b)-len(second)+len(dots) || !strings.Contains(second, dots) || !strings.Contains(right, dots) {
			return nil
		}
		digits := "0123456789"[:n]
		for _, t := range []*string{&first, &second, &right} {
			*t = strings.Replace(*t, dots, digits, 1)
		}
	} else if strings.Contains(second, dots) {
		return nil
	}
	if len(first) != len(a) || len(second) != len(b) {
		return nil
	}
	for i, c := range first {
		if k := strings.IndexRune(second, c); k >= 0 && a[i] != b[k] {
			return nil // one of them is repeated
		}
	}
	return productOf(first, second, right)
}

// productOf is Product of terms without dots.
func productOf(a, b, right string) *MatrixProduct {
	has := strings.ContainsRune
	var batch, rows, inner, columns string
	for i, c := range a {
		switch {
		case has(a[:i], c):
			return nil
		case has(b, c) && has(right, c):
			batch += string(c)
		case has(b, c):
			inner += string(c)
		case has(right, c):
			rows += string(c)
		default:
			return nil // summed alone
		}
	}
	for i, c := range b {
		switch {
		case has(b[:i], c):
			return nil
		case has(a, c):
		case has(right, c):
			columns += string(c)
		default:
			return nil
		}
	}
	axes := func(of, order string) (p []int) {
		for _, c := range order {
			p = append(p, strings.IndexRune(of, c))
		}
		return p
	}
	return &MatrixProduct{
		A: axes(a, batch+rows+inner), B: axes(b, batch+inner+columns), Out: axes(batch+rows+columns, right),
		Batch: len(batch), Rows: len(rows), Inner: len(inner), Columns: len(columns),
	}
}

// EinsumPair is a step of an Einsum of many terms: terms A < B of those that are left become one, which goes behind the others.
type EinsumPair struct {
	A, B     int
	Equation string
	Shape    []int
}

// Pairs returns the steps, two terms each, that add up an equation of three terms or more, those of the least work first. It returns nil where they would be no less
// work than all terms at once, or what lies between would be larger than every input and the output.
func (s *Einsum) Pairs(shapes [][]int) (pairs []EinsumPair) {
	left, right, arrow := strings.Cut(strings.ReplaceAll(s.Equation, " ", ""), "->")
	terms := strings.Split(left, ",")
	if !arrow || strings.Contains(left, ".") || len(terms) != len(shapes) || len(terms) < 3 {
		return nil
	}
	size := map[rune]int{}
	dims := func(term string) (n []int) {
		for _, c := range term {
			n = append(n, size[c])
		}
		return n
	}
	// union returns the indices of a and those of b that it lacks.
	union := func(a, b string) string {
		for _, c := range b {
			if !strings.ContainsRune(a, c) {
				a += string(c)
			}
		}
		return a
	}
	whole := ""
	for i, t := range terms {
		if len(t) != len(shapes[i]) {
			return nil
		}
		for k, c := range t {
			if strings.ContainsRune(t[:k], c) {
				return nil
			}
			size[c] = shapes[i][k]
		}
		whole = union(whole, t)
	}
	most := product(dims(right)...)
	for _, t := range terms {
		most = max(most, product(dims(t)...))
	}
	room := float64(len(terms)-1) * float64(product(dims(whole)...)) // work that may still be done
	for len(terms) > 1 {
		var p EinsumPair
		least := int64(math.MaxInt64)
		for b := range terms {
			for a := range b {
				if n := product(dims(union(terms[a], terms[b]))...); n < least {
					p.A, p.B, least = a, b, n
				}
			}
		}
		a, b := terms[p.A], terms[p.B]
		terms = slices.Delete(slices.Delete(terms, p.B, p.B+1), p.A, p.A+1)
		kept := right
		if len(terms) > 0 {
			kept = ""
			for _, c := range union(a, b) {
				if strings.ContainsRune(right+strings.Join(terms, ""), c) {
					kept += string(c)
				}
			}
		}
		p.Equation, p.Shape = a+","+b+"->"+kept, dims(kept)
		if room -= float64(least); room <= 0 || product(p.Shape...) > most {
			return nil
		}
		terms, pairs = append(terms, kept), append(pairs, p)
	}
	return pairs
}

func (s *Einsum) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 64); err != nil {
		return nil, err
	}
	var shapes [][]int
	for _, x := range in {
		if x.DType != in[0].DType {
			return nil, fmt.Errorf("the inputs are %v and %v", in[0].DType, x.DType)
		}
		shapes = append(shapes, x.Shape)
	}
	if err := isType(in, 0, tensor.Float32, tensor.Float64, tensor.Int32, tensor.Int64); err != nil {
		return nil, err
	}
	p, err := s.plan(shapes)
	if err != nil {
		return nil, err
	}
	return one(in[0].DType, p.out)
}

func (s *Einsum) MACs(in, out []Info) int64 {
	var shapes [][]int
	for _, x := range in {
		shapes = append(shapes, x.Shape)
	}
	p, err := s.plan(shapes)
	if err != nil {
		return 0
	}
	n := int64(1)
	for _, d := range p.dim {
		if n > 1<<50/int64(max(1, d)) {
			return 1 << 50
		}
		n *= int64(d)
	}
	return n
}

// Backward exchanges the output and an input in the equation.
func (s *Einsum) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	d := make([]Ref, len(in))
	left, right, arrow := strings.Cut(strings.ReplaceAll(s.Equation, " ", ""), "->")
	terms := strings.Split(left, ",")
	if !arrow || strings.Contains(left, ".") || len(terms) != len(in) {
		return []Ref{refuse(t, "the gradient of an Einsum is known only for equations with \"->\" and without \"...\"")}
	}
	for i, term := range terms {
		if !want[i] {
			continue
		}
		others := append([]string{right}, slices.Delete(slices.Clone(terms), i, i+1)...)
		refs := append([]Ref{dout[0]}, slices.Delete(slices.Clone(in), i, i+1)...)
		// An index that only this input has was summed over: its gradient is the same for all.
		var shape, wide []int
		have := ""
		for k, c := range term {
			n := t.Info(in[i]).Shape[k]
			switch {
			case strings.ContainsRune(term[:k], c):
				return []Ref{refuse(t, "the gradient of an Einsum with a repeated index is not known")}
			case strings.ContainsRune(strings.Join(others, ""), c):
				have += string(c)
				wide = append(wide, n)
			default:
				wide = append(wide, 1)
			}
			shape = append(shape, n)
		}
		g := t.Add(&Einsum{strings.Join(others, ",") + "->" + have}, refs...)
		d[i] = expanded(t, reshaped(t, g, wide), shape)
	}
	return d
}

func (s *Einsum) Forward(e *Env, in, out []*tensor.Tensor) error {
	var shapes [][]int
	for _, x := range in {
		shapes = append(shapes, x.Shape())
	}
	p, err := s.plan(shapes)
	if err != nil {
		return err
	}
	switch in[0].DType() {
	case tensor.Float32:
		einsum[float32](&p, in, out[0])
	case tensor.Float64:
		einsum[float64](&p, in, out[0])
	case tensor.Int32:
		einsum[int32](&p, in, out[0])
	case tensor.Int64:
		einsum[int64](&p, in, out[0])
	}
	return nil
}

func einsum[T interface {
	number
	tensor.Elem
}](p *einsumPlan, in []*tensor.Tensor, out *tensor.Tensor) {
	y := tensor.Data[T](out)
	x := make([][]T, len(in))
	for i, t := range in {
		x[i] = tensor.Data[T](t)
	}
	inner := sizeOf(p.dim[len(p.out):])
	idx, off := make([]int, len(p.dim)), make([]int, len(in))
	for o := range y {
		var sum T
		for range inner {
			v := x[0][off[0]]
			for k := 1; k < len(x); k++ {
				v *= x[k][off[k]]
			}
			sum += v
			for d := len(p.dim) - 1; d >= 0; d-- {
				idx[d]++
				for k := range off {
					off[k] += p.steps[k][d]
				}
				if idx[d] < p.dim[d] {
					break
				}
				for k := range off {
					off[k] -= p.steps[k][d] * p.dim[d]
				}
				idx[d] = 0
			}
		}
		y[o] = sum
	}
}
