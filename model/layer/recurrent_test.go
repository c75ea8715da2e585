package layer

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

// eighths fills a tensor with multiples of 1/8 from -5/8 to 5/8.
func eighths(k int, shape ...int) *tensor.Tensor {
	t := tensor.New(tensor.Float32, shape...)
	for i := range t.Float32s() {
		t.Float32s()[i] = float32((i*7+k)%11-5) / 8
	}
	return t
}

// usual are a cell's activations where none are named.
func usual(c Cell, directions int) (a []Unary) {
	for range directions {
		a = append(a, map[Cell][]Unary{CellRNN: {{Fn: Tanh}}, CellGRU: {{Fn: Sigmoid}, {Fn: Tanh}}, CellLSTM: {{Fn: Sigmoid}, {Fn: Tanh}, {Fn: Tanh}}}[c]...)
	}
	return a
}

// TestRecurrentGolden compares with what ONNX Runtime 1.30 computes: both ways, of two sequences of which the second ends early.
func TestRecurrentGolden(t *testing.T) {
	for _, c := range []struct {
		op   Recurrent
		want [][]float32
	}{
		{Recurrent{Cell: CellRNN}, [][]float32{
			{0.01562369, 0.4497406, 0.01562369, 0.01562369, -0.1996374, 0.002131224, -0.3324329, 0.4935564, -0.1086826, 0.239157, -0.356654, 0.177779, 0.1543708, 0.331952, -0.07796645, 0.7805885, 0.401939, -0.04142976, 0, 0, 0, -0.2449186, 0, 0},
			{0.401939, -0.04142976, -0.356654, 0.177779, -0.1996374, 0.002131224, -0.3324329, 0.4935564}}},
		{Recurrent{Cell: CellGRU}, [][]float32{
			{0.4620659, -0.5573488, 0.6049551, -0.3241038, 0.05299838, 0.2708602, -0.3138734, 0.3799907, 0.3810811, -0.4530687, 0.4407332, -0.2865495, 0.2692262, 0.1173661, -0.2758813, 0.2888085, 0.6463114, -0.4310182, 0, 0, 0.3768516, 0.2758986, 0, 0},
			{0.6463114, -0.4310182, 0.4407332, -0.2865495, 0.05299838, 0.2708602, -0.3138734, 0.3799907}}},
		{Recurrent{Cell: CellGRU, LinearBeforeReset: true}, [][]float32{
			{0.3896625, -0.513476, 0.5586355, -0.2744053, 0.1515383, 0.02709407, -0.2351485, 0.2562966, 0.2117689, -0.3837465, 0.3291945, -0.2094578, 0.3414958, -0.107636, -0.22993, 0.2115916, 0.5261377, -0.334887, 0, 0, 0.4158764, 0.1544214, 0, 0},
			{0.5261377, -0.334887, 0.3291945, -0.2094578, 0.1515383, 0.02709407, -0.2351485, 0.2562966}}},
		{Recurrent{Cell: CellLSTM}, [][]float32{
			{-0.1766744, 0.06077529, -0.0261191, 0.07766867, -0.2185817, 0.0995504, -0.1580623, 0.1939783, -0.2659223, 0.1762315, -0.1444008, 0.1624528, -0.1060747, 0.06125177, 0.06169617, 0.2003561, -0.2873605, 0.181048, 0, 0, -0.3550133, 0.1179335, 0, 0},
			{-0.2873605, 0.181048, -0.1444008, 0.1624528, -0.2185817, 0.0995504, -0.1580623, 0.1939783},
			{-0.9248817, 0.6021042, -0.2507668, 0.3962122, -0.3813244, 0.1744572, -0.2367208, 0.3650155}}},
		{Recurrent{Cell: CellLSTM, Coupled: true, Clip: 0.5}, [][]float32{
			{-0.1049563, 0.03053404, -0.002523887, 0.05292684, -0.2288768, 0.1385059, -0.1435863, 0.2423393, -0.1685723, 0.1058337, -0.1051679, 0.1203221, -0.2020805, 0.06118744, -0.007581847, 0.208067, -0.1734048, 0.1305729, 0, 0, -0.3008148, 0.1310425, 0, 0},
			{-0.1734048, 0.1305729, -0.1051679, 0.1203221, -0.2288768, 0.1385059, -0.1435863, 0.2423393},
			{-0.3855901, 0.3607236, -0.1772276, 0.2902505, -0.4138313, 0.2430713, -0.2349031, 0.4672303}}},
	} {
		t.Run(fmt.Sprintf("%+v", c.op), func(t *testing.T) {
			op := c.op
			op.Direction, op.Activations = "bidirectional", usual(op.Cell, 2)
			g, _ := op.Cell.gates()
			in := ts(eighths(0, 3, 2, 2), eighths(1, 2, g*2, 2), eighths(2, 2, g*2, 2), eighths(3, 2, 2*g*2), i32(d(2), 3, 2), eighths(4, 2, 2, 2))
			if op.Cell == CellLSTM {
				in = append(in, eighths(5, 2, 2, 2), eighths(6, 2, 6))
			}
			for i, got := range computed(t, &op, in) {
				for k, w := range c.want[i] {
					// A few roundings in each of three steps, of numbers below 1; the goldens have seven digits.
					if g := got.Float32s()[k]; math.Abs(float64(g-w)) > 2e-6 {
						t.Fatalf("output %d: %v, want %v", i, got.Float32s(), c.want[i])
					}
				}
			}
		})
	}
}

// computed runs an op as it is and as it is planned, which must give the same bits.
func computed(t *testing.T, op Op, in []*tensor.Tensor) []*tensor.Tensor {
	t.Helper()
	info, err := op.Infer(infosOf(in))
	if err != nil {
		t.Fatal(err)
	}
	var results [2][]*tensor.Tensor
	for i, o := range []Op{op, op.(Planner).Plan(infosOf(in), info)} {
		for _, v := range info {
			results[i] = append(results[i], tensor.New(v.DType, v.Shape...))
		}
		if err := o.Forward(new(Env), in, results[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i, a := range results[0] {
		if !bytes.Equal(a.Raw(), results[1][i].Raw()) {
			t.Errorf("output %d differs where the weights are packed before", i)
		}
	}
	return results[0]
}

// TestRecurrentOfLongSequences: what x gives is computed some steps at a time; here it takes several times. The LSTM is also computed step by step in float64.
func TestRecurrentOfLongSequences(t *testing.T) {
	const steps, batch, in, hidden = 2300, 3, 2, 40
	r := rand.New(rand.NewPCG(1, 2))
	random := func(scale float64, shape ...int) *tensor.Tensor {
		x := tensor.New(tensor.Float32, shape...)
		for i := range x.Float32s() {
			x.Float32s()[i] = float32(scale * (2*r.Float64() - 1))
		}
		return x
	}
	for _, cell := range []Cell{CellRNN, CellGRU, CellLSTM} {
		for _, direction := range []string{"forward", "reverse"} {
			t.Run(string(cell)+" "+direction, func(t *testing.T) {
				op := &Recurrent{Cell: cell, Direction: direction, Activations: usual(cell, 1)}
				g, _ := cell.gates()
				x, w, re, b := random(1, steps, batch, in), random(0.5, 1, g*hidden, in), random(0.1, 1, g*hidden, hidden), random(0.2, 1, 2*g*hidden)
				h0 := random(1, 1, batch, hidden)
				got := computed(t, op, ts(x, w, re, b, nil, h0))

				// Sequences that are all as long as can be are what they are without lengths.
				for i, v := range computed(t, op, ts(x, w, re, b, i32(d(batch), steps, steps, steps), h0)) {
					if !bytes.Equal(v.Raw(), got[i].Raw()) {
						t.Errorf("output %d differs with lengths", i)
					}
				}
				// One sequence after the other in memory, instead of one step after the other.
				turned := *op
				turned.BatchFirst = true
				for i, v := range computed(t, &turned, ts(swapped(x, steps, batch, in), w, re, b, nil, h0.Reshape(batch, 1, hidden))) {
					want := got[i]
					if i == 0 {
						want = swapped(want, steps, batch, hidden)
					}
					if !bytes.Equal(v.Raw(), want.Raw()) {
						t.Errorf("output %d differs with the batch first", i)
					}
				}
				// Each sequence alone, cut off: a backward pass begins where it ends.
				const short = 1500
				ends := computed(t, op, ts(x, w, re, b, i32(d(batch), steps, short, 0), h0))
				alone := computed(t, op, ts(column(x, 1, short, batch, in), w, re, b, nil, tensor.Of(h0.Float32s()[hidden:2*hidden], 1, 1, hidden)))
				if !bytes.Equal(column(ends[0], 1, short, batch, hidden).Raw(), alone[0].Raw()) || !bytes.Equal(tensor.Of(ends[1].Float32s()[hidden:2*hidden]).Raw(), alone[1].Raw()) {
					t.Error("a sequence that ends early differs from the same alone")
				}
				for s := range steps {
					for n, from := range []int{steps, short, 0} {
						for i := range hidden {
							if v := ends[0].Float32s()[(s*batch+n)*hidden+i]; s >= from && v != 0 {
								t.Fatalf("sequence %d, step %d: %g behind its end", n, s, v)
							}
						}
					}
				}
				if !bytes.Equal(tensor.Of(ends[1].Float32s()[2*hidden:]).Raw(), tensor.Of(h0.Float32s()[2*hidden:]).Raw()) {
					t.Error("a sequence without steps does not keep the first h")
				}

				if cell == CellLSTM {
					worst := 0.0
					want := lstm64(x.Float32s(), w.Float32s(), re.Float32s(), b.Float32s(), h0.Float32s(), steps, batch, in, hidden, direction == "reverse")
					for i, v := range got[0].Float32s() {
						worst = max(worst, math.Abs(float64(v)-want[i]))
					}
					// Gates of weights this small damp what is before: some 50 roundings of sums up to 8 (2⁻²¹) stay about that.
					if worst > 50*0x1p-21 {
						t.Errorf("the largest error against float64 is %g", worst)
					}
				}
			})
		}
	}
}

// swapped exchanges the first two dimensions [a,b] of rows of n.
func swapped(t *tensor.Tensor, a, b, n int) *tensor.Tensor {
	out := tensor.New(tensor.Float32, b, a, n)
	for i := range a {
		for k := range b {
			copy(out.Float32s()[(k*a+i)*n:][:n], t.Float32s()[(i*b+k)*n:])
		}
	}
	return out
}

// column returns the first steps of one sequence.
func column(t *tensor.Tensor, n, steps, batch, width int) *tensor.Tensor {
	out := tensor.New(tensor.Float32, steps, 1, width)
	for s := range steps {
		copy(out.Float32s()[s*width:][:width], t.Float32s()[(s*batch+n)*width:])
	}
	return out
}

// lstm64 computes every h of an LSTM in float64.
func lstm64(x, w, re, b, h0 []float32, steps, batch, in, hidden int, back bool) []float64 {
	sigmoid := func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
	y := make([]float64, steps*batch*hidden)
	for n := range batch {
		h, c := make([]float64, hidden), make([]float64, hidden)
		for i := range h {
			h[i] = float64(h0[n*hidden+i])
		}
		for s := range steps {
			if back {
				s = steps - 1 - s
			}
			gates := make([]float64, 4*hidden)
			for g := range gates {
				v := float64(b[g]) + float64(b[4*hidden+g])
				for i := range in {
					v += float64(float64(w[g*in+i]) * float64(x[(s*batch+n)*in+i]))
				}
				for i := range hidden {
					v += float64(float64(re[g*hidden+i]) * h[i])
				}
				gates[g] = v
			}
			for i := range hidden {
				c[i] = float64(sigmoid(gates[2*hidden+i])*c[i]) + float64(sigmoid(gates[i])*math.Tanh(gates[3*hidden+i]))
				h[i] = sigmoid(gates[hidden+i]) * math.Tanh(c[i])
				y[(s*batch+n)*hidden+i] = h[i]
			}
		}
	}
	return y
}

// TestRecurrentRefuses asks for lengths that cannot be.
func TestRecurrentRefuses(t *testing.T) {
	op := &Recurrent{Cell: CellRNN, Direction: "forward", Activations: usual(CellRNN, 1)}
	in := ts(eighths(0, 3, 1, 2), eighths(1, 1, 2, 2), eighths(2, 1, 2, 2), nil, i32(d(1), 4))
	info, err := op.Infer(infosOf(in))
	if err != nil {
		t.Fatal(err)
	}
	if err := op.Forward(new(Env), in, ts(tensor.New(tensor.Float32, info[0].Shape...))); err == nil {
		t.Error("a length of 4 of 3 steps was taken")
	}
}
