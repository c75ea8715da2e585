package watch

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/camera/track"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/model/task/face"
	"github.com/ocellus-vision/ocellus/model/task/scene"
)

var begin = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// after is a time of the tests.
func after(seconds float64) time.Time { return begin.Add(time.Duration(seconds * 1e9)) }

// walker is somebody of 20x40 pixels whose feet are at a place.
func walker(id int, x, y float32) track.Track {
	return track.Track{ID: id, Box: track.Box{X: x - 10, Y: y - 40, W: 20, H: 40}, Score: 0.8, Detection: 0}
}

// said writes events as "seconds kind zone label track".
func said(list []store.Event) string {
	var lines []string
	for _, e := range list {
		s := fmt.Sprintf("%g %s", e.Time.Sub(begin).Seconds(), e.Kind)
		for _, part := range []string{e.Zone, e.Label, e.Name} {
			if part != "" {
				s += " " + part
			}
		}
		if e.Track > 0 {
			s += fmt.Sprintf(" #%d", e.Track)
		}
		lines = append(lines, s)
	}
	return strings.Join(lines, "\n")
}

// people plays frames of 200x100 at ten a second, and returns the events of all.
func people(t *testing.T, r *rules, frames ...[]track.Track) []store.Event {
	t.Helper()
	var all []store.Event
	for i, tracks := range frames {
		list, err := r.sees(after(float64(i)/10), 1, 200, 100, &tasks.People{Tracks: tracks})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list...)
	}
	return all
}

// walk is one track that goes from x to x in n frames at y, and is gone then.
func walk(id int, from, to, y float32, n int) [][]track.Track {
	var frames [][]track.Track
	for i := range n {
		frames = append(frames, []track.Track{walker(id, from+(to-from)*float32(i)/float32(n-1), y)})
	}
	return append(frames, nil)
}

func TestWholePicture(t *testing.T) {
	r := newRules(config.Camera{Name: "door", Loiter: 500 * time.Millisecond}, config.Tasks{})
	list := people(t, r, walk(1, 20, 180, 90, 11)...)
	if got, want := said(list), "0 pedestrian_entered #1\n0.5 loitering #1\n1.1 pedestrian_left #1"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	want := store.Event{Time: begin, Camera: "door", Kind: store.PedestrianEntered, Task: "pedestrians", Track: 1, Score: 0.8, Box: &[4]float64{10, 50, 20, 40}}
	if !reflect.DeepEqual(list[0], want) {
		t.Errorf("%+v\nwant %+v", list[0], want)
	}
	if stay := list[2].Data["stay_s"]; stay != 1.0 {
		t.Errorf("stayed %v s", stay)
	}
	path := [][2]float64{{20, 90}, {68, 90}, {116, 90}, {164, 90}}
	if got := list[2].Data["path"]; !reflect.DeepEqual(got, path) {
		t.Errorf("went %v", got)
	}
	track := []store.Track{{Camera: "door", Task: "pedestrians", Track: 1, First: begin, Last: after(1), End: after(1.1), Score: 0.8, Box: &[4]float64{10, 50, 20, 40}, Path: path}}
	if got := r.take(); !reflect.DeepEqual(got, track) {
		t.Errorf("tracks %+v\nwant %+v", got, track)
	}
}

func TestLongPath(t *testing.T) {
	p := path{every: pathEvery}
	for i := range 10000 {
		p.add(after(float64(i)/10), track.Point{X: float32(i)})
	}
	if n := len(p.points); n < pathPoints/2 || n > pathPoints || p.points[0][0] != 0 || p.points[n-1][0] < 9000 {
		t.Errorf("%d points: %v", n, p.points)
	}
}

func TestZonesAndLines(t *testing.T) {
	c := config.Camera{Name: "door", Loiter: 300 * time.Millisecond,
		Zones: []config.Zone{{Name: "right", Points: []config.Point{{0.5, 0}, {1, 0}, {1, 1}, {0.5, 1}}}, {Name: "far", Points: []config.Point{{0, 0}, {1, 0}, {1, 0.2}, {0, 0.2}}}},
		Lines: []config.Line{{Name: "gate", From: config.Point{0.25, 1}, To: config.Point{0.25, 0}}}}
	got := said(people(t, newRules(c, config.Tasks{}), walk(1, 20, 180, 90, 17)...))
	want := "0.4 line_crossed gate in #1\n0.8 pedestrian_entered right #1\n1.1 loitering right #1\n1.7 pedestrian_left right #1"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	got = said(people(t, newRules(c, config.Tasks{}), walk(1, 80, 20, 90, 7)...))
	if want := "0.4 line_crossed gate out #1"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestScoreThatIsAskedFor(t *testing.T) {
	r := newRules(config.Camera{Name: "door"}, config.Tasks{Pedestrians: config.Pedestrians{Score: 0.7}})
	at := func(score float32) []track.Track {
		k := walker(1, 50, 90)
		k.Score = score
		return []track.Track{k}
	}
	got := said(people(t, r, at(0.5), at(0.69), at(0.71), at(0.4), nil, at(0.1), nil))
	if want := "0.2 pedestrian_entered #1\n0.4 pedestrian_left #1"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if p := &r.people; len(p.known) > 0 {
		t.Errorf("of tracks that are gone is remembered %v", p.known)
	}
}

func TestSecondOpinion(t *testing.T) {
	r := newRules(config.Camera{Name: "door", Loiter: 300 * time.Millisecond}, config.Tasks{})
	asked := 0
	r.sure = func(box [4]float64) (float64, bool) {
		asked++
		if box[2] != 20 {
			t.Errorf("asked of %v", box)
		}
		return 0.9, asked > 1
	}
	list := people(t, r, walk(1, 20, 180, 90, 11)...)
	// The entry was doubted, so that only what is sure later is told: the loitering and the end.
	if got, want := said(list), "0.3 loitering #1\n1.1 pedestrian_left #1"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := r.take(); len(got) != 1 || got[0].Track != 1 {
		t.Errorf("%+v", got)
	}
	r.sure = func([4]float64) (float64, bool) { return 0.1, false }
	if got := said(people(t, r, walk(2, 20, 180, 90, 11)...)); got != "" {
		t.Errorf("doubted, and yet: %s", got)
	}
	if got := r.take(); got != nil {
		t.Errorf("doubted, and yet: %+v", got)
	}
}

// TestOtherNetwork gives the tracks of another network numbers of their own.
func TestOtherNetwork(t *testing.T) {
	r := newRules(config.Camera{Name: "door"}, config.Tasks{})
	var all []store.Event
	for i, gen := range []uint64{1, 1, 2, 2} {
		list, err := r.sees(after(float64(i)), gen, 200, 100, &tasks.People{Tracks: []track.Track{walker(1, 50, 90)}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list...)
	}
	if got, want := said(all), "0 pedestrian_entered #1\n2 pedestrian_entered #2"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	r.end(after(9))
	var tracks []string
	for _, k := range r.take() {
		tracks = append(tracks, fmt.Sprintf("#%d %v %v", k.Track, k.Last.Sub(begin), k.End.Sub(begin)))
	}
	if got, want := strings.Join(tracks, "\n"), "#1 1s 2s\n#2 3s 9s"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// seenFaces plays looks two a second, each of one face of this name ("-" for one that is not compared, "" for no face).
func seenFaces(r *rules, from float64, names ...string) []store.Event {
	var all []store.Event
	for i, name := range names {
		var list []face.Identity
		if name != "" {
			x := face.Identity{Face: face.Face{Box: [4]float64{50, 20, 40, 40}, Score: 0.9}, Name: name, Similarity: 0.7}
			if name == "-" {
				x.Name, x.Reason, x.Similarity = face.Unknown, "it is blurred", 0
			}
			list = append(list, x)
		}
		all = append(all, r.facesSeen(after(from+float64(i)/2), 200, 100, list)...)
	}
	return all
}

func TestFaces(t *testing.T) {
	again := config.Tasks{Faces: config.Faces{Again: 30 * time.Second}}
	for name, c := range map[string]struct {
		looks []string
		want  string
	}{
		"known":              {[]string{"Ada", "Ada", "Ada", "Ada"}, "1 face_known Ada #1"},
		"seen badly between": {[]string{"Ada", "-", "-", "Ada", "Ada"}, "2 face_known Ada #1"},
		"once is not enough": {[]string{"Ada", "-", "-", "-", "-", "-"}, ""},
		"stranger":           {[]string{"unknown", "unknown", "unknown", "unknown", "unknown", "unknown", "unknown"}, "2.5 face_unknown #1"},
		"Ada after all":      {[]string{"unknown", "unknown", "Ada", "unknown", "Ada", "unknown", "unknown", "unknown"}, "2.5 face_known Ada #1"},
		"never compared":     {[]string{"-", "-", "-", "-", "-", "-", "-"}, ""},
	} {
		// The first look only begins a track.
		if got := said(seenFaces(newRules(config.Camera{Name: "door"}, again), 0, append([]string{c.looks[0]}, c.looks...)...)); got != c.want {
			t.Errorf("%s: %s\nwant %s", name, got, c.want)
		}
	}
}

func TestPersonComesAgain(t *testing.T) {
	r := newRules(config.Camera{Name: "door"}, config.Tasks{Faces: config.Faces{Again: 30 * time.Second}})
	var all []store.Event
	for _, from := range []float64{0, 10, 60} {
		all = append(all, seenFaces(r, from, "Ada", "Ada", "Ada", "", "", "", "", "", "")...)
	}
	if got, want := said(all), "1 face_known Ada #1\n61 face_known Ada #3"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	r.end(after(70))
	if got := r.take(); len(got) != 3 || got[2].Task != "faces" || got[2].Track != 3 || !got[2].First.Equal(after(60.5)) || got[2].Score != 0.9 || len(r.faces.marks) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestScene(t *testing.T) {
	r := newRules(config.Camera{Name: "door"}, config.Tasks{Scene: config.Scene{Change: 0.2, Hold: 20 * time.Second}})
	usual := []scene.Share{{Label: "road", Share: 0.6}, {Label: "sky", Share: 0.4}}
	blocked := []scene.Share{{Label: "road", Share: 0.2}, {Label: "sky", Share: 0.4}, {Label: "car", Share: 0.4}}
	var all []store.Event
	for i := range 60 {
		now := usual
		switch {
		case i >= 10 && i < 15: // too short
			now = blocked
		case i >= 30: // for good
			now = blocked
		}
		all = append(all, r.sceneSeen(after(2*float64(i)), now)...)
	}
	if got, want := said(all), "80 scene_changed car"; got != want {
		t.Fatalf("%s\nwant %s", got, want)
	}
	want := map[string]any{"before": map[string]any{"road": 0.6, "sky": 0.4}, "after": map[string]any{"road": 0.2, "sky": 0.4, "car": 0.4}, "change": 0.4}
	if !reflect.DeepEqual(all[0].Data, want) || all[0].Score != 0.4 {
		t.Errorf("%+v", all[0])
	}
}
