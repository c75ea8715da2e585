package tasks

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/camera/track"
	"github.com/ocellus-vision/ocellus/cmd/internal/draw"
	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/pedestrian"
)

// followRate is how often a second people must be looked for if boxes from one look to the next are to overlap: who walks goes 1.4 m a second.
const followRate = 4

// Pedestrians finds people and, in clips and on cameras, follows them.
func Pedestrians(n *nets.Net) *Task {
	detectors := &shared[[]*pedestrian.Detector]{open: func() ([]*pedestrian.Detector, error) { return each(n, pedestrian.New) }}
	return &Task{Name: "pedestrians", Priority: 2, MinRate: followRate, Sizes: sizes(n), Open: func(follow bool) (Worker, error) {
		all, err := detectors.get()
		if err != nil {
			return nil, err
		}
		p := &people{detectors: detectors}
		if follow {
			least := float32(*all[0].Card().Score)
			low := max(least, math.SmallestNonzeroFloat32) // 0 would stand for the tracker's own
			p.tracker = track.New(track.Options{Low: low, High: min(least+0.1, 0.9), New: min(least+0.2, 0.95)})
			p.trails = map[int][][2]float64{}
		}
		return p, nil
	}}
}

type people struct {
	detectors *shared[[]*pedestrian.Detector] // by input size
	tracker   *track.Tracker                  // nil: pictures do not follow one another
	seen      []track.Detection
	trails    map[int][][2]float64
}

// Person is one person.
type Person struct {
	Box   [4]float64 `json:"box"`
	Score float64    `json:"score"`
	Track int        `json:"track,omitempty"` // the same for the same person from frame to frame; 0 before it is sure
	trail [][2]float64
}

// People is the Result of Pedestrians.
type People struct {
	List   []Person
	Tracks []track.Track // all that are followed, those that are not seen in this frame included
	points [][2]float64  // of the trails
}

func (p *people) New() Result { return &People{} }

func (p *people) Look(ctx context.Context, pic kernels.Picture, at time.Time, size int, result Result) error {
	r := result.(*People)
	if err := p.detect(ctx, pic, size, r); err != nil {
		return err
	}
	if p.tracker != nil {
		p.follow(r, at)
	}
	return nil
}

func (p *people) detect(ctx context.Context, pic kernels.Picture, size int, r *People) error {
	p.detectors.mu.Lock()
	defer p.detectors.mu.Unlock()
	r.List = r.List[:0]
	found, err := p.detectors.nets[size].Detect(ctx, pic)
	if err != nil {
		return err
	}
	for _, f := range found {
		r.List = append(r.List, Person{Box: f.Box, Score: f.Score})
	}
	return nil
}

// trailLength is how many frames back a trail goes.
const trailLength = 60

// follow gives people the numbers of their tracks.
func (p *people) follow(r *People, at time.Time) {
	p.seen, r.points, r.Tracks = p.seen[:0], r.points[:0], r.Tracks[:0]
	for _, x := range r.List {
		b := track.Box{X: float32(x.Box[0]), Y: float32(x.Box[1]), W: float32(x.Box[2]), H: float32(x.Box[3])}
		p.seen = append(p.seen, track.Detection{Box: b, Score: float32(x.Score)})
	}
	r.Tracks = append(r.Tracks, p.tracker.Update(at, p.seen)...)
	for _, t := range r.Tracks {
		if t.Detection < 0 {
			continue
		}
		trail := p.trails[t.ID]
		if len(trail) == trailLength {
			trail = slices.Delete(trail, 0, 1)
		}
		foot := t.Foot()
		trail = append(trail, [2]float64{float64(foot.X), float64(foot.Y)})
		p.trails[t.ID] = trail
		x, first := &r.List[t.Detection], len(r.points)
		r.points = append(r.points, trail...)
		x.Track, x.trail = t.ID, r.points[first:]
	}
	for _, t := range p.tracker.Left() {
		delete(p.trails, t.ID)
	}
}

// Draw implements Result.
func (r *People) Draw(l *draw.Layers, _ bool) {
	for _, p := range r.List {
		b := draw.Box{Rect: p.Box, Text: fmt.Sprintf("%.2f", p.Score), Trail: p.trail}
		if p.Track > 0 {
			b.Class, b.Text = p.Track-1, fmt.Sprintf("#%d %.2f", p.Track, p.Score)
		}
		l.Boxes = append(l.Boxes, b)
	}
}

// Fields implements Result.
func (r *People) Fields(o *Object) {
	list := make([]Person, len(r.List))
	for i, p := range r.List {
		p.Box, p.Score = roundBox(p.Box), round(p.Score, 5)
		list[i] = p
	}
	o.Add("pedestrians", list)
}

// Line implements Result.
func (r *People) Line() string { return count(len(r.List), "pedestrian") }

// Rows implements Result.
func (r *People) Rows(b *strings.Builder) {
	if len(r.List) > 0 {
		fmt.Fprintf(b, "  %-10s %6s %6s %8s %8s %8s %8s\n", "PEDESTRIAN", "TRACK", "SCORE", "X", "Y", "WIDTH", "HEIGHT")
	}
	for i, p := range r.List {
		id := "-"
		if p.Track > 0 {
			id = fmt.Sprint(p.Track)
		}
		fmt.Fprintf(b, "  %-10d %6s %6.3f %8.1f %8.1f %8.1f %8.1f\n", i+1, id, p.Score, p.Box[0], p.Box[1], p.Box[2], p.Box[3])
	}
}

// count writes "1 face", "2 faces".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
