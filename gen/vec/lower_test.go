package vec

import (
	"math"
	"math/rand/v2"
	"testing"
)

// sim is a machine that executes what lowering emits, on one lane. Results of operations are mixed bits, so that any wrong
// operand shows.
type sim struct {
	regs           []uint32
	mask           []bool // nil: masks are all ones or zeros in registers
	mem, f213, tie bool
	in             [][]uint32 // source, copy
	out            []uint32
}

func (s *sim) vectors() int     { return len(s.regs) }
func (s *sim) masks() int       { return len(s.mask) }
func (s *sim) fma213() bool     { return s.f213 }
func (s *sim) tiedSelect() bool { return s.tie }
func (s *sim) memOK(o op, arg int) bool {
	if !s.f213 {
		return s.mem && o == opFMA && arg == 2
	}
	return s.mem && (arg == 1 && o != opSelect || o == opFMA && arg == 2)
}
func (s *sim) constant(dst int, b uint32) { s.regs[dst] = b }
func (s *sim) move(dst, src int)          { s.regs[dst] = s.regs[src] }
func (s *sim) load(source int, dst []int) {
	for u, d := range dst {
		s.regs[d] = s.in[source][u]
	}
}
func (s *sim) store(_ int, src []int) {
	for _, r := range src {
		s.out = append(s.out, s.regs[r])
	}
}

func (s *sim) value(l loc) uint32 {
	if l.mem {
		return l.bits
	}
	return s.regs[l.reg]
}

func (s *sim) emit(o op, imm uint32, dst int, arg []loc) {
	args := []uint32{s.value(arg[0]), 0}
	if len(arg) > 1 {
		args[1] = s.value(arg[1])
	}
	r := simOp(o, imm, args)
	if o.isMask() && s.mask != nil {
		s.mask[dst] = r != 0
		return
	}
	s.regs[dst] = r
}

func (s *sim) fma(dst, tied int, arg []loc) {
	a, b, c := s.value(arg[0]), s.value(arg[1]), s.value(arg[2])
	if tied == 2 {
		c = s.regs[dst]
	} else {
		a = s.regs[dst]
	}
	s.regs[dst] = simOp(opFMA, 0, []uint32{a, b, c})
}

func (s *sim) sel(dst, tied int, arg []loc) {
	var m bool
	if s.mask != nil {
		m = s.mask[arg[0].reg]
	} else {
		m = s.value(arg[0]) != 0
	}
	a, b := s.value(arg[1]), s.value(arg[2])
	switch tied {
	case 0:
		m = s.regs[dst] != 0
	case 1:
		a = s.regs[dst]
	case 2:
		b = s.regs[dst]
	}
	if m {
		s.regs[dst] = a
	} else {
		s.regs[dst] = b
	}
}

// simOp mixes its arguments; operations that commute add them first.
func simOp(o op, imm uint32, a []uint32) uint32 {
	x := uint32(o)*0x9e3779b9 + imm
	switch {
	case o == opFMA:
		x += (a[0]+a[1])*3 + a[0]*a[1] + a[2]*0x85ebca6b
	case o.commutes():
		x += (a[0]+a[1])*7 + a[0]*a[1]
	default:
		x += a[0] * 0xc2b2ae35
		if arity[o] > 1 {
			x += a[1] * 0x27d4eb2f
		}
	}
	x ^= x >> 15
	x *= 0x2c1b3c6d
	x ^= x >> 12
	if o.isMask() {
		return -(x & 1)
	}
	return x
}

// direct evaluates a program without registers.
func direct(p *Prog, in func(i int) uint32, param, state []uint32, results []int) []uint32 {
	v := make([]uint32, len(p.nodes))
	for i, n := range p.nodes {
		switch n.op {
		case opIn:
			v[i] = in(int(n.imm))
		case opParam:
			v[i] = param[n.imm]
		case opState:
			v[i] = state[n.imm]
		case opConst:
			v[i] = n.imm
		case opSelect:
			if v[i] = v[n.arg[2]]; v[n.arg[0]] != 0 {
				v[i] = v[n.arg[1]]
			}
		default:
			v[i] = simOp(n.op, n.imm, []uint32{v[n.arg[0]], v[n.arg[1]], v[n.arg[2]]})
		}
	}
	var out []uint32
	for _, r := range results {
		out = append(out, v[r])
	}
	return out
}

// randomKernel draws a kernel of two sources and one parameter, with states if it is to reduce.
func randomKernel(r *rand.Rand, states int) *Kernel {
	steps := 3 + r.IntN(25)
	seed := r.Uint64()
	build := func(p *Prog, have []V) []V {
		r := rand.New(rand.NewPCG(seed, 1))
		pick := func() V {
			if r.IntN(4) == 0 {
				return p.Const(float32(r.IntN(6)))
			}
			return have[max(r.IntN(len(have)), r.IntN(len(have)))]
		}
		for range steps {
			var v V
			switch r.IntN(8) {
			case 0:
				v = p.Sub(pick(), pick())
			case 1:
				v = p.Add(pick(), pick())
			case 2:
				v = p.Shl(pick(), 3)
			case 3:
				v = p.Select(p.Lt(pick(), pick()), pick(), pick())
			case 4:
				v = p.Max(pick(), pick())
			default:
				v = p.FMA(pick(), pick(), pick())
			}
			have = append(have, v)
		}
		return have
	}
	k := &Kernel{Name: "Random", In: []string{"a", "b"}, Param: []string{"s"}, State: states}
	if states == 0 {
		k.Map = func(p *Prog, in, param []V) V {
			h := build(p, []V{in[0], in[1], param[0]})
			return p.Add(h[len(h)-1], in[0])
		}
	} else {
		k.Reduce = func(p *Prog, in, param, state []V) []V {
			h := build(p, []V{in[0], in[1], param[0]})
			var out []V
			for i, s := range state {
				out = append(out, p.Add(s, h[len(h)-1-i]))
			}
			return out
		}
	}
	return k
}

// TestLoweringComputesTheProgram executes random programs on machines of every kind, with few and with many registers.
func TestLoweringComputesTheProgram(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	tried := 0
	for range 6000 {
		states := r.IntN(3)
		k := randomKernel(r, states)
		s := &sim{regs: make([]uint32, 6+r.IntN(26)), mem: r.IntN(2) == 0, f213: r.IntN(2) == 0}
		switch r.IntN(3) {
		case 0:
			s.mask = make([]bool, 6)
		case 1:
			s.tie = true
		}
		p := &Prog{minmax: r.IntN(2) == 0}
		results := k.record(p)
		if _, ok := try(p, results, states, 1, 1, s); !ok {
			continue // more registers than this machine has
		}
		pl := choose(p, results, states, 1, 1<<r.IntN(3), 1, s)
		l := newLowering(p, results, states, 1, pl.copies, s)
		for i, b := range pl.constants {
			l.resident[b] = len(s.regs) - 1 - i
			l.free[l.resident[b]] = false
			l.inUse++
			s.regs[l.resident[b]] = b
		}
		param := []uint32{r.Uint32()}
		s.regs[0] = param[0]
		s.in = [][]uint32{make([]uint32, pl.copies), make([]uint32, pl.copies)}
		for _, in := range s.in {
			for u := range in {
				in[u] = r.Uint32()
			}
		}
		state := make([][]uint32, pl.copies)
		for u := range state {
			for i := range states {
				state[u] = append(state[u], r.Uint32())
				s.regs[l.states[i][u]] = state[u][i]
			}
		}
		l.run()
		for u := range pl.copies {
			want := direct(p, func(i int) uint32 { return s.in[i][u] }, param, state[u], results)
			for i, w := range want {
				got := uint32(0)
				if states > 0 {
					got = s.regs[l.states[i][u]]
				} else {
					got = s.out[u]
				}
				if got != w {
					t.Fatalf("program %v, results %v, %d copies, constants %x: copy %d result %d = %x, want %x", p.nodes, results, pl.copies, pl.constants, u, i, got, w)
				}
			}
		}
		tried++
	}
	if tried < 3000 {
		t.Errorf("only %d programs fitted", tried)
	}
}

// TestConstantsAreDistinct asserts that constants are told apart by their bits.
func TestConstantsAreDistinct(t *testing.T) {
	p := &Prog{seen: map[node]int{}}
	if p.Const(0) == p.Const(float32(math.Copysign(0, -1))) || p.Const(1.5) != p.Bits(0x3fc00000) {
		t.Error("constants are confused")
	}
}
