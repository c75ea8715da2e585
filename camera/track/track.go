// Package track follows objects from frame to frame: detections become tracks with stable ids, and tracks become counts: who is in a zone and for how long, who
// crossed a line and which way. The same boxes and times give the same tracks on every machine.
package track

import (
	"slices"
	"time"
)

// Box is a rectangle in pixels: its left upper corner, width and height.
type Box struct{ X, Y, W, H float32 }

// Foot is the middle of the lower edge: where someone stands.
func (b Box) Foot() Point { return Point{b.X + float32(b.W/2), b.Y + b.H} }

// IoU is the area that two boxes share as a part of that which they cover together, from 0 to 1.
func IoU(a, b Box) float32 {
	w := min(a.X+a.W, b.X+b.W) - max(a.X, b.X)
	h := min(a.Y+a.H, b.Y+b.H) - max(a.Y, b.Y)
	if !(w > 0 && h > 0) {
		return 0
	}
	both := float32(w * h)
	all := float32(a.W*a.H) + float32(b.W*b.H) - both
	if !(all > 0) {
		return 0
	}
	return min(both/all, 1)
}

// Detection is what a detector saw in one frame.
type Detection struct {
	Box
	Score float32 // 0 to 1
	Class int     // only boxes of one class become one track
}

// Track is one object over time.
type Track struct {
	ID        int     // from 1, in the order in which tracks were confirmed
	Box               // where it is now: smoothed, and foretold while it is not seen
	VX, VY    float32 // of its centre, pixels a second
	Class     int
	Score     float32   // of the latest detection
	Detection int       // index of the detection that it was seen as in this frame; -1: not seen
	Seen      int       // frames that it was seen in
	First     time.Time // when it was first seen
	Last      time.Time // when it was last seen
}

// Options are a Tracker's; 0 stands for the default.
type Options struct {
	High float32       // score from which a detection is taken for an object; 0.5
	Low  float32       // score from which a detection may prolong a track; 0.1
	New  float32       // score from which a detection may begin a track; 0.6
	Near float32       // least IoU of a detection with where a track should be; 0.3. Half as much for tracks whose speed is not known yet
	Hits int           // frames in a row before a new track is confirmed; 2
	Keep time.Duration // for how long a confirmed track lives without being seen; 2 s
}

// Tracker makes tracks of one camera's detections.
//
// A Kalman filter foretells where each track's box is, and detections go to the tracks whose boxes they overlap most: Bewley, Ge, Ott, Ramos and Upcroft, "Simple
// online and realtime tracking", ICIP 2016. Detections of low score go to the tracks that are left, never to new ones: Zhang et al., "ByteTrack:
// Multi-object tracking by associating every detection box", ECCV 2022, algorithm 1.
type Tracker struct {
	o     Options
	now   time.Time
	ids   int
	paths []path // confirmed ones first, in order of ID

	out, left []Track
	match     matcher
	dets      []Detection
	free      []bool // of each detection: no track has it
}

// path is a track with its filter.
type path struct {
	Track
	motion    motion
	confirmed bool
	lost      bool // not seen in the frame before
	found     bool // seen in this one
}

// New returns a tracker without tracks.
func New(o Options) *Tracker {
	set := func(v *float32, d float32) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&o.High, 0.5)
	set(&o.Low, 0.1)
	set(&o.New, 0.6)
	set(&o.Near, 0.3)
	if o.Hits < 1 {
		o.Hits = 2
	}
	if o.Keep <= 0 {
		o.Keep = 2 * time.Second
	}
	return &Tracker{o: o}
}

// Update takes the detections of a frame captured at t, after which overlapping ones of the same object should have been suppressed, and returns the confirmed tracks
// in order of ID, those that are not seen now with Detection -1. The slice is valid until the next Update. Boxes that are no boxes (an edge not
// finite, a side not above 0) are passed over.
func (k *Tracker) Update(t time.Time, detections []Detection) []Track {
	k.begin(t, detections)
	k.associate(k.o.High, 2, k.o.Near, func(p *path) bool { return p.confirmed })
	k.associate(k.o.Low, k.o.High, 0.5, func(p *path) bool { return p.confirmed && !p.lost })
	k.associate(k.o.High, 2, k.o.Near/2, func(p *path) bool { return !p.confirmed })
	k.end()
	k.start()
	k.out = k.out[:0]
	for i := range k.paths {
		if p := &k.paths[i]; p.confirmed {
			k.out = append(k.out, p.Track)
		}
	}
	return k.out
}

// Left returns the confirmed tracks that ended in the last Update. The slice is valid until the next.
func (k *Tracker) Left() []Track { return k.left }

// begin moves the tracks to t.
func (k *Tracker) begin(t time.Time, detections []Detection) {
	var dt float32
	if !k.now.IsZero() {
		dt = float32(max(t.Sub(k.now), 0)) / float32(time.Second)
	}
	k.now = t
	k.left = k.left[:0]
	k.paths = slices.DeleteFunc(k.paths, func(p path) bool { return k.over(&p) })
	for i := range k.paths {
		p := &k.paths[i]
		p.lost, p.found, p.Detection = !p.found, false, -1
		p.motion.predict(dt, p.lost)
		p.place()
	}
	k.dets, k.free = detections, k.free[:0]
	for i := range detections {
		k.free = append(k.free, detections[i].Box.valid())
	}
}

// over says whether a track has not been seen for too long, and notes it as left.
func (k *Tracker) over(p *path) bool {
	over := p.confirmed && k.now.Sub(p.Last) > k.o.Keep
	if over {
		k.left = append(k.left, p.Track)
	}
	return over
}

func (b Box) valid() bool {
	const most = 1 << 24
	return b.W > 0 && b.H > 0 && b.W < most && b.H < most && b.X > -most && b.X < most && b.Y > -most && b.Y < most
}

// place copies the filter's state into the track.
func (p *path) place() { p.Box, p.VX, p.VY = p.motion.box(), p.motion[0].v, p.motion[1].v }

// associate pairs free detections with from <= Score < to and unseen tracks that may be.
func (k *Tracker) associate(from, to, near float32, may func(*path) bool) {
	m := &k.match
	m.begin()
	for i := range k.paths {
		if p := &k.paths[i]; !p.found && may(p) {
			m.tracks = append(m.tracks, int32(i))
		}
	}
	for i := range k.dets {
		if d := &k.dets[i]; k.free[i] && d.Score >= from && d.Score < to {
			m.dets = append(m.dets, int32(i))
		}
	}
	m.pair(k, near)
	for _, pr := range m.pairs {
		p, d := &k.paths[pr[0]], &k.dets[pr[1]]
		k.free[pr[1]] = false
		p.motion.update(d.Box)
		p.place()
		p.found, p.Detection, p.Score, p.Last = true, int(pr[1]), d.Score, k.now
		p.Seen++
	}
}

// end drops unconfirmed tracks that were not seen and confirms those that were often enough.
func (k *Tracker) end() {
	k.paths = slices.DeleteFunc(k.paths, func(p path) bool { return !p.confirmed && !p.found })
	for i := range k.paths {
		k.confirm(&k.paths[i])
	}
}

func (k *Tracker) confirm(p *path) {
	if !p.confirmed && p.Seen >= k.o.Hits {
		k.ids++
		p.confirmed, p.ID = true, k.ids
	}
}

// start begins tracks with the detections that are left.
func (k *Tracker) start() {
	for i := range k.dets {
		d := &k.dets[i]
		if !k.free[i] || !(d.Score >= k.o.New) {
			continue
		}
		p := path{Track: Track{Class: d.Class, Score: d.Score, Detection: i, Seen: 1, First: k.now, Last: k.now}, motion: still(d.Box), found: true}
		p.place()
		k.confirm(&p)
		k.paths = append(k.paths, p)
	}
}

// matcher pairs tracks with detections. Its memory is used again.
type matcher struct {
	assigner     assigner
	tracks, dets []int32    // indices into paths and into detections
	weights      []int32    // tracks x dets
	pairs        [][2]int32 // a track and a detection
}

func (m *matcher) begin() { m.tracks, m.dets, m.pairs = m.tracks[:0], m.dets[:0], m.pairs[:0] }

// pair finds the pairs of one class with IoU of at least near whose IoU above near has the greatest sum.
func (m *matcher) pair(k *Tracker, near float32) {
	m.weights = m.weights[:0]
	for _, i := range m.tracks {
		p := &k.paths[i]
		for _, j := range m.dets {
			d := &k.dets[j]
			var w int32
			if p.Class == d.Class {
				w = weight(IoU(p.Box, d.Box), near)
			}
			m.weights = append(m.weights, w)
		}
	}
	if len(m.weights) == 0 {
		return
	}
	for r, c := range m.assigner.assign(m.weights, len(m.tracks), len(m.dets)) {
		if c >= 0 {
			m.pairs = append(m.pairs, [2]int32{m.tracks[r], m.dets[c]})
		}
	}
}

// weight is an IoU above near in 1/65536, and at least 1 where it is not below.
func weight(iou, near float32) int32 {
	if !(iou >= near && iou > 0) {
		return 0
	}
	return 1 + int32((iou-near)*65536)
}
