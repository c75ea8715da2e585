package track

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// at returns a track whose Foot is at a place, 100 pixels high.
func at(id int, x, y float32) Track {
	return Track{ID: id, Box: Box{x - 20, y - 100, 40, 100}, Class: 3}
}

func TestContains(t *testing.T) {
	// An arrow that points right, with a notch on its left.
	z := Zone{Points: []Point{{0, 0}, {10, 5}, {0, 10}, {5, 5}}}
	for _, c := range []struct {
		p    Point
		want bool
	}{
		{Point{6, 5}, true}, {Point{4, 5}, false}, {Point{9, 5}, true}, {Point{11, 5}, false}, {Point{2, 1.5}, true}, {Point{2, 8.5}, true}, {Point{1, 5}, false},
		{Point{5, -1}, false}, {Point{5, 11}, false},
	} {
		if z.Contains(c.p) != c.want {
			t.Errorf("%v: %v", c.p, !c.want)
		}
	}
	// Whatever way round the corners go, and wherever they begin.
	for range 4 {
		z.Points = append(z.Points[1:], z.Points[0])
		slices.Reverse(z.Points)
		if !z.Contains(Point{6, 5}) || z.Contains(Point{4, 5}) {
			t.Errorf("corners %v", z.Points)
		}
	}
}

// TestZonesShareEdges cuts a square into triangles at random: each point, those on the cuts too, is in exactly one.
func TestZonesShareEdges(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		centre := Point{1 + 98*rng.Float32(), 1 + 98*rng.Float32()}
		corners := []Point{{0, 0}, {100, 0}, {100, 100}, {0, 100}}
		var zones []Zone
		for i := range corners {
			zones = append(zones, Zone{Points: []Point{corners[i], corners[(i+1)%4], centre}})
		}
		points := []Point{centre}
		for range 50 {
			points = append(points, Point{100 * rng.Float32(), 100 * rng.Float32()})
			s := rng.Float32()
			points = append(points, Point{centre.X + s*(100-centre.X), centre.Y + s*(100-centre.Y)}, Point{100 * rng.Float32(), 0}, Point{0, 100 * rng.Float32()})
		}
		for _, p := range points {
			n := 0
			for i := range zones {
				if zones[i].Contains(p) {
					n++
				}
			}
			if n != 1 && p.X < 100 && p.Y < 100 {
				t.Fatalf("%v with centre %v is in %d zones", p, centre, n)
			}
		}
	}
}

// told is what an event says, without its time.
type told struct {
	kind  Kind
	track int
	name  string
	stay  time.Duration
}

func plain(events []Event) (all []told) {
	for _, e := range events {
		all = append(all, told{e.Kind, e.Track, e.Name, e.Stay})
	}
	return all
}

func watch(t *testing.T, zones []Zone, lines []Line) *Watch {
	t.Helper()
	w, err := NewWatch(zones, lines)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestZone(t *testing.T) {
	const s = time.Second
	w := watch(t, []Zone{{Name: "door", Points: []Point{{100, 0}, {200, 0}, {200, 300}, {100, 300}}, Loiter: 3 * s}}, nil)
	time0 := start
	step := func(seconds float64, tracks []Track, left []Track, want ...told) {
		t.Helper()
		now := time0.Add(time.Duration(seconds * 1e9))
		events := w.Update(now, tracks, left)
		if got := plain(events); !slices.Equal(got, want) {
			t.Errorf("at %v s: %v, want %v", seconds, got, want)
		}
		for _, e := range events {
			if e.Time != now || e.Class != 3 {
				t.Errorf("at %v s: %+v", seconds, e)
			}
		}
	}
	unseen := at(1, 150, 200)
	unseen.Detection = -1
	step(0, []Track{at(1, 50, 200)}, nil, told{Entered, 1, "", 0})
	step(1, []Track{at(1, 150, 200)}, nil, told{ZoneEntered, 1, "door", 0})
	step(2, []Track{at(1, 150, 200)}, nil)
	step(2.3, []Track{at(1, 250, 200)}, nil) // out for less than grace
	step(2.4, []Track{at(1, 150, 200)}, nil)
	step(3.4, []Track{unseen}, nil) // nobody knows
	step(4, []Track{at(1, 150, 299), at(2, 150, 301)}, nil, told{Loitering, 1, "door", 3 * s}, told{Entered, 2, "", 0})
	step(5, []Track{at(1, 150, 299), at(2, 150, 290)}, nil, told{ZoneEntered, 2, "door", 0}) // told once
	if got := w.Zones()[0]; got != (ZoneCount{Inside: 2, Entered: 2}) {
		t.Errorf("%+v", got)
	}
	step(5.4, []Track{at(1, 250, 200), at(2, 150, 290)}, nil)
	step(5.6, []Track{at(1, 250, 200), at(2, 150, 290)}, nil, told{ZoneLeft, 1, "door", 4 * s})
	gone := at(2, 150, 290)
	gone.First, gone.Last = time0.Add(4*s), time0.Add(6*s)
	step(8, []Track{at(1, 250, 200)}, []Track{gone}, told{ZoneLeft, 2, "door", 600 * time.Millisecond}, told{Left, 2, "", 2 * s})
	if got := w.Zones()[0]; got != (ZoneCount{Entered: 2, Left: 2}) {
		t.Errorf("%+v", got)
	}
	// What is remembered of a track that left does not pass to the next.
	step(9, []Track{at(3, 150, 200)}, nil, told{Entered, 3, "", 0}, told{ZoneEntered, 3, "door", 0})
}

func TestLine(t *testing.T) {
	// One who walks from A to B walks down the picture: his right hand is on its left.
	w := watch(t, nil, []Line{{Name: "gate", A: Point{100, 50}, B: Point{100, 250}}})
	var got []told
	walk := func(id int, places ...Point) {
		for i, p := range places {
			got = append(got, plain(w.Update(frame(i), []Track{at(id, p.X, p.Y)}, nil))...)
		}
	}
	walk(1, Point{150, 200}, Point{120, 200}, Point{90, 200}, Point{60, 200})                 // right to left: in
	walk(2, Point{60, 200}, Point{140, 200})                                                  // out
	walk(3, Point{101, 200}, Point{99, 200}, Point{101, 200}, Point{99, 200})                 // trembles on the line
	walk(4, Point{110, 200}, Point{99, 200}, Point{101, 200}, Point{99, 200}, Point{90, 200}) // trembles, and goes over it once: in
	walk(5, Point{150, 300}, Point{60, 300}, Point{60, 200})                                  // passes by its end
	walk(6, Point{100, 200}, Point{60, 200})                                                  // begins on it
	walk(7, Point{60, 200}, Point{120, 200}, Point{60, 200})                                  // there and back
	want := []told{
		{Entered, 1, "", 0}, {CrossedIn, 1, "gate", 0}, {Entered, 2, "", 0}, {CrossedOut, 2, "gate", 0}, {Entered, 3, "", 0},
		{Entered, 4, "", 0}, {CrossedIn, 4, "gate", 0}, {Entered, 5, "", 0}, {Entered, 6, "", 0},
		{Entered, 7, "", 0}, {CrossedOut, 7, "gate", 0}, {CrossedIn, 7, "gate", 0},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	// What is remembered of a track that left does not pass to the next.
	w.Update(frame(3), nil, []Track{at(2, 140, 200)})
	got = nil
	walk(8, Point{60, 200})
	if want := []told{{Entered, 8, "", 0}}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if c := w.Lines()[0]; c != (LineCount{In: 3, Out: 2}) {
		t.Errorf("%+v", c)
	}
}

func TestWatchErrors(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		zones []Zone
		lines []Line
		want  string
	}{
		{[]Zone{{Name: "a", Points: []Point{{0, 0}, {1, 1}}}}, nil, `zone "a" has 2 corners`},
		{[]Zone{{Name: "b", Points: []Point{{0, 0}, {1, 1}, {nan, 0}}}}, nil, `zone "b"`},
		{nil, []Line{{Name: "c"}}, `line "c"`},
		{nil, []Line{{Name: "d", B: Point{float32(math.Inf(1)), 0}}}, `line "d"`},
	} {
		if _, err := NewWatch(c.zones, c.lines); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %v: %v", c.zones, c.lines, err)
		}
	}
}

func TestKindNames(t *testing.T) {
	if b, err := CrossedOut.MarshalText(); err != nil || string(b) != "crossed_out" || Kind(99).String() != "kind 99" {
		t.Errorf("%s, %v", b, Kind(99))
	}
}

// TestScore works figures out by hand. Boxes are 10x10; half of one overlaps with IoU 1/3, a fifth beside it with 2/3.
func TestScore(t *testing.T) {
	box := func(id int, x float32) Labelled { return Labelled{id, Box{x, 0, 10, 10}} }
	type list = []Labelled
	var s Score
	s.Add(list{box(1, 0), box(2, 100)}, list{box(11, 0), box(12, 105)})               // a match; IoU 1/3 is a miss and a false box
	s.Add(list{box(1, 0), box(2, 100)}, list{box(12, 0), box(11, 2)})                 // 11 keeps object 1, though 12 fits better: a match, a miss, a false box
	s.Add(list{box(1, 0), box(2, 100)}, list{box(12, 0), box(13, 100)})               // object 1 switches to 12; two matches
	s.Add(list{box(1, 0)}, list{})                                                    // a miss
	s.Add(list{box(1, 0), box(2, 100)}, list{box(12, 0), box(13, 102), box(14, 500)}) // two matches, a false box
	if s.Frames != 5 || s.Objects != 9 || s.Boxes != 9 || s.Matches != 6 || s.Switches != 1 {
		t.Errorf("%+v", s)
	}
	if got, want := s.MOTA(), 1-float64(3+3+1)/9; got != want {
		t.Errorf("MOTA %v, not %v", got, want)
	}
	if got, want := s.MOTP(), (4+2*2.0/3)/6; math.Abs(got-want) > 1e-6 {
		t.Errorf("MOTP %v, not %v", got, want)
	}
	// Object 1 overlaps 12 in frames 2, 3 and 5 and 11 in two, object 2 overlaps 13 in two: 3 + 2 boxes are right.
	if got, want := s.IDF1(), 2*5.0/18; got != want {
		t.Errorf("IDF1 %v, not %v", got, want)
	}
	var none Score
	if none.MOTA() != 0 || none.MOTP() != 0 || none.IDF1() != 0 {
		t.Error("figures of nothing")
	}
}
