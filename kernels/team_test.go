package kernels_test

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/kernels"
)

// squares writes i² at i and notes which workers came.
type squares struct {
	dst   []int64
	seats [64]atomic.Int64
}

func (s *squares) Tile(i, worker int) {
	if s.seats[worker].Add(1) != 1 {
		panic("two tiles on one worker at once")
	}
	s.dst[i] += int64(i) * int64(i)
	s.seats[worker].Add(-1)
}

// runSquares runs squares on a team, and says whether every tile ran once.
func runSquares(t *testing.T, team *kernels.Team, n int) bool {
	t.Helper()
	s := &squares{dst: make([]int64, n)}
	team.Run(s, n)
	for i, v := range s.dst {
		if v != int64(i)*int64(i) {
			t.Errorf("%d threads: tile %d of %d: %d", team.Threads(), i, n, v)
			return false
		}
	}
	return true
}

func TestTeamRunsEveryTileOnce(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			team := kernels.NewTeam(1 + g%4)
			if g%2 == 0 {
				team.Begin()
				defer team.End()
			}
			for n := range 200 {
				if !runSquares(t, team, n) {
					return
				}
			}
		})
	}
	wg.Wait()
	var none *kernels.Team
	s := &squares{dst: make([]int64, 9)}
	none.Run(s, 9)
	if !slices.Equal(s.dst, []int64{0, 1, 4, 9, 16, 25, 36, 49, 64}) {
		t.Errorf("nil team: %v", s.dst)
	}
}

// stopper stops its team in the tenth tile.
type stopper struct {
	team    *kernels.Team
	ran     atomic.Int64
	stopped atomic.Int64 // how many tiles had run when Stop returned
}

func (s *stopper) Tile(i, worker int) {
	if s.ran.Add(1) == 10 {
		s.team.Stop()
		s.stopped.Store(s.ran.Load())
	}
}

func TestTeamStops(t *testing.T) {
	for _, threads := range []int{1, 3} {
		s := &stopper{team: kernels.NewTeam(threads)}
		s.team.Run(s, 1<<20)
		// Each of the others may have taken a tile before that it only then began.
		if n, at := s.ran.Load(), s.stopped.Load(); at < 10 || n < at || n > at+int64(threads)-1 {
			t.Errorf("%d threads: %d tiles ran, %d of them before the stop", threads, n, at)
		}
		if !s.team.Stopped() {
			t.Error("Stopped is false after Stop")
		}
		s.team.Resume()
		s.ran.Store(100)
		s.team.Run(s, 50)
		if n := s.ran.Load(); n != 150 {
			t.Errorf("%d tiles after Resume, want 50", n-100)
		}
	}
}

type bomb struct{}

func (bomb) Tile(i, worker int) {
	if i == 7 {
		panic("tile 7")
	}
}

func TestTeamPanicReachesCaller(t *testing.T) {
	team := kernels.NewTeam(3)
	func() {
		defer func() {
			if recover() != "tile 7" {
				t.Error("the panic of a tile did not reach the caller of Run")
			}
		}()
		team.Run(bomb{}, 100)
	}()
	s := &squares{dst: make([]int64, 100)}
	team.Run(s, 100) // the team still works
	if s.dst[99] != 99*99 {
		t.Error("the team is broken after a panic")
	}
}

// meeting is a task whose tiles wait for one another: as many workers as tiles have to come.
type meeting struct {
	sync.WaitGroup
	worker []int // of each tile
}

func (m *meeting) Tile(i, worker int) {
	m.worker[i] = worker
	m.Done()
	m.Wait() // forever, if a worker runs two tiles
}

// TestTeamDealsEvenly says that worker i begins with the i-th part of the tiles, whatever ran before.
func TestTeamDealsEvenly(t *testing.T) {
	for _, threads := range []int{2, 3, 4} {
		team := kernels.NewTeam(threads)
		for range 50 {
			m := &meeting{worker: make([]int, threads)}
			m.Add(threads)
			team.Run(m, threads)
			for i, w := range m.worker {
				if w != i {
					t.Fatalf("%d threads: tile %d ran on worker %d", threads, i, w)
				}
			}
			runSquares(t, team, 37)
		}
	}
}

// unruly panics or stops its team in some tile.
type unruly struct {
	team  *kernels.Team
	tile  int
	stops bool
}

func (u *unruly) Tile(i, _ int) {
	switch {
	case i != u.tile:
	case u.stops:
		u.team.Stop()
	default:
		panic("unruly")
	}
}

// TestTeamForgetsWhatWasLeft leaves tiles over, and runs other tasks whole afterwards.
func TestTeamForgetsWhatWasLeft(t *testing.T) {
	for threads := 2; threads <= 4; threads++ {
		team := kernels.NewTeam(threads)
		team.Begin()
		defer team.End()
		for n := 2; n < 300; n++ {
			u := &unruly{team, n * n / 3 % n, n%2 == 0}
			func() {
				defer func() {
					if p := recover(); (p == "unruly") == u.stops {
						t.Errorf("%d threads, %d tiles, stopping is %v: a panic with %v", threads, n, u.stops, p)
					}
				}()
				team.Run(u, n)
			}()
			team.Resume()
			if !runSquares(t, team, n) {
				return
			}
		}
	}
}

func TestTeamDoesNotAllocate(t *testing.T) {
	team := kernels.NewTeam(3)
	s := &squares{dst: make([]int64, 64)}
	team.Run(s, 64)
	if n := testing.AllocsPerRun(100, func() { team.Run(s, 64) }); n != 0 {
		t.Errorf("Run allocates %g times", n)
	}
}

// cpuTime returns the CPU time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestIdleTeamUsesNoCPU(t *testing.T) {
	team := kernels.NewTeam(4)
	team.Begin()
	team.Run(&squares{dst: make([]int64, 1000)}, 1000)
	team.End()
	runtime.GC()
	time.Sleep(20 * time.Millisecond)
	before := cpuTime()
	time.Sleep(300 * time.Millisecond)
	// Three spinning workers would use 300 ms or more of two cores.
	if used := cpuTime() - before; used > 60*time.Millisecond {
		t.Errorf("an idle team used %v of CPU in 300 ms", used)
	}
}
