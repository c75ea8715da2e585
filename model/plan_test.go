package model

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// TestPlanKeepsValuesApart makes random networks and checks that no two values that are needed at the same time overlap in the arena,
// unless one is the other's storage.
func TestPlanKeepsValuesApart(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 5))
	for range 200 {
		g := &Graph{}
		values := []*Value{g.Input("x", tensor.Float32, Fixed(4, 8)...)}
		pick := func() *Value { return values[max(0, len(values)-1-rng.IntN(6))] }
		for i := range 5 + rng.IntN(30) {
			name := fmt.Sprint("n", i)
			var v *Value
			switch rng.IntN(5) {
			case 0:
				v = g.Add(name, &layer.Unary{Fn: layer.Relu}, pick())
			case 1:
				v = g.Add(name, &layer.Binary{Fn: layer.Add}, pick(), pick())
			case 2:
				v = g.Add(name, &layer.Reshape{}, pick(), Const("s", tensor.Of([]int64{4, -1})))
			case 3:
				v = g.Add(name, &layer.Identity{}, pick())
			case 4:
				v = g.Add(name, &layer.Reduce{Fn: layer.ReduceSum, KeepDims: true}, pick(), Const("a", tensor.Of([]int64{1})))
			}
			values = append(values, v)
		}
		g.Output(values[len(values)-1], pick())
		if g.Outputs[0] == g.Outputs[1] {
			g.Outputs = g.Outputs[:1]
		}
		p, err := Compile(g, Options{Plain: true})
		if err != nil {
			t.Fatal(err)
		}
		checkPlan(t, p)
		if t.Failed() {
			return
		}
	}
}

// checkPlan follows a program step by step: what a step writes must not lie where a value lies that is read later.
func checkPlan(t *testing.T, p *Program) {
	t.Helper()
	last := make([]int, len(p.vals))
	for i, s := range p.steps {
		for _, k := range s.in {
			if k >= 0 {
				last[k] = i
			}
		}
	}
	for _, k := range p.outputs {
		last[k] = len(p.steps)
	}
	place := func(k int) (from, to int) {
		off := p.vals[p.vals[k].root].off
		return off, off + p.bytes(k)
	}
	written := map[int]int{}
	for i, s := range p.steps {
		for _, k := range s.out {
			if k < 0 || p.vals[p.vals[k].root].off < 0 {
				continue
			}
			from, to := place(k)
			if to > p.arena {
				t.Errorf("%s ends at %d of %d", s.name, to, p.arena)
			}
			for v := range written {
				a, b := place(v)
				// Read by later steps, or by this one while it writes.
				needed := last[v] > i || last[v] == i && p.vals[v].root != p.vals[k].root
				if needed && !s.shared && a < to && from < b {
					t.Errorf("step %d, %s, writes over %q, which step %d reads", i, s.name, p.vals[v].name, last[v])
				}
			}
			written[k] = i
		}
	}
}
