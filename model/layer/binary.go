package layer

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

const (
	Add            Fn = "Add"
	Sub            Fn = "Sub"
	Mul            Fn = "Mul"
	Div            Fn = "Div" // integers: towards zero
	Pow            Fn = "Pow"
	Mod            Fn = "Mod"   // the sign of the divisor (Python's %)
	FMod           Fn = "FMod"  // the sign of the dividend (C's fmod)
	Max            Fn = "Max"   // over any number of inputs
	Min            Fn = "Min"   // over any number of inputs
	Sum            Fn = "Sum"   // over any number of inputs
	Mean           Fn = "Mean"  // over any number of inputs
	PRelu          Fn = "PRelu" // x < 0 ? slope·x : x
	And            Fn = "And"
	Or             Fn = "Or"
	Xor            Fn = "Xor"
	BitwiseAnd     Fn = "BitwiseAnd"
	BitwiseOr      Fn = "BitwiseOr"
	BitwiseXor     Fn = "BitwiseXor"
	ShiftLeft      Fn = "ShiftLeft"
	ShiftRight     Fn = "ShiftRight"
	Equal          Fn = "Equal"
	Less           Fn = "Less"
	LessOrEqual    Fn = "LessOrEqual"
	Greater        Fn = "Greater"
	GreaterOrEqual Fn = "GreaterOrEqual"
)

// Binary computes y = Fn(a, b) for each element, with NumPy's broadcasting.
type Binary struct{ Fn Fn }

func (b *Binary) Kind() string {
	switch b.Fn {
	case FMod:
		return "Mod"
	case ShiftLeft, ShiftRight:
		return "BitShift"
	}
	return string(b.Fn)
}

// InPlace allows y to lie where a was.
func (b *Binary) InPlace() {}

// compares are the functions whose output is Bool.
func (b *Binary) compares() bool {
	switch b.Fn {
	case Equal, Less, LessOrEqual, Greater, GreaterOrEqual:
		return true
	}
	return false
}

// Broadcast returns the shape that two shapes take together.
func Broadcast(a, b []int) ([]int, error) {
	n := max(len(a), len(b))
	out := make([]int, n)
	for i := range n {
		x, y := 1, 1
		if j := i - n + len(a); j >= 0 {
			x = a[j]
		}
		if j := i - n + len(b); j >= 0 {
			y = b[j]
		}
		switch {
		case x == y || y == 1:
			out[i] = x
		case x == 1:
			out[i] = y
		default:
			return nil, fmt.Errorf("shapes %s and %s do not broadcast", tensor.FormatShape(a), tensor.FormatShape(b))
		}
	}
	return out, nil
}

func (b *Binary) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 2); err != nil {
		return nil, err
	}
	x, y := in[0].DType, in[1].DType
	if x != y && b.Fn != Pow {
		return nil, fmt.Errorf("the inputs are %v and %v", x, y)
	}
	var err error
	switch b.Fn {
	case And, Or, Xor:
		err = isType(in, 0, tensor.Bool)
	case Equal:
		err = isType(in, 0, append([]tensor.DType{tensor.Bool, tensor.String}, numeric...)...)
	case BitwiseAnd, BitwiseOr, BitwiseXor, ShiftLeft, ShiftRight:
		err = isType(in, 0, numeric[2:]...)
	default:
		if err = isType(in, 0, numeric...); err == nil && b.Fn == Pow {
			err = isType(in, 1, numeric...)
		}
	}
	if err != nil {
		return nil, err
	}
	shape, err := Broadcast(in[0].Shape, in[1].Shape)
	if err != nil {
		return nil, err
	}
	d := x
	if b.compares() {
		d = tensor.Bool
	}
	return one(d, shape)
}

func (b *Binary) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	x, y, dz, d := in[0], in[1], dout[0], make([]Ref, 2)
	switch b.Fn {
	case Add, Sum:
		d[0], d[1] = dz, dz
	case Sub:
		d[0] = dz
		if want[1] { // the sum is smaller than what it is taken of
			d[1] = neg(t, summedTo(t, dz, t.Info(y).Shape))
		}
	case Mul:
		if want[0] {
			d[0] = mul(t, dz, y)
		}
		if want[1] {
			d[1] = mul(t, dz, x)
		}
	case Div:
		d[0] = div(t, dz, y)
		if want[1] {
			d[1] = neg(t, mul(t, d[0], out[0]))
		}
	case Pow, Max, Min, PRelu:
		for i := range d {
			if i == 1 && want[i] && b.Fn == PRelu && ByChannel(t.Info(y).Shape, t.Info(x).Shape) && slices.Equal(t.Info(x).Shape, t.Info(dz).Shape) {
				d[i] = reshaped(t, t.Add(&PReluSlopeGrad{}, x, dz), t.Info(y).Shape)
			} else if want[i] {
				d[i] = t.Add(&BinaryGrad{b.Fn, i}, x, y, dz)
			}
		}
	default:
		return []Ref{refuse(t, "the gradient of "+string(b.Fn)+" is not known"), 0}
	}
	for i := range d {
		if want[i] {
			d[i] = summedTo(t, d[i], t.Info(in[i]).Shape)
		}
	}
	return d
}

func (b *Binary) Forward(e *Env, in, out []*tensor.Tensor) error {
	x, y, z := in[0], in[1], out[0]
	if z.Len() == 0 {
		return nil
	}
	w := walk(z.Shape(), broadcastStrides(x.Shape(), z.Shape()), broadcastStrides(y.Shape(), z.Shape()))
	if b.Fn == Pow && x.DType() != y.DType() {
		return mixedPow(z, x, y)
	}
	switch x.DType() {
	case tensor.Float32:
		if b.compares() {
			compare[float32](e, b.Fn, z, x, y, &w)
			return nil
		}
		binaryFloat(e, b.Fn, z.Float32s(), x.Float32s(), y.Float32s(), &w)
	case tensor.Float64:
		if b.compares() {
			compare[float64](e, b.Fn, z, x, y, &w)
			return nil
		}
		binaryFloat(e, b.Fn, tensor.Data[float64](z), tensor.Data[float64](x), tensor.Data[float64](y), &w)
	case tensor.Int8:
		return binaryInt[int8](e, b, z, x, y, &w)
	case tensor.Int16:
		return binaryInt[int16](e, b, z, x, y, &w)
	case tensor.Int32:
		return binaryInt[int32](e, b, z, x, y, &w)
	case tensor.Int64:
		return binaryInt[int64](e, b, z, x, y, &w)
	case tensor.Uint8:
		return binaryInt[uint8](e, b, z, x, y, &w)
	case tensor.Uint16:
		return binaryInt[uint16](e, b, z, x, y, &w)
	case tensor.Uint32:
		return binaryInt[uint32](e, b, z, x, y, &w)
	case tensor.Uint64:
		return binaryInt[uint64](e, b, z, x, y, &w)
	case tensor.Bool:
		fn := b.Fn
		runs(e, tensor.Bits[uint8](z), tensor.Bits[uint8](x), tensor.Bits[uint8](y), &w, func(z, a, b []uint8) { logic(fn, z, a, b) })
	case tensor.String:
		apply(tensor.Data[bool](z), x.Texts(), y.Texts(), &w, func(a, b string) bool { return a == b })
	}
	return nil
}

// apply computes z = f(x, y) along a walk.
func apply[T, R any](z []R, x, y []T, w *strided, f func(a, b T) R) {
	n, sx, sy := w.dim[w.n-1], w.step[0][w.n-1], w.step[1][w.n-1]
	w.rows(func(at int, off [3]int) {
		i, j := off[0], off[1]
		d := z[at : at+n]
		for k := range d {
			d[k] = f(x[i], y[j])
			i += sx
			j += sy
		}
	})
}

// runs calls f for stretches of z and of both inputs along a walk. An input that stays the same along a row is spread out for it.
func runs[T tensor.Elem, R any](e *Env, z []R, x, y []T, w *strided, f func(z []R, a, b []T)) {
	n, sx, sy := w.dim[w.n-1], w.step[0][w.n-1], w.step[1][w.n-1]
	if n == 1 {
		sx, sy = 1, 1
	}
	most, used := n, e.used
	var same []T
	if sx == 0 || sy == 0 {
		most = min(n, 1<<10)
		same = scratch[T](e, most)
	}
	w.rows(func(at int, off [3]int) {
		a, b := x[off[0]:], y[off[1]:]
		switch {
		case sx == 0:
			a = filled(same, a[0])
		case sy == 0:
			b = filled(same, b[0])
		}
		for k := 0; k < n; k += most {
			m := min(most, n-k)
			f(z[at+k:at+k+m], a, b)
			if k+m < n {
				a, b = a[m*sx:], b[m*sy:]
			}
		}
	})
	e.used = used
}

func filled[T any](s []T, v T) []T {
	for i := range s {
		s[i] = v
	}
	return s
}

// logic computes And, Or, Xor and Equal of truth values, eight at a time: each is a mix of where both are true and where they differ.
func logic(fn Fn, z, a, b []uint8) {
	const ones = 0x0101010101010101
	var both, differ, flip uint64
	switch fn {
	case And:
		both = ones
	case Or:
		both, differ = ones, ones
	case Xor:
		differ = ones
	case Equal:
		differ, flip = ones, ones
	}
	a, b = a[:len(z)], b[:len(z)]
	for len(z) >= 8 && len(a) >= 8 && len(b) >= 8 {
		p, q := binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b)
		binary.LittleEndian.PutUint64(z, (p&q&both|(p^q)&differ)^flip)
		z, a, b = z[8:], a[8:], b[8:]
	}
	for i := range z {
		p, q := a[i], b[i]
		z[i] = (p&q&uint8(both) | (p^q)&uint8(differ)) ^ uint8(flip)
	}
}

// arithmetic says whether calculate has fn.
func arithmetic(fn Fn) bool {
	switch fn {
	case Add, Sum, Sub, Mul, Div, Max, Min:
		return true
	}
	return false
}

// calculate computes the functions that networks spend time in. Max and Min return a NaN that is in a or b.
func calculate[T number](fn Fn, z, a, b []T) {
	a, b = a[:len(z)], b[:len(z)]
	switch fn {
	case Add, Sum:
		addTo(z, a, b)
	case Sub:
		for i := range z {
			z[i] = a[i] - b[i]
		}
	case Mul:
		for i := range z {
			z[i] = a[i] * b[i]
		}
	case Div:
		for i := range z {
			z[i] = a[i] / b[i]
		}
	case Max:
		for i := range z {
			v := b[i]
			if p := a[i]; p > v || p != p {
				v = p
			}
			z[i] = v
		}
	case Min:
		for i := range z {
			v := b[i]
			if p := a[i]; p < v || p != p {
				v = p
			}
			z[i] = v
		}
	}
}

func binaryFloat[T float32 | float64](e *Env, fn Fn, z, x, y []T, w *strided) {
	if arithmetic(fn) {
		runs(e, z, x, y, w, func(z, a, b []T) { calculate(fn, z, a, b) })
		return
	}
	var f func(a, b T) T
	switch fn {
	case Pow:
		f = pow[T]
		if len(y) == 1 {
			power := Power(y[0])
			f = func(a, _ T) T { return power(a) }
		}
	case Mod:
		f = func(a, b T) T {
			r := math.Mod(float64(a), float64(b))
			if r != 0 && (r < 0) != (b < 0) {
				r += float64(b)
			}
			return T(r)
		}
	case FMod:
		f = func(a, b T) T { return T(math.Mod(float64(a), float64(b))) }
	case PRelu:
		f = func(a, b T) T {
			if a > 0 {
				return a
			}
			return a * b
		}
	}
	apply(z, x, y, w, f)
}

// Power returns the function of a that is aᵇ: the powers that networks have cost no call of math.Pow. Those of float32 have the same bits as with it.
func Power[T float32 | float64](b T) func(a T) T {
	if b == 2 {
		return func(a T) T { return a * a }
	}
	var one T = 1
	if narrow := one+0x1p-24 == one; narrow {
		switch b {
		case 3:
			return func(a T) T { x := float64(a); return T(float64(x*x) * x) }
		case 0.5:
			return func(a T) T {
				if x := float64(a); x >= 0 {
					return T(math.Sqrt(x + 0)) // +0 for -0
				}
				return pow(a, b)
			}
		case -1:
			return func(a T) T { return 1 / a }
		}
	}
	return func(a T) T { return pow(a, b) }
}

// pow is math.Pow with the same NaN on every CPU.
func pow[T float32 | float64](a, b T) T {
	if y := math.Pow(float64(a), float64(b)); y == y {
		return T(y)
	}
	return T(math.NaN())
}

func compare[T number](e *Env, fn Fn, z, x, y *tensor.Tensor, w *strided) {
	var f func(z []bool, a, b []T)
	switch fn {
	case Equal:
		f = func(z []bool, a, b []T) {
			a, b = a[:len(z)], b[:len(z)]
			for i := range z {
				z[i] = a[i] == b[i]
			}
		}
	case Less:
		f = less[T]
	case LessOrEqual:
		f = lessOrEqual[T]
	case Greater:
		f = func(z []bool, a, b []T) { less(z, b, a) }
	case GreaterOrEqual:
		f = func(z []bool, a, b []T) { lessOrEqual(z, b, a) }
	}
	runs(e, tensor.Data[bool](z), tensor.Data[T](x), tensor.Data[T](y), w, f)
}

func less[T number](z []bool, a, b []T) {
	a, b = a[:len(z)], b[:len(z)]
	for i := range z {
		z[i] = a[i] < b[i]
	}
}

func lessOrEqual[T number](z []bool, a, b []T) {
	a, b = a[:len(z)], b[:len(z)]
	for i := range z {
		z[i] = a[i] <= b[i]
	}
}

func binaryInt[T integer](e *Env, op *Binary, dst, a, b *tensor.Tensor, w *strided) error {
	if op.compares() {
		compare[T](e, op.Fn, dst, a, b, w)
		return nil
	}
	z, x, y := tensor.Data[T](dst), tensor.Data[T](a), tensor.Data[T](b)
	if op.Fn == Div || op.Fn == Mod || op.Fn == FMod {
		for _, v := range y {
			if v == 0 {
				return fmt.Errorf("integer division by zero")
			}
		}
	}
	if fn := op.Fn; arithmetic(fn) {
		runs(e, z, x, y, w, func(z, a, b []T) { calculate(fn, z, a, b) })
		return nil
	}
	var f func(a, b T) T
	switch op.Fn {
	case Pow:
		f = powInt[T]
	case Mod:
		f = func(a, b T) T {
			r := a % b
			if r != 0 && (r < 0) != (b < 0) {
				r += b
			}
			return r
		}
	case FMod:
		f = func(a, b T) T { return a % b }
	case PRelu:
		f = func(a, b T) T {
			if a < 0 {
				return a * b
			}
			return a
		}
	case BitwiseAnd:
		f = func(a, b T) T { return a & b }
	case BitwiseOr:
		f = func(a, b T) T { return a | b }
	case BitwiseXor:
		f = func(a, b T) T { return a ^ b }
	case ShiftLeft:
		f = func(a, b T) T { return a << uint64(b) }
	case ShiftRight:
		f = func(a, b T) T { return a >> uint64(b) }
	default:
		return fmt.Errorf("%s is not defined on %v", op.Fn, a.DType())
	}
	if op.Fn == ShiftLeft || op.Fn == ShiftRight {
		for _, v := range y {
			if v < 0 {
				return fmt.Errorf("shift by a negative number")
			}
		}
	}
	apply(z, x, y, w, f)
	return nil
}

// powInt returns aᵇ, wrapping; 0 for negative b unless a is 1 or -1.
func powInt[T integer](a, b T) T {
	var one T = 1
	if b < 0 {
		switch {
		case a == 1:
			return 1
		case a == -one:
			if b&1 == 0 {
				return 1
			}
			return a
		}
		return 0
	}
	r := one
	for ; b > 0; b >>= 1 {
		if b&1 == 1 {
			r *= a
		}
		a *= a
	}
	return r
}

// mixedPow computes powers where base and exponent have different types; the result has the base's.
func mixedPow(z, x, y *tensor.Tensor) error {
	a, b := tensor.New(tensor.Float64, x.Shape()...), tensor.New(tensor.Float64, y.Shape()...)
	if err := tensor.Convert(a, x, false); err != nil {
		return err
	}
	if err := tensor.Convert(b, y, false); err != nil {
		return err
	}
	c := tensor.New(tensor.Float64, z.Shape()...)
	w := walk(z.Shape(), broadcastStrides(x.Shape(), z.Shape()), broadcastStrides(y.Shape(), z.Shape()))
	apply(tensor.Data[float64](c), tensor.Data[float64](a), tensor.Data[float64](b), &w, math.Pow)
	return tensor.Convert(z, c, false)
}

// Variadic computes y = Fn(a, b, ...) for each element of any number of inputs, left to right, with broadcasting: Max, Min, Sum or Mean.
type Variadic struct{ Fn Fn }

func (v *Variadic) Kind() string { return string(v.Fn) }

func (v *Variadic) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 1<<16); err != nil {
		return nil, err
	}
	types := numeric
	if v.Fn == Sum || v.Fn == Mean {
		types = numeric[:2]
	}
	if err := isType(in, 0, types...); err != nil {
		return nil, err
	}
	shape := in[0].Shape
	for i, x := range in {
		if !x.Present() || x.DType != in[0].DType {
			return nil, fmt.Errorf("input %d is %v, input 0 is %v", i, x, in[0])
		}
		var err error
		if shape, err = Broadcast(shape, x.Shape); err != nil {
			return nil, err
		}
	}
	return one(in[0].DType, shape)
}

// Backward of Max and Min goes back through the comparisons one by one: equal ones share the gradient in halves.
func (v *Variadic) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	d := make([]Ref, len(in))
	if v.Fn == Sum || v.Fn == Mean {
		dz := dout[0]
		if v.Fn == Mean {
			dz = scaled(t, dz, 1/float64(len(in)))
		}
		for i, r := range in {
			if want[i] {
				d[i] = summedTo(t, dz, t.Info(r).Shape)
			}
		}
		return d
	}
	op := &Binary{v.Fn}
	best := []Ref{in[0]}
	for _, r := range in[1:] {
		best = append(best, t.Add(op, best[len(best)-1], r))
	}
	d[0] = dout[0]
	for i := len(in) - 1; i > 0; i-- {
		pair := op.Backward(t, []Ref{best[i-1], in[i]}, best[i:i+1], d[:1], []bool{true, want[i]})
		d[0], d[i] = pair[0], pair[1]
	}
	return d
}

func (v *Variadic) Forward(e *Env, in, out []*tensor.Tensor) error {
	z := out[0]
	if z.Len() == 0 {
		return nil
	}
	w := walk(z.Shape(), broadcastStrides(in[0].Shape(), z.Shape()))
	gatherTensor(z, in[0], &w, 0)
	fn := v.Fn
	if fn == Mean {
		fn = Sum
	}
	op := Binary{fn}
	for _, x := range in[1:] {
		e.pair = [2]*tensor.Tensor{z, x}
		if err := op.Forward(e, e.pair[:], out); err != nil {
			return err
		}
	}
	if v.Fn != Mean {
		return nil
	}
	if z.DType() == tensor.Float64 {
		for i, y := 0, tensor.Data[float64](z); i < len(y); i++ {
			y[i] /= float64(len(in))
		}
		return nil
	}
	for i, y := 0, z.Float32s(); i < len(y); i++ {
		y[i] /= float32(len(in))
	}
	return nil
}

// Clip computes y = min(hi, max(lo, x)); inputs are x, lo, hi, of which the last two are scalars and may be left out.
type Clip struct{}

func (*Clip) Kind() string { return "Clip" }

// InPlace allows y to lie where x was.
func (*Clip) InPlace() {}

func (*Clip) Infer(in []Info) ([]Info, error) {
	if err := want(in, 1, 3); err != nil {
		return nil, err
	}
	if err := isType(in, 0, numeric...); err != nil {
		return nil, err
	}
	for i := 1; i < len(in); i++ {
		if in[i].Present() && (in[i].DType != in[0].DType || sizeOf(in[i].Shape) != 1) {
			return nil, fmt.Errorf("input %d is %v where one %v is expected", i, in[i], in[0].DType)
		}
	}
	return same(in)
}

// Backward takes the gradient from y: it is dy strictly between the bounds, 0 elsewhere, as PyTorch's hardtanh has it.
func (*Clip) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	d := make([]Ref, len(in))
	if want[0] {
		d[0] = t.Add(&ClipGrad{}, append([]Ref{out[0], dout[0]}, in[1:]...)...)
	}
	for i := 1; i < len(in); i++ {
		if want[i] {
			d[i] = refuse(t, "the bounds of a Clip have no gradient")
		}
	}
	return d
}

// ClipGrad computes dx of a Clip: dy where lo < y < hi, else 0. Inputs: y, dy and, where they are, lo and hi.
type ClipGrad struct{}

func (*ClipGrad) Kind() string { return "ClipGrad" }

func (*ClipGrad) Infer(in []Info) ([]Info, error) {
	if err := want(in, 2, 4); err != nil {
		return nil, err
	}
	if err := realType(in); err != nil {
		return nil, err
	}
	if err := isShape(in, 1, in[0].Shape); err != nil {
		return nil, err
	}
	return same(in)
}

func (*ClipGrad) Forward(e *Env, in, out []*tensor.Tensor) error {
	if in[0].DType() == tensor.Float64 {
		clipBack[float64](in, out[0])
	} else {
		clipBack[float32](in, out[0])
	}
	return nil
}

func clipBack[T real](in []*tensor.Tensor, out *tensor.Tensor) {
	y, dy, dx := tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](out)
	lo, hi := T(math.Inf(-1)), T(math.Inf(1))
	if b := optT(in, 2); b != nil {
		lo = tensor.Data[T](b)[0]
	}
	if b := optT(in, 3); b != nil {
		hi = tensor.Data[T](b)[0]
	}
	for i, v := range y {
		if dx[i] = 0; v > lo && v < hi {
			dx[i] = dy[i]
		}
	}
}

func (*Clip) Forward(e *Env, in, out []*tensor.Tensor) error {
	switch in[0].DType() {
	case tensor.Float32:
		clip[float32](in, out[0])
	case tensor.Float64:
		clip[float64](in, out[0])
	case tensor.Int8:
		clip[int8](in, out[0])
	case tensor.Int16:
		clip[int16](in, out[0])
	case tensor.Int32:
		clip[int32](in, out[0])
	case tensor.Int64:
		clip[int64](in, out[0])
	case tensor.Uint8:
		clip[uint8](in, out[0])
	case tensor.Uint16:
		clip[uint16](in, out[0])
	case tensor.Uint32:
		clip[uint32](in, out[0])
	case tensor.Uint64:
		clip[uint64](in, out[0])
	}
	return nil
}

func clip[T interface {
	number
	tensor.Elem
}](in []*tensor.Tensor, out *tensor.Tensor) {
	y := tensor.Data[T](out)
	copy(y, tensor.Data[T](in[0]))
	if lo := optT(in, 1); lo != nil {
		l := tensor.Data[T](lo)[0]
		for i, v := range y {
			y[i] = maxOf(l, v)
		}
	}
	if hi := optT(in, 2); hi != nil {
		h := tensor.Data[T](hi)[0]
		for i, v := range y {
			y[i] = minOf(h, v)
		}
	}
}

// Where computes y = cond ? a : b for each element, with broadcasting.
type Where struct{}

func (*Where) Kind() string { return "Where" }

func (*Where) Infer(in []Info) ([]Info, error) {
	if err := want(in, 3, 3); err != nil {
		return nil, err
	}
	if err := isType(in, 0, tensor.Bool); err != nil {
		return nil, err
	}
	if in[1].DType != in[2].DType {
		return nil, fmt.Errorf("the inputs are %v and %v", in[1].DType, in[2].DType)
	}
	shape, err := Broadcast(in[1].Shape, in[2].Shape)
	if err != nil {
		return nil, err
	}
	if shape, err = Broadcast(in[0].Shape, shape); err != nil {
		return nil, err
	}
	return one(in[1].DType, shape)
}

func (*Where) Backward(t Tape, in, out, dout []Ref, want []bool) []Ref {
	d, zero := make([]Ref, 3), scalarOf(t, dout[0], 0)
	if want[1] {
		d[1] = summedTo(t, t.Add(&Where{}, in[0], dout[0], zero), t.Info(in[1]).Shape)
	}
	if want[2] {
		d[2] = summedTo(t, t.Add(&Where{}, in[0], zero, dout[0]), t.Info(in[2]).Shape)
	}
	return d
}

func (*Where) Forward(e *Env, in, out []*tensor.Tensor) error {
	z := out[0]
	if z.Len() == 0 {
		return nil
	}
	shape := z.Shape()
	w := walk(shape, broadcastStrides(in[0].Shape(), shape), broadcastStrides(in[1].Shape(), shape), broadcastStrides(in[2].Shape(), shape))
	c := tensor.Data[bool](in[0])
	if z.DType() == tensor.String {
		choose(z.Texts(), c, in[1].Texts(), in[2].Texts(), &w)
		return nil
	}
	switch z.DType().Size() {
	case 1:
		choose(tensor.Bits[uint8](z), c, tensor.Bits[uint8](in[1]), tensor.Bits[uint8](in[2]), &w)
	case 2:
		choose(tensor.Bits[uint16](z), c, tensor.Bits[uint16](in[1]), tensor.Bits[uint16](in[2]), &w)
	case 4:
		choose(tensor.Bits[uint32](z), c, tensor.Bits[uint32](in[1]), tensor.Bits[uint32](in[2]), &w)
	case 8:
		choose(tensor.Bits[uint64](z), c, tensor.Bits[uint64](in[1]), tensor.Bits[uint64](in[2]), &w)
	}
	return nil
}

func choose[T any](z []T, c []bool, x, y []T, w *strided) {
	n, sc, sx, sy := w.dim[w.n-1], w.step[0][w.n-1], w.step[1][w.n-1], w.step[2][w.n-1]
	w.rows(func(at int, off [3]int) {
		k, i, j := off[0], off[1], off[2]
		d := z[at : at+n]
		for p := range d {
			if c[k] {
				d[p] = x[i]
			} else {
				d[p] = y[j]
			}
			k, i, j = k+sc, i+sx, j+sy
		}
	})
}

// ByChannel says whether something of one shape holds a number for each channel of an image [N,C,...].
func ByChannel(row, shape []int) bool {
	if len(shape) < 2 || len(row) > len(shape) {
		return false
	}
	c := len(row) - len(shape) + 1 // where the channels are in row
	for i, d := range row {
		if d != 1 && i != c {
			return false
		}
	}
	return c >= 0 && row[c] == shape[1] && shape[1] > 0
}
