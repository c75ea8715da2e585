package ref

import (
	"encoding/json"
	"os"
	"testing"
)

// torchCase is a gradient that PyTorch computed; testdata/pytorch.py says of what. Tensors are channels last.
type torchCase struct {
	Name         string
	Shape        []int
	X, Y, Dy, Dx []float32
	Gain, Bias   []float32
	Dgain, Dbias []float32
	Pool         []int // window, stride, padding, whether padding counts
	Labels       []int32
	Weight       []float32
	Smoothing    float32
}

// TestPyTorch compares gradients and steps of the optimisers with PyTorch's. Both round; inputs and results are at most about 10.
func TestPyTorch(t *testing.T) {
	data, err := os.ReadFile("testdata/pytorch.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []torchCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, c := range cases {
		dx := make([]float32, len(c.X))
		if f, ok := torchMaps[c.Name]; ok {
			for i, g := range c.Dy {
				dx[i] = f(g, c.X[i], c.Y[i])
			}
			agree(t, c.Name, dx, wide(c.Dx), 2, 12)
			seen++
			continue
		}
		f := torchCases[c.Name]
		if f == nil {
			t.Errorf("no test of %s", c.Name)
			continue
		}
		f(t, &c, dx, c.Shape[len(c.Shape)-1])
		seen++
	}
	if seen != 25 {
		t.Errorf("%d cases, want 25", seen)
	}
}

var torchMaps = map[string]func(dy, x, y float32) float32{
	"ReLU":        func(dy, _, y float32) float32 { return ReLUGrad(dy, y) },
	"ReLU6":       func(dy, _, y float32) float32 { return ClipGrad(dy, y, 0, 6) },
	"LeakyReLU":   func(dy, x, _ float32) float32 { return LeakyReLUGrad(dy, x, 0.25) },
	"Sigmoid":     func(dy, _, y float32) float32 { return SigmoidGrad(dy, y) },
	"Tanh":        func(dy, _, y float32) float32 { return TanhGrad(dy, y) },
	"ELU":         func(dy, _, y float32) float32 { return ELUGrad(dy, y, 1, 1) },
	"SELU":        func(dy, _, y float32) float32 { return ELUGrad(dy, y, 1.6732632*1.050701, 1.050701) },
	"Softplus":    func(dy, _, y float32) float32 { return SoftplusGrad(dy, y) },
	"SiLU":        func(dy, x, _ float32) float32 { return SiLUGrad(dy, x) },
	"HardSwish":   func(dy, x, _ float32) float32 { return HardSwishGrad(dy, x) },
	"HardSigmoid": func(dy, _, y float32) float32 { return HardSigmoidGrad(dy, y, 1.0/6) },
	"GELU":        func(dy, x, _ float32) float32 { return GELUGrad(dy, x) },
	"Erf":         func(dy, x, _ float32) float32 { return ErfGrad(dy, x) },
	"Abs":         func(dy, x, _ float32) float32 { return AbsGrad(dy, x) },
}

// torchCases compare all that a case holds; dx has room for the gradient, n is the last dimension.
var torchCases = map[string]func(t *testing.T, c *torchCase, dx []float32, n int){
	"BatchNorm": func(t *testing.T, c *torchCase, dx []float32, n int) {
		mean, variance := make([]float32, n), make([]float32, n)
		BatchNormStats(mean, variance, c.X)
		dgain, dbias := make([]float32, n), make([]float32, n)
		BatchNormGrad(dx, dgain, dbias, c.Dy, c.X, c.Y, Act{Kind: ActClip, Hi: inf}, c.Gain, mean, variance, 1e-5)
		agree(t, c.Name, dx, wide(c.Dx), 4, 20)
		agree(t, "its gain", dgain, wide(c.Dgain), 40, 20)
		agree(t, "its bias", dbias, wide(c.Dbias), 40, 20)
	},
	"MaxPool": func(t *testing.T, c *torchCase, dx []float32, _ int) { torchPool(t, c, dx, PoolMax) },
	"AvgPool": func(t *testing.T, c *torchCase, dx []float32, _ int) { torchPool(t, c, dx, PoolAvg) },
	"LRN": func(t *testing.T, c *torchCase, dx []float32, n int) {
		LRNGrad(dx, c.Dy, c.X, n, 5, 0.5, 0.75, 2)
		agree(t, c.Name, dx, wide(c.Dx), 2, 20)
	},
	"Softmax": func(t *testing.T, c *torchCase, dx []float32, n int) {
		SoftmaxGrad(dx, c.Dy, c.Y, n)
		agree(t, c.Name, dx, wide(c.Dx), 2, 20)
	},
	"LogSoftmax": func(t *testing.T, c *torchCase, dx []float32, n int) {
		LogSoftmaxGrad(dx, c.Dy, c.Y, n)
		agree(t, c.Name, dx, wide(c.Dx), 12, 20)
	},
	"SGD":      func(t *testing.T, c *torchCase, _ []float32, n int) { torchSGD(t, c, n, false) },
	"Nesterov": func(t *testing.T, c *torchCase, _ []float32, n int) { torchSGD(t, c, n, true) },
	"AdamW": func(t *testing.T, c *torchCase, _ []float32, n int) {
		s := AdamW{Rate: 0.01, Beta1: 0.9, Beta2: 0.99, Eps: 1e-6, Decay: 0.1, Scale: 1}
		m, v := make([]float32, n), make([]float32, n)
		power1, power2 := 1.0, 1.0
		for g := c.Dy; len(g) > 0; g = g[n:] {
			power1, power2 = power1*0.9, power2*0.99
			s.Correct1, s.Correct2 = float32(1-power1), float32(1-power2)
			s.Step(c.X, m, v, g[:n])
		}
		agree(t, c.Name, c.X, wide(c.Y), 1, 8)
	},
}

func torchPool(t *testing.T, c *torchCase, dx []float32, kind PoolKind) {
	k, stride, pad := c.Pool[0], c.Pool[1], c.Pool[2]
	s := Pool2D{N: c.Shape[0], H: c.Shape[1], W: c.Shape[2], C: c.Shape[3], KH: k, KW: k, SH: stride, SW: stride, DH: 1, DW: 1,
		PT: pad, PL: pad, PB: pad, PR: pad, CountPad: c.Pool[3] == 1}
	PoolGrad(dx, c.Dy, c.X, c.Y, kind, &s)
	agree(t, c.Name, dx, wide(c.Dx), 2, 9)
}

func torchSGD(t *testing.T, c *torchCase, n int, nesterov bool) {
	s := SGD{Rate: 0.1, Momentum: 0.9, Decay: 0.01, Scale: 1, Nesterov: nesterov}
	v := make([]float32, n)
	for g := c.Dy; len(g) > 0; g = g[n:] {
		s.Step(c.X, v, g[:n])
	}
	agree(t, c.Name, c.X, wide(c.Y), 1, 8)
}
