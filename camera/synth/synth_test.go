package synth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

func TestParse(t *testing.T) {
	o, err := Parse("synth:street?seed=7&fps=29.97&size=320x240&people=0&cars=2&weather=rain&light=night&noise=0&blur=0&ev=-1.5&shake=2&frames=9&pace=free")
	if err != nil {
		t.Fatal(err)
	}
	want := Options{"street", 7, 320, 240, 29.97, None, 2, "rain", "night", None, None, -1.5, 2, 9, "free"}
	if o != want {
		t.Errorf("got %+v, want %+v", o, want)
	}
	if o, err = Parse("synth:"); err != nil || o != (Options{"street", 0, 640, 480, 15, 6, 3, "sun", "day", 1, 0.5, 0, 0, 0, "real"}) {
		t.Errorf("defaults: %+v, %v", o, err)
	}
	for uri, wrong := range map[string]string{
		"street?seed=7":                  "synth:",
		"synth:beach":                    "scene=beach: not one of street",
		"synth:street?sede=7":            "unknown key sede",
		"synth:street?seed=-1":           "seed=-1",
		"synth:street?seed=1&seed=2":     "seed stands there 2 times",
		"synth:street?size=640":          "size=640",
		"synth:street?size=0x9":          "size=0x9",
		"synth:street?size=99999x9":      "width=99999: not in 16..4096",
		"synth:street?fps=0":             "fps=0",
		"synth:street?fps=NaN":           "fps=NaN",
		"synth:street?people=65":         "people=65: not in 1..64",
		"synth:street?people=-1":         "people=-1",
		"synth:street?noise=-1":          "noise=-1",
		"synth:street?ev=9":              "ev=9",
		"synth:street?shake=-1":          "shake=-1",
		"synth:street?weather=snow":      "weather=snow: not one of sun, overcast, rain, fog, any",
		"synth:street?light=":            "",
		"synth:street?pace=fast":         "pace=fast",
		"synth:street?frames=x":          "frames=x",
		"synth:street?seed=%zz":          "%zz",
		"synth:street?size=640x480&x=%0": "question mark",
	} {
		_, err := Parse(uri)
		if wrong == "" {
			if err != nil {
				t.Errorf("%s: %v", uri, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v, want an error with %q", uri, err, wrong)
		}
	}
}

// run collects copies of a source's frames.
func run(t *testing.T, o Options) (pix [][]byte, truths []*Truth) {
	t.Helper()
	o.Pace = "free"
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	seq := uint64(0)
	err = s.Run(context.Background(), func(f *camera.Frame) {
		if f.Seq != seq || f.Width != o.Width || f.Height != o.Height || f.Stride != 3*o.Width || len(f.Data) != 3*o.Width*o.Height {
			t.Fatalf("frame %d: %d, %dx%d, stride %d, %d bytes", seq, f.Seq, f.Width, f.Height, f.Stride, len(f.Data))
		}
		seq++
		pix, truths = append(pix, bytes.Clone(f.Data)), append(truths, f.Truth.(*Truth).Clone())
		f.Release()
	})
	if !errors.Is(err, io.EOF) || seq != uint64(o.Frames) || s.Pool().Out() != 0 {
		t.Fatalf("%v after %d frames, %d of them still out", err, seq, s.Pool().Out())
	}
	return pix, truths
}

func TestSourceIsRepeatable(t *testing.T) {
	for _, scene := range scenes {
		for _, w := range []string{"sun", "rain"} {
			o := Options{Scene: scene, Seed: 3, Width: 160, Height: 120, Frames: 5, Weather: w, Shake: 2}
			a, ta := run(t, o)
			b, tb := run(t, o)
			for i := range a {
				if !bytes.Equal(a[i], b[i]) || !bytes.Equal(ta[i].IDs, tb[i].IDs) || !bytes.Equal(ta[i].Labels, tb[i].Labels) {
					t.Fatalf("%s: frame %d is not the same again", scene, i)
				}
				if i > 0 && bytes.Equal(a[i], a[i-1]) {
					t.Fatalf("%s: frame %d shows nothing new", scene, i)
				}
			}
		}
	}
}

func TestTruthFitsThePicture(t *testing.T) {
	persons := 0
	for n := range uint64(12) {
		p, err := Still(Options{Seed: 5, Width: 320, Height: 240, People: 8, Weather: "any", Light: "any", Shake: float64(n % 3)}, n)
		if err != nil {
			t.Fatal(err)
		}
		tr := &p.Truth
		var count [256]int
		for i, id := range tr.IDs {
			if int(id) > len(tr.Objects) || tr.Labels[i] > Void {
				t.Fatalf("scene %d: id %d of %d objects, class %d", n, id, len(tr.Objects), tr.Labels[i])
			}
			if id == 0 {
				if l := tr.Labels[i]; l == Pedestrian || l == Bicyclist || l == Car {
					t.Fatalf("scene %d: class %s belongs to nobody", n, ClassNames[l])
				}
				continue
			}
			count[id]++
			o := &tr.Objects[id-1]
			x, y := float64(i%p.Width), float64(i/p.Width)
			if tr.Labels[i] != o.Class || x < o.Box[0]-1.5 || y < o.Box[1]-1.5 || x > o.Box[0]+o.Box[2]+0.5 || y > o.Box[1]+o.Box[3]+0.5 {
				t.Fatalf("scene %d: pixel %g, %g of class %d is outside its object %+v", n, x, y, tr.Labels[i], *o)
			}
		}
		seen := map[int]bool{}
		last := 1e9
		for i, o := range tr.Objects {
			if o.Class == Pedestrian && o.Box[3] > 60 {
				persons++
			}
			if count[i+1] == 0 || o.Visibility <= 0 || o.Visibility > 1 || seen[o.ID] || o.ID < 1 || o.Distance > last {
				t.Fatalf("scene %d: %+v with %d pixels", n, o, count[i+1])
			}
			seen[o.ID], last = true, o.Distance
			mask := make([]uint8, len(tr.IDs))
			tr.Mask(mask, i)
			if got := bytes.Count(mask, []byte{255}); got != count[i+1] {
				t.Fatalf("scene %d: mask of %d pixels, %d in the map", n, got, count[i+1])
			}
		}
	}
	if persons < 6 {
		t.Errorf("%d persons taller than 60 pixels in 12 scenes", persons)
	}
}

func TestRealPaceAndCancel(t *testing.T) {
	s, err := New(Options{Scene: "bars", Width: 64, Height: 48, FPS: 100, Frames: 8})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := s.Run(context.Background(), func(f *camera.Frame) { f.Release() }); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 70*time.Millisecond {
		t.Errorf("8 frames at 100 a second took %v", took)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, _ = New(Options{Scene: "bars", Width: 64, Height: 48, FPS: 0.1})
	n := 0
	if err := s.Run(ctx, func(f *camera.Frame) { n++; f.Release(); cancel() }); !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("%v after %d frames", err, n)
	}
}

// digests are CRC-32 sums of four frames each, with their label maps and truths. They change when the drawing changes, but never with the processor:
// the same test runs on every architecture that is supported.
var digests = map[string]uint32{
	"portrait 4": 0x5cfffbf7,
	"street 1":   0x9b14870e,
	"street 2":   0x5cc8cde1,
	"street 3":   0x9f4e5c80,
	"bars 0":     0xbb1ad0c7,
}

func TestSameBitsOnEveryProcessor(t *testing.T) {
	for _, o := range []Options{
		{Scene: "street", Seed: 1, Weather: "sun"}, {Scene: "street", Seed: 2, Weather: "rain", Light: "night", Shake: 3},
		{Scene: "street", Seed: 3, Weather: "fog", Light: "dusk", People: 12, EV: 0.7, Blur: 1.3}, {Scene: "portrait", Seed: 4, People: 2}, {Scene: "bars"},
	} {
		o.Width, o.Height, o.FPS, o.Frames = 192, 144, 0.3, 4
		name := fmt.Sprintf("%s %d", o.Scene, o.Seed)
		pix, truth := run(t, o)
		sum := crc32.NewIEEE()
		for i := range pix {
			sum.Write(pix[i])
			sum.Write(truth[i].Labels)
			for _, q := range truth[i].Objects {
				fmt.Fprint(sum, q.Box, q.Visibility)
			}
			for _, f := range truth[i].Faces {
				fmt.Fprint(sum, f.Landmarks, f.Box)
			}
		}
		if got := sum.Sum32(); got != digests[name] {
			t.Errorf("%q: %#x,", name, got)
		}
	}
}

// TestAnySize draws what options allow at their ends.
func TestAnySize(t *testing.T) {
	for _, scene := range scenes {
		for _, size := range [][2]int{{16, 16}, {17, 300}, {400, 19}, {97, 61}} {
			for _, o := range []Options{{People: 64, Cars: 16, Shake: 20, Blur: 4}, {People: None, Cars: None, Noise: None, Blur: None, Weather: "rain", Light: "night"}} {
				o.Scene, o.Width, o.Height = scene, size[0], size[1]
				for n := range uint64(4) {
					p, err := Still(o, n)
					if err != nil || len(p.Pix) != 3*size[0]*size[1] || len(p.Truth.Labels) != size[0]*size[1] || len(p.Truth.IDs) != size[0]*size[1] {
						t.Fatalf("%+v: %v", o, err)
					}
				}
			}
		}
	}
}

// TestPeopleKeepTheirNames follows persons through a street: between frames they move by little, and nobody takes a name twice.
func TestPeopleKeepTheirNames(t *testing.T) {
	_, truths := run(t, Options{Scene: "street", Seed: 9, Width: 320, Height: 240, People: 10, FPS: 15, Frames: 450})
	type last struct {
		frame int
		box   [4]float64
	}
	names := map[int]last{}
	for i, tr := range truths {
		for _, o := range tr.Objects {
			l, ok := names[o.ID]
			if dx := o.Full[0] + o.Full[2]/2 - l.box[0] - l.box[2]/2; ok && l.frame == i-1 && (dx > 45 || dx < -45) {
				t.Fatalf("frame %d: %d jumps by %g pixels", i, o.ID, dx)
			}
			names[o.ID] = last{i, o.Full}
		}
	}
	if len(names) < 12 {
		t.Errorf("%d names in 30 seconds", len(names))
	}
}

func TestFramesDoNotAllocate(t *testing.T) {
	for _, o := range []Options{{Width: 160, Height: 120, Weather: "rain", Shake: 1}, {Scene: "portrait", Width: 160, Height: 120}, {Scene: "bars", Width: 160, Height: 120}} {
		if err := o.complete(); err != nil {
			t.Fatal(err)
		}
		d := newDrawer(o, 7)
		buf, truth := make([]byte, frameBytes(o)), new(Truth)
		at := 0.0
		next := func() { at += 0.01; d.frame(at, 1, buf, truth) }
		for range 20 {
			next()
		}
		if n := testing.AllocsPerRun(50, next); n != 0 {
			t.Errorf("%s: %g allocations a frame", o.Scene, n)
		}
	}
}

// TestFaces asks that landmarks lie where a face has them.
func TestFaces(t *testing.T) {
	who := map[uint64]int{}
	for n := range uint64(24) {
		p, err := Still(Options{Scene: "portrait", People: 4, Seed: 6, Width: 320, Height: 240}, n)
		if err != nil {
			t.Fatal(err)
		}
		f := p.Truth.Faces[0]
		who[f.Identity]++
		l := f.Landmarks
		for i, q := range l {
			if q[0] < f.Box[0] || q[1] < f.Box[1] || q[0] > f.Box[0]+f.Box[2] || q[1] > f.Box[1]+f.Box[3] {
				t.Errorf("scene %d: landmark %d at %v is outside %v", n, i, q, f.Box)
			}
		}
		if l[0][0] >= l[1][0] || l[3][0] >= l[4][0] || l[2][1] <= max(l[0][1], l[1][1]) || min(l[3][1], l[4][1]) <= l[2][1] {
			t.Errorf("scene %d: %v", n, l)
		}
	}
	if len(who) != 4 {
		t.Errorf("%d identities of 4", len(who))
	}
}

func BenchmarkStreet(b *testing.B) {
	for _, w := range []string{"sun", "rain"} {
		b.Run(w, func(b *testing.B) {
			o := Options{Weather: w}
			if err := o.complete(); err != nil {
				b.Fatal(err)
			}
			s := newStreet(o, 7)
			buf, t := make([]byte, frameBytes(o)), new(Truth)
			s.frame(0, 0, buf, t)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.frame(float64(i)/15, uint64(i), buf, t)
			}
		})
	}
}

func BenchmarkPortrait(b *testing.B) {
	o := Options{Scene: "portrait"}
	if err := o.complete(); err != nil {
		b.Fatal(err)
	}
	s := newPortrait(o, 7)
	buf, t := make([]byte, frameBytes(o)), new(Truth)
	s.frame(0, 0, buf, t)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.frame(float64(i%60)/15, uint64(i), buf, t)
	}
}

func BenchmarkStill(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		if _, err := Still(Options{Weather: "any", Light: "any"}, uint64(i)); err != nil {
			b.Fatal(err)
		}
	}
}
