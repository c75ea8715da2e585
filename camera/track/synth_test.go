package track_test

import (
	"io"
	"math/rand/v2"
	"testing"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/synth"
	"github.com/ocellus-vision/ocellus/camera/track"
)

// detector makes of what is truly in a picture what a detector would see.
type detector struct {
	rng     *rand.Rand
	miss    float64 // share of people who are missed
	tremble float64 // deviation of edges, in heights
	ghosts  float64 // detections of nobody a frame
}

// see returns the persons of whom at least a fifth is seen, with scores that fall with what hides them; others count neither as objects nor as missed.
func (d *detector) see(truth *synth.Truth) (objects []track.Labelled, found []track.Detection) {
	for _, o := range truth.Objects {
		if o.Class != synth.Pedestrian || o.Visibility < 0.2 {
			continue
		}
		b := track.Box{X: float32(o.Box[0]), Y: float32(o.Box[1]), W: float32(o.Box[2]), H: float32(o.Box[3])}
		objects = append(objects, track.Labelled{ID: o.ID, Box: b})
		if d.rng.Float64() < d.miss {
			continue
		}
		for _, edge := range []*float32{&b.X, &b.Y, &b.W, &b.H} {
			*edge += float32(d.rng.NormFloat64()*d.tremble) * b.H
		}
		found = append(found, track.Detection{Box: b, Score: float32(0.3 + 0.65*o.Visibility)})
	}
	if d.rng.Float64() < d.ghosts {
		found = append(found, track.Detection{Box: track.Box{X: 300 * d.rng.Float32(), Y: 150 * d.rng.Float32(), W: 20, H: 50}, Score: 0.7})
	}
	return objects, found
}

// TestSynth follows the people of drawn streets. What is asked for leaves room for people who come into sight bit by bit: a detection of low score begins no track.
func TestSynth(t *testing.T) {
	if testing.Short() {
		t.Skip("drawing streets takes minutes under emulation")
	}
	for _, c := range []struct {
		name string
		fps  float64
		d    detector
		mota float64
	}{
		{"every box as it is, 15 a second", 15, detector{}, 0.9},
		{"every box as it is, 5 a second", 5, detector{}, 0.85},
		{"a fair detector, 15 a second", 15, detector{miss: 0.1, tremble: 0.03, ghosts: 0.2}, 0.75},
	} {
		var score track.Score
		for seed := range uint64(2) {
			src, err := synth.New(synth.Options{Seed: seed, Width: 320, Height: 240, FPS: c.fps, People: 8, Frames: 200, Pace: "free", Noise: synth.None, Blur: synth.None})
			if err != nil {
				t.Fatal(err)
			}
			c.d.rng = rand.New(rand.NewPCG(seed, 1))
			k := track.New(track.Options{})
			err = src.Run(t.Context(), func(f *camera.Frame) {
				objects, found := c.d.see(f.Truth.(*synth.Truth))
				other := int(seed) * 1000000 // streets share no one
				for i := range objects {
					objects[i].ID += other
				}
				var tracks []track.Labelled
				for _, k := range k.Update(f.Time, found) {
					if k.Detection >= 0 {
						tracks = append(tracks, track.Labelled{ID: k.ID + other, Box: k.Box})
					}
				}
				score.Add(objects, tracks)
				f.Release()
			})
			if err != io.EOF {
				t.Fatal(err)
			}
		}
		t.Logf("%s: MOTA %.3f, IDF1 %.3f, %d switches, MOTP %.3f, of %d boxes", c.name, score.MOTA(), score.IDF1(), score.Switches, score.MOTP(), score.Objects)
		if score.MOTA() < c.mota || score.IDF1() < c.mota-0.1 {
			t.Errorf("%s: MOTA below %v, or IDF1 a tenth below", c.name, c.mota)
		}
	}
}
