package detect

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// outputs builds the outputs of a network by hand.
type outputs struct {
	ports []model.Port
	data  []*tensor.Tensor
}

// add adds an output of zeros and returns its elements.
func (o *outputs) add(name string, shape ...int) []float32 {
	x := tensor.New(tensor.Float32, shape...)
	o.ports, o.data = append(o.ports, model.Port{Name: name, DType: tensor.Float32, Shape: shape}), append(o.data, x)
	return x.Float32s()
}

// decode recognises outputs for an input of w x h and returns the family's name and all boxes of at least this score, in order of addition.
func (o *outputs) decode(t *testing.T, c card.Card, w, h int) (string, []box) {
	t.Helper()
	f, d, err := recognise(o.ports, &c, w, h)
	if err != nil {
		t.Fatal(err)
	}
	c = c.Over(card.Card{Score: new(0.0)})
	b := boxes{min: float32(*c.Score), logits: c.Logits != nil && *c.Logits, ports: o.ports}
	if err := b.take(o.data); err != nil {
		t.Fatal(err)
	}
	if err := d.decode(&b); err != nil {
		t.Fatal(err)
	}
	return f.name, b.list
}

// near says whether boxes are the wanted ones within an error of float32's rounding: a few units in the last place of the greatest coordinate.
func near(t *testing.T, name string, got []box, want ...box) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d boxes, not %d: %+v", name, len(got), len(want), got)
	}
	const ulps = 16
	close := func(a, b float32) bool {
		return math.Abs(float64(a-b)) <= ulps*0x1p-24*math.Max(1, math.Abs(float64(b)))
	}
	for i, g := range got {
		w := want[i]
		ok := close(g.score, w.score) && g.class == w.class && len(g.points) == len(w.points)
		for j, c := range [4]float32{g.x0, g.y0, g.x1, g.y1} {
			ok = ok && close(c, [4]float32{w.x0, w.y0, w.x1, w.y1}[j])
		}
		for j := range min(len(g.points), len(w.points)) {
			ok = ok && close(g.points[j], w.points[j])
		}
		if !ok {
			t.Errorf("%s: box %d is %+v, want %+v", name, i, g, w)
		}
	}
}

// An input of 32x32 has 4x4 cells of stride 8, 2x2 of stride 16 and one of stride 32: 21.
const cells32 = 16 + 4 + 1

func TestYOLOX(t *testing.T) {
	var o outputs
	v := o.add("output", 1, cells32, 7)
	// Cell 19 is (1, 1) of stride 16: centre ((0.5+1)·16, (-0.25+1)·16) = (24, 12), size (2·16, 1·16) = (32, 16).
	copy(v[19*7:], []float32{0.5, -0.25, math.Ln2, 0, 0.8, 0.125, 0.5})
	// Cell 6 is (2, 1) of stride 8: centre (2·8, 1·8), size (8, 8).
	copy(v[6*7:], []float32{0, 0, 0, 0, 0.5, 1, 0.25})
	name, got := o.decode(t, card.Card{Score: new(0.3)}, 32, 32)
	near(t, name, got, box{x0: 12, y0: 4, x1: 20, y1: 12, score: 0.5, class: 0}, box{x0: 8, y0: 4, x1: 40, y1: 20, score: 0.4, class: 1})
	if name != "yolox" {
		t.Errorf("taken for %s", name)
	}
	// Before the sigmoid: σ(0)·σ(ln 3) = 1/2·3/4.
	copy(v[6*7+4:], []float32{0, -9, float32(math.Log(3))})
	copy(v[19*7+4:], []float32{-9, 0, 0})
	for i := range cells32 {
		if i != 6 {
			v[i*7+4] = -9
		}
	}
	logits := true
	name, got = o.decode(t, card.Card{Score: new(0.3), Logits: &logits}, 32, 32)
	near(t, name, got, box{x0: 12, y0: 4, x1: 20, y1: 12, score: 0.375, class: 1})
}

func TestYOLOv5(t *testing.T) {
	var o outputs
	v := o.add("output0", 1, 3*cells32, 7)
	copy(v[40*7:], []float32{10, 12, 4, 6, 0.5, 0.5, 0.75})
	name, got := o.decode(t, card.Card{Score: new(0.3)}, 32, 32)
	near(t, name, got, box{x0: 8, y0: 9, x1: 12, y1: 15, score: 0.375, class: 1})
	if name != "yolov5" {
		t.Errorf("taken for %s", name)
	}
}

// TestNamedHead decodes one anchor a cell, which looks like YOLOX, as boxes in pixels, because the card says so.
func TestNamedHead(t *testing.T) {
	var o outputs
	copy(o.add("output", 1, cells32, 6), []float32{10, 12, 4, 6, 0.5, 1})
	name, got := o.decode(t, card.Card{Score: new(0.3), Head: "yolov5"}, 32, 32)
	near(t, name, got, box{x0: 8, y0: 9, x1: 12, y1: 15, score: 0.5, class: 0})
}

func TestYOLOv8(t *testing.T) {
	var o outputs
	v := o.add("output0", 1, 7, cells32)
	for i, x := range []float32{10, 12, 4, 6, 0.25, 0.75, 0.5} {
		v[i*cells32+20] = x
	}
	name, got := o.decode(t, card.Card{Score: new(0.3)}, 32, 32)
	near(t, name, got, box{x0: 8, y0: 9, x1: 12, y1: 15, score: 0.75, class: 1})
	if name != "yolov8" {
		t.Errorf("taken for %s", name)
	}
	// With one label the two last rows are not classes.
	name, got = o.decode(t, card.Card{Score: new(0.2), Labels: []string{"a"}}, 32, 32)
	near(t, name, got, box{x0: 8, y0: 9, x1: 12, y1: 15, score: 0.25, class: 0})
}

// sides sets the distributions of the four sides: all at one bin, or, for x.5, halved between two.
func sides(v []float32, distance ...float64) {
	for i, d := range distance {
		v[i*bins+int(d)] = 200
		if d != math.Floor(d) {
			v[i*bins+int(d)+1] = 200
		}
	}
}

func TestNanoDet(t *testing.T) {
	var o outputs
	// Sides come first and strides backwards: names and shapes tell.
	for _, k := range []struct{ stride, cells int }{{32, 1}, {16, 4}, {8, 16}} {
		o.add(fmt.Sprintf("dis_pred_stride_%d", k.stride), 1, k.cells, 4*bins)
		o.add(fmt.Sprintf("cls_pred_stride_%d", k.stride), 1, k.cells, 3)
	}
	// Cell 2 of stride 16 is (0, 1): its point is (0.5·16, 1.5·16) = (8, 24).
	sides(o.data[2].Float32s()[2*4*bins:], 0.5, 1, 7, 2.5)
	o.data[3].Float32s()[2*3+1] = 0.5
	name, got := o.decode(t, card.Card{Score: new(0.3)}, 32, 32)
	near(t, name, got, box{x0: 8 - 0.5*16, y0: 24 - 1*16, x1: 8 + 7*16, y1: 24 + 2.5*16, score: 0.5, class: 1})
	if name != "nanodet" {
		t.Errorf("taken for %s", name)
	}
}

// TestThirtyTwoClasses has as many classes as numbers for the sides: names tell which is which.
func TestThirtyTwoClasses(t *testing.T) {
	var o outputs
	for _, k := range []struct{ stride, cells int }{{8, 16}, {16, 4}, {32, 1}} {
		o.add(fmt.Sprintf("cls_%d", k.stride), 1, k.cells, 4*bins)
		o.add(fmt.Sprintf("dis_%d", k.stride), 1, k.cells, 4*bins)
	}
	o.data[4].Float32s()[31] = 0.9
	sides(o.data[5].Float32s(), 1, 1, 1, 1)
	name, got := o.decode(t, card.Card{Score: new(0.3)}, 32, 32)
	near(t, name, got, box{x0: 16 - 32, y0: 16 - 32, x1: 16 + 32, y1: 16 + 32, score: 0.9, class: 31})
}

func TestPicoDet(t *testing.T) {
	var o outputs
	for _, k := range []struct{ stride, cells int }{{8, 64}, {16, 16}, {32, 4}, {64, 1}} {
		o.add(fmt.Sprintf("transpose_%d", k.stride), 1, k.cells, 2)
		o.add(fmt.Sprintf("transpose_%d_b", k.stride), 1, k.cells, 4*bins)
	}
	// Cell 3 of stride 32 is (1, 1): its point is (48, 48).
	sides(o.data[5].Float32s()[3*4*bins:], 1, 1, 0.5, 0.5)
	o.data[4].Float32s()[3*2] = 0.75
	name, got := o.decode(t, card.Card{Score: new(0.3)}, 64, 64)
	near(t, name, got, box{x0: 16, y0: 16, x1: 64, y1: 64, score: 0.75, class: 0})
	if name != "picodet" {
		t.Errorf("taken for %s", name)
	}
}

func TestNanoDetPlus(t *testing.T) {
	var o outputs
	const row = 2 + 4*bins
	v := o.add("output", 1, 64+16+4+1, row)
	// Row 64+6 is cell (2, 1) of stride 16: its point is (2·16, 1·16).
	v[70*row+1] = 0.5
	sides(v[70*row+2:], 1, 1, 1, 1)
	name, got := o.decode(t, card.Card{Score: new(0.3)}, 64, 64)
	near(t, name, got, box{x0: 16, y0: 0, x1: 48, y1: 32, score: 0.5, class: 1})
	if name != "nanodet_plus" {
		t.Errorf("taken for %s", name)
	}
}

func TestFastestDet(t *testing.T) {
	var o outputs
	v := o.add("758", 1, 7, 2, 2)
	// Cell (1, 0) of 2x2: centre ((tanh(ln 2) + 1)/2·64, (0 + 0)/2·32) with tanh(ln 2) = (4-1)/(4+1) = 0.6: (51.2, 0);
	// size (σ(0)·64, σ(ln 3)·32) = (32, 24). Score 0.5^0.6·0.25^0.4 = 2^-0.6·2^-0.8 = 2^-1.4.
	for i, x := range []float32{0.5, math.Ln2, 0, 0, float32(math.Log(3)), 0.125, 0.25} {
		v[i*4+1] = x
	}
	name, got := o.decode(t, card.Card{Score: new(0.3)}, 64, 32)
	near(t, name, got, box{x0: 51.2 - 16, y0: -12, x1: 51.2 + 16, y1: 12, score: float32(math.Pow(2, -1.4)), class: 1})
	if name != "fastestdet" {
		t.Errorf("taken for %s", name)
	}
}

func TestCentre(t *testing.T) {
	var o outputs
	v := o.add("cells", 1, 5, 2, 3)
	// Cells of 3x2 for 24x16: the middle of cell (1, 1) is (12, 12). Scores are logits; sides e^0, e^ln½, e^ln2, e^0 cells of 8 pixels. The neighbour
	// on the right scores less.
	for i := range 6 {
		v[i] = -9
	}
	v[4], v[5] = 0, -0.5
	for k, x := range []float32{0, -math.Ln2, math.Ln2, 0} {
		v[(k+1)*6+4], v[(k+1)*6+5] = x, x
	}
	logits := true
	name, got := o.decode(t, card.Card{Score: new(0.3), Logits: &logits}, 24, 16)
	near(t, name, got, box{x0: 4, y0: 8, x1: 28, y1: 20, score: 0.5})
	if name != "centre" {
		t.Errorf("taken for %s", name)
	}
}

func TestCentreLandmarks(t *testing.T) {
	var o outputs
	o.add("cells", 1, 9, 2, 3)
	v := o.data[0].Float32s()
	v[4] = 0.5
	for k, x := range []float32{-0.5, -0.25, 0.5, 2} {
		v[(5+k)*6+4] = x
	}
	// Cell 4 is (1, 1) of cells of 8: its middle is (12, 12), and each side is e⁰ cells away; landmarks are parts of 8 away.
	name, got := o.decode(t, card.Card{Head: "centre", Labels: []string{"face"}, Score: new(0.3)}, 24, 16)
	near(t, name, got, box{x0: 4, y0: 4, x1: 20, y1: 20, score: 0.5, points: []float32{8, 10, 16, 28}})
	// Planes that are no pairs, and a network whose card does not say so, are none of this family.
	for _, c := range []struct {
		planes int
		card   card.Card
	}{{8, card.Card{Head: "centre"}}, {4, card.Card{Head: "centre"}}, {9, card.Card{}}} {
		var o outputs
		o.add("cells", 1, c.planes, 2, 3)
		if f, _, err := recognise(o.ports, &c.card, 24, 16); err == nil && f.name == "centre" {
			t.Errorf("%d planes with the card %+v are taken for centre", c.planes, c.card)
		}
	}
}

func TestYuNet(t *testing.T) {
	var o outputs
	for _, kind := range []struct {
		name string
		n    int
	}{{"cls", 1}, {"obj", 1}, {"bbox", 4}, {"kps", 10}} {
		for _, k := range []struct{ stride, cells int }{{8, 16}, {16, 4}, {32, 1}} {
			o.add(fmt.Sprintf("%s_%d", kind.name, k.stride), 1, k.cells, kind.n)
		}
	}
	// Cell 7 of stride 8 is (3, 1). Score √(0.5·0.5); centre ((3+0.5)·8, (1+1)·8) = (28, 16), size (1·8, 2·8);
	// landmarks ((3+x)·8, (1+y)·8). A score above 1 counts as 1.
	o.data[0].Float32s()[7], o.data[3].Float32s()[7] = 0.5, 0.5
	copy(o.data[6].Float32s()[7*4:], []float32{0.5, 1, 0, math.Ln2})
	copy(o.data[9].Float32s()[7*10:], []float32{0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1})
	o.data[2].Float32s()[0], o.data[5].Float32s()[0] = 9, 0.25
	name, got := o.decode(t, card.Card{Score: new(0.3)}, 32, 32)
	near(t, name, got,
		box{x0: 24, y0: 8, x1: 32, y1: 24, score: 0.5, points: []float32{24, 8, 32, 8, 28, 12, 24, 16, 32, 16}},
		box{x0: -16, y0: -16, x1: 16, y1: 16, score: 0.5, points: make([]float32, 10)})
	if name != "yunet" {
		t.Errorf("taken for %s", name)
	}
}

func TestSCRFD(t *testing.T) {
	for _, marks := range []bool{false, true} {
		var o outputs
		for _, n := range []int{1, 4, 10} {
			for _, cells := range []int{16, 4, 1} {
				if n < 10 || marks {
					o.add(fmt.Sprint("out", len(o.ports)), 2*cells, n) // some exports have no batch
				}
			}
		}
		// Anchor 5 of stride 16 is the second one of cell (0, 1), whose point is (0, 16).
		o.data[1].Float32s()[5] = 0.75
		copy(o.data[4].Float32s()[5*4:], []float32{0.5, 1, 1, 0.25})
		var points []float32
		if marks {
			copy(o.data[7].Float32s()[5*10:], []float32{0, 0, 0.5, 0, 0.25, 0.5, 0, 1, 1, 1})
			points = []float32{0, 16, 8, 16, 4, 24, 0, 32, 16, 32}
		}
		name, got := o.decode(t, card.Card{Score: new(0.3)}, 32, 32)
		near(t, name, got, box{x0: -8, y0: 0, x1: 16, y1: 20, score: 0.75, points: points})
		if name != "scrfd" {
			t.Errorf("taken for %s", name)
		}
	}
}

func TestBlazeFace(t *testing.T) {
	var o outputs
	pred, conf := o.add("preds", 1, 896, 16), o.add("conf", 1, 896, 1)
	for i := range conf {
		conf[i] = -100
	}
	// Anchor 512+6·9+5 is the last one of cell (1, 1) of stride 16: its point is (24, 24). σ(ln 3) = 3/4.
	const i = 512 + 6*9 + 5
	conf[i] = float32(math.Log(3))
	copy(pred[i*16:], []float32{8, -8, 20, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	want := box{x0: 22, y0: 11, x1: 42, y1: 21, score: 0.75}
	for k := range 12 {
		want.points = append(want.points, 24+float32(k+1))
	}
	name, got := o.decode(t, card.Card{Score: new(0.3)}, 128, 128)
	near(t, name, got, want)
	if name != "blazeface" {
		t.Errorf("taken for %s", name)
	}
}

func TestSSD(t *testing.T) {
	for _, c := range []struct {
		classes int
		family  string
		swap    bool
	}{{2, "ultraface", false}, {3, "ssd", true}, {4, "ssd", true}} {
		var o outputs
		var scores, boxes []float32
		if c.swap {
			boxes, scores = o.add("boxes", 1, 5, 4), o.add("scores", 1, 5, c.classes)
		} else {
			scores, boxes = o.add("scores", 1, 5, c.classes), o.add("boxes", 1, 5, 4)
		}
		scores[3*c.classes], scores[4*c.classes-1] = 0.2, 0.8
		copy(boxes[3*4:], []float32{0.25, 0.5, 0.75, 1.5})
		name, got := o.decode(t, card.Card{Score: new(0.3)}, 320, 240)
		near(t, name, got, box{x0: 80, y0: 120, x1: 240, y1: 360, score: 0.8, class: c.classes - 2})
		if name != c.family {
			t.Errorf("taken for %s, not %s", name, c.family)
		}
	}
}

func TestSSDAnchors(t *testing.T) {
	var o outputs
	scores, boxes := o.add("conf", 1, 2*4+1, 3), o.add("loc", 1, 2*4+1, 4)
	// Prior 5 is the second one of cell (0, 1) of stride 16: centre (8, 24), size (20, 10). Centre (8 + 2·0.1·20, 24 - 1·0.1·10) = (12, 23),
	// size (20·exp(0.2·5 ln 2), 10·1) = (40, 10). Softmax of (0, ln 6, 0) is 6/8 in the middle.
	copy(scores[5*3:], []float32{0, float32(math.Log(6)), 0})
	copy(boxes[5*4:], []float32{2, -1, 5 * math.Ln2, 0})
	for i := range 9 {
		if i != 5 {
			scores[i*3] = 50
		}
	}
	logits := true
	c := card.Card{Score: new(0.5), Logits: &logits, Anchors: &card.Anchors{Maps: []card.AnchorMap{
		{Stride: 16, Sizes: [][2]float64{{10, 10}, {20, 10}}}, {Stride: 32, Sizes: [][2]float64{{32, 32}}},
	}}}
	name, got := o.decode(t, c, 32, 32)
	near(t, name, got, box{x0: -8, y0: 18, x1: 32, y1: 28, score: 0.75, class: 0})
	// As many anchors as boxes are needed.
	c.Anchors.Maps = c.Anchors.Maps[:1]
	if _, _, err := recognise(o.ports, &c, 32, 32); err == nil {
		t.Error("8 anchors for 9 boxes")
	}
}

func TestDecoded(t *testing.T) {
	for _, c := range []struct {
		box, score, class, count string
		units                    string
		raw                      []float32
		want                     box
	}{
		{"detection_boxes", "detection_scores", "detection_classes", "num_detections", "", []float32{0.5, 0.25, 1, 0.75}, box{x0: 80, y0: 120, x1: 240, y1: 240, class: 1}},
		{"det_boxes", "det_scores", "det_classes", "num_dets", "", []float32{1, 2, 3, 4}, box{x0: 1, y0: 2, x1: 3, y1: 4, class: 2}},
		{"bboxes", "scores", "labels", "", "", []float32{0.25, 0.5, 0.75, 1}, box{x0: 80, y0: 120, x1: 240, y1: 240, class: 1}},
		{"boxes", "scores", "labels", "", "", []float32{1, 2, 3, 4}, box{x0: 1, y0: 2, x1: 3, y1: 4, class: 1}},
		{"boxes", "scores", "labels", "", "unit", []float32{0.25, 0.5, 0.75, 1}, box{x0: 80, y0: 120, x1: 240, y1: 240, class: 1}},
	} {
		var o outputs
		copy(o.add(c.box, 1, 3, 4), c.raw)
		copy(o.add(c.score, 1, 3), []float32{0.5, 0.9, 0.9})
		copy(o.add(c.class, 1, 3), []float32{2, 2, 2})
		if c.count != "" {
			o.add(c.count, 1)[0] = 1
		}
		c.want.score = 0.5
		name, got := o.decode(t, card.Card{Score: new(0.3), Units: c.units}, 320, 240)
		if name != "ssd_nms" {
			t.Errorf("taken for %s", name)
		}
		if c.count == "" { // the two others have no inside
			got = got[:min(1, len(got))]
		}
		near(t, c.box, got, c.want)
	}
}

// TestDecodedAtRun has outputs whose shapes only running tells, and that do not belong together.
func TestDecodedAtRun(t *testing.T) {
	var o outputs
	o.add("boxes", 1, 3, 4)
	o.add("scores", 1, 2)
	o.add("labels", 1, 3)
	for i := range o.ports {
		o.ports[i].Shape = nil
	}
	c := card.Card{}
	_, d, err := recognise(o.ports, &c, 32, 32)
	if err != nil {
		t.Fatal(err)
	}
	b := boxes{ports: o.ports}
	if err := b.take(o.data); err != nil {
		t.Fatal(err)
	}
	if err := d.decode(&b); err == nil || !strings.Contains(err.Error(), `"scores" [1 2]`) {
		t.Errorf("%v", err)
	}
}

// samples returns outputs of every family.
func samples() map[string]func() (o outputs, w, h int) {
	return map[string]func() (o outputs, w, h int){
		"yolox":  func() (o outputs, w, h int) { o.add("output", 1, cells32, 85); return o, 32, 32 },
		"yolov5": func() (o outputs, w, h int) { o.add("output", 1, 3*cells32, 85); return o, 32, 32 },
		"yolov8": func() (o outputs, w, h int) { o.add("output0", 1, 84, cells32); return o, 32, 32 },
		"nanodet": func() (o outputs, w, h int) {
			for _, n := range []int{16, 4, 1} {
				o.add(fmt.Sprint("cls", n), 1, n, 80)
				o.add(fmt.Sprint("dis", n), 1, n, 32)
			}
			return o, 32, 32
		},
		"picodet": func() (o outputs, w, h int) {
			for _, n := range []int{64, 16, 4, 1} {
				o.add(fmt.Sprint("cls", n), 1, n, 80)
				o.add(fmt.Sprint("dis", n), 1, n, 32)
			}
			return o, 64, 64
		},
		"nanodet_plus": func() (o outputs, w, h int) { o.add("output", 1, 85, 112); return o, 64, 64 },
		"fastestdet":   func() (o outputs, w, h int) { o.add("758", 1, 85, 2, 2); return o, 32, 32 },
		"centre":       func() (o outputs, w, h int) { o.add("cells", 1, 5, 4, 4); return o, 32, 32 },
		"yunet": func() (o outputs, w, h int) {
			for _, n := range []int{1, 1, 4, 10} {
				for _, c := range []int{16, 4, 1} {
					o.add(fmt.Sprint("o", len(o.ports)), 1, c, n)
				}
			}
			return o, 32, 32
		},
		"scrfd": func() (o outputs, w, h int) {
			for _, n := range []int{1, 4, 10} {
				for _, c := range []int{32, 8, 2} {
					o.add(fmt.Sprint("o", len(o.ports)), 1, c, n)
				}
			}
			return o, 32, 32
		},
		"blazeface": func() (o outputs, w, h int) { o.add("preds", 1, 896, 16); o.add("conf", 1, 896, 1); return o, 128, 128 },
		"ultraface": func() (o outputs, w, h int) { o.add("scores", 1, 9, 2); o.add("boxes", 1, 9, 4); return o, 32, 24 },
		"ssd":       func() (o outputs, w, h int) { o.add("scores", 1, 9, 21); o.add("boxes", 1, 9, 4); return o, 32, 24 },
		"ssd_nms": func() (o outputs, w, h int) {
			o.add("num_detections", 1)
			o.add("detection_boxes", 1, 9, 4)
			o.add("detection_scores", 1, 9)
			o.add("detection_classes", 1, 9)
			return o, 32, 24
		},
	}
}

func TestFamiliesRecognised(t *testing.T) {
	all := samples()
	for _, name := range Heads() {
		make, ok := all[name]
		if !ok {
			t.Errorf("no sample of %s", name)
			continue
		}
		for _, head := range []string{"", name, strings.ReplaceAll(name, "_", "-")} {
			o, w, h := make()
			f, _, err := recognise(o.ports, &card.Card{Head: head}, w, h)
			if err != nil || f.name != name {
				t.Errorf("%s taken for %q, %v", name, f.name, err)
			}
			if c := (card.Card{}).Over(f.card); c.Check() != nil || c.Score == nil || c.IoU == nil || c.Max == 0 || c.Input.Order == "" {
				t.Errorf("%s: defaults %+v, %v", name, c, c.Check())
			}
		}
	}
}

// TestHostileOutputs fills every family's outputs with what no network should give: nothing panics, and what is found are boxes.
func TestHostileOutputs(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	values := []float32{nan, inf, -inf, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, 1, -1, 1e9, 88, 0}
	for name, make := range samples() {
		for _, logits := range []bool{false, true} {
			for seed := range 40 {
				o, w, h := make()
				c := card.Card{Logits: &logits}
				_, d, err := recognise(o.ports, &c, w, h)
				if err != nil {
					t.Fatal(err)
				}
				for j, x := range o.data {
					v := x.Float32s()
					for i := range v {
						v[i] = values[seed%len(values)]
						if seed >= len(values) { // a mixture
							v[i] = values[int((uint32(i)*2654435761+uint32(j*97+seed*7919))>>3)%len(values)]
						}
					}
				}
				b := boxes{min: 0.01, logits: logits, ports: o.ports}
				if err := b.take(o.data); err != nil {
					t.Fatal(err)
				}
				if err := d.decode(&b); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for _, k := range b.suppress(0.5, 100) {
					for _, v := range append([]float32{k.x0, k.y0, k.x1, k.y1, k.score}, k.points...) {
						if v-v != 0 {
							t.Fatalf("%s: found %+v", name, k)
						}
					}
					if k.x1 <= k.x0 || k.y1 <= k.y0 || k.score < 0.01 || k.score > 1 || k.class < 0 {
						t.Fatalf("%s: found %+v", name, k)
					}
				}
			}
		}
	}
}

func TestWrongOutputs(t *testing.T) {
	for _, c := range []struct {
		name string
		card card.Card
		make func() (o outputs, w, h int)
		want string
	}{
		{"unknown", card.Card{}, func() (o outputs, w, h int) { o.add("probs", 1, 1000); return o, 224, 224 }, `"probs" [1 1000]`},
		{"another size", card.Card{}, func() (o outputs, w, h int) { o.add("output", 1, cells32, 85); return o, 64, 64 }, `"output" [1 21 85]`},
		{"named otherwise", card.Card{Head: "yunet"}, samples()["yolox"], "head yunet has cls, obj"},
		{"no such head", card.Card{Head: "yolo"}, samples()["yolox"], `no head is called "yolo"`},
		{"text", card.Card{}, func() (o outputs, w, h int) {
			o.ports = []model.Port{{Name: "words", DType: tensor.String, Shape: []int{1, 3}}}
			return o, 32, 32
		}, `output "words" holds string`},
		{"no classes", card.Card{}, func() (o outputs, w, h int) { o.add("output", 1, cells32, 5); return o, 32, 32 }, `"output" [1 21 5]`},
		{"a level is missing", card.Card{Head: "scrfd"}, func() (o outputs, w, h int) {
			for _, c := range []int{32, 8} {
				o.add("", 1, c, 1)
				o.add("", 1, c, 4)
			}
			return o, 32, 32
		}, "head scrfd has"},
	} {
		o, w, h := c.make()
		_, _, err := recognise(o.ports, &c.card, w, h)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	o, _, _ := samples()["ssd"]()
	b := boxes{ports: o.ports}
	o.data[1] = tensor.New(tensor.Float32, 1, 8, 4)
	if err := b.take(o.data); err == nil || !strings.Contains(err.Error(), `"boxes" is [1 8 4]`) {
		t.Errorf("another shape than planned: %v", err)
	}
	o.data[1] = nil
	if err := b.take(o.data); err == nil || !strings.Contains(err.Error(), `"boxes"`) {
		t.Errorf("a missing output: %v", err)
	}
}

func TestSuppress(t *testing.T) {
	b := boxes{min: 0.1}
	b.add(0.5, 0, 0, 0, 10, 10, 0)  // 0
	b.add(0.9, 0, 0, 0, 10, 8, 0)   // 1: overlaps box 0 by 80/100
	b.add(0.9, 1, 0, 0, 10, 8, 0)   // 2: the same, of another class
	b.add(0.9, 0, 1, 0, 11, 8, 0)   // 3: as good as box 1, but later: 72/88 of it
	b.add(0.7, 0, 0, 0, 10, 4, 0)   // 4: 40/80 of box 1, no more than the limit
	b.add(0.05, 0, 0, 0, 1, 1, 0)   // too bad
	b.add(0.9, 0, 5, 5, 5, 9, 0)    // no width
	b.add(0.9, 0, 9, 5, 5, 9, 0)    // less than none
	b.add(2, 0, 50, 50, 60, 60, 0)  // 5: a score counts up to 1
	b.add(0.9, 0, 0, 0, 1e9, 10, 0) // too far out
	var order []int
	for _, k := range b.suppress(0.5, 10) {
		order = append(order, k.order)
	}
	if want := []int{5, 1, 2, 4}; !slices.Equal(order, want) {
		t.Errorf("kept %v, want %v", order, want)
	}
	if b.list[0].score != 1 {
		t.Errorf("a score of %g", b.list[0].score)
	}
	b.reset()
	for i := range 3 * maxCandidates {
		b.add(0.5, i, float32(i), 0, float32(i)+10, 10, 0)
	}
	if n := len(b.suppress(0.5, 1<<30)); n != maxCandidates {
		t.Errorf("%d of %d candidates are compared", n, maxCandidates)
	}
	b.reset()
	for i := range 30 {
		b.add(0.5, i, float32(i), 0, float32(i)+10, 10, 0)
	}
	if n := len(b.suppress(0.5, 7)); n != 7 {
		t.Errorf("%d boxes kept, not the 7 that are allowed", n)
	}
}

// fixed is a network that answers the same to every picture.
func fixed(t *testing.T, w, h int, o outputs) *model.Program {
	t.Helper()
	g := &model.Graph{}
	g.Input("image", tensor.Float32, model.Fixed(1, 3, h, w)...)
	for i, x := range o.data {
		g.Output(model.Const(o.ports[i].Name, x))
	}
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlaces(t *testing.T) {
	var o outputs
	v := o.add("output", 1, 3*cells32, 6)
	copy(v, []float32{16, 16, 16, 8, 1, 0.9})     // 8..24 x 12..20
	copy(v[6:], []float32{30, 10, 8, 12, 1, 0.8}) // 26..34 x 4..16: partly in the border
	copy(v[12:], []float32{16, 3, 8, 6, 1, 0.7})  // 0..6 down: in the border
	p := fixed(t, 32, 32, o)
	// 64x32 pixels fill 32x16 of the input from row 8 on: x·2, (y-8)·2.
	pic := kernels.Picture{Format: kernels.RGB, W: 64, H: 32, Stride: 192, Pix: make([]uint8, 64*32*3)}
	for _, c := range []struct {
		fit  string
		want [][4]float64
	}{
		{"letterbox", [][4]float64{{16, 8, 32, 16}, {52, 0, 12, 16}}},
		// 64x32 onto 32x32: x·2, y.
		{"stretch", [][4]float64{{16, 12, 32, 8}, {52, 4, 12, 12}, {24, 0, 16, 6}}},
		// The middle 32x32: x+16, y.
		{"crop", [][4]float64{{24, 12, 16, 8}, {42, 4, 8, 12}, {28, 0, 8, 6}}},
	} {
		d, err := New(p, card.Card{Labels: []string{"thing"}, Input: card.Input{Fit: c.fit}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Detect(context.Background(), pic)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(c.want) {
			t.Fatalf("%s: %+v", c.fit, got)
		}
		for i, g := range got {
			if g.Box != c.want[i] || g.Label != "thing" {
				t.Errorf("%s: %+v, want %v", c.fit, g, c.want[i])
			}
		}
	}
}

// TestDetectAllocates asks that a Detector that has warmed up takes no memory.
func TestDetectAllocates(t *testing.T) {
	var o outputs
	v := o.add("output", 1, cells32, 6)
	for i := range cells32 {
		v[6*i+4], v[6*i+5] = 1, 0.9
	}
	d, err := New(fixed(t, 32, 32, o), card.Card{})
	if err != nil {
		t.Fatal(err)
	}
	pic := kernels.Picture{Format: kernels.RGB, W: 64, H: 32, Stride: 192, Pix: make([]uint8, 64*32*3)}
	ctx := context.Background()
	run := func() {
		if list, err := d.Detect(ctx, pic); err != nil || len(list) == 0 {
			t.Fatal(len(list), err)
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%g allocations a picture", n)
	}
}
