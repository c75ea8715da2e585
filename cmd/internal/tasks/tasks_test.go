package tasks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/draw"
	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/classify"
	"github.com/ocellus-vision/ocellus/model/task/detect"
	"github.com/ocellus-vision/ocellus/model/task/digit"
	"github.com/ocellus-vision/ocellus/model/task/face"
	"github.com/ocellus-vision/ocellus/model/task/scene"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

func TestObject(t *testing.T) {
	var o Object
	var b bytes.Buffer
	o.Add("z", 1)
	o.Add("a&b", "<x>")
	if err := o.Write(&b); err != nil || b.String() != "{\"z\":1,\"a&b\":\"<x>\"}\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	b.Reset()
	o.Add("n", math.NaN())
	if err := o.Write(&b); err == nil || b.Len() != 0 {
		t.Errorf("NaN: %q, %v", b.String(), err)
	}
	if err := o.Write(&b); err != nil || b.String() != "{}\n" {
		t.Errorf("empty: %q, %v", b.String(), err)
	}
}

// results are one of each kind, of a picture of 4x1.
func results() map[string]Result {
	box := [4]float64{1.23456, 2, 3, 4}
	return map[string]Result{
		`{"pedestrians":[{"box":[1.23,2,3,4],"score":0.87654,"track":3},{"box":[1.23,2,3,4],"score":0.5}]}`: &People{List: []Person{{Box: box, Score: 0.876543, Track: 3}, {Box: box, Score: 0.5}}},
		`{"pedestrians":[]}`: &People{},
		`{"scene":[{"class":3,"label":"road","share":0.66667},{"class":0,"label":"sky","share":0.33333}],"map":"m.png"}`: &Areas{Width: 4, Height: 1, Labels: []uint8{3, 3, 0, 0},
			Shares: []scene.Share{{Class: 3, Label: "road", Share: 2.0 / 3}, {Class: 0, Label: "sky", Share: 1.0 / 3}}, Map: "m.png", parser: &parser{name: "scene", colours: &draw.Colours}},
		`{"faces":[{"box":[1.23,2,3,4],"score":0.9,"landmarks":[[1.11,0],[0,0],[0,0],[0,0],[0,0]],"quality":{"eyes":30,"sharpness":0,"contrast":0,"turn":0,"nod":0,"inside":1},"name":"Ada","similarity":0.7123}]}`: &FaceList{
			[]face.Identity{{Face: face.Face{Box: box, Score: 0.9, Landmarks: face.Landmarks{{1.111, 0}}, Quality: face.Quality{Eyes: 30, Inside: 1}}, Name: "Ada", Similarity: 0.71234}}, true},
		`{"faces":[{"box":[1.23,2,3,4],"score":0,"landmarks":[[0,0],[0,0],[0,0],[0,0],[0,0]],"quality":{"eyes":0,"sharpness":0,"contrast":0,"turn":0,"nod":0,"inside":0},"name":"unknown","reason":"small"}]}`: &FaceList{
			[]face.Identity{{Face: face.Face{Box: box}, Name: "unknown", Reason: "small"}}, true},
		`{"head":"yolox","detections":[{"box":[1.23,2,3,4],"score":0.5,"class":1,"label":"cat"}]}`: &Objects{"yolox", []detect.Detection{{Box: box, Score: 0.5, Class: 1, Label: "cat"}}},
		`{"classes":[{"class":1,"label":"cat","score":0.5}]}`:                                      &Classes{[]classify.Class{{Class: 1, Label: "cat", Score: 0.5}}},
		`{"digit":{"value":7,"score":0.99}}`:                                                       &Read{digit.Digit{Value: 7, Score: 0.99}},
		`{"vector":[1,0]}`:                                                                         &Vector{[]float32{1, 0}},
	}
}

func TestResults(t *testing.T) {
	for want, r := range results() {
		var o Object
		var b bytes.Buffer
		r.Fields(&o)
		if err := o.Write(&b); err != nil || strings.TrimSpace(b.String()) != want {
			t.Errorf("%s\nwant %s, %v", b.String(), want, err)
		}
		if !json.Valid(b.Bytes()) {
			t.Errorf("%s is no JSON", b.String())
		}
		var rows strings.Builder
		r.Rows(&rows)
		if text := rows.String(); text != "" && (!strings.HasSuffix(text, "\n") || !strings.HasPrefix(text, "  ")) {
			t.Errorf("%s: rows %q", want, text)
		}
		var l draw.Layers
		r.Draw(&l, false)
		r.Draw(&l, true)
	}
}

func TestLines(t *testing.T) {
	p := face.Identity{Name: "Ada"}
	for want, r := range map[string]Result{
		"0 pedestrians": &People{}, "1 pedestrian": &People{List: make([]Person, 1)}, "2 faces (Ada)": &FaceList{[]face.Identity{p, {Name: "unknown"}}, true},
		"road 62 % sky 20 % tree 10 %": &Areas{Shares: []scene.Share{{Label: "road", Share: 0.62}, {Label: "sky", Share: 0.2}, {Label: "tree", Share: 0.1}, {Label: "car", Share: 0.08}}},
	} {
		if got := r.Line(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestNamesKeepTheirColours asks that a person's colour does not depend on who else is seen.
func TestNamesKeepTheirColours(t *testing.T) {
	a := face.Identity{Name: "Ada"}
	var one, two draw.Layers
	(&FaceList{[]face.Identity{a}, true}).Draw(&one, true)
	(&FaceList{[]face.Identity{{Name: "Grace"}, a}, true}).Draw(&two, true)
	if one.Boxes[0].Class != two.Boxes[1].Class || !strings.Contains(one.Boxes[0].Text, "Ada") {
		t.Errorf("%+v, %+v", one.Boxes, two.Boxes)
	}
}

// street is a Net with an input of 32x32 that answers to any picture: one output of a decoded YOLO, with a person, or scores of three classes.
func street(tb testing.TB, x *tensor.Tensor) *nets.Net {
	tb.Helper()
	g := &model.Graph{}
	g.Input("image", tensor.Float32, model.Fixed(1, 3, 32, 32)...)
	g.Output(model.Const("out", x))
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		tb.Fatal(err)
	}
	return &nets.Net{Name: "street", Program: p}
}

// workers are those of tasks that can be tried without files.
func workers(tb testing.TB) map[string]Worker {
	tb.Helper()
	v := make([]float32, 63*6)
	copy(v, []float32{16, 16, 8, 16, 0.9, 1})
	all := map[string]Worker{}
	for _, t := range []*Task{Pedestrians(street(tb, tensor.Of(v, 1, 63, 6))), Scene(street(tb, tensor.Of(make([]float32, 11*16), 1, 11, 4, 4)))} {
		w, err := t.Open(true)
		if err != nil {
			tb.Fatal(err)
		}
		all[t.Name] = w
	}
	return all
}

var frame = kernels.Picture{Format: kernels.RGB, W: 64, H: 48, Stride: 192, Pix: make([]uint8, 64*48*3)}

// TestLookDoesNotAllocate runs tasks in steady state, from the frame to the result, tracks and trails included.
func TestLookDoesNotAllocate(t *testing.T) {
	for name, w := range workers(t) {
		at, r := time.Unix(0, 0), w.New()
		look := func() {
			at = at.Add(100 * time.Millisecond)
			if err := w.Look(context.Background(), frame, at, 0, r); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 * trailLength {
			look()
		}
		if n := testing.AllocsPerRun(100, look); n != 0 {
			t.Errorf("%s: %g allocations a frame", name, n)
		}
		if p, ok := r.(*People); ok && (len(p.List) != 1 || p.List[0].Track != 1 || len(p.List[0].trail) != trailLength) {
			t.Errorf("%+v", p.List)
		}
	}
}

// TestSizes asks for inputs of another size, whose network sees somebody else and another class.
func TestSizes(t *testing.T) {
	someone := func(x float32) *tensor.Tensor {
		v := make([]float32, 63*6)
		copy(v, []float32{x, 16, 8, 16, 0.9, 1})
		return tensor.Of(v, 1, 63, 6)
	}
	classes := func(class int) *tensor.Tensor {
		v := make([]float32, 11*16)
		for i := range 16 {
			v[16*class+i] = 1
		}
		return tensor.Of(v, 1, 11, 4, 4)
	}
	people, parts := street(t, someone(8)), street(t, classes(3))
	people.Smaller = []*model.Program{street(t, someone(24)).Program}
	parts.Smaller = []*model.Program{street(t, classes(5)).Program}
	for _, task := range []*Task{Pedestrians(people), Scene(parts)} {
		if want := [][2]int{{32, 32}, {32, 32}}; !slices.Equal(task.Sizes, want) || !slices.Equal(task.Pipeline(true).Sizes, []int{32, 32}) {
			t.Errorf("%s: sizes %v, %v", task.Name, task.Sizes, task.Pipeline(true).Sizes)
		}
		w, err := task.Open(true)
		if err != nil {
			t.Fatal(err)
		}
		for size, at := range []float64{16, 48} {
			r := w.New()
			if err := w.Look(t.Context(), frame, time.Unix(0, 0), size, r); err != nil {
				t.Fatal(err)
			}
			switch r := r.(type) {
			case *People:
				if len(r.List) != 1 || r.List[0].Box[0]+r.List[0].Box[2]/2 != at {
					t.Errorf("size %d: %+v, want someone around %v", size, r.List, at)
				}
			case *Areas:
				if want := []uint8{3, 5}[size]; r.Labels[0] != want || len(r.Labels) != 64*48 {
					t.Errorf("size %d: class %d of %d pixels, want %d", size, r.Labels[0], len(r.Labels), want)
				}
			}
		}
	}
}

// TestWorkersShareNetworks asks that a task opens its networks once, and that its cameras, who look at once, see and follow what they would alone.
func TestWorkersShareNetworks(t *testing.T) {
	opened := 0
	once := &shared[int]{open: func() (int, error) {
		if opened++; opened == 1 {
			return 0, errors.New("not now")
		}
		return opened, nil
	}}
	for i, want := range []int{0, 2, 2} {
		if n, err := once.get(); n != want || (err != nil) != (i == 0) {
			t.Errorf("opened %d times: %d, %v, want %d", opened, n, err, want)
		}
	}

	v := make([]float32, 63*6)
	copy(v, []float32{16, 16, 8, 16, 0.9, 1})
	labels := make([]float32, 11*16)
	labels[16*4] = 1
	for _, task := range []*Task{Pedestrians(street(t, tensor.Of(v, 1, 63, 6))), Scene(street(t, tensor.Of(labels, 1, 11, 4, 4)))} {
		var cameras sync.WaitGroup
		for range 4 {
			cameras.Go(func() {
				w, err := task.Open(true)
				if err != nil {
					t.Error(err)
					return
				}
				r := w.New()
				for i := range 10 {
					if err := w.Look(t.Context(), frame, time.Unix(int64(i), 0), 0, r); err != nil {
						t.Error(err)
					}
				}
				switch r := r.(type) {
				case *People:
					// Somebody who was seen once is no track yet.
					if len(r.List) != 1 || r.List[0].Track != 1 || r.List[0].Box[2] != 16 || len(r.List[0].trail) != 9 {
						t.Errorf("%+v", r.List)
					}
				case *Areas:
					if len(r.Labels) != 64*48 || r.Labels[0] != 4 {
						t.Errorf("%d labels, the first %d", len(r.Labels), r.Labels[0])
					}
				}
			})
		}
		cameras.Wait()
	}
}

func BenchmarkLook(b *testing.B) {
	for name, w := range workers(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			at, r := time.Unix(0, 0), w.New()
			for b.Loop() {
				at = at.Add(100 * time.Millisecond)
				if err := w.Look(context.Background(), frame, at, 0, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBuiltIn looks at frames of a camera with the program's own networks, on one thread: frame to result.
func BenchmarkBuiltIn(b *testing.B) {
	pic := kernels.Picture{Format: kernels.YUYV, W: 640, H: 480, Stride: 1280, Pix: make([]uint8, 1280*480)}
	for i := range pic.Pix {
		pic.Pix[i] = uint8(i * i >> 8)
	}
	for _, c := range []struct {
		name string
		task func(*nets.Net) *Task
	}{{zoo.Pedestrian, Pedestrians}, {zoo.Scene, Scene}} {
		for _, size := range [][2]int{{480, 352}, {640, 480}} {
			b.Run(fmt.Sprintf("%s-%dx%d", c.name, size[0], size[1]), func(b *testing.B) {
				n, err := nets.Load(nets.Request{Default: c.name, Card: card.Card{Input: card.Input{Size: fmt.Sprintf("%dx%d", size[0], size[1])}}, Threads: 1})
				if err != nil {
					b.Fatal(err)
				}
				w, err := c.task(n).Open(true)
				if err != nil {
					b.Fatal(err)
				}
				at, r := time.Unix(0, 0), w.New()
				for b.Loop() {
					at = at.Add(100 * time.Millisecond)
					if err := w.Look(context.Background(), pic, at, 0, r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
