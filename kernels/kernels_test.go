package kernels_test

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
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

// TestKernelsReturnTheBitsOfRef runs the whole problem list on every instruction set, alone and with three threads.
func TestKernelsReturnTheBitsOfRef(t *testing.T) {
	teams := []*kernels.Team{nil, kernels.NewTeam(3)}
	fills := []ktest.Fill{ktest.Plain, ktest.Whole, ktest.Special, ktest.Spread}
	for _, f := range ktest.Families() {
		t.Run(f.Name, func(t *testing.T) {
			onEveryISA(t, func(isa kernels.ISA) {
				if kernels.Active(f.Op) != isa {
					t.Fatalf("the self-test replaced %v by %v", isa, kernels.Active(f.Op))
				}
			})
			for i, p := range f.List() {
				if p.Bench {
					continue // large; its small relatives are here
				}
				h := fnv.New64a()
				h.Write([]byte(p.Name))
				for j, fill := range fills {
					if testing.Short() && j != i%len(fills) {
						continue // one kind of values for each problem, all kinds over the list
					}
					solved := ktest.Solve(p, h.Sum64()+uint64(j), fill)
					onEveryISA(t, func(isa kernels.ISA) {
						if d := solved.Check(teams[(i+j)%2]); d != "" {
							t.Errorf("%v: %s, fill %d: %s", isa, p.Name, fill, d)
						}
					})
					solved.Release()
				}
			}
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

// BenchmarkKernels times the problems worth timing on every instruction set. Rates are of the fastest run, beside the
// multiply-add peak measured in the same run: other programs only ever add time.
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
					})
				}
			}
		}
	}
}
