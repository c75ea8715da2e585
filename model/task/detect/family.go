package detect

import (
	"fmt"
	"strings"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// decoder turns the outputs of one network into candidates. Its match has checked the shapes that Compile knows, and boxes.take that the
// outputs have them.
type decoder interface {
	classes() int // 0 where the network does not tell
	decode(b *boxes) error
}

// family is a way to lay out the outputs of a detector.
type family struct {
	name  string
	want  string // the outputs, for messages
	card  card.Card
	faces bool // one class, which is faces
	match func(s *signature) decoder
}

// signature is what shows of a network's outputs before it runs.
type signature struct {
	w, h  int // of the input
	names []string
	out   [][]int // shapes without a batch of 1; nil where only running tells
	card  *card.Card
	named bool // the card names the family: shapes may be unusual
}

var imagenet = card.Input{
	Order: "rgb", Mean: []float64{123.675, 116.28, 103.53}, Std: []float64{58.395, 57.12, 57.375},
}

// nanodet is fed blue first. Letterboxed it finds more than stretched, as its authors feed it.
var nanodet = card.Input{Order: "bgr", Fit: "letterbox"}.Over(imagenet)

// families lists the families, those with the narrower signature first.
var families = []family{
	{
		name: "yunet", want: "cls, obj [N,1], bbox [N,4] and kps [N,10] for strides 8, 16 and 32", faces: true,
		card:  card.Card{Input: card.Input{Order: "bgr", Fit: "letterbox"}, Score: new(0.6), IoU: new(0.3)},
		match: matchYuNet,
	},
	{
		name: "scrfd", want: "scores [2N,1], boxes [2N,4] and perhaps landmarks [2N,10] for strides 8, 16 and 32", faces: true,
		card:  card.Card{Input: card.Input{Order: "rgb", Fit: "letterbox", Mean: []float64{127.5}, Std: []float64{128}}, Score: new(0.5), IoU: new(0.4)},
		match: matchSCRFD,
	},
	{
		name: "nanodet", want: "scores [N,classes] and distances [N,32] for strides 8, 16 and 32",
		card:  card.Card{Input: nanodet, Score: new(0.35), IoU: new(0.6)},
		match: func(s *signature) decoder { return matchDFL(s, 8, 16, 32) },
	},
	{
		name: "picodet", want: "scores [N,classes] and distances [N,32] for strides 8, 16, 32 and 64",
		card:  card.Card{Input: imagenet, Score: new(0.4), IoU: new(0.6)},
		match: func(s *signature) decoder { return matchDFL(s, 8, 16, 32, 64) },
	},
	{
		name: "nanodet_plus", want: "one output [N,classes+32], N the cells of strides 8, 16, 32 and 64",
		card:  card.Card{Input: nanodet, Score: new(0.35), IoU: new(0.6)},
		match: matchNanoDetPlus,
	},
	{
		name: "yolox", want: "one output [N,5+classes], N the cells of strides 8, 16 and 32",
		card:  card.Card{Input: card.Input{Order: "bgr", Fit: "letterbox", Pad: []float64{114}}, Score: new(0.3), IoU: new(0.45)},
		match: matchYOLOX,
	},
	{
		name: "yolov5", want: "one output [N,5+classes], N three times the cells of strides 8, 16 and 32",
		card:  card.Card{Input: card.Input{Order: "rgb", Fit: "letterbox", Pad: []float64{114}, Std: []float64{255}}, Score: new(0.25), IoU: new(0.45)},
		match: matchYOLOv5,
	},
	{
		name: "yolov8", want: "one output [4+classes,N], N the cells of strides 8, 16 and 32",
		card:  card.Card{Input: card.Input{Order: "rgb", Fit: "letterbox", Pad: []float64{114}, Std: []float64{255}}, Score: new(0.25), IoU: new(0.5)},
		match: matchYOLOv8,
	},
	{
		name: "fastestdet", want: "one output [5+classes,h,w]",
		card:  card.Card{Input: card.Input{Order: "bgr", Std: []float64{255}}, Score: new(0.6), IoU: new(0.5)},
		match: matchFastestDet,
	},
	{
		name: "centre", want: "one output [5,h,w], or [5+2 for each landmark,h,w]",
		card:  card.Card{Input: card.Input{Order: "rgb", Fit: "letterbox", Pad: []float64{127.5}}, Score: new(0.3), IoU: new(0.5)},
		match: matchCentre,
	},
	{
		name: "blazeface", want: "boxes [N,4+2 for each landmark] and scores [N,1]", faces: true,
		card: card.Card{
			Input: card.Input{Order: "rgb", Fit: "letterbox", Mean: []float64{127.5}, Std: []float64{127.5}}, Score: new(0.6), IoU: new(0.3),
		},
		match: matchBlazeFace,
	},
	{
		name: "ultraface", want: "scores [N,2] and boxes [N,4]", faces: true,
		card:  card.Card{Input: card.Input{Order: "rgb", Mean: []float64{127}, Std: []float64{128}}, Score: new(0.7), IoU: new(0.3)},
		match: func(s *signature) decoder { return matchSSD(s, 2) },
	},
	{
		name: "ssd", want: "scores [N,1+classes] and boxes [N,4]",
		card:  card.Card{Input: card.Input{Order: "rgb", Mean: []float64{127}, Std: []float64{128}}, Score: new(0.4), IoU: new(0.45)},
		match: func(s *signature) decoder { return matchSSD(s, 0) },
	},
	{
		name: "ssd_nms", want: "boxes [M,4], scores [M] and classes or labels [M], and perhaps their number",
		card:  card.Card{Input: card.Input{Order: "rgb"}, Score: new(0.4), IoU: new(1.0)},
		match: matchDecoded,
	},
}

// most is the default of the most detections.
const most = 200

// Heads lists the names of the families.
func Heads() []string {
	var all []string
	for _, f := range families {
		all = append(all, f.name)
	}
	return all
}

// recognise returns the family of a network and its decoder.
func recognise(ports []model.Port, c *card.Card, w, h int) (family, decoder, error) {
	s := &signature{w: w, h: h, card: c, named: c.Head != ""}
	for _, o := range ports {
		if !o.DType.IsFloat() && !o.DType.IsInt() {
			return family{}, nil, fmt.Errorf("output %q holds %v, not numbers", o.Name, o.DType)
		}
		shape := o.Shape
		if len(shape) > 1 && shape[0] == 1 {
			shape = shape[1:]
		}
		s.names, s.out = append(s.names, o.Name), append(s.out, shape)
	}
	want := strings.ReplaceAll(strings.ToLower(c.Head), "-", "_")
	for _, f := range families {
		if s.named && f.name != want {
			continue
		}
		if f.card.Max == 0 {
			f.card.Max = most
		}
		if d := f.match(s); d != nil {
			return f, d, nil
		}
		if s.named {
			return family{}, nil, fmt.Errorf("head %s has %s for an input of %dx%d; this network has %s", f.name, f.want, w, h, describe(ports))
		}
	}
	if s.named {
		return family{}, nil, fmt.Errorf("no head is called %q; there are %s", c.Head, list(Heads()))
	}
	return family{}, nil, fmt.Errorf("outputs %s are those of no known family of detectors; name the family with head: %s", describe(ports), list(Heads()))
}

// describe writes outputs as `"scores" [1 4420 2], "boxes" [1 4420 4]`.
func describe(ports []model.Port) string {
	var parts []string
	for i, o := range ports {
		if i == 20 {
			parts = append(parts, fmt.Sprintf("and %d more", len(ports)-i))
			break
		}
		shape := "of unknown shape"
		if o.Shape != nil {
			shape = tensor.FormatShape(o.Shape)
		}
		parts = append(parts, fmt.Sprintf("%q %s", o.Name, shape))
	}
	return list(parts)
}

func list(parts []string) string { return strings.Join(parts, ", ") }

// A level is a grid of cells over the input, row by row.
type level struct{ stride, w, h int }

func newLevel(w, h, stride int) level {
	return level{stride, (w + stride - 1) / stride, (h + stride - 1) / stride}
}

func (l level) cells() int { return l.w * l.h }

// levels returns the grids of an input and the number of their cells.
func (s *signature) levels(strides ...int) (all []level, cells int) {
	for _, stride := range strides {
		l := newLevel(s.w, s.h, stride)
		all, cells = append(all, l), cells+l.cells()
	}
	return all, cells
}

// single returns the shape of the only output, where it has this rank.
func (s *signature) single(rank int) []int {
	if len(s.out) != 1 || len(s.out[0]) != rank {
		return nil
	}
	return s.out[0]
}

// classCount returns how many of n numbers are scores of classes: all, or as many as there are labels where other numbers follow.
func (s *signature) classCount(n int) int {
	if labels := len(s.card.Labels); labels > 0 && labels < n {
		return labels
	}
	return n
}

// A view is rows of an output: row i begins at element first + i·pitch.
type view struct{ out, first, pitch int }

func (v view) row(b *boxes, i, n int) []float32 {
	at := v.first + i*v.pitch
	return b.out[v.out][at : at+n]
}

// best returns the greatest of v and its place; -1 where there is none but NaN.
func best(v []float32) (float32, int) {
	at := -1
	var top float32
	for i, x := range v {
		if x > top || at < 0 && x == x {
			top, at = x, i
		}
	}
	return top, at
}

// prob returns a score as a probability.
func (b *boxes) prob(x float32) float32 {
	if b.logits {
		return sigmoid(x)
	}
	return x
}

// The functions below are those of kernels, so that every machine finds the same boxes.

func exp(x float32) float32 {
	v := [1]float32{x}
	kernels.Exp(v[:], v[:])
	return v[0]
}

func logarithm(x float32) float32 {
	v := [1]float32{x}
	kernels.Log(v[:], v[:])
	return v[0]
}

func sigmoid(x float32) float32 {
	v := [1]float32{x}
	kernels.Sigmoid(v[:], v[:])
	return v[0]
}

func tanh(x float32) float32 {
	v := [1]float32{x}
	kernels.Tanh(v[:], v[:])
	return v[0]
}
