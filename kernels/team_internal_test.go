package kernels

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// gate is a task whose tiles begin together, and end when it opens.
type gate struct {
	begun sync.WaitGroup
	open  chan struct{}
}

func (g *gate) Tile(_, _ int) {
	g.begun.Done()
	<-g.open
}

// late is a task whose caller, once it has begun the tiles of a worker that has not come, waits for that.
type late struct {
	gate   *gate
	tiles  int
	ran    atomic.Int64
	came   chan struct{}
	once   sync.Once
	missed atomic.Bool
}

func (l *late) Tile(i, worker int) {
	if worker > 0 {
		l.once.Do(func() { close(l.came) })
	}
	if int(l.ran.Add(1)) == l.tiles/2+1 {
		close(l.gate.open)
		select {
		case <-l.came:
		case <-time.After(20 * time.Second):
			l.missed.Store(true)
		}
	}
}

// TestTeamTakesLateWorkers lets all workers come when the caller has begun all parts of a task, and sees one of them take tiles all the same.
func TestTeamTakesLateWorkers(t *testing.T) {
	for range 20 {
		crew.hire(1)
		n := int(crew.started.Load()) + 1
		g := &gate{open: make(chan struct{})}
		g.begun.Add(n)
		var busy sync.WaitGroup
		busy.Go(func() { NewTeam(n).Run(g, n) })
		g.begun.Wait()
		l := &late{gate: g, tiles: 10, came: make(chan struct{})}
		NewTeam(2).Run(l, l.tiles)
		busy.Wait()
		if l.missed.Load() || l.ran.Load() != int64(l.tiles) {
			t.Fatalf("%d of %d tiles ran; no worker came: %v", l.ran.Load(), l.tiles, l.missed.Load())
		}
	}
}

// TestSplit says that blocks of a matrix's rows follow one another to its end, and none is empty, whatever the threads.
func TestSplit(t *testing.T) {
	for _, isa := range Available() {
		rows, _ := gemmShape(isa)
		for threads := 1; threads <= 64; threads++ {
			team := &Team{threads: threads}
			for _, k := range []int{1, 9, 700, 5000} {
				for m := 1; m <= rows*threads+70; m++ {
					g := gemmTask{tiles: isa, m: m, n: 16}
					g.args.K = k
					g.split(team, blockRows(m, k, shortBlock))
					least, most := m, 0
					for b := range g.blocks {
						n := g.begin(b+1) - g.begin(b)
						least, most = min(least, n), max(most, n)
					}
					if g.begin(0) != 0 || g.begin(g.blocks) != m || least < 1 {
						t.Fatalf("%v, %d rows of %d on %d threads: %d blocks of %d rows, %d of them one longer", isa, m, k, threads, g.blocks, g.block, g.longer)
					}
					if threads > 1 && m >= rows*threads && 16*k <= 4*m*(k+16) && (g.blocks%threads != 0 || most-least > 1) {
						t.Fatalf("%v, %d rows of %d on %d threads: %d blocks of %d to %d rows", isa, m, k, threads, g.blocks, least, most)
					}
				}
			}
		}
	}
}
