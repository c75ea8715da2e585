package kernels

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A Task is work that splits into independent tiles. Tile computes tile i; worker is below Team.Threads and is not
// used by two tiles at once, so it can index scratch memory. Which worker runs which tile is left open: results must not depend on it. A panic in a tile goes on in
// Team.Run; a tile must not end its goroutine (runtime.Goexit), for which others would wait.
type Task interface{ Tile(i, worker int) }

// A Team runs tasks on the process's shared workers, on at most Threads goroutines at a time, the caller's included.
//
// One goroutine uses a Team at a time; any number of Teams share the workers. Between Begin and End the workers spin
// while they wait, outside they are parked and cost nothing. The nil Team runs everything on the caller's goroutine.
//
// Each goroutine begins with a range of tiles of its own, the same part of every task: what one task wrote of a picture is likely to lie in the
// cache of the CPU that reads it in the next. Who is done takes the range of a worker that has not come yet, or tiles from the end of another's range.
type Team struct {
	threads int
	stop    atomic.Bool
	job     job
}

// NewTeam returns a Team of at most threads goroutines; 0 means one per CPU that Go may use.
func NewTeam(threads int) *Team {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	t := &Team{threads: threads}
	t.job.team, t.job.seats = t, make([]seat, threads)
	return t
}

// Threads returns the most goroutines that a task of this Team runs on.
func (t *Team) Threads() int {
	if t == nil {
		return 1
	}
	return t.threads
}

// Stop makes running and later tasks skip the tiles that have not begun, until Resume. It may be called from any goroutine.
func (t *Team) Stop() { t.stop.Store(true) }

// Resume takes Stop back.
func (t *Team) Resume() { t.stop.Store(false) }

// Stopped says whether Stop is in force: the outputs of tasks since then are incomplete.
func (t *Team) Stopped() bool { return t != nil && t.stop.Load() }

// Begin announces that many tasks follow one another closely.
func (t *Team) Begin() {
	if t != nil && t.threads > 1 {
		crew.enter(t.threads - 1)
	}
}

// End takes Begin back.
func (t *Team) End() {
	if t != nil && t.threads > 1 {
		crew.passes.Add(-1)
	}
}

// Run computes the tiles 0..n-1 of task and returns when all are done.
func (t *Team) Run(task Task, n int) {
	if t == nil || t.threads == 1 || n <= 1 {
		for i := 0; i < n && !t.Stopped(); i++ {
			task.Tile(i, 0)
		}
		return
	}
	if uint64(n) >= 1<<32 {
		panic("kernels: Run: too many tiles")
	}
	crew.run(t, task, n)
}

// cacheLine is the number of bytes that travel between CPUs together.
const cacheLine = 64

// job is a Team's task, one after the other. A worker may look at it at any time, and works on the task once it has a seat. When a task ends all its seats
// are closed, so that nobody who still knows its number gets one.
type job struct {
	_       [cacheLine]byte
	number  atomic.Uint64 // of the last task
	task    Task
	team    *Team
	n       int
	broken  atomic.Bool         // tiles are left over
	panicky atomic.Pointer[any] // what a tile panicked with
	_       [cacheLine]byte
	seats   []seat
}

// seat is a worker number of a job, with the tiles that are its worker's own until others take them. The first is the caller's.
type seat struct {
	state atomic.Uint64 // the number of the last task that it was used in, times 4, and one of the following
	tiles atomic.Uint64 // those that are left: first<<32 | end
	_     [cacheLine - 16]byte
}

// States of a seat in a task; with an older task's number nobody has used it.
const (
	closed  = iota // its worker has left, or the task has ended
	working        // it has a worker
	emptied        // another worker has its tiles; a worker may still come
)

// part returns the first of n tiles that is not of the first i of so many seats. Where there are fewer tiles than seats, the caller's has one.
func part(i, n, seats int) uint64 {
	return (uint64(i)*uint64(n) + uint64(seats) - 1) / uint64(seats)
}

// span returns the tiles that are left, from first to before end, and the word that says so.
func (s *seat) span() (first, end, word uint64) {
	word = s.tiles.Load()
	return word >> 32, word & (1<<32 - 1), word
}

// next takes a tile of the seat: its first for its worker, its last for others.
func (s *seat) next(others bool) (tile int, ok bool) {
	for {
		first, end, word := s.span()
		if first >= end {
			return 0, false
		}
		tile, rest := first, word+1<<32
		if others {
			tile, rest = end-1, word-1
		}
		if s.tiles.CompareAndSwap(word, rest) {
			return int(tile), true
		}
	}
}

// empty takes a seat's tiles, as long as it has had no worker for the task.
func (s *seat) empty(task uint64) bool {
	v := s.state.Load()
	return v/4 < task && s.state.CompareAndSwap(v, 4*task+emptied)
}

// sit takes a seat for a worker, and says whether its tiles are still there.
func (s *seat) sit(task uint64) (ok, dealt bool) {
	for {
		v := s.state.Load()
		if v/4 >= task && v != 4*task+emptied {
			return false, false
		}
		if s.state.CompareAndSwap(v, 4*task+working) {
			return true, v/4 < task
		}
	}
}

// close closes a seat, unless a worker has it.
func (s *seat) close(task uint64) bool {
	v := s.state.Load()
	return v == 4*task+closed || v != 4*task+working && s.state.CompareAndSwap(v, 4*task+closed)
}

// workers is the process's crew.
type workers struct {
	posted  atomic.Int64 // grows when a job opens; parked workers wait for it
	slots   [32]atomic.Pointer[job]
	_       [cacheLine]byte
	passes  atomic.Int64 // Begin without End
	started atomic.Int64
	idle    atomic.Int64 // parked workers
	mu      sync.Mutex
	parked  *sync.Cond
}

var crew = func() *workers {
	w := new(workers)
	w.parked = sync.NewCond(&w.mu)
	return w
}()

// enter makes sure that n workers exist, and that they do not park.
func (w *workers) enter(n int) {
	w.hire(n)
	w.passes.Add(1)
}

func (w *workers) hire(n int) {
	w.mu.Lock()
	for ; w.started.Load() < int64(n); w.started.Add(1) {
		go w.work(int(w.started.Load()))
	}
	w.mu.Unlock()
}

// run opens a job for the task in a free slot, works on it, and waits for the others to leave it.
func (w *workers) run(t *Team, task Task, n int) {
	if w.started.Load() < int64(t.threads-1) {
		w.hire(t.threads - 1)
	}
	j := &t.job
	j.task, j.n = task, n
	number := j.number.Load() + 1
	j.number.Store(number)
	slot := -1
	for i := range w.slots {
		if w.slots[i].CompareAndSwap(nil, j) {
			slot = i
			break
		}
	}
	if slot >= 0 {
		w.posted.Add(1)
	}
	j.deal(&j.seats[0], 0)
	if slot >= 0 && w.idle.Load() > 0 {
		w.mu.Lock()
		w.parked.Broadcast()
		w.mu.Unlock()
	}
	j.work(0, number)
	if slot >= 0 {
		w.slots[slot].Store(nil)
	}
	for i := range j.seats[1:] {
		s := &j.seats[1+i]
		for spins := 0; !s.close(number); spins++ {
			switch first, end, _ := s.span(); {
			case first < end && !j.broken.Load(): // dealt after all others were done
				j.work(0, number)
			case spins > 2000: // a worker's thread is not running: leave it the core
				time.Sleep(20 * time.Microsecond)
			case spins > 200:
				runtime.Gosched()
			}
		}
	}
	j.task = nil
	if j.broken.Load() {
		j.clear()
	}
}

// clear forgets the tiles that are left over. A panic goes on.
func (j *job) clear() {
	j.broken.Store(false)
	for i := range j.seats {
		j.seats[i].tiles.Store(0)
	}
	if p := j.panicky.Swap(nil); p != nil {
		panic(*p)
	}
}

// work computes tiles until none is left: those of the seat, those of seats without a worker, and the last of the others'. A panic is kept for the goroutine
// that called Run.
func (j *job) work(me int, number uint64) (worked bool) {
	defer func() {
		if p := recover(); p != nil {
			j.fail(p)
		}
	}()
	own := &j.seats[me]
	for {
		if j.team.stop.Load() || j.broken.Load() {
			j.broken.Store(true)
			return worked
		}
		tile, ok := own.next(false)
		for i := 1; !ok && i < len(j.seats); i++ {
			other := (me + i) % len(j.seats)
			s := &j.seats[other]
			if other > 0 && s.empty(number) {
				j.deal(own, other)
				tile, ok = own.next(false)
			} else {
				tile, ok = s.next(true)
			}
		}
		if !ok {
			return worked
		}
		worked = true
		j.task.Tile(tile, me)
	}
}

// fail keeps the first panic; no more tiles are begun.
func (j *job) fail(p any) {
	j.panicky.CompareAndSwap(nil, &p)
	j.broken.Store(true)
}

// deal gives a worker the tiles of a seat.
func (j *job) deal(own *seat, seat int) {
	own.tiles.Store(part(seat, j.n, len(j.seats))<<32 | part(seat+1, j.n, len(j.seats)))
}

// join works on the job if a seat is left: the worker's usual one if that is.
func (j *job) join(worker int) (worked bool) {
	number := j.number.Load()
	for i := range len(j.seats) - 1 {
		me := 1 + (worker+i)%(len(j.seats)-1)
		s := &j.seats[me]
		ok, dealt := s.sit(number)
		if !ok {
			continue
		}
		if dealt {
			j.deal(s, me)
		}
		worked = j.work(me, number)
		s.state.Store(4*number + closed)
		return worked
	}
	return false
}

// An idle worker looks for jobs in a loop of a nanosecond or two. It yields its thread every yieldSpins turns, and parks after
// parkSpins turns (tens of microseconds) in which no pass was under way, so that passes that follow one another need not wake it.
const (
	yieldSpins = 1 << 15
	parkSpins  = 1 << 15
)

// work is the life of a worker: look for open jobs, spin while passes are under way, park otherwise.
func (w *workers) work(worker int) {
	for {
		seen := w.posted.Load()
		found := false
		for i := range w.slots {
			if j := w.slots[i].Load(); j != nil && j.join(worker) {
				found = true
			}
		}
		if !found {
			w.wait(seen)
		}
	}
}

// wait returns when a job has been opened since posted was seen.
func (w *workers) wait(seen int64) {
	for spins, idle := 0, 0; w.posted.Load() == seen; spins++ {
		if spins%yieldSpins == yieldSpins-1 {
			runtime.Gosched()
		}
		if w.passes.Load() > 0 {
			idle = 0
			continue
		}
		if idle++; idle < parkSpins {
			continue
		}
		w.mu.Lock()
		w.idle.Add(1)
		for w.posted.Load() == seen && w.passes.Load() == 0 {
			w.parked.Wait()
		}
		w.idle.Add(-1)
		w.mu.Unlock()
	}
}
