package kernels_test

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ktest"
)

// onEveryISA runs f once with each instruction set that this machine has.
func onEveryISA(tb testing.TB, f func(isa kernels.ISA)) {
	for _, isa := range kernels.Available() {
		restore, err := kernels.Force(isa)
		if err != nil {
			tb.Fatal(err)
		}
		f(isa)
		restore()
	}
}

// refuses says whether f panics with the message.
func refuses(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := recover(); got != want {
			t.Errorf("panic %q, want %q", got, want)
		}
	}()
	f()
}

// fills are the kinds of values that problems are filled with. TestDigests has the first, TestKernelsReturnTheBitsOfRef the others.
var fills = []ktest.Fill{ktest.Plain, ktest.Whole, ktest.Special, ktest.Spread}

// solves says whether ref solves the i-th problem of a family with the j-th kind of values: in short runs with one kind, all kinds over the list.
func solves(i, j int) bool { return !testing.Short() || j == i%len(fills) }

// posed is a problem of a family's list, filled with values of one kind.
type posed struct {
	ktest.Problem
	fill   int
	solved bool // by ref
	team   *kernels.Team
}

// check runs problems on every instruction set and reports what differs from ref. It calls each, if not nil, with the problems in order, once for each instruction
// set. Some problems run at a time: the instruction set is of the process, so they change it together.
func check(t *testing.T, problems []posed, each func(kernels.ISA, *ktest.Solved)) {
	t.Helper()
	for some := range slices.Chunk(problems, 16) {
		solved := make([]*ktest.Solved, len(some))
		inParallel(len(some), func(i int) {
			p := some[i]
			h := fnv.New64a()
			h.Write([]byte(p.Name))
			pose := ktest.Unsolved
			if p.solved {
				pose = ktest.Solve
			}
			solved[i] = pose(p.Problem, h.Sum64()+uint64(p.fill), fills[p.fill])
		})
		onEveryISA(t, func(isa kernels.ISA) {
			inParallel(len(some), func(i int) {
				if d := solved[i].Check(some[i].team); d != "" {
					t.Errorf("%v: %s, fill %d: %s", isa, some[i].Name, fills[some[i].fill], d)
				}
			})
			for _, s := range solved {
				if each != nil {
					each(isa, s)
				}
			}
		})
		for _, s := range solved {
			s.Release()
		}
	}
}

// inParallel calls f with 0 to n-1, on as many goroutines as there are CPUs.
func inParallel(n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// TestKernelsReturnTheBitsOfRef runs the problem list on every instruction set, alone and with three threads.
func TestKernelsReturnTheBitsOfRef(t *testing.T) {
	for _, f := range ktest.Families() {
		t.Run(f.Name, func(t *testing.T) {
			onEveryISA(t, func(isa kernels.ISA) {
				if kernels.Active(f.Op) != isa {
					t.Fatalf("the self-test replaced %v by %v", isa, kernels.Active(f.Op))
				}
			})
			var problems []posed
			for i, p := range f.List() {
				for j := range fills {
					if j > 0 && solves(i, j) && !p.Bench { // those to be timed are large; their small relatives are here
						problems = append(problems, posed{p, j, true, kernels.NewTeam(1 + 2*((i+j)%2))})
					}
				}
			}
			check(t, problems, nil)
		})
	}
}

// FuzzKernels compares random problems with ref on every instruction set.
func FuzzKernels(f *testing.F) {
	families := ktest.Families()
	for i := range families {
		f.Add(uint64(i), uint8(i), uint8(i))
	}
	team := kernels.NewTeam(3)
	f.Fuzz(func(t *testing.T, seed uint64, family, fill uint8) {
		p := families[int(family)%len(families)].Random(rand.New(rand.NewPCG(seed, 1)))
		solved := ktest.Solve(p, seed, ktest.Fill(fill%4))
		defer solved.Release()
		onEveryISA(t, func(isa kernels.ISA) {
			for _, tm := range []*kernels.Team{nil, team} {
				if d := solved.Check(tm); d != "" {
					t.Errorf("%v: %s (seed %d): %s", isa, p.Name, seed, d)
				}
			}
		})
	})
}

// TestKernelsDoNotAllocate runs the problem list under an allocation count.
func TestKernelsDoNotAllocate(t *testing.T) {
	if poolsLeak {
		t.Skip("the race detector makes pools drop what they hold")
	}
	team := kernels.NewTeam(2)
	runs := 3
	if testing.Short() {
		runs = 1
	}
	for _, f := range ktest.Families() {
		for _, p := range f.List() {
			if p.Bench {
				continue
			}
			m := ktest.NewMem(1, ktest.Plain)
			c := p.Build(m)
			// A collection of garbage empties the pools, and what is taken next is new: it must not happen every time.
			n := math.Inf(1)
			for try := 0; try < 4 && n >= 1; try++ {
				n = testing.AllocsPerRun(runs, func() { c.Fast(team) })
			}
			if n >= 1 {
				t.Errorf("%s allocates %g times a run", p.Name, n)
			}
			m.Release()
		}
	}
}

// overBound returns how many times as long c takes as what bounds it: the multiply-adds in the given nanoseconds, or what it moves, as the caches and
// the memory move it when nothing is computed. Both are the fastest of runs in turns.
func overBound(c ktest.Case, team *kernels.Team, flops float64) float64 {
	const limit = 50 * time.Millisecond
	kernel, move := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for begin, turns := time.Now(), 0; turns < 3 || time.Since(begin) < limit; turns++ {
		start := time.Now()
		c.Fast(team)
		between := time.Now()
		c.Move()
		kernel, move = min(kernel, between.Sub(start)), min(move, time.Since(between))
	}
	return float64(kernel) / max(flops, float64(move))
}

// BenchmarkKernels times the problems worth timing on every instruction set. Rates are of the fastest run, beside the
// multiply-add peak measured in the same run: other programs only ever add time. xbound is overBound.
func BenchmarkKernels(b *testing.B) {
	for _, isa := range kernels.Available()[1:] {
		peak := kernels.FMAPeak(isa)
		for _, threads := range []int{1, 2} {
			team := kernels.NewTeam(threads)
			for _, f := range ktest.Families() {
				for _, p := range f.List() {
					if !p.Bench {
						continue
					}
					b.Run(fmt.Sprintf("%v/%d/%s", isa, threads, p.Name), func(b *testing.B) {
						restore, err := kernels.Force(isa)
						if err != nil {
							b.Fatal(err)
						}
						defer restore()
						m := ktest.NewBenchMem(1)
						c := p.Build(m)
						c.Fast(team)
						team.Begin()
						defer team.End()
						best := time.Duration(math.MaxInt64)
						for b.Loop() {
							start := time.Now()
							c.Fast(team)
							best = min(best, time.Since(start))
						}
						s := best.Seconds()
						if p.Flops > 0 {
							g := p.Flops / s / 1e9
							b.ReportMetric(g, "GFLOP/s")
							b.ReportMetric(100*g/peak/float64(threads), "%peak")
						}
						b.ReportMetric(p.Bytes/s/1e9, "GB/s")
						if c.Move != nil && threads == 1 {
							b.ReportMetric(overBound(c, team, p.Flops/peak), "xbound")
						}
					})
				}
			}
		}
	}
}
