package watch

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/ocellus-vision/ocellus/camera/track"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/model/task/face"
	"github.com/ocellus-vision/ocellus/model/task/scene"
)

// rules turn what tasks see on one camera into events. They keep no clock of their own: times are those of the frames.
type rules struct {
	camera config.Camera
	tasks  config.Tasks

	// sure gives a second opinion on somebody in a box; nil: nobody is asked.
	sure func(box [4]float64) (score float64, yes bool)

	people peopleRules
	faces  faceRules
	scene  sceneRules

	ended []store.Track // tracks that have ended since take
}

func newRules(c config.Camera, t config.Tasks) *rules {
	return &rules{camera: c, tasks: t, faces: faceRules{seen: map[string]time.Time{}}}
}

// event returns an event of the camera.
func (r *rules) event(kind, task string, t time.Time) store.Event {
	return store.Event{Time: t, Camera: r.camera.Name, Kind: kind, Task: task}
}

// peopleRules are what is remembered of people.
type peopleRules struct {
	watch         *track.Watch
	width, height int
	gen           uint64
	base, top     int64 // numbers of tracks begin after base; the greatest so far is top
	before        []track.Track
	tracks, left  []track.Track
	known         map[int]*known // what is remembered of each track
}

// known is what is remembered of a track.
type known struct {
	path
	first, seen time.Time // when it was seen first and last
	best        float32   // its greatest score
	box         [4]float64
	told        bool // it made an event
	doubted     bool // the second opinion was against it
}

// see notes where somebody is, and how sure that is.
func (k *known) see(t time.Time, x *track.Track) {
	k.seen = t
	k.add(t, x.Foot())
	if x.Score > k.best {
		k.best, k.box = x.Score, [4]float64{float64(x.X), float64(x.Y), float64(x.W), float64(x.H)}
	}
}

// path is where somebody stood from time to time.
type path struct {
	points [][2]float64
	every  time.Duration // from one point to the next
	last   time.Time
}

const (
	pathPoints = 48
	pathEvery  = 250 * time.Millisecond
)

// add notes a place. When there are too many every other one is left out, from then on too.
func (p *path) add(t time.Time, foot track.Point) {
	if t.Sub(p.last) < p.every && len(p.points) > 0 {
		return
	}
	if len(p.points) == pathPoints {
		for i := range pathPoints / 2 {
			p.points[i] = p.points[2*i]
		}
		p.points, p.every = p.points[:pathPoints/2], 2*p.every
	}
	p.points, p.last = append(p.points, [2]float64{math.Round(float64(foot.X)), math.Round(float64(foot.Y))}), t
}

// everywhere is a zone around any picture.
var everywhere = []track.Point{{X: -1e6, Y: -1e6}, {X: 1e6, Y: -1e6}, {X: 1e6, Y: 1e6}, {X: -1e6, Y: 1e6}}

// begin starts anew where the pictures have another size or the network is another one.
func (p *peopleRules) begin(c *config.Camera, gen uint64, width, height int) error {
	if p.watch != nil && p.gen == gen && p.width == width && p.height == height {
		return nil
	}
	place := func(q config.Point) track.Point {
		return track.Point{X: float32(q[0] * float64(width)), Y: float32(q[1] * float64(height))}
	}
	var zones []track.Zone
	for _, z := range c.Zones {
		t := track.Zone{Name: z.Name, Loiter: cmp.Or(z.Loiter, c.Loiter)}
		for _, q := range z.Points {
			t.Points = append(t.Points, place(q))
		}
		zones = append(zones, t)
	}
	if len(zones) == 0 {
		zones = []track.Zone{{Points: everywhere, Loiter: c.Loiter}}
	}
	var lines []track.Line
	for _, l := range c.Lines {
		lines = append(lines, track.Line{Name: l.Name, A: place(l.From), B: place(l.To)})
	}
	w, err := track.NewWatch(zones, lines)
	if err != nil {
		return err
	}
	*p = peopleRules{watch: w, width: width, height: height, gen: gen, base: p.top, top: p.top, known: map[int]*known{}}
	return nil
}

// sees takes the people in a frame of width x height and returns the events of it. gen counts the networks: the tracks of another are others.
func (r *rules) sees(t time.Time, gen uint64, width, height int, people *tasks.People) ([]store.Event, error) {
	p := &r.people
	if p.watch == nil || p.gen != gen || p.width != width || p.height != height {
		r.give(t, p.known)
	}
	if err := p.begin(&r.camera, gen, width, height); err != nil {
		return nil, err
	}
	p.tracks, p.left = p.tracks[:0], p.left[:0]
	for i := range people.Tracks {
		k := &people.Tracks[i]
		n := p.known[k.ID]
		if n == nil {
			n = &known{path: path{every: pathEvery}, first: t, seen: t}
			p.known[k.ID] = n
		}
		if k.Detection >= 0 {
			n.see(t, k)
		}
		if float64(n.best) >= r.tasks.Pedestrians.Score {
			p.tracks = append(p.tracks, *k)
		}
	}
	for _, k := range p.before {
		if !slices.ContainsFunc(p.tracks, func(x track.Track) bool { return x.ID == k.ID }) {
			p.left = append(p.left, k)
		}
	}
	var list []store.Event
	for _, e := range p.watch.Update(t, p.tracks, p.left) {
		if made, ok := r.person(e); ok {
			list = append(list, made)
		}
	}
	gone := maps.Clone(p.known)
	for i := range people.Tracks {
		delete(gone, people.Tracks[i].ID)
	}
	r.give(t, gone)
	p.before = append(p.before[:0], p.tracks...)
	return list, nil
}

// give ends tracks of people, in order of their numbers. Those that were never sure enough, and those that the second opinion was only against, are none.
func (r *rules) give(t time.Time, gone map[int]*known) {
	p := &r.people
	for _, id := range slices.Sorted(maps.Keys(gone)) {
		n := gone[id]
		delete(p.known, id)
		if float64(n.best) < r.tasks.Pedestrians.Score || n.doubted && !n.told {
			continue
		}
		number := p.base + int64(id)
		p.top = max(p.top, number)
		r.ends(t, Pedestrians, number, n, p.width, p.height)
	}
}

// ends notes that a track has ended, of frames of a size.
func (r *rules) ends(t time.Time, task string, number int64, n *known, width, height int) {
	r.ended = append(r.ended, store.Track{Camera: r.camera.Name, Task: task, Track: number, First: n.first, Last: n.seen, End: t, Score: rounded(float64(n.best)),
		Box: clip(n.box, width, height), Path: n.points})
}

// take returns the tracks that have ended since the last call.
func (r *rules) take() []store.Track {
	list := r.ended
	r.ended = nil
	return list
}

// end ends all tracks: no more is seen of them.
func (r *rules) end(t time.Time) {
	r.give(t, r.people.known)
	if r.faces.tracker != nil {
		r.giveFaces(t, slices.Sorted(maps.Keys(r.faces.marks)))
	}
}

// person makes an event of what a track did. Of a track that the second opinion is against nothing is told.
func (r *rules) person(did track.Event) (store.Event, bool) {
	p := &r.people
	kinds := map[track.Kind]string{track.ZoneEntered: store.PedestrianEntered, track.ZoneLeft: store.PedestrianLeft, track.Loitering: store.Loitering,
		track.CrossedIn: store.LineCrossed, track.CrossedOut: store.LineCrossed}
	kind, ok := kinds[did.Kind]
	n := p.known[did.Track]
	if !ok || n == nil {
		return store.Event{}, false
	}
	e := r.event(kind, Pedestrians, did.Time)
	e.Zone = did.Name
	e.Track = p.base + int64(did.Track)
	p.top = max(p.top, e.Track)
	for _, k := range append(p.tracks, p.left...) {
		if k.ID == did.Track {
			e.Score = rounded(float64(k.Score))
			e.Box = clip([4]float64{float64(k.X), float64(k.Y), float64(k.W), float64(k.H)}, p.width, p.height)
		}
	}
	switch did.Kind {
	case track.CrossedIn:
		e.Label = "in"
	case track.CrossedOut:
		e.Label = "out"
	case track.Loitering, track.ZoneLeft:
		e.Data = map[string]any{"stay_s": rounded(did.Stay.Seconds())}
	}
	if did.Kind == track.ZoneLeft {
		e.Data["path"] = slices.Clone(n.points)
		return e, n.told
	}
	if r.sure != nil && e.Box != nil {
		score, yes := r.sure(*e.Box)
		if !yes {
			n.doubted = true
			return e, false
		}
		if score > 0 {
			if e.Data == nil {
				e.Data = map[string]any{}
			}
			e.Data["second"] = rounded(score)
		}
	}
	n.told = true
	return e, true
}

// clip returns the part of a box that is in a picture; nil for none.
func clip(b [4]float64, width, height int) *[4]float64 {
	x, y := max(b[0], 0), max(b[1], 0)
	w, h := min(b[0]+b[2], float64(width))-x, min(b[1]+b[3], float64(height))-y
	if !(w > 0 && h > 0) {
		return nil
	}
	return &[4]float64{rounded(x), rounded(y), rounded(w), rounded(h)}
}

// rounded cuts a number to four decimals.
func rounded(v float64) float64 { return math.Round(v*1e4) / 1e4 }

// faceRules are what is remembered of faces.
type faceRules struct {
	tracker *track.Tracker
	width   int // of the frames
	height  int
	marks   map[int]*faceMark
	seen    map[string]time.Time // when a person was seen last
	boxes   []track.Detection
}

// faceMark is what was seen of one face over time.
type faceMark struct {
	known
	named   map[string]int // how often it was this person
	strange int            // how often it was nobody's
}

const (
	namedOften   = 2 // looks at which a face must be one person's
	strangeOften = 5 // looks at which a face must be nobody's, and no one's at any
)

// faces takes the faces in a frame and returns the events of it: each face makes one.
func (r *rules) facesSeen(t time.Time, width, height int, list []face.Identity) []store.Event {
	f := &r.faces
	if f.tracker == nil {
		f.tracker = track.New(track.Options{Low: 0.05, High: 0.3, New: 0.3, Near: 0.15, Keep: 3 * time.Second})
		f.marks = map[int]*faceMark{}
	}
	f.boxes = f.boxes[:0]
	for _, x := range list {
		b := track.Box{X: float32(x.Box[0]), Y: float32(x.Box[1]), W: float32(x.Box[2]), H: float32(x.Box[3])}
		f.boxes = append(f.boxes, track.Detection{Box: b, Score: float32(x.Score)})
	}
	var events []store.Event
	for _, k := range f.tracker.Update(t, f.boxes) {
		if k.Detection < 0 {
			continue
		}
		m := f.marks[k.ID]
		if m == nil {
			m = &faceMark{known: known{path: path{every: pathEvery}, first: t}, named: map[string]int{}}
			f.marks[k.ID] = m
		}
		m.see(t, &k)
		if kind, tell := f.judge(m, &list[k.Detection], t, r.tasks.Faces.Again); tell {
			x := &list[k.Detection]
			e := r.event(kind, Faces, t)
			e.Track, e.Score, e.Box = int64(k.ID), rounded(x.Score), clip(x.Box, width, height)
			if e.Similarity = rounded(x.Similarity); kind == store.FaceKnown {
				e.Name = x.Name
			}
			events = append(events, e)
		}
	}
	f.width, f.height = width, height
	var gone []int
	for _, k := range f.tracker.Left() {
		gone = append(gone, k.ID)
	}
	r.giveFaces(t, gone)
	return events
}

// giveFaces ends tracks of faces. Those that were not made out are none.
func (r *rules) giveFaces(t time.Time, gone []int) {
	f := &r.faces
	for _, id := range gone {
		if m := f.marks[id]; m != nil && m.told {
			r.ends(t, Faces, int64(id), &m.known, f.width, f.height)
		}
		delete(f.marks, id)
	}
}

// judge counts a look at a face, and says whether that makes an event.
func (f *faceRules) judge(m *faceMark, x *face.Identity, t time.Time, again time.Duration) (kind string, tell bool) {
	switch {
	case x.Reason != "":
		return "", false
	case x.Name == "" || x.Name == face.Unknown:
		m.strange++
		if m.told || len(m.named) > 0 || m.strange < strangeOften {
			return "", false
		}
		m.told = true
		return store.FaceUnknown, true
	}
	if m.named[x.Name]++; m.named[x.Name] < namedOften {
		return "", false
	}
	last, known := f.seen[x.Name]
	f.seen[x.Name], m.told = t, true
	return store.FaceKnown, !known || t.Sub(last) >= again
}

// sceneRules are what is remembered of the scene.
type sceneRules struct {
	usual map[string]float64 // shares of the picture by class
	since time.Time          // from when on it was another; zero while it is not
}

// calm is by how much of a difference what is usual follows what is seen, at each look.
const calm = 0.05

// sceneSeen takes the shares of the classes in a frame and returns the event of a change that has lasted.
func (r *rules) sceneSeen(t time.Time, shares []scene.Share) []store.Event {
	s := &r.scene
	now := map[string]float64{}
	for _, x := range shares {
		now[x.Label] = x.Share
	}
	if s.usual == nil {
		s.usual = now
		return nil
	}
	most, how := "", 0.0
	for _, label := range labels(s.usual, now) {
		if d := now[label] - s.usual[label]; math.Abs(d) > math.Abs(how) {
			most, how = label, d
		}
	}
	if differ(s.usual, now) < r.tasks.Scene.Change {
		s.since = time.Time{}
		for _, label := range labels(s.usual, now) {
			s.usual[label] += calm * (now[label] - s.usual[label])
		}
		return nil
	}
	if s.since.IsZero() {
		s.since = t
	}
	if t.Sub(s.since) < r.tasks.Scene.Hold {
		return nil
	}
	e := r.event(store.SceneChanged, Scene, t)
	e.Label, e.Score = most, rounded(differ(s.usual, now))
	e.Data = map[string]any{"before": shown(s.usual), "after": shown(now), "change": rounded(how)}
	s.usual, s.since = now, time.Time{}
	return []store.Event{e}
}

// differ is the share of the picture that is of another class.
func differ(a, b map[string]float64) float64 {
	var sum float64
	for _, label := range labels(a, b) {
		sum += math.Abs(a[label] - b[label])
	}
	return sum / 2
}

// labels returns the classes of both, sorted.
func labels(a, b map[string]float64) []string {
	var list []string
	for _, m := range []map[string]float64{a, b} {
		for label := range m {
			list = append(list, label)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// shown returns shares as they are written, without those that cannot be seen.
func shown(shares map[string]float64) map[string]any {
	m := map[string]any{}
	for label, v := range shares {
		if v >= 0.005 {
			m[label] = rounded(v)
		}
	}
	return m
}
