package face

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/model/task/embed"
	"github.com/ocellus-vision/ocellus/model/task/metric"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// unit returns a vector of length 1 in the direction of v.
func unit(v ...float32) Vector {
	if err := embed.Normalize(v); err != nil {
		panic(err)
	}
	return v
}

var when = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

func TestGallery(t *testing.T) {
	g := NewGallery("net", 3)
	if name, _ := g.Nearest(unit(1, 0, 0)); name != "" {
		t.Errorf("an empty gallery knows %q", name)
	}
	for _, err := range []error{
		g.Enrol("Grace", when, unit(0, 1, 0), unit(0, 1, 1)), g.Enrol("Ada", when, unit(1, 0, 0)), g.Enrol("Ada", when, unit(1, 1, 0)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	// Ada's templates lie at 0° and 45° in the plane of x and y, their mean at 22.5°.
	name, s := g.Nearest(unit(1, 0, 0))
	if want := math.Cos(math.Pi / 8); name != "Ada" || math.Abs(s-want) > 1e-6 {
		t.Errorf("%s %g, want Ada %g", name, s, want)
	}
	if name, _ := g.Nearest(unit(0, 1, 0.5)); name != "Grace" {
		t.Errorf("%s, want Grace", name)
	}
	if !g.Forget("Ada") || g.Forget("Ada") || g.Person("Ada") != nil || g.Person("Grace") == nil {
		t.Error("Ada is not forgotten, or not once")
	}
}

func TestEnrolRefuses(t *testing.T) {
	g := NewGallery("net", 2)
	long := strings.Repeat("ä", maxName+1)
	for _, name := range []string{"", " ", "Ada ", "A\nda", "unknown", long, "\xff"} {
		if g.Enrol(name, when, unit(1, 0)) == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
	nan := float32(math.NaN())
	for _, v := range []Vector{nil, {1}, {1, 0, 0}, {2, 0}, {0, 0}, {nan, 1}} {
		if g.Enrol("Ada", when, unit(1, 0), v) == nil {
			t.Errorf("%v is taken for a template", v)
		}
	}
	if g.Enrol("Ada", when) == nil || g.Enrol("Ada", when, unit(1, 0), unit(-1, 0)) == nil {
		t.Error("no template, or templates that cancel out, are taken")
	}
	if many := slices.Repeat([]Vector{unit(1, 0)}, maxTemplates+1); g.Enrol("Grace", when, many...) == nil {
		t.Error("too many templates are taken")
	}
	if len(g.People) != 0 {
		t.Errorf("after refusals the gallery holds %v", g.People)
	}
}

func TestGalleryIsReadAsWritten(t *testing.T) {
	g := NewGallery("net", 3)
	for _, name := range []string{"Ñandú", "Ada", "名前"} {
		if err := g.Enrol(name, when, unit(1, 2, 3), unit(3, -2, 0.1)); err != nil {
			t.Fatal(err)
		}
	}
	c := Measure([]float64{0.9, 0.4}, []float64{0.1, 0.6, 0.2}, 0.5)
	g.Calibration = &c
	var b bytes.Buffer
	if err := g.Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	got, err := ReadGallery(&b)
	if err != nil {
		t.Fatal(err)
	}
	if got.Network != "net" || len(got.People) != 3 || !reflect.DeepEqual(*got.Calibration, c) {
		t.Errorf("%+v", got)
	}
	for i, p := range g.People {
		q := got.People[i]
		if q.Name != p.Name || !q.Enrolled.Equal(p.Enrolled) || !slices.EqualFunc(p.Templates, q.Templates, slices.Equal) || !slices.Equal(p.mean, q.mean) {
			t.Errorf("%+v, want %+v", q, p)
		}
	}
	for name, broken := range map[string]string{
		"empty": "", "no JSON": "faces", "cut": text[:len(text)/2], "another version": strings.Replace(text, `"version": 1`, `"version": 2`, 1),
		"an unknown key": strings.Replace(text, `"size"`, `"sizes"`, 1), "another size": strings.Replace(text, `"size": 3`, `"size": 4`, 1),
		"a huge size":  strings.Replace(text, `"size": 3`, `"size": 3000000000`, 1),
		"a name twice": strings.Replace(text, "Ñandú", "Ada", 1), "no order": strings.Replace(text, "Ñandú", "龍", 1),
		"no base64": strings.Replace(text, `templates": [`, `templates": ["!!",`, 1), "no template": strings.Replace(text, `templates": [`, `templates": [], "x": [`, 1),
		"impossible counts": strings.Replace(text, `"false_accepts": 1`, `"false_accepts": 9`, 1),
	} {
		if broken == text {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := ReadGallery(strings.NewReader(broken)); err == nil {
			t.Errorf("%s: is read", name)
		}
	}
}

func FuzzReadGallery(f *testing.F) {
	g := NewGallery("net", 2)
	if err := g.Enrol("Ada", when, unit(1, 2)); err != nil {
		f.Fatal(err)
	}
	var b bytes.Buffer
	if err := g.Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"version":1,"network":"","size":2,"people":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := ReadGallery(bytes.NewReader(data))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := g.Write(&b); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadGallery(&b); err != nil {
			t.Errorf("what was read and written is not read again: %v", err)
		}
	})
}

func TestStore(t *testing.T) {
	s := Store{filepath.Join(t.TempDir(), "new", "faces.json")}
	if g, err := s.Load(); g != nil || err != nil {
		t.Fatalf("%v, %v of a file that is not there", g, err)
	}
	// Many at a time: no change is lost.
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			err := s.Change(func(g *Gallery) (*Gallery, error) {
				if g == nil {
					g = NewGallery("net", 2)
				}
				return g, g.Enrol(string(rune('a'+i)), when, unit(1, float32(i)))
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	g, err := s.Load()
	if err != nil || len(g.People) != 20 {
		t.Fatalf("%v, %v", g, err)
	}
	if info, err := os.Stat(s.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others may read it", info.Mode(), err)
	}
	// A change that fails leaves the file as it was; so does a file that is broken.
	before, _ := os.ReadFile(s.Path)
	want := errors.New("no")
	if err := s.Change(func(g *Gallery) (*Gallery, error) { g.Forget("a"); return g, want }); !errors.Is(err, want) {
		t.Error(err)
	}
	if after, _ := os.ReadFile(s.Path); !bytes.Equal(before, after) {
		t.Error("a change that failed was written")
	}
	if err := os.WriteFile(s.Path, before[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Change(func(g *Gallery) (*Gallery, error) { return NewGallery("net", 2), nil }); err == nil {
		t.Error("a broken file is written over")
	}
	if after, _ := os.ReadFile(s.Path); !bytes.Equal(before[:100], after) {
		t.Error("a broken file was changed")
	}
	if left, _ := filepath.Glob(s.Path + ".*"); len(left) != 1 { // the lock
		t.Errorf("left behind: %v", left)
	}
}

func TestCalibrate(t *testing.T) {
	other := make([]float64, 10_000)
	for i := range other {
		other[i] = float64(i) / 20_000 // 0 to 0.5
	}
	same := []float64{0.3, 0.499, 0.6, 0.7}
	c, err := Calibrate(same, other, 0.01)
	if err != nil {
		t.Fatal(err)
	}
	// The promise is kept, and one more false accept would break it.
	_, high := metric.ClopperPearson(c.FalseAccepts, 10_000, 0.95)
	_, above := metric.ClopperPearson(c.FalseAccepts+3, 10_000, 0.95) // thresholds have four digits: 2 pairs each
	if c.High != high || high > 0.01 || above <= 0.01 {
		t.Errorf("%d false accepts: at most %g; three more: %g", c.FalseAccepts, high, above)
	}
	count := 0
	for _, s := range other {
		if s >= c.Threshold {
			count++
		}
	}
	if count != c.FalseAccepts || c.Accepted != 3 || c.Genuine != 4 || c.Pairs != 10_000 {
		t.Errorf("%+v; %d false accepts counted", c, count)
	}
	// 10,000 pairs show 0.00037 at the least: a hundredth may be halved four times.
	for n, step := range map[int]int{1: -1, 2: 0, 4: 1, 8: 2, 16: 3, 100: 3} {
		rate, threshold := c.High, c.Threshold
		if step >= 0 {
			rate, threshold = 0.005/math.Exp2(float64(step)), c.Steps[step].Threshold
		}
		if got := c.Among(n); got != threshold {
			t.Errorf("among %d people the threshold is %g, not %g", n, got, threshold)
		}
		said, is := c.Strangers(n), 1-math.Pow(1-rate, float64(n))
		if math.Abs(said-is) > 1e-12 || n < 100 && said > 0.01 {
			t.Errorf("among %d people a stranger is one of them at a rate of %g, not %g", n, said, is)
		}
		if _, high := metric.ClopperPearson(Measure(nil, other, threshold).FalseAccepts, 10_000, 0.95); high > rate {
			t.Errorf("among %d people: at most %g of pairs, not %g", n, high, rate)
		}
	}
	if len(c.Steps) != 4 || c.Check() != nil {
		t.Errorf("steps %v", c.Steps)
	}
	wrong := c
	wrong.Steps = []Step{{0.005, c.Threshold - 0.1}}
	if wrong.Check() == nil {
		t.Error("a step below the threshold is taken")
	}
	// All the same: nothing may be accepted.
	if c, err := Calibrate(nil, slices.Repeat([]float64{0.25}, 500), 0.01); err != nil || c.FalseAccepts != 0 || !(c.Threshold > 0.25 && c.Threshold < 0.2502) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestCalibrateRefuses(t *testing.T) {
	// Without a false accept n pairs show 1-0.025^(1/n): for 0.001 that takes ln 0.025/ln 0.999 = 3687.03 pairs.
	var few *TooFewError
	_, err := Calibrate(nil, make([]float64, 3687), 0.001)
	if !errors.As(err, &few) || few.Needed != 3688 || few.Pairs != 3687 {
		t.Errorf("%v", err)
	}
	if _, err := Calibrate(nil, make([]float64, 3688), 0.001); err != nil {
		t.Error(err)
	}
	for n, people := range map[int]int{1: 2, 3: 3, 4: 4, 3688: 87} { // 86 people make 3655 pairs, 87 make 3741
		if got := peopleFor(n); got != people {
			t.Errorf("%d people make %d pairs, want %d", got, n, people)
		}
	}
	for _, target := range []float64{0, 1, -1, math.NaN()} {
		if _, err := Calibrate(nil, make([]float64, 10), target); err == nil {
			t.Errorf("%g is taken for a rate", target)
		}
	}
	if _, err := Calibrate([]float64{1}, nil, 0.1); err == nil {
		t.Error("no pairs of different people are enough")
	}
}

// TestCalibrateKeepsItsPromise draws pairs from a known distribution many times: the true false accept rate at the threshold, 1 - threshold for
// similarities that are uniform in 0..1, is above the promise in no more than 2.5 % of the cases.
func TestCalibrateKeepsItsPromise(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const trials, pairs, target = 2000, 1000, 0.01
	broken := 0
	for range trials {
		other := make([]float64, pairs)
		for i := range other {
			other[i] = r.Float64()
		}
		c, err := Calibrate(nil, other, target)
		if err != nil {
			t.Fatal(err)
		}
		if 1-c.Threshold > target {
			broken++
		}
	}
	// A binomial count with p = 0.025: mean 50, four standard deviations above it 78.
	if broken > 78 {
		t.Errorf("the promise was broken %d times of %d", broken, trials)
	}
}

func TestPairs(t *testing.T) {
	x, y, z := unit(1, 0, 0), unit(0, 1, 0), unit(0, 0, 1)
	same, other := Pairs([][]Vector{{x, y, x}, {z}, {}, {x}})
	if len(same) != 3 || len(other) != 3 { // 3 of the first; 0-1, 0-3, 1-3
		t.Fatalf("%v %v", same, other)
	}
	slices.Sort(same)
	if !slices.Equal(same, []float64{0, 0, 1}) {
		t.Errorf("%v", same)
	}
}
