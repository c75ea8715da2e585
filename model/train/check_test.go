package train

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

func TestGradients(t *testing.T) {
	n := 0
	for c := range CheckGradients() {
		n += c.Derivatives
		if !c.OK() || c.Derivatives == 0 {
			t.Errorf("%s %s: %d derivatives differ by up to %.3g: %v", c.Layer, c.Attributes, c.Derivatives, c.Difference, c.Err)
		}
	}
	if n == 0 {
		t.Error("nothing was compared")
	}
}

// planted is a layer whose Backward is changed.
type planted struct {
	layer.Differentiable
	change func(t layer.Tape, d []layer.Ref) []layer.Ref
}

func (p planted) Backward(t layer.Tape, in, out, dout []layer.Ref, want []bool) []layer.Ref {
	return p.change(t, p.Differentiable.Backward(t, in, out, dout, want))
}

// TestGradientCheckFindsFaults plants wrong gradients.
func TestGradientCheckFindsFaults(t *testing.T) {
	scaled := func(by float64) func(t layer.Tape, d []layer.Ref) []layer.Ref {
		return func(t layer.Tape, d []layer.Ref) []layer.Ref {
			d[1] = t.Add(&layer.Binary{Fn: layer.Mul}, d[1], t.Const(tensor.Scalar(by)))
			return d
		}
	}
	for name, change := range map[string]func(t layer.Tape, d []layer.Ref) []layer.Ref{
		"a sign":              scaled(-1),
		"one part in 10⁶":     scaled(1 + 1e-6),
		"a gradient left out": func(_ layer.Tape, d []layer.Ref) []layer.Ref { return []layer.Ref{d[0], 0, d[2]} },
		"not a number":        scaled(math.NaN()),
		"two exchanged": func(t layer.Tape, d []layer.Ref) []layer.Ref {
			d[1] = t.Add(&layer.Transpose{Perm: []int{0, 1, 3, 2}}, d[1])
			return d
		},
	} {
		c := gradientCase{op: planted{&layer.Conv{Groups: 1}, change}, in: []operand{x(2, 2, 4, 4), x(3, 2, 2, 2), x(3)}}
		if r := c.check(); r.OK() || r.Err != nil {
			t.Errorf("%s: difference %g, error %v", name, r.Difference, r.Err)
		}
		c.op = planted{&layer.Conv{Groups: 1}, scaled(1)}
		if r := c.check(); !r.OK() {
			t.Errorf("nothing changed: difference %g, error %v", r.Difference, r.Err)
		}
	}
}

// TestGradientCasesAreAll asserts that the list names every layer that has a Backward, and every function of one input.
func TestGradientCasesAreAll(t *testing.T) {
	files, err := filepath.Glob("../layer/*.go")
	if err != nil {
		t.Fatal(err)
	}
	checked, functions := map[string]bool{}, map[layer.Fn]bool{}
	for _, c := range gradientCases {
		checked[reflect.TypeOf(c.op).Elem().Name()] = true
		if u, ok := c.op.(*layer.Unary); ok {
			functions[u.Fn] = true
		}
	}
	layers := 0
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			m, ok := d.(*ast.FuncDecl)
			if !ok || m.Name.Name != "Backward" || m.Recv == nil {
				continue
			}
			layers++
			kind := m.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name
			if !checked[kind] && kind != "CastLike" { // which is Cast with a type that cannot differ here
				t.Errorf("%s has a Backward that no case checks", kind)
			}
		}
		if !strings.HasSuffix(name, "/unary.go") {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.ValueSpec)
			if ok && len(s.Values) == 1 {
				if v, ok := s.Values[0].(*ast.BasicLit); ok && v.Kind == token.STRING {
					if fn := layer.Fn(strings.Trim(v.Value, `"`)); !functions[fn] && fn != layer.BitwiseNot {
						t.Errorf("no case checks %s", fn)
					}
				}
			}
			return true
		})
	}
	if layers < 50 {
		t.Errorf("only %d layers were found", layers)
	}
}

// single returns the case's inputs in float32.
func (c *gradientCase) single(t *testing.T) (in []*tensor.Tensor, vary []bool) {
	in, vary = c.inputs()
	for i, x := range in {
		if x != nil && x.DType() == tensor.Float64 {
			in[i] = tensor.New(tensor.Float32, x.Shape()...)
			if err := tensor.Convert(in[i], x, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	return in, vary
}

// gradientBits computes a case's gradients in float32.
func (c *gradientCase) gradientBits(t *testing.T, in []*tensor.Tensor, vary []bool, o Options) [][]byte {
	t.Helper()
	p, err := newProbe(c.op, max(1, c.outputs), in, vary, o)
	if err != nil {
		t.Fatalf("%s %s: %v", c.op.Kind(), c.attributes(), err)
	}
	g, err := p.gradients()
	if err != nil {
		t.Fatalf("%s %s: %v", c.op.Kind(), c.attributes(), err)
	}
	bits := make([][]byte, len(g))
	for i, x := range g {
		if x != nil {
			bits[i] = x.Clone().Raw()
		}
	}
	return bits
}

// TestGradientsInFloat32 asserts that a gradient has the same bits whatever else is asked for, and with any number of threads.
func TestGradientsInFloat32(t *testing.T) {
	for i := range gradientCases {
		c := &gradientCases[i]
		if k, ok := c.op.(*layer.Cast); ok && k.To == tensor.Float64 {
			continue
		}
		name := fmt.Sprintf("%s %s", c.op.Kind(), c.attributes())
		in, vary := c.single(t)
		all := c.gradientBits(t, in, vary, Options{Threads: 1, Plain: true})
		if !slices.EqualFunc(all, c.gradientBits(t, in, vary, Options{Threads: 3, Plain: true}), bytes.Equal) {
			t.Errorf("%s: three threads give other bits", name)
		}
		for k := range vary {
			if !vary[k] {
				continue
			}
			alone := make([]bool, len(vary))
			alone[k] = true
			if g := c.gradientBits(t, in, alone, Options{Threads: 1, Plain: true}); !bytes.Equal(g[k], all[k]) {
				t.Errorf("%s: the gradient by input %d alone has other bits", name, k)
			}
		}
	}
}
