package onnx_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// shared returns a folder of test material that is not part of the project: below $OCELLUS_SHARED, or below "shared" beside the repository.
func shared(t *testing.T, path string) string {
	t.Helper()
	base := os.Getenv("OCELLUS_SHARED")
	if base == "" {
		base = filepath.Join("..", "..", "..", "shared")
	}
	dir := filepath.Join(base, path)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no %s: set OCELLUS_SHARED to the folder that holds it", dir)
	}
	return dir
}

// differs says where got is not want within atol + rtol·|want|; integers, booleans and text must be equal.
func differs(got, want *tensor.Tensor, rtol, atol float64) error {
	if got.DType() != want.DType() || !slices.Equal(got.Shape(), want.Shape()) {
		return fmt.Errorf("%v, want %v", got, want)
	}
	if want.DType() == tensor.String {
		if !slices.Equal(got.Texts(), want.Texts()) {
			return fmt.Errorf("%q, want %q", got.Texts(), want.Texts())
		}
		return nil
	}
	if !want.DType().IsFloat() || want.DType().Size() == 1 {
		if !slices.Equal(got.Raw(), want.Raw()) {
			return fmt.Errorf("%v differs: % x, want % x", got, got.Raw()[:min(16, len(got.Raw()))], want.Raw()[:min(16, len(want.Raw()))])
		}
		return nil
	}
	if want.DType() == tensor.BFloat16 {
		// The cases cut the lower bits off where the operator rounds.
		rtol = 0x1p-7
	}
	a, b := doubles(got), doubles(want)
	for i, w := range b {
		g := a[i]
		if g == w || g != g && w != w {
			continue
		}
		if !(math.Abs(g-w) <= atol+rtol*math.Abs(w)) {
			return fmt.Errorf("%v: element %d is %g, want %g", got, i, g, w)
		}
	}
	return nil
}

func doubles(t *tensor.Tensor) []float64 {
	d := tensor.New(tensor.Float64, t.Shape()...)
	if err := tensor.Convert(d, t, false); err != nil {
		panic(err)
	}
	return tensor.Data[float64](d)
}

func readTensor(path string) (*tensor.Tensor, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	_, t, err := onnx.ReadTensor(b)
	return t, err
}

// runCase runs a folder of model.onnx and test_data_set_N/{input,output}_M.pb.
func runCase(dir string, plain bool) error {
	g, err := onnx.ReadFile(filepath.Join(dir, "model.onnx"))
	if err != nil {
		return err
	}
	sets, err := filepath.Glob(filepath.Join(dir, "test_data_set_*"))
	if err != nil || len(sets) == 0 {
		return fmt.Errorf("no data sets in %s", dir)
	}
	for _, set := range sets {
		in, shapes := model.Tensors{}, map[string][]int{}
		for i, v := range g.Inputs {
			t, err := readTensor(filepath.Join(set, fmt.Sprintf("input_%d.pb", i)))
			if err != nil {
				return err
			}
			// The cases hold bfloat16 as its bits.
			if v.DType == tensor.BFloat16 && t.DType() == tensor.Uint16 {
				t = t.As(tensor.BFloat16)
			}
			in[v.Name], shapes[v.Name] = t, t.Shape()
		}
		p, err := model.Compile(g, model.Options{Inputs: shapes, Plain: plain})
		if err != nil {
			return err
		}
		out := model.Tensors{}
		if err := p.NewSession().Run(context.Background(), in, out); err != nil {
			return err
		}
		for i, v := range g.Outputs {
			want, err := readTensor(filepath.Join(set, fmt.Sprintf("output_%d.pb", i)))
			if err != nil {
				return err
			}
			if v.DType == tensor.BFloat16 && want.DType() == tensor.Uint16 {
				want = want.As(tensor.BFloat16)
			}
			if err := differs(out[v.Name], want, 1e-3, 1e-7); err != nil {
				return fmt.Errorf("output %q: %w", v.Name, err)
			}
		}
	}
	return nil
}

// onPage returns the words in backquotes of a section of docs/onnx.md.
func onPage(t *testing.T, section string) map[string]bool {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "onnx.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "## "+section+"\n")
	if !ok {
		t.Fatalf("docs/onnx.md has no section %q", section)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	words := map[string]bool{}
	for _, m := range regexp.MustCompile("`([A-Za-z0-9_]+)`").FindAllStringSubmatch(rest, -1) {
		words[m[1]] = true
	}
	return words
}

// TestConformance runs the ONNX project's own cases and prints passed, failed and unsupported ones by operator.
func TestConformance(t *testing.T) {
	dir := shared(t, "conformance/onnx-1.16")
	missing, wrong := onPage(t, "Operators that are missing"), onPage(t, "Conformance cases that differ")
	type tally struct{ passed, failed, unsupported, differ int }
	byOp := map[string]*tally{}
	var total tally
	for _, group := range []string{"node", "simple", "pytorch-operator", "pytorch-converted"} {
		cases, err := os.ReadDir(filepath.Join(dir, group))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			path := filepath.Join(dir, group, c.Name())
			op := caseOperator(path)
			n := byOp[op]
			if n == nil {
				n = &tally{}
				byOp[op] = n
			}
			err := runCase(path, false)
			if err == nil {
				if err = runCase(path, true); err != nil {
					err = fmt.Errorf("with plain layers: %w", err)
				}
			}
			var u *onnx.UnsupportedError
			switch {
			case wrong[c.Name()]:
				n.differ++
				total.differ++
				if err == nil {
					t.Errorf("%s/%s passes; docs/onnx.md says that it does not", group, c.Name())
				}
			case err == nil:
				n.passed++
				total.passed++
			case errors.As(err, &u):
				n.unsupported++
				total.unsupported++
				for _, o := range u.Ops {
					if !missing[o.Op] {
						t.Errorf("%s/%s: %v, and docs/onnx.md does not say so", group, c.Name(), err)
					}
				}
			default:
				n.failed++
				total.failed++
				t.Errorf("%s/%s: %v", group, c.Name(), err)
			}
		}
	}
	for _, op := range slices.Sorted(maps.Keys(byOp)) {
		n := byOp[op]
		t.Logf("%-28s passed %4d  failed %d  unsupported %d  differ %d", op, n.passed, n.failed, n.unsupported, n.differ)
	}
	t.Logf("%-28s passed %4d  failed %d  unsupported %d  differ %d", "all", total.passed, total.failed, total.unsupported, total.differ)
	for op := range missing {
		if slices.Contains(onnx.Operators(), op) {
			t.Errorf("docs/onnx.md says that %s is missing; it is there", op)
		}
	}
}

// caseOperator names what a case is about: the operator of its last node.
func caseOperator(dir string) string {
	g, err := onnx.ReadFile(filepath.Join(dir, "model.onnx"))
	var u *onnx.UnsupportedError
	if errors.As(err, &u) {
		return u.Ops[0].Op
	}
	if err != nil || len(g.Nodes) == 0 {
		return "?"
	}
	return g.Nodes[len(g.Nodes)-1].Op.Kind()
}
