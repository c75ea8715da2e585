package track

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var start = time.Unix(1000, 0)

// frame is the time of frame i of 20 a second.
func frame(i int) time.Time { return start.Add(time.Duration(i) * 50 * time.Millisecond) }

// best returns the greatest sum of weights of pairs by trying all.
func best(weights []int32, rows, cols, row int, used uint) int32 {
	if row == rows {
		return 0
	}
	most := best(weights, rows, cols, row+1, used)
	for c := range cols {
		if used&(1<<c) == 0 {
			most = max(most, weights[row*cols+c]+best(weights, rows, cols, row+1, used|1<<c))
		}
	}
	return most
}

func TestAssign(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var a assigner
	for range 3000 {
		rows, cols := 1+rng.IntN(6), 1+rng.IntN(6)
		weights := make([]int32, rows*cols)
		for i := range weights {
			if rng.IntN(3) > 0 {
				weights[i] = rng.Int32N([]int32{3, 65536}[rng.IntN(2)])
			}
		}
		got := a.assign(weights, rows, cols)
		var sum int32
		used := map[int32]bool{}
		for r, c := range got {
			if c < 0 {
				continue
			}
			if used[c] || weights[r*cols+int(c)] == 0 {
				t.Fatalf("%dx%d %v: pairs %v", rows, cols, weights, got)
			}
			used[c] = true
			sum += weights[r*cols+int(c)]
		}
		if want := best(weights, rows, cols, 0, 0); sum != want {
			t.Fatalf("%dx%d %v: pairs %v weigh %d, not %d", rows, cols, weights, got, sum, want)
		}
	}
}

func TestIoU(t *testing.T) {
	a := Box{0, 0, 4, 2}
	for _, c := range []struct {
		b    Box
		want float32
	}{
		{a, 1}, {Box{2, 0, 4, 2}, 4.0 / 12}, {Box{1, 1, 1, 1}, 1.0 / 8}, {Box{4, 0, 4, 2}, 0}, {Box{0, 5, 4, 2}, 0}, {Box{1, 1, 0, 0}, 0},
		{Box{0, 0, float32(math.NaN()), 2}, 0}, {Box{0, 0, float32(math.Inf(1)), 2}, 0},
	} {
		if got := IoU(a, c.b); got != c.want {
			t.Errorf("IoU with %v is %v, not %v", c.b, got, c.want)
		}
		if IoU(a, c.b) != IoU(c.b, a) {
			t.Errorf("IoU with %v depends on the order", c.b)
		}
	}
}

// TestKalman compares the filter with the same model in matrices and float64: predicted covariance F·P·Fᵀ + Q, gain P·Hᵀ/(H·P·Hᵀ + R), and Joseph's form
// of the update, (I - K·H)·P·(I - K·H)ᵀ + K·R·Kᵀ.
func TestKalman(t *testing.T) {
	type mat [2][2]float64
	mul := func(a, b mat) (c mat) {
		for i := range 2 {
			for j := range 2 {
				c[i][j] = a[i][0]*b[0][j] + a[i][1]*b[1][j]
			}
		}
		return
	}
	transpose := func(a mat) mat { return mat{{a[0][0], a[1][0]}, {a[0][1], a[1][1]}} }
	rng := rand.New(rand.NewPCG(3, 4))
	const h, steps = 100, 200
	m := still(Box{300, 200, 40, h})
	x, v := 320.0, 0.0
	p := mat{{measured * measured * h * h, 0}, {0, speed * speed * h * h}}
	for i := range steps {
		dt := 0.02 + 0.1*rng.Float64()
		height := float64(m[3].x)
		f := mat{{1, dt}, {0, 1}}
		q := wander * wander * height * height
		x += dt * v
		p = mul(mul(f, p), transpose(f))
		p[0][0] += q * dt * dt * dt / 3
		p[0][1] += q * dt * dt / 2
		p[1][0] += q * dt * dt / 2
		p[1][1] += q * dt
		m.predict(float32(dt), false)

		z := Box{float32(300 + 3*i), 200, 40, h}
		z.X += float32(rng.NormFloat64() * 4)
		r := measured * measured * h * h
		k := [2]float64{p[0][0] / (p[0][0] + r), p[1][0] / (p[0][0] + r)}
		d := float64(z.X) + 20 - x
		x, v = x+k[0]*d, v+k[1]*d
		keep := mat{{1 - k[0], 0}, {-k[1], 1}}
		p = mul(mul(keep, p), transpose(keep))
		for i := range 2 {
			for j := range 2 {
				p[i][j] += k[i] * r * k[j]
			}
		}
		m.update(z)

		// A step rounds some ten times, relative to values of up to 1000 pixels (x) and what it takes in fades with the gain, which is above 1/8.
		const ulps = 10 * 8 * 4
		near := func(what string, got float32, want, scale float64) {
			if math.Abs(float64(got)-want) > ulps*0x1p-24*scale {
				t.Fatalf("step %d: %s is %v, not %v", i, what, got, want)
			}
		}
		near("x", m[0].x, x, 1000)
		near("v", m[0].v, v, 1000/dt)
		near("var x", m[0].xx, p[0][0], p[0][0])
		near("cov", m[0].xv, p[0][1], p[0][1])
		near("var v", m[0].vv, p[1][1], p[1][1]*8)
	}
}

// walker moves evenly.
type walker struct {
	x, y, vx, vy, h float64 // of the foot, a frame
}

func (w walker) box(i int) Box {
	return Box{float32(w.x + w.vx*float64(i) - 0.2*w.h), float32(w.y + w.vy*float64(i) - w.h), float32(0.4 * w.h), float32(w.h)}
}

func det(b Box, score float32) Detection { return Detection{Box: b, Score: score} }

func ids(tracks []Track) (ids []int) {
	for _, t := range tracks {
		ids = append(ids, t.ID)
	}
	return ids
}

// TestCrossing has two walkers pass in front of each other: each keeps its id, which its speed tells.
func TestCrossing(t *testing.T) {
	k := New(Options{})
	a, b := walker{x: 100, y: 300, vx: 6, h: 150}, walker{x: 500, y: 310, vx: -6, h: 150}
	for i := range 67 {
		// The order of detections changes, and tells nothing.
		d := []Detection{det(a.box(i), 0.9), det(b.box(i), 0.9)}
		if i%2 == 1 {
			slices.Reverse(d)
		}
		tracks := k.Update(frame(i), d)
		if i == 0 && len(tracks) != 0 {
			t.Fatal("a track of one detection is confirmed")
		}
		if i == 0 {
			continue
		}
		if !slices.Equal(ids(tracks), []int{1, 2}) {
			t.Fatalf("frame %d: tracks %v", i, ids(tracks))
		}
		if i > 20 && (tracks[0].VX < 0) != (tracks[1].VX > 0) {
			t.Fatalf("frame %d: speeds %v and %v", i, tracks[0].VX, tracks[1].VX)
		}
		for n, w := range []walker{a, b} {
			// Track 1 began as the first detection, which was walker a.
			if got := &tracks[n]; got.Detection < 0 || d[got.Detection].Box != w.box(i) || got.Seen != i+1 || IoU(got.Box, w.box(i)) < 0.8 {
				t.Fatalf("frame %d: track %d is %+v, the walker %+v", i, got.ID, got, w.box(i))
			}
		}
	}
}

// TestOcclusion hides a walker: for less than Keep it comes back as who it was, for more as another.
func TestOcclusion(t *testing.T) {
	k := New(Options{Keep: time.Second})
	w := walker{x: 100, y: 300, vx: 4, h: 150}
	var left []int
	for i := range 160 {
		var d []Detection
		hidden := i >= 30 && i < 48 || i >= 80 && i < 110 // 0.9 s and 1.5 s
		if !hidden {
			d = append(d, det(w.box(i), 0.9))
		}
		tracks := k.Update(frame(i), d)
		left = append(left, ids(k.Left())...)
		want := []int{1}
		switch {
		case i == 0 || i >= 100 && i < 111:
			want = nil
		case i >= 111:
			want = []int{2}
		}
		if !slices.Equal(ids(tracks), want) {
			t.Fatalf("frame %d: tracks %v, want %v", i, ids(tracks), want)
		}
		if len(tracks) == 1 && (tracks[0].Detection < 0) != hidden {
			t.Fatalf("frame %d: detection %d", i, tracks[0].Detection)
		}
		// While it is hidden it is foretold to walk on.
		if i == 47 && IoU(tracks[0].Box, w.box(i)) < 0.7 {
			t.Errorf("hidden at %+v, foretold at %+v", w.box(i), tracks[0].Box)
		}
	}
	if !slices.Equal(left, []int{1}) {
		t.Errorf("left: %v", left)
	}
}

// TestHiddenSize hides someone who was coming nearer: the box that is foretold does not grow on.
func TestHiddenSize(t *testing.T) {
	k := New(Options{})
	var last float32
	for i := range 50 {
		var d []Detection
		if i < 30 {
			d = append(d, det(walker{x: 300, y: 300, h: 100 + 2*float64(i)}.box(0), 0.9))
		}
		tracks := k.Update(frame(i), d)
		if i > 30 && tracks[0].H != last {
			t.Fatalf("frame %d: %v high, %v before", i, tracks[0].H, last)
		}
		if i > 0 {
			last = tracks[0].H
		}
	}
}

// TestLowScores checks ByteTrack's second association: faint detections prolong tracks and begin none.
func TestLowScores(t *testing.T) {
	k := New(Options{})
	w := walker{x: 100, y: 300, vx: 4, h: 150}
	ghost := walker{x: 600, y: 300, h: 150}
	for i := range 100 {
		score := float32(0.9)
		if i >= 10 {
			score = 0.2
		}
		tracks := k.Update(frame(i), []Detection{det(w.box(i), score), det(ghost.box(i), 0.45)})
		if i > 0 && (len(tracks) != 1 || tracks[0].Detection != 0 || tracks[0].Score != score) {
			t.Fatalf("frame %d: %+v", i, tracks)
		}
	}
}

// TestBadInput gives boxes that are none, times that go back and classes that change.
func TestBadInput(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	k := New(Options{})
	w := walker{x: 100, y: 300, h: 150}
	for i := range 20 {
		at := frame(i)
		if i%5 == 4 {
			at = frame(i - 3)
		}
		other := det(w.box(i), 0.9)
		other.Class = 1
		tracks := k.Update(at, []Detection{
			det(Box{nan, 0, 1, 1}, 0.9), det(Box{0, inf, 1, 1}, 0.9), det(Box{0, 0, -5, 5}, 0.9), det(Box{0, 0, 5, inf}, 0.9), det(Box{5, 5, 5, 5}, nan),
			det(w.box(i), 0.9), other,
		})
		if i > 0 && (!slices.Equal(ids(tracks), []int{1, 2}) || tracks[0].Detection != 5 || tracks[1].Detection != 6) {
			t.Fatalf("frame %d: %+v", i, tracks)
		}
		if i > 0 && i%2 == 1 {
			// The one class alone, just beside where the other's track is: only its own may have it.
			other.X += 3
			tracks = k.Update(at, []Detection{other})
			if tracks[0].Detection != -1 || tracks[1].Detection != 0 || tracks[0].Class != 0 || tracks[1].Class != 1 {
				t.Fatalf("frame %d: %+v", i, tracks)
			}
		}
	}
	if tracks := k.Update(frame(20), nil); len(tracks) != 2 {
		t.Errorf("%d tracks without detections", len(tracks))
	}
	if tracks := k.Update(frame(2000), nil); len(tracks) != 0 || len(k.Left()) != 2 {
		t.Errorf("%d tracks long after", len(tracks))
	}
}

// street is a simulation: people who walk through a picture of 1280x720, nearer ones larger and in front; a detector that trembles, misses and invents.
type street struct {
	rng     *rand.Rand
	people  []walker
	since   []int
	names   []int
	next    int
	miss    float64 // share of detections that are missed by chance
	tremble float64 // of detections' edges, heights
	ghosts  float64 // invented detections a frame
}

func newStreet(seed uint64, n int) *street {
	s := &street{rng: rand.New(rand.NewPCG(seed, 5))}
	for range n {
		s.people, s.since, s.names = append(s.people, walker{}), append(s.since, 0), append(s.names, 0)
		s.enter(len(s.people)-1, 0)
		s.people[len(s.people)-1].x = 1280 * s.rng.Float64()
	}
	return s
}

func (s *street) enter(p, i int) {
	y := 350 + 350*s.rng.Float64()
	h := 60 + (y-350)*0.6
	v := h * (0.5 + 0.6*s.rng.Float64()) / 20 // 0.5 to 1.1 heights a second
	w := walker{x: -0.2 * h, y: y, vx: v, h: h}
	if s.rng.IntN(2) == 0 {
		w.x, w.vx = 1280+0.2*h, -v
	}
	s.next++
	s.people[p], s.since[p], s.names[p] = w, i, s.next
}

// step returns the true boxes of frame i and what the detector makes of them.
func (s *street) step(i int) (truth []Labelled, dets []Detection) {
	for p := range s.people {
		if b := s.people[p].box(i - s.since[p]); b.X+b.W < 0 || b.X > 1280 {
			s.enter(p, i)
		}
	}
	order := make([]int, len(s.people))
	for p := range order {
		order[p] = p
	}
	slices.SortFunc(order, func(a, b int) int { return int(s.people[b].y*1000) - int(s.people[a].y*1000) }) // nearest first
	for n, p := range order {
		b := s.people[p].box(i - s.since[p])
		seen := 1.0
		for _, q := range order[:n] {
			f := s.people[q].box(i - s.since[q])
			w := min(b.X+b.W, f.X+f.W) - max(b.X, f.X)
			h := min(b.Y+b.H, f.Y+f.H) - max(b.Y, f.Y)
			if w > 0 && h > 0 {
				seen -= float64(w * h / (b.W * b.H))
			}
		}
		truth = append(truth, Labelled{s.names[p], b})
		if seen < 0.25 || s.rng.Float64() < s.miss {
			continue
		}
		e := func() float32 { return float32(s.rng.NormFloat64() * s.tremble * float64(b.H)) }
		dets = append(dets, det(Box{b.X + e(), b.Y + e(), b.W * (1 + e()/b.H), b.H * (1 + e()/b.H)}, float32(min(0.95, 0.2+0.9*seen))))
	}
	for range 2 {
		if s.rng.Float64() < s.ghosts/2 {
			dets = append(dets, det(Box{1200 * s.rng.Float32(), 600 * s.rng.Float32(), 40, 100}, 0.3+0.5*s.rng.Float32()))
		}
	}
	return truth, dets
}

// follow tracks n people for some frames and returns the figures.
func follow(s *street, o Options, frames int) *Score {
	k := New(o)
	var score Score
	for i := range frames {
		truth, dets := s.step(i)
		var found []Labelled
		for _, t := range k.Update(frame(i), dets) {
			if t.Detection >= 0 {
				found = append(found, Labelled{t.ID, t.Box})
			}
		}
		score.Add(truth, found)
	}
	return &score
}

// TestPerfectDetections: with every box given as it is, three people who rarely meet are followed without fault.
func TestPerfectDetections(t *testing.T) {
	k := New(Options{Hits: 1})
	var score Score
	for i := range 200 {
		var truth, found []Labelled
		var dets []Detection
		for n := range 3 {
			w := walker{x: 50, y: 200 + 200*float64(n), vx: 5, h: 120}
			truth = append(truth, Labelled{n, w.box(i)})
			dets = append(dets, det(w.box(i), 0.9))
		}
		for _, t := range k.Update(frame(i), dets) {
			found = append(found, Labelled{t.ID, t.Box})
		}
		score.Add(truth, found)
	}
	if score.MOTA() != 1 || score.IDF1() != 1 || score.Switches != 0 || score.MOTP() < 0.9 {
		t.Errorf("MOTA %v, IDF1 %v, %d switches, MOTP %v", score.MOTA(), score.IDF1(), score.Switches, score.MOTP())
	}
}

// TestStreet compares the tracker with itself without its parts: each is there because it helps.
func TestStreet(t *testing.T) {
	run := func(o Options) *Score {
		s := newStreet(1, 15)
		s.miss, s.tremble, s.ghosts = 0.05, 0.02, 0.3
		return follow(s, o, 2000)
	}
	full, single, forgetful := run(Options{}), run(Options{Low: 0.5}), run(Options{Keep: 60 * time.Millisecond})
	for name, s := range map[string]*Score{"full": full, "without low scores": single, "without memory": forgetful} {
		t.Logf("%-20s MOTA %.3f, IDF1 %.3f, %d switches of %d people, MOTP %.3f", name, s.MOTA(), s.IDF1(), s.Switches, len(s.last), s.MOTP())
	}
	if full.MOTA() <= single.MOTA() || full.Switches >= forgetful.Switches || full.IDF1() <= forgetful.IDF1() {
		t.Error("a part of the tracker does not help")
	}
}

func TestNoAllocations(t *testing.T) {
	update := thirty(t)
	for range 200 {
		update()
	}
	if n := testing.AllocsPerRun(200, update); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

// thirty returns a function that tracks one more frame of 30 people, through two zones and a line.
func thirty(t testing.TB) func() {
	s := newStreet(7, 30)
	s.tremble, s.miss = 0.02, 0.05
	frames := make([][]Detection, 400)
	for i := range frames {
		_, frames[i] = s.step(i)
	}
	k := New(Options{})
	w, err := NewWatch([]Zone{
		{Name: "left", Points: []Point{{0, 0}, {640, 0}, {640, 720}, {0, 720}}, Loiter: time.Second},
		{Name: "right", Points: []Point{{640, 0}, {1280, 0}, {1280, 720}, {640, 720}}},
	}, []Line{{Name: "middle", A: Point{640, 0}, B: Point{640, 720}}})
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	return func() {
		// Forth and back, so that nobody jumps.
		n := i % (2 * len(frames))
		if n >= len(frames) {
			n = 2*len(frames) - 1 - n
		}
		tracks := k.Update(frame(i), frames[n])
		w.Update(frame(i), tracks, k.Left())
		i++
	}
}

func BenchmarkThirty(b *testing.B) {
	update := thirty(b)
	for range 200 {
		update()
	}
	b.ReportAllocs()
	for b.Loop() {
		update()
	}
}
