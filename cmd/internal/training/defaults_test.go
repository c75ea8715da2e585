package training

import (
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"testing"

	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/face"
	"github.com/ocellus-vision/ocellus/model/task/tasktest"
	"github.com/ocellus-vision/ocellus/model/train"
	"github.com/ocellus-vision/ocellus/model/train/data"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// TestDefaults measures default networks anew on what their recipes keep from training: the files carry the hash of the recipe as it stands and the figures
// that are found, and these are as good as is asked of them.
func TestDefaults(t *testing.T) {
	if testing.Short() {
		t.Skip("a hundred pictures a network")
	}
	for _, c := range []struct {
		name, data, figure string
		least, most        float64
	}{{zoo.Scene, "data/scene", "miou", 0.60, 1}, {zoo.Pedestrian, "data", "ap50", 0.94, 1}, {zoo.PedestrianWindow, "data", "ap50", 0.75, 1},
		{zoo.FaceDetector, "data", "found", 0.99, 1}, {zoo.FaceLandmarks, "data", "landmark_error", 0, 0.05},
		{zoo.FaceEmbedder, "data", "accuracy", 0.92, 1}} {
		t.Run(c.name, func(t *testing.T) {
			dir := tasktest.Shared(t, c.data)
			j, err := Prepare(filepath.Join("../../../model/zoo/recipes", c.name+".yaml"), dir, train.Options{Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			b, err := zoo.Default(c.name)
			if err != nil {
				t.Fatal(err)
			}
			if j.Graph, err = onnx.Read(b); err != nil {
				t.Fatal(err)
			}
			meta := j.Graph.Meta
			for key, want := range j.metadata {
				if key != "ocellus.version" && meta[key] != want {
					t.Errorf("%s is %q; the recipe and its data say %q", key, meta[key], want)
				}
			}
			if j.card, err = card.FromMeta(meta); err != nil {
				t.Fatal(err)
			}
			var said map[string]float64
			if err := json.Unmarshal([]byte(meta["ocellus.metrics"]), &said); err != nil {
				t.Fatal(err)
			}
			found, err := j.measure(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			for name, v := range found {
				if math.Abs(said[name]-v) > 1e-12 {
					t.Errorf("%s is %.6g; the file says %.6g", name, v, said[name])
				}
			}
			if _, faces := j.valid.(*data.Faces); faces {
				if threshold, err := j.calibration(context.Background()); err != nil || threshold != meta[face.MetaKey] {
					t.Errorf("the threshold is %s, %v; the file says %s", threshold, err, meta[face.MetaKey])
				}
			}
			if v := found[c.figure]; v < c.least || v > c.most {
				t.Errorf("%s is %.4g, not from %g to %g", c.figure, v, c.least, c.most)
			}
		})
	}
}
