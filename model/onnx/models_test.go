package onnx_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// fill makes an input by formula: x[i] = lo + (hi-lo)·((i·2654435761 mod 2³²) >> 8)/2²⁴.
func fill(d tensor.DType, shape []int, lo, hi float64) *tensor.Tensor {
	t := tensor.New(tensor.Float64, shape...)
	for i, x := 0, tensor.Data[float64](t); i < len(x); i++ {
		x[i] = lo + float64((hi-lo)*(float64(uint32(i)*2654435761>>8)/16777216))
		if d.IsInt() {
			x[i] = math.Floor(x[i])
		}
	}
	u := tensor.New(d, shape...)
	if err := tensor.Convert(u, t, false); err != nil {
		panic(err)
	}
	return u
}

// farthest returns the largest difference and the largest magnitude wanted.
func farthest(got, want *tensor.Tensor) (diff, most float64) {
	a, b := doubles(got), doubles(want)
	for i, w := range b {
		d := math.Abs(a[i] - w)
		if d != d && !(a[i] != a[i] && w != w) {
			d = math.Inf(1)
		}
		if d > diff {
			diff = d
		}
		most = max(most, math.Abs(w))
	}
	return diff, most
}

// modelTolerance bounds the difference of two correct float32 evaluations of a network, relative to the largest output.
//
// A sum of K products has an error of at most K·2⁻²⁴·Σ|a·w|, in practice √K·2⁻²⁴ of the result's size (Higham, Accuracy and Stability of Numerical Algorithms, §2.6 and §4.3).
// The widest sums of these networks have K = 4608, √K·2⁻²⁴ = 4·10⁻⁶; over some 60 layers in a row, each adding its own as independent errors do, that is √60 times as much,
// 3·10⁻⁵, and twice that for two evaluations. The limit of the project is 10⁻⁴.
const modelTolerance = 1e-4

// sigmoidFloor is how far ONNX Runtime's sigmoid is off near 0. It is ½ plus a quotient there: the recorded scores are multiples of 2⁻²⁵, some of them 0 where
// the exact one is 10⁻⁷. Four roundings of numbers near ½, each of at most 2⁻²⁵, and one of the quotient's error, 2⁻²⁴, make 3·2⁻²⁴.
const sigmoidFloor = 3 * 0x1p-24

// realCase is a network of another project with the inputs and outputs of one run.
type realCase struct {
	Model  string
	Inputs []struct {
		Name, Type string
		Shape      []int
		Lo, Hi     float64
	}
	Outputs []struct{ Name, File string }
}

// readCase reads a case's network and makes its inputs.
func readCase(t *testing.T, dir string) (c realCase, g *model.Graph, in model.Tensors, shapes map[string][]int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "case.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	if g, err = onnx.ReadFile(filepath.Join(dir, c.Model)); err != nil {
		t.Fatal(err)
	}
	in, shapes = model.Tensors{}, map[string][]int{}
	for _, i := range c.Inputs {
		d, ok := tensor.ParseDType(i.Type)
		if !ok {
			t.Fatalf("input type %q", i.Type)
		}
		in[i.Name], shapes[i.Name] = fill(d, i.Shape, i.Lo, i.Hi), i.Shape
	}
	return c, g, in, shapes
}

// realFolders lists the networks that are there.
func realFolders(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(shared(t, "models"), "*", "case.json"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no cases")
	}
	for i := range paths {
		paths[i] = filepath.Dir(paths[i])
	}
	return paths
}

// TestRealModels runs networks of other projects and compares with what ONNX Runtime answered.
func TestRealModels(t *testing.T) {
	for _, dir := range realFolders(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			c, g, in, shapes := readCase(t, dir)
			p, err := model.Compile(g, model.Options{Inputs: shapes, Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			out := model.Tensors{}
			if err := p.NewSession().Run(context.Background(), in, out); err != nil {
				t.Fatal(err)
			}
			z := p.Size()
			t.Logf("%d steps, %.1f MMAC, arena %.1f MB", z.Steps, float64(z.MACs)/1e6, float64(z.ArenaBytes)/1e6)
			for _, o := range c.Outputs {
				b, err := os.ReadFile(filepath.Join(dir, o.File))
				if err != nil {
					t.Fatal(err)
				}
				want, err := tensor.ReadNPY(b)
				if err != nil {
					t.Fatal(err)
				}
				got := out[o.Name]
				if got == nil || got.DType() != want.DType() || fmt.Sprint(got.Shape()) != fmt.Sprint(want.Shape()) {
					t.Fatalf("output %q is %v, want %v", o.Name, got, want)
				}
				diff, most := farthest(got, want)
				t.Logf("output %q: %.2g of %.2g", o.Name, diff, most)
				if diff > modelTolerance*most+sigmoidFloor {
					t.Errorf("output %q differs by %g; the largest element is %g", o.Name, diff, most)
				}
			}
		})
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	if poolsLeak {
		t.Skip("the race detector makes pools drop what they hold")
	}
	for _, dir := range realFolders(t) {
		_, g, in, shapes := readCase(t, dir)
		p, err := model.Compile(g, model.Options{Inputs: shapes, Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		s, out := p.NewSession(), model.Tensors{}
		ctx, stop := context.WithCancel(context.Background())
		run := func() {
			if err := s.Run(ctx, in, out); err != nil {
				t.Fatal(err)
			}
		}
		// A garbage collection in the middle empties the pools that tasks come from, so that one measurement may see what runs do not do.
		n := testing.AllocsPerRun(2, run)
		for range 4 {
			if n != 0 {
				n = min(n, testing.AllocsPerRun(2, run))
			}
		}
		if n != 0 {
			t.Errorf("%s: %v allocations in a run", filepath.Base(dir), n)
		}
		stop()
	}
}

// TestLightModels runs nine ImageNet architectures with constant weights and compares with the answer recorded beside them.
func TestLightModels(t *testing.T) {
	if testing.Short() {
		t.Skip("nine large networks take a minute")
	}
	dir := shared(t, "conformance/onnx-1.16/light")
	files, err := filepath.Glob(filepath.Join(dir, "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no models in %s", dir)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".onnx"), func(t *testing.T) {
			g, err := onnx.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			p, err := model.Compile(g, model.Options{})
			if err != nil {
				t.Fatal(err)
			}
			in := model.Tensors{}
			for _, port := range p.Inputs() {
				x := tensor.New(port.DType, port.Shape...)
				for i, v := 0, x.Float32s(); i < len(v); i++ {
					v[i] = float32(float64(i) / float64(len(v)))
				}
				in[port.Name] = x
			}
			want, err := readTensor(strings.TrimSuffix(path, ".onnx") + "_output_0.pb")
			if err != nil {
				t.Fatal(err)
			}
			s := p.NewSession()
			if err := s.Run(context.Background(), in, nil); err != nil {
				t.Fatal(err)
			}
			if err := differs(s.Output(0), want, 1e-3, 1e-7); err != nil {
				t.Error(err)
			}
		})
	}
}
