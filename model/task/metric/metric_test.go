package metric

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-12 || math.IsNaN(a) && math.IsNaN(b) }

func TestIoU(t *testing.T) {
	a := Box{0, 0, 10, 10}
	for _, c := range []struct {
		b    Box
		want float64
	}{{a, 1}, {Box{5, 0, 10, 10}, 50.0 / 150}, {Box{10, 0, 5, 5}, 0}, {Box{2, 2, 5, 5}, 0.25}, {Box{0, 0, 0, 0}, 0}} {
		if got := IoU(a, c.b); !near(got, c.want) || IoU(c.b, a) != got {
			t.Errorf("%v: %g, want %g", c.b, got, c.want)
		}
	}
}

// ones is a sample in which every picture is once.
func ones(n int) []int { return slices.Repeat([]int{1}, n) }

func TestAveragePrecision(t *testing.T) {
	a, b := Box{0, 0, 10, 10}, Box{50, 50, 10, 10}
	pictures := []Picture{
		{Truth: []Box{a, b}, Found: []Found{{Box{0, 1, 10, 10}, 0.8}, {a, 0.9}}}, // the second one has taken what the first one found
		{Truth: []Box{a}, Found: []Found{{Box{0, 0, 10, 8}, 0.7}}},
	}
	// Right, wrong, right of three: precision 1, 1/2, 2/3, recall 1/3, 1/3, 2/3. Area: 1/3·1 + 1/3·2/3.
	g := grade(pictures, 0.5)
	if got, want := g.averagePrecision(ones(2)), 1.0/3+2.0/9; !near(got, want) {
		t.Errorf("AP50 %g, want %g", got, want)
	}
	// At 0.85 the third, 80 of 100, is wrong: 1/3·1.
	if got := grade(pictures, 0.85).averagePrecision(ones(2)); !near(got, 1.0/3) {
		t.Errorf("AP85 %g, want 1/3", got)
	}
	// The first picture three times and the second never: right thrice, wrong thrice, of six.
	if got := g.averagePrecision([]int{3, 0}); !near(got, 0.5) {
		t.Errorf("drawn three times: %g, want 1/2", got)
	}
	d := Detect(pictures)
	// IoUs of the hits are 1 and 0.8: the third is right at 0.5 to 0.8, seven of ten.
	if want := (7*(1.0/3+2.0/9) + 3*(1.0/3)) / 10; !near(d.AP.Value, want) || d.Boxes != 3 || d.Pictures != 2 || d.AP50.N != 2 {
		t.Errorf("%+v, want AP %g", d, want)
	}
}

func TestIgnore(t *testing.T) {
	p := []Picture{{Truth: []Box{{0, 0, 10, 10}}, Ignore: []Box{{100, 0, 100, 100}}, Found: []Found{{Box{120, 10, 10, 10}, 0.9}, {Box{95, 10, 10, 10}, 0.8}, {Box{0, 0, 10, 10}, 0.7}, {Box{90, 10, 10, 10}, 0.6}}}}
	g := grade(p, 0.5)
	// The first two lie at least half inside the region, the last touches it.
	if len(g.hits) != 2 || !g.hits[0].right || g.hits[1].right {
		t.Errorf("%+v", g.hits)
	}
}

func TestMissRate(t *testing.T) {
	box := func(i int) Box { return Box{float64(20 * i), 0, 10, 10} }
	far := Box{0, 500, 10, 10}
	// 100 pictures with a person in each; the 50 surest detections are right, then 10 are wrong, then 25 are right, then 190 are wrong.
	pictures := make([]Picture, 100)
	for i := range pictures {
		pictures[i].Truth = []Box{box(i)}
		if i < 50 {
			pictures[i].Found = []Found{{box(i), 0.9}}
		}
		if i >= 50 && i < 75 {
			pictures[i].Found = []Found{{box(i), 0.5}}
		}
		if i < 10 {
			pictures[i].Found = append(pictures[i].Found, Found{far, 0.7})
		}
		if i < 95 {
			pictures[i].Found = append(pictures[i].Found, Found{far, 0.1}, Found{Box{300, 500, 10, 10}, 0.05})
		}
	}
	// Without a false positive half are missed; with 0.1 a picture a quarter, and so on up to 0.95. The points are 0.01, 0.018, 0.032, 0.056 (half), 0.1, 0.18,
	// 0.32, 0.56 and 1 (a quarter).
	want := math.Exp((4*math.Log(0.5) + 5*math.Log(0.25)) / 9)
	if got := grade(pictures, 0.5).missRate(ones(100)); !near(got, want) {
		t.Errorf("%g, want %g", got, want)
	}
	if got := grade([]Picture{{Truth: []Box{box(0)}}}, 0.5).missRate(ones(1)); got != 1 {
		t.Errorf("nothing found: %g", got)
	}
	if got := grade([]Picture{{Truth: []Box{box(0)}, Found: []Found{{far, 1}, {box(0), 0.5}}}}, 0.5).missRate(ones(1)); !near(got, math.Exp(8*math.Log(1)/9+math.Log(1e-10)/9)) {
		t.Errorf("one false positive a picture before the only right one: %g", got)
	}
	if v := Detect(nil); !math.IsNaN(v.AP50.Value) || !math.IsNaN(v.MissRate.Value) {
		t.Errorf("no pictures: %+v", v)
	}
}

func TestErrors(t *testing.T) {
	wrong := make([]bool, 1000)
	for i := range 20 {
		wrong[i] = true
	}
	e := Errors(wrong)
	half := 1.96 * math.Sqrt(0.02*0.98/1000)
	if e.Value != 0.02 || e.N != 1000 || math.Abs(e.High-e.Low-2*half) > 0.4*half {
		t.Errorf("%+v, want ±%g", e, half)
	}
}

func TestIdentify(t *testing.T) {
	probes := []Probe{
		{"ada", true, "ada", 0.9}, {"ada", true, "ada", 0.4}, {"grace", true, "ada", 0.8}, {"grace", true, "grace", 0.7},
		{"x", false, "ada", 0.6}, {"y", false, "ada", 0.2}, {"y", false, "grace", 0.1},
	}
	got := Identify(probes, 0.5)
	if got.Rank1.Value != 0.75 || got.Identified.Value != 0.5 || !near(got.FalseAccept.Value, 1.0/3) || got.Rank1.N != 4 || got.FalseAccept.N != 3 {
		t.Errorf("%+v", got)
	}
	if got := Identify(probes[:4], 0.5); !math.IsNaN(got.FalseAccept.Value) {
		t.Errorf("no strangers: %+v", got.FalseAccept)
	}
	b, err := json.Marshal([]Estimate{{0.5, 0.25, math.NaN(), 7}})
	if err != nil || string(b) != `[{"value":0.5,"low":0.25,"high":null,"n":7}]` {
		t.Errorf("%s, %v", b, err)
	}
}
