package card

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestOver(t *testing.T) {
	yes := true
	under := Card{
		Head: "yolox", Labels: []string{"a"}, Score: new(0.3), IoU: new(0.4), Max: 7, Logits: &yes, Units: "unit", Anchors: &Anchors{},
		Window: &Window{},
		Input:  Input{Size: "1x1", Order: "rgb", Fit: "crop", Pad: []float64{1}, Mean: []float64{1, 2, 3}, Std: []float64{4, 5, 6}, Resample: "area", Region: []float64{0, 0, 1, 1}},
	}
	if got := (Card{}).Over(under); !reflect.DeepEqual(got, under) {
		t.Errorf("nothing over a card: %+v", got)
	}
	if got := under.Over(Card{Head: "x", Score: new(0.9), Labels: []string{"b"}}); !reflect.DeepEqual(got, under) {
		t.Errorf("a full card over another: %+v", got)
	}
	// A 0 is kept, also through the metadata of a network.
	zero := Card{Score: new(0.0), IoU: new(0.0)}
	text, err := json.Marshal(zero)
	if err != nil {
		t.Fatal(err)
	}
	c, err := FromMeta(map[string]string{MetaKey: string(text)})
	if c = c.Over(under); err != nil || c.Score == nil || *c.Score != 0 || c.IoU == nil || *c.IoU != 0 || c.Max != 7 {
		t.Errorf("0 over a card: %s, %+v, %v", text, c, err)
	}
	// Numbers for red, green and blue are turned round where blue comes first.
	got := Input{Order: "bgr", Std: []float64{9, 8, 7}}.Over(under.Input)
	if !slices.Equal(got.Mean, []float64{3, 2, 1}) || !slices.Equal(got.Std, []float64{9, 8, 7}) || !slices.Equal(got.Pad, []float64{1}) {
		t.Errorf("bgr over rgb: %+v", got)
	}
	if !slices.Equal(under.Input.Mean, []float64{1, 2, 3}) {
		t.Error("Over wrote to the card under it")
	}
}

func TestCheck(t *testing.T) {
	map1 := []AnchorMap{{Stride: 8, Sizes: [][2]float64{{1, 1}}}}
	for _, c := range []struct {
		card Card
		want string // part of the error; "" for none
	}{
		{Card{}, ""},
		{Card{Input: Input{Order: "bgr", Fit: "letterbox", Pad: []float64{114}, Mean: []float64{0}, Std: []float64{255, 255, 255}, Region: []float64{0.1, 0, 0.9, 1}}}, ""},
		{Card{Anchors: &Anchors{Maps: map1, Variance: []float64{0.1, 0.2}}}, ""},
		{Card{Input: Input{Order: "gbr"}}, `input.order: "gbr" is none of rgb, bgr, grey`},
		{Card{Input: Input{Fit: "fill"}}, "input.fit"},
		{Card{Input: Input{Resample: "cubic"}}, "input.resample"},
		{Card{Units: "cm"}, "units"},
		{Card{Input: Input{Size: "12"}}, "input.size"},
		{Card{Input: Input{Size: "0x5"}}, "input.size"},
		{Card{Input: Input{Size: "99999x5"}}, "input.size"},
		{Card{Input: Input{Mean: []float64{1, 2}}}, "input.mean: 2 numbers"},
		{Card{Input: Input{Std: []float64{0}}}, "input.std: 0 is out of range"},
		{Card{Input: Input{Pad: []float64{1e9}}}, "input.pad"},
		{Card{Input: Input{Region: []float64{0, 0, 1}}}, "input.region"},
		{Card{Input: Input{Region: []float64{0.5, 0, 0.6, 1}}}, "input.region"},
		{Card{Score: new(1.5)}, "score"},
		{Card{IoU: new(-1.0)}, "iou"},
		{Card{Max: -1}, "max"},
		{Card{Anchors: &Anchors{}}, "anchors.maps"},
		{Card{Anchors: &Anchors{Maps: []AnchorMap{{Stride: 0, Sizes: map1[0].Sizes}}}}, "anchors.maps[0].stride"},
		{Card{Anchors: &Anchors{Maps: []AnchorMap{{Stride: 8}}}}, "anchors.maps[0].sizes"},
		{Card{Anchors: &Anchors{Maps: []AnchorMap{{Stride: 8, Sizes: [][2]float64{{0, 1}}}}}}, "anchors.maps[0].sizes"},
		{Card{Anchors: &Anchors{Maps: map1, Variance: []float64{1}}}, "anchors.variance"},
		{Card{Window: &Window{Object: []float64{12, 16, 40, 96}, Picture: "480x352"}}, ""},
		{Card{Window: &Window{Object: []float64{12, 16, 40}, Picture: "480x352"}}, "window.object"},
		{Card{Window: &Window{Object: []float64{12, 16, 0, 96}, Picture: "480x352"}}, "window.object"},
		{Card{Window: &Window{Object: []float64{12, 16, 40, 96}}}, "window.picture"},
		{Card{Window: &Window{Object: []float64{12, 16, 40, 96}, Picture: "480x352", Octave: 17}}, "window.octave"},
	} {
		err := c.card.Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.card, err, c.want)
		}
	}
}

func TestFromMeta(t *testing.T) {
	c, err := FromMeta(map[string]string{MetaKey: `{"head": "yolov8", "input": {"fit": "stretch"}, "logits": false}`, "names": "{0: 'Person', 1: \"cat's eye\", 2: 'traffic light'}"})
	if err != nil || c.Head != "yolov8" || c.Input.Fit != "stretch" || c.Logits == nil || *c.Logits {
		t.Errorf("%+v, %v", c, err)
	}
	if want := []string{"person", "cat's_eye", "traffic_light"}; !slices.Equal(c.Labels, want) {
		t.Errorf("labels %q", c.Labels)
	}
	for text, want := range map[string][]string{
		"['a', 'b']":         {"a", "b"},
		`["it\'s"]`:          {"it's"},
		"{0: 'a',1:'b' }":    {"a", "b"},
		"":                   nil,
		"a, b":               nil,
		"{1: 'a'}":           nil,
		"{0: 'a":             nil,
		"{0: a}":             nil,
		"{0: 'a', 0: 'b'}":   nil,
		"{":                  nil,
		"[":                  nil,
		"{0: 'a', 1: 'b'":    {"a", "b"},
		"{'0': 'a'}":         nil,
		"['a' 'b']":          {"a", "b"},
		"{0: 'a', 1: ['b']}": nil,
	} {
		if got := names(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		`{"hed": "yolox"}`: `unknown field "hed"`,
		`{"score": 2}`:     "score: 2",
		`{} {}`:            "more than one object",
		`{`:                "unexpected EOF",
		``:                 "EOF",
	} {
		if _, err := FromMeta(map[string]string{MetaKey: text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzFromMeta(f *testing.F) {
	f.Add(`{"head": "yolov8", "anchors": {"maps": [{"stride": 8, "sizes": [[1, 2]]}]}}`, "{0: 'person', 1: 'car'}")
	f.Fuzz(func(t *testing.T, text, names string) {
		c, err := FromMeta(map[string]string{MetaKey: text, "names": names})
		if err == nil && c.Check() != nil {
			t.Errorf("a card that is wrong: %v", c.Check())
		}
	})
}

func TestParseLabels(t *testing.T) {
	if got, want := ParseLabels("Person\r\n Fire Hydrant \n\ncat\n\n"), []string{"person", "fire_hydrant", "class_2", "cat"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := ParseLabels("\ufeffcar\nbus"); !slices.Equal(got, []string{"car", "bus"}) {
		t.Errorf("behind a byte order mark: %q", got)
	}
	if got := ParseLabels(" \n"); got != nil {
		t.Errorf("no labels: %q", got)
	}
	c := Card{Labels: []string{"a"}}
	if c.Label(0) != "a" || c.Label(1) != "class_1" || c.Label(-1) != "class_-1" {
		t.Errorf("%q %q %q", c.Label(0), c.Label(1), c.Label(-1))
	}
}
