package training

import (
	"testing"

	"github.com/ocellus-vision/ocellus/model/onnx"
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
