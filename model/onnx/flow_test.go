package onnx

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// statement is one of a program on vectors of three floats: an operator, a loop that carries some of them, or a branch.
type statement struct {
	op      string // Add, Sub, Max, Neg, Loop or If
	in, out []string
	inside  [2]*block // of a Loop the first, with inputs of these names
	inputs  []string
	turns   int
	stops   int // the turn after which the body says that there is no other; -1 for never
	live    bool
}

type block struct {
	list    []statement
	results []string
}

// programmer writes random programs.
type programmer struct {
	*rand.Rand
	names int
}

func (p *programmer) name() string {
	p.names++
	return fmt.Sprint("v", p.names)
}

func (p *programmer) pick(env []string) string { return env[p.IntN(len(env))] }

// block writes a few statements on what is there.
func (p *programmer) block(env []string, depth, results int) *block {
	env = slices.Clone(env)
	b := &block{}
	for range 1 + p.IntN(4) {
		s := statement{op: []string{"Add", "Sub", "Max", "Neg", "Loop", "If"}[p.IntN(6-2*b2i(depth == 0))], live: p.IntN(2) == 0}
		n := 1 + p.IntN(2)
		switch s.op {
		case "Loop":
			s.turns, s.stops = p.IntN(4), p.IntN(6)-2
			for range n {
				s.in, s.inputs = append(s.in, p.pick(env)), append(s.inputs, p.name())
			}
			s.inside[0] = p.block(append(slices.Clone(env), s.inputs...), depth-1, n)
		case "If":
			s.in = []string{p.pick(env)}
			s.inside = [2]*block{p.block(env, depth-1, n), p.block(env, depth-1, n)}
		case "Neg":
			s.in, n = []string{p.pick(env)}, 1
		default:
			s.in, n = []string{p.pick(env), p.pick(env)}, 1
		}
		for range n {
			s.out = append(s.out, p.name())
		}
		env = append(env, s.out...)
		b.list = append(b.list, s)
	}
	for range results {
		b.results = append(b.results, p.pick(env))
	}
	return b
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// run is what a block gives.
func (b *block) run(env map[string][3]float32) [][3]float32 {
	for _, s := range b.list {
		x := env[s.in[0]]
		var out [][3]float32
		switch s.op {
		case "Loop":
			for _, name := range s.in {
				out = append(out, env[name])
			}
			for i := range s.turns {
				for k, name := range s.inputs {
					env[name] = out[k]
				}
				out = s.inside[0].run(env)
				if i == s.stops {
					break
				}
			}
		case "If":
			out = s.inside[b2i(!(max(x[0], x[1], x[2]) > 0))].run(env)
		default:
			y := env[s.in[len(s.in)-1]]
			for i := range x {
				switch s.op {
				case "Add":
					x[i] += y[i]
				case "Sub":
					x[i] -= y[i]
				case "Max":
					x[i] = max(x[i], y[i])
				case "Neg":
					x[i] = -x[i]
				}
			}
			out = [][3]float32{x}
		}
		for i, name := range s.out {
			env[name] = out[i]
		}
	}
	out := make([][3]float32, len(b.results))
	for i, name := range b.results {
		out[i] = env[name]
	}
	return out
}

// nodes writes a block; results that may be values from around it go through Identity.
func (b *block) nodes(p *programmer) (nodes [][]byte, results []string) {
	for _, s := range b.list {
		switch s.op {
		case "Loop":
			inner, results := s.inside[0].nodes(p)
			turns, again := fmt.Sprint("turns", s.turns), "c"
			if s.live {
				turns = fmt.Sprint("live", s.turns)
			}
			if s.stops >= 0 {
				again = p.name()
				inner = append(inner, nodeMessage("Less", "", "", list("i", fmt.Sprint("turns", s.stops)), list(again)))
			}
			nodes = append(nodes, nodeMessage("Loop", "", "", append(list(turns, ""), s.in...), s.out, body(inner, nil, turn(s.inputs...), append(list(again), results...)...)))
		case "If":
			most, c := p.name(), p.name()
			yes, a := s.inside[0].nodes(p)
			no, b := s.inside[1].nodes(p)
			nodes = append(nodes, nodeMessage("ReduceMax", "", "", s.in, list(most), attrInt("keepdims", 0)), nodeMessage("Greater", "", "", list(most, "zero"), list(c)),
				nodeMessage("If", "", "", list(c), s.out, branch("then_branch", yes, nil, a...), branch("else_branch", no, nil, b...)))
		default:
			nodes = append(nodes, nodeMessage(s.op, "", "", s.in, s.out))
		}
	}
	for _, r := range b.results {
		name := p.name()
		nodes = append(nodes, nodeMessage("Identity", "", "", list(r), list(name)))
		results = append(results, name)
	}
	return nodes, results
}

// TestRandomFlow runs random programs of loops and branches within one another, by the network and as they are written.
func TestRandomFlow(t *testing.T) {
	seeds := 400
	if testing.Short() {
		seeds = 50
	}
	for seed := range seeds {
		p := &programmer{Rand: rand.New(rand.NewPCG(uint64(seed), 1))}
		b := p.block([]string{"x", "k"}, 3, 3)
		nodes, results := b.nodes(p)
		f := file{inputs: [][]byte{floatInput("x", 3)}, nodes: nodes, constants: [][]byte{float("k", 1, -2, 0.5), tensorProto("zero", tensor.Scalar(float32(0)))}}
		in := model.Tensors{"x": tensor.Of([]float32{3, -1, 2}, 3)}
		for i := range 4 {
			f.constants = append(f.constants, tensorProto(fmt.Sprint("turns", i), tensor.Scalar(int64(i))))
			f.inputs = append(f.inputs, valueInfo(fmt.Sprint("live", i), tensor.Int64, model.Fixed()))
			in[fmt.Sprint("live", i)] = tensor.Scalar(int64(i))
		}
		for _, r := range results {
			f.outputs = append(f.outputs, output(r))
		}
		g, err := Read(f.bytes())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		written, err := Write(g)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		again, err := Read(written)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for k, g := range []*model.Graph{g, g, again} {
			prog, err := model.Compile(g, model.Options{Threads: 1, Plain: k == 1})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			s := prog.NewSession()
			for _, x := range [][3]float32{{3, -1, 2}, {-5, -4, -3}, {3, -1, 2}} {
				copy(in["x"].Float32s(), x[:])
				want := b.run(map[string][3]float32{"x": x, "k": {1, -2, 0.5}})
				if err := s.Run(context.Background(), in, nil); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				for i := range results {
					if got := [3]float32(s.Output(i).Float32s()); got != want[i] {
						t.Fatalf("seed %d, form %d, %v: output %d is %v, want %v", seed, k, x, i, got, want[i])
					}
				}
			}
		}
	}
}
