package kernels_test

import (
	"math"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
)

// TestMapRefusals asserts that a caller's bug panics with the kernel's name before anything is written.
func TestMapRefusals(t *testing.T) {
	buf := make([]float32, 40)
	x, y, short, odd := buf[:12], buf[12:24], buf[24:35], buf[24:29]
	over := buf[1:13]
	for name, call := range map[string]func(){
		"Exp: dst and src differ in length":                  func() { kernels.Exp(x, short) },
		"ReLU: dst overlaps src":                             func() { kernels.ReLU(x, over) },
		"Add: dst, a and b differ in length":                 func() { kernels.Add(x, y, short) },
		"Mul: dst overlaps a or b":                           func() { kernels.Mul(x, y, over) },
		"AddRow: dst and src differ in length":               func() { kernels.AddRow(x, short, odd) },
		"RowDiv: dst is not made of rows of row's length":    func() { kernels.RowDiv(x, odd, y) },
		"PReLU: dst is not made of rows of row's length":     func() { kernels.PReLU(x, y, nil) },
		"MaxRow: dst overlaps a source":                      func() { kernels.MaxRow(x, y, x[:4]) },
		"ScaleShift: scale and shift differ in length":       func() { kernels.ScaleShift(x, y, buf[24:28], odd, kernels.Act{}) },
		"ScaleShift: dst overlaps a source":                  func() { kernels.ScaleShift(x, y, buf[24:28], x[4:8], kernels.Act{}) },
		"Activate: dst and src differ in length":             func() { kernels.Activate(x, short, kernels.Act{}) },
		"Dot: x and y differ in length":                      func() { kernels.Dot(x, short) },
		"ArgMax: x is empty":                                 func() { kernels.ArgMax(nil) },
		"Softmax: dst is not made of rows of c elements":     func() { kernels.Softmax(x, y, 5) },
		"Softmax: dst overlaps src":                          func() { kernels.Softmax(x, over, 4) },
		"LogSoftmax: dst and src differ in length":           func() { kernels.LogSoftmax(x, short, 4) },
		"L2Normalize: dst is not made of rows of c elements": func() { kernels.L2Normalize(x, y, 0) },
		"LayerNorm: gain and bias differ in length":          func() { kernels.LayerNorm(x, y, buf[24:28], odd, 1) },
		"LayerNorm: dst overlaps gain or bias":               func() { kernels.LayerNorm(x, y, buf[24:28], x[:4], 1) },
		"LRN: dst overlaps src":                              func() { kernels.LRN(x, x, 4, 5, 1, 0.75, 1) },
		"LRN: size is not positive":                          func() { kernels.LRN(x, y, 4, 0, 1, 0.75, 1) },
		"LRN: dst is not made of rows of c elements":         func() { kernels.LRN(x, y, 7, 5, 1, 0.75, 1) },
		"ScalarSub: dst and src differ in length":            func() { kernels.ScalarSub(x, 1, short) },
		"HardSigmoid: dst overlaps src":                      func() { kernels.HardSigmoid(x, over, 1, 1) },
	} {
		func() {
			defer func() {
				if got := recover(); got != "kernels: "+name {
					t.Errorf("panic %v, want kernels: %s", got, name)
				}
				for i, v := range buf {
					if v != 0 {
						t.Fatalf("%s: element %d was written", strings.SplitN(name, ":", 2)[0], i)
					}
				}
			}()
			call()
		}()
	}
}

// TestMapHandlesLongSlices crosses the bound on the work of one call of a kernel, with rows that do not divide it.
func TestMapHandlesLongSlices(t *testing.T) {
	const rows, c = 11, 3001
	src, dst, row := make([]float32, rows*c), make([]float32, rows*c), make([]float32, c)
	for i := range src {
		src[i] = float32(i % 97)
	}
	for i := range row {
		row[i] = float32(i)
	}
	onEveryISA(t, func(isa kernels.ISA) {
		kernels.AddRow(dst, src, row)
		for i, v := range dst {
			if want := float32(i%97 + i%c); v != want {
				t.Fatalf("%v: AddRow: element %d = %g, want %g", isa, i, v, want)
			}
		}
		// Whole numbers below 2²⁴: every order of addition is exact.
		var want float64
		for _, v := range src {
			want += float64(v)
		}
		if got := kernels.Sum(src); float64(got) != want {
			t.Errorf("%v: Sum = %g, want %g", isa, got, want)
		}
		src[20000] = 98
		if at := kernels.ArgMax(src); at != 20000 {
			t.Errorf("%v: ArgMax = %d, want 20000", isa, at)
		}
		src[30001] = float32(math.NaN())
		if at := kernels.ArgMax(src); at != 30001 {
			t.Errorf("%v: ArgMax = %d, want the NaN at 30001", isa, at)
		}
		src[20000], src[30001] = 20000%97, 30001%97
	})
}
