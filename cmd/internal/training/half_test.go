package training

import (
	"math"
	"testing"

	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/quant"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

// TestHalved writes networks with weights of float16: about half as long as with float32, but for locally connected layers, whose weights stay.
func TestHalved(t *testing.T) {
	for _, c := range []struct {
		net         string
		least, most float64
	}{{"face_embed", 0.45, 0.55}, {"face_local", 0.55, 0.95}} {
		g := arch.Nets[c.net](1)
		full, err := onnx.Write(g)
		if err != nil {
			t.Fatal(err)
		}
		h, err := halved(g)
		if err != nil {
			t.Fatal(err)
		}
		b, err := onnx.Write(h)
		if err != nil {
			t.Fatal(err)
		}
		if part := float64(len(b)) / float64(len(full)); part < c.least || part > c.most {
			t.Errorf("%s takes %d bytes, %d in half precision", c.net, len(full), len(b))
		}
		if _, err := onnx.Read(b); err != nil {
			t.Errorf("%s: %v", c.net, err)
		}
	}
}

// TestQuantised writes a network with weights of int8: little more than a quarter as long, each weight off by half a step at the most, the greatest of each
// output by nothing.
func TestQuantised(t *testing.T) {
	g := arch.FaceEmbed(1)
	full, err := onnx.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	b, err := onnx.Write(quantised(g))
	if err != nil {
		t.Fatal(err)
	}
	if part := float64(len(b)) / float64(len(full)); part > 0.28 {
		t.Errorf("%d bytes of %d are left", len(b), len(full))
	}
	if _, err := onnx.Read(b); err != nil {
		t.Error(err)
	}
	w := tensor.Of([]float32{1, -254, 63.5, 0.9, 0, 0, 0, 0}, 2, 4)
	whole, scale := quant.Weights(w, 0)
	for i, v := range w.Float32s() {
		step := scale.Float32s()[i/4]
		if got := float32(tensor.Data[int8](whole)[i]) * step; math.Abs(float64(got-v)) > float64(step/2) || i == 1 && got != v {
			t.Errorf("%g is stored as %g, in steps of %g", v, got, step)
		}
	}
}
