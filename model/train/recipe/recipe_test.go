package recipe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

const good = `name: digits
net: digits_relu
data:
  kind: digits
  train: {images: a, labels: b}
  valid: {images: c, labels: d}
  classes: 10
loss:
  - kind: cross_entropy
batch: 8
epochs: 2
seed: 3
optimiser: {kind: sgd, momentum: 0.9}
schedule: {rate: 0.1, shape: cosine}
`

func TestParse(t *testing.T) {
	r, err := Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != "digits" || r.Data.Train.Labels != "b" || r.Loss[0].Kind != "cross_entropy" || r.Optimiser.Momentum != 0.9 || r.Seed != 3 {
		t.Errorf("read as %+v", r)
	}
}

// TestRefusals changes one line of a good recipe each, and asks for an error that says what is wrong.
func TestRefusals(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"seed: 3", "seeds: 3", "seeds"},
		{"batch: 8", "batch: 0", "batch is 0"},
		{"batch: 8", "batch: many", "batch"},
		{"epochs: 2", "epochs: -1", "epochs is -1"},
		{"net: digits_relu", "", "names no net"},
		{"name: digits", "", "no name"},
		{"  kind: digits", "  kind: numbers", `the kind is "numbers"; it can be`},
		{"kind: cross_entropy", "kind: entropy", `the kind is "entropy"; it can be`},
		{"kind: sgd", "kind: adam", "it can be sgd or adamw"},
		{"momentum: 0.9", "momentum: 1.5", "from 0 to below 1"},
		{"rate: 0.1", "rate: 0", "not positive"},
		{"shape: cosine", "shape: round", "constant, cosine or step"},
		{"shape: cosine", "shape: step", "name the epochs in drops"},
		{"seed: 3", "seed: 3\naverage: 1", "average is 1"},
		{"seed: 3", "seed: 3\nwhiten: {shrink: 0.1}", "names no parts"},
		{"seed: 3", "seed: 3\nwhiten: {shrink: 1.1, parts: [{width: 4}]}", "shrink is from 0 to 1"},
		{"seed: 3", "seed: 3\nwhiten: {parts: [{channels: [0, 4]}]}", "width is above 0"},
		{"seed: 3", "seed: 3\nwhiten: {parts: [{width: 4, weight: -1}]}", "weight not below"},
		{"seed: 3", "seed: 3\nwhiten: {parts: [{channels: [4, 4], width: 4}]}", "[4 4], not the first one and the end"},
		{"seed: 3", "seed: 3\nhalf: true\nint8: true", "not both"},
		{"loss:\n  - kind: cross_entropy\n", "", "no loss"},
		{"loss:", "loss: [", ""},
		{good, "loss: !strange 1\nname: digits\n", "no YAML"},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("the recipe has no %q", c.old)
		}
		if _, err := Parse([]byte(strings.Replace(good, c.old, c.new, 1))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("with %q: %v, which should say %q", c.new, err, c.want)
		}
	}
}

// TestRecipesOfTheProject reads every recipe of model/zoo/recipes.
func TestRecipesOfTheProject(t *testing.T) {
	files, err := filepath.Glob("../../zoo/recipes/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d recipes, %v", len(files), err)
	}
	for _, f := range files {
		r, err := Read(f)
		if err != nil {
			t.Error(err)
			continue
		}
		if arch.Nets[r.Net] == nil {
			t.Errorf("%s: no network %q", f, r.Net)
		}
		if r.Terms == "" || r.About == "" {
			t.Errorf("%s: terms or about is missing", f)
		}
		if _, _, err := r.Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), string(os.PathSeparator)) {
			t.Errorf("%s: data that are not there: %v", f, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := Parse(b); err == nil && (r.Batch < 1 || r.Net == "" || len(r.Loss) == 0) {
			t.Errorf("taken: %+v", r)
		}
	})
}
