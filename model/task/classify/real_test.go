package classify_test

import (
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/classify"
	"github.com/ocellus-vision/ocellus/model/task/tasktest"
)

// idx reads a gzipped IDX file without its header.
func idx(t *testing.T, path string, header int) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil || len(b) < header {
		t.Fatalf("%s: %d bytes, %v", path, len(b), err)
	}
	return b[header:]
}

// TestDigits reads MNIST's test digits with a public network, which is to err on at most 2 %: its authors promise nothing, and that is twice
// what LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 1998, report for such a network.
func TestDigits(t *testing.T) {
	dir := tasktest.Shared(t, "data/mnist")
	pixels := idx(t, filepath.Join(dir, "t10k-images-idx3-ubyte.gz"), 16)
	labels := idx(t, filepath.Join(dir, "t10k-labels-idx1-ubyte.gz"), 8)
	g, err := onnx.ReadFile(filepath.Join(tasktest.Shared(t, "models/mnist_8"), "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	net, err := classify.New(p, card.Card{Input: card.Input{Std: []float64{1}}})
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i, label := range labels {
		pic := kernels.Picture{Format: kernels.Grey, W: 28, H: 28, Stride: 28, Pix: pixels[784*i:][:784]}
		top, err := net.Classify(context.Background(), pic, 1)
		if err != nil {
			t.Fatal(err)
		}
		if top[0].Class != int(label) {
			wrong++
		}
	}
	t.Logf("%d of %d wrong", wrong, len(labels))
	if wrong*50 > len(labels) {
		t.Errorf("%d of %d wrong", wrong, len(labels))
	}
}
