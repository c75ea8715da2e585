package digit

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
	"github.com/ocellus-vision/ocellus/model/task/tasktest"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// answer compiles a network of n classes that answers 7 to any picture.
func answer(t *testing.T, n int) *model.Program {
	t.Helper()
	v := make([]float32, n)
	v[min(7, n-1)] = 1
	g := &model.Graph{}
	g.Input("image", tensor.Float32, model.Fixed(1, 1, Side, Side)...)
	g.Output(model.Const("scores", tensor.Of(v, 1, n)))
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNew(t *testing.T) {
	if _, err := New(answer(t, 9), card.Card{}); err == nil {
		t.Error("nine classes are enough")
	}
}

// page is a picture of one brightness with a bar of another.
func page(w, h int, paper, bar uint8, x0, y0, x1, y1 int) kernels.Picture {
	p := kernels.Picture{Format: kernels.Grey, W: w, H: h, Stride: w, Pix: make([]uint8, w*h)}
	for i := range p.Pix {
		p.Pix[i] = paper
		if x, y := i%w, i/w; x >= x0 && x < x1 && y >= y0 && y < y1 {
			p.Pix[i] = bar
		}
	}
	return p
}

// TestPrepare writes a bar anywhere, in any size and brightness: the network sees it 20 pixels high in the middle, white on black.
func TestPrepare(t *testing.T) {
	r, err := New(answer(t, 10), card.Card{})
	if err != nil {
		t.Fatal(err)
	}
	for name, pic := range map[string]kernels.Picture{
		"dark on light": page(200, 100, 220, 40, 150, 10, 170, 50), "light on dark": page(60, 120, 10, 90, 5, 20, 45, 100),
		"small": page(31, 23, 255, 0, 3, 2, 13, 22),
	} {
		got, err := r.Read(context.Background(), pic)
		if err != nil || got != (Digit{7, 1}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		for i, v := range r.page.Pix {
			want := uint8(0)
			if x, y := i%Side, i/Side; x >= 9 && x < 19 && y >= 4 && y < 24 { // twice as high as wide
				want = 255
			}
			if v != want {
				t.Fatalf("%s: %d at %d, %d; want %d", name, v, i%Side, i/Side, want)
			}
		}
	}
	whole := page(28, 28, 200, 100, 0, 5, 3, 9) // is shown as it is, turned round
	if _, err := r.Read(context.Background(), whole); err != nil || r.page.Pix[0] != 55 || r.page.Pix[5*Side] != 155 {
		t.Errorf("%d and %d, want 55 and 155; %v", r.page.Pix[0], r.page.Pix[5*Side], err)
	}
	for name, pic := range map[string]kernels.Picture{
		"blank": page(30, 30, 200, 200, 0, 0, 1, 1), "a pixel": page(1, 1, 0, 0, 0, 0, 0, 0), "nothing": {}, "too large": {W: maxSide + 1, H: 1},
	} {
		if _, err := r.Read(context.Background(), pic); err == nil {
			t.Errorf("%s: a digit is read", name)
		}
	}
}

// TestMNIST reads digits with a public network, whose error the authors of its collection give as 1.1 to 1.2 %; a tenth of the test set has 11.5 wrong
// and, with four standard deviations, no more than 25. The same digits drawn large on paper are brought back: at most twice as many.
func TestMNIST(t *testing.T) {
	dir := tasktest.Shared(t, "data/mnist")
	g, err := onnx.ReadFile(filepath.Join(tasktest.Shared(t, "models/mnist_8"), "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(p, card.Card{Input: card.Input{Std: []float64{1}}})
	if err != nil {
		t.Fatal(err)
	}
	pixels, labels := unzip(t, filepath.Join(dir, "t10k-images-idx3-ubyte.gz"))[16:], unzip(t, filepath.Join(dir, "t10k-labels-idx1-ubyte.gz"))[8:]
	wrong, wrongLarge := 0, 0
	const n, zoom, margin = 1000, 4, 37
	for i := range n {
		small := kernels.Picture{Format: kernels.Grey, W: Side, H: Side, Stride: Side, Pix: pixels[i*Side*Side:][:Side*Side]}
		large := page(Side*zoom+margin, Side*zoom+2*margin, 250, 0, 0, 0, 0, 0)
		for j := range Side * zoom * Side * zoom {
			x, y := j%(Side*zoom), j/(Side*zoom)
			large.Pix[(y+margin)*large.Stride+x] = 250 - uint8(int(small.Pix[y/zoom*Side+x/zoom])*200/255)
		}
		for _, c := range []struct {
			pic   kernels.Picture
			count *int
		}{{small, &wrong}, {large, &wrongLarge}} {
			d, err := r.Read(context.Background(), c.pic)
			if err != nil {
				t.Fatal(err)
			}
			if d.Value != int(labels[i]) {
				*c.count++
			}
		}
	}
	t.Logf("%d and %d of %d wrong", wrong, wrongLarge, n)
	if wrong > 25 || wrongLarge > 50 {
		t.Errorf("%d and %d of %d are wrong", wrong, wrongLarge, n)
	}
}

func unzip(t *testing.T, path string) []byte {
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
	if err != nil {
		t.Fatal(err)
	}
	return b
}
