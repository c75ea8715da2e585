package track

import (
	"fmt"
	"math"
	"time"
)

// Point is a place in pixels.
type Point struct{ X, Y float32 }

// Zone is a part of the picture. A track is in it while its Foot is.
type Zone struct {
	Name   string
	Points []Point       // the corners of a polygon, in order
	Loiter time.Duration // after which a track in it is reported; 0: never
}

// Contains says whether p is within the polygon: whether a ray from p crosses its edges an odd number of times. Of two zones that share an edge, a point
// on it is in one.
func (z *Zone) Contains(p Point) bool {
	in := false
	a := z.Points[len(z.Points)-1]
	for _, b := range z.Points {
		if (a.Y > p.Y) != (b.Y > p.Y) {
			low, high := a, b
			if a.Y > b.Y {
				low, high = b, a
			}
			in = in != (side(low, high, p) > 0)
		}
		a = b
	}
	return in
}

// side is twice the area of the triangle a, b, p in pixels²: positive where p is on the right hand of one who walks from a to b, y growing downwards.
func side(a, b, p Point) float32 {
	return float32((b.X-a.X)*(p.Y-a.Y)) - float32((b.Y-a.Y)*(p.X-a.X))
}

// Line counts the tracks whose Foot crosses it: In from the left hand to the right of one who walks in the picture from A to B, Out the other way.
type Line struct {
	Name string
	A, B Point
}

// Kind is what happened.
type Kind uint8

const (
	Entered     Kind = iota // a track was confirmed
	Left                    // a track ended
	ZoneEntered             // a track came into a zone
	ZoneLeft                // it left the zone, or ended in it
	Loitering               // it has been in it for the zone's Loiter
	CrossedIn               // a track crossed a line
	CrossedOut
)

var kinds = [...]string{"entered", "left", "zone_entered", "zone_left", "loitering", "crossed_in", "crossed_out"}

func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// MarshalText returns the kind's name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Event is something that a track did.
type Event struct {
	Kind  Kind
	Track int    // ID
	Class int    // the track's
	Name  string // of the zone or line
	Time  time.Time
	At    Point         // the track's Foot
	Stay  time.Duration // in the zone, or, for Left, in the picture, until it was last seen there
}

// ZoneCount is what a zone has seen.
type ZoneCount struct {
	Inside  int // tracks that are in it
	Entered uint64
	Left    uint64
}

// LineCount is what a line has seen.
type LineCount struct{ In, Out uint64 }

// Watch turns the tracks of one camera into events and counts.
type Watch struct {
	zones   []Zone
	lines   []Line
	lengths []float32 // of lines, in pixels
	zoned   []ZoneCount
	lined   []LineCount
	marks   []*mark
	spare   []*mark
	events  []Event
}

// mark is what a Watch remembers of a track.
type mark struct {
	track int
	stays []stay // one for each zone
	sides []sided
}

// stay is a track's time in a zone.
type stay struct {
	in, told    bool
	since, last time.Time // when it came, when it was last seen there
}

// sided is on which side of a line a track was clearly seen last, and where. 0: nowhere yet.
type sided struct {
	side int8
	at   Point
}

const (
	// grace is for how long a track may be outside a zone without having left it.
	grace = 500 * time.Millisecond
	// clearOf is how far from a line a track must be to be on one side of it, in parts of its height: boxes tremble.
	clearOf = 0.03
)

// NewWatch returns a Watch over zones and lines, or an error that names the one that is none.
func NewWatch(zones []Zone, lines []Line) (*Watch, error) {
	w := &Watch{zones: zones, lines: lines, zoned: make([]ZoneCount, len(zones)), lined: make([]LineCount, len(lines))}
	for _, z := range zones {
		if len(z.Points) < 3 {
			return nil, fmt.Errorf("zone %q has %d corners: a polygon has at least 3", z.Name, len(z.Points))
		}
		for _, p := range z.Points {
			if !p.valid() {
				return nil, fmt.Errorf("zone %q: (%v, %v) is no place in a picture", z.Name, p.X, p.Y)
			}
		}
	}
	for _, l := range lines {
		if !l.A.valid() || !l.B.valid() || l.A == l.B {
			return nil, fmt.Errorf("line %q from (%v, %v) to (%v, %v): it needs two different places in a picture", l.Name, l.A.X, l.A.Y, l.B.X, l.B.Y)
		}
		w.lengths = append(w.lengths, distance(l.A, l.B))
	}
	return w, nil
}

func distance(a, b Point) float32 {
	x, y := float64(b.X-a.X), float64(b.Y-a.Y)
	return float32(math.Sqrt(float64(x*x) + float64(y*y)))
}

func (p Point) valid() bool {
	const most = 1 << 24
	return p.X > -most && p.X < most && p.Y > -most && p.Y < most
}

// Zones and Lines return the counts, in the order given to NewWatch.
func (w *Watch) Zones() []ZoneCount { return w.zoned }

// Lines is described at Zones.
func (w *Watch) Lines() []LineCount { return w.lined }

// Update takes a Tracker's tracks at t and those that left, and returns what they did. The slice is valid until the next Update.
func (w *Watch) Update(t time.Time, tracks, left []Track) []Event {
	w.events = w.events[:0]
	for i := range left {
		w.end(t, &left[i])
	}
	for i := range tracks {
		k := &tracks[i]
		m := w.find(k.ID)
		if m == nil {
			m = w.begin(k.ID)
			w.tell(Entered, t, k, "", 0)
		}
		for z := range w.zones {
			w.visit(t, k, z, &m.stays[z])
		}
		if k.Detection >= 0 {
			for l := range w.lines {
				w.cross(t, k, l, &m.sides[l])
			}
		}
	}
	return w.events
}

func (w *Watch) tell(kind Kind, t time.Time, k *Track, name string, stay time.Duration) {
	w.events = append(w.events, Event{kind, k.ID, k.Class, name, t, k.Foot(), stay})
}

func (w *Watch) find(id int) *mark {
	for _, m := range w.marks {
		if m.track == id {
			return m
		}
	}
	return nil
}

func (w *Watch) begin(id int) *mark {
	var m *mark
	if n := len(w.spare); n > 0 {
		m, w.spare = w.spare[n-1], w.spare[:n-1]
		clear(m.stays)
		clear(m.sides)
	} else {
		m = &mark{stays: make([]stay, len(w.zones)), sides: make([]sided, len(w.lines))}
	}
	m.track = id
	w.marks = append(w.marks, m)
	return m
}

// end forgets a track.
func (w *Watch) end(t time.Time, k *Track) {
	for i, m := range w.marks {
		if m.track != k.ID {
			continue
		}
		for z := range m.stays {
			if m.stays[z].in {
				w.leave(t, k, z, &m.stays[z])
			}
		}
		w.tell(Left, t, k, "", k.Last.Sub(k.First))
		last := len(w.marks) - 1
		w.marks[i] = w.marks[last]
		w.marks = w.marks[:last]
		w.spare = append(w.spare, m)
		return
	}
}

// visit updates a track's stay in zone z. A track that is not seen stays where it is.
func (w *Watch) visit(t time.Time, k *Track, z int, s *stay) {
	zone := &w.zones[z]
	seen := k.Detection >= 0
	inside := seen && zone.Contains(k.Foot())
	switch {
	case inside && !s.in:
		*s = stay{in: true, since: t, last: t}
		w.zoned[z].Inside++
		w.zoned[z].Entered++
		w.tell(ZoneEntered, t, k, zone.Name, 0)
	case inside:
		s.last = t
	case s.in && seen && t.Sub(s.last) >= grace:
		w.leave(t, k, z, s)
	}
	if stay := s.last.Sub(s.since); s.in && !s.told && zone.Loiter > 0 && stay >= zone.Loiter {
		s.told = true
		w.tell(Loitering, t, k, zone.Name, stay)
	}
}

func (w *Watch) leave(t time.Time, k *Track, z int, s *stay) {
	s.in = false
	w.zoned[z].Inside--
	w.zoned[z].Left++
	w.tell(ZoneLeft, t, k, w.zones[z].Name, s.last.Sub(s.since))
}

// cross updates on which side of line l a track is. It crosses when it has been clearly on one side and is clearly on the other, and the way between these
// places meets the line and not its prolongation.
func (w *Watch) cross(t time.Time, k *Track, l int, s *sided) {
	line, at := &w.lines[l], k.Foot()
	distance := side(line.A, line.B, at) / w.lengths[l]
	now := int8(1)
	if distance < 0 {
		now, distance = -1, -distance
	}
	if distance < float32(clearOf*k.H) {
		return
	}
	if s.side == -now && (side(s.at, at, line.A) > 0) != (side(s.at, at, line.B) > 0) {
		if now > 0 {
			w.lined[l].In++
			w.tell(CrossedIn, t, k, line.Name, 0)
		} else {
			w.lined[l].Out++
			w.tell(CrossedOut, t, k, line.Name, 0)
		}
	}
	s.side, s.at = now, at
}
