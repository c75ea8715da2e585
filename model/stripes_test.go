package model_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// inStripes counts the steps of a program that go in stripes.
func inStripes(p *model.Program) int {
	n := 0
	for _, s := range p.Steps() {
		if s.Stripes > 0 {
			n++
		}
	}
	return n
}

// compile compiles g, or fails.
func compile(t *testing.T, g *model.Graph, threads int) *model.Program {
	t.Helper()
	p, err := model.Compile(g, model.Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// runOn runs a program whose input is x and whose output is y.
func runOn(t *testing.T, p *model.Program, x *tensor.Tensor) *tensor.Tensor {
	t.Helper()
	out := model.Tensors{}
	if err := p.NewSession().Run(context.Background(), model.Tensors{"x": x}, out); err != nil {
		t.Fatal(err)
	}
	return out["y"]
}

// stack is a random network of layers of which rows need few rows; x is [n,c,h,w].
func stack(seed uint64, n, c, h, w int) *model.Graph {
	b := newNet(seed)
	x := b.Input("x", tensor.Float32, model.Fixed(n, c, h, w)...)
	y := b.conv(x, c, 8, 3, pads(1), 1)
	c = 8
	for range 2 + b.rng.IntN(6) {
		if h < 12 || w < 7 {
			break
		}
		k, step, dilation := 1+b.rng.IntN(5), 1+b.rng.IntN(2)*b.rng.IntN(3), 1+b.rng.IntN(4)/3
		win := layer.Window{Pads: make([]int, 4), Strides: []int{step, 1 + b.rng.IntN(2)}, Dilations: []int{dilation, 1}}
		for i := range win.Pads {
			win.Pads[i] = b.rng.IntN(k + 1)
		}
		switch b.rng.IntN(8) {
		case 0, 1: // by Winograd's algorithm where it suits
			d, pad := 1+b.rng.IntN(2), b.rng.IntN(3)
			k, win = 3, layer.Window{Pads: []int{pad, pad, pad, pad}, Strides: []int{1, 1}, Dilations: []int{d, d}}
			y = b.conv(y, c, 16, k, win, 1)
			c = 16
		case 2:
			out := []int{5, 12, 16, 24}[b.rng.IntN(4)]
			y = b.conv(y, c, out, k, win, 1)
			c = out
		case 3:
			k, win = 1, layer.Window{}
			y = b.conv(y, c, 24, 1, win, 1)
			c = 24
		case 4:
			y = b.conv(y, c, c, k, win, c)
		case 5, 6:
			for i := range win.Pads {
				win.Pads[i] = min(win.Pads[i], (k-1)/2)
			}
			win.Dilations, win.Kernel = []int{1, 1}, []int{k, k}
			if win.Ceil = b.rng.IntN(2) == 0; b.rng.IntN(2) == 0 {
				y = b.Add(b.name("max"), &layer.MaxPool{Window: win}, y)
			} else {
				y = b.Add(b.name("mean"), &layer.AveragePool{Window: win, CountPad: b.rng.IntN(2) == 0}, y)
			}
		case 7:
			k, win = 1, layer.Window{}
			y = b.Add(b.name("lrn"), &layer.LRN{Size: 3, Alpha: 0.1, Beta: 0.75, Bias: 1}, y)
		}
		shape := func(size, k, at int) int {
			if win.Strides == nil {
				win.Strides, win.Dilations = []int{1, 1}, []int{1, 1}
			}
			p := 0
			if win.Pads != nil {
				p = win.Pads[at] + win.Pads[at+2]
			}
			n := size + p - win.Dilations[at]*(k-1) - 1
			if win.Ceil {
				n += win.Strides[at] - 1
			}
			return n/win.Strides[at] + 1
		}
		h, w = shape(h, k, 0), shape(w, k, 1)
		switch b.rng.IntN(4) {
		case 0:
			y = b.unary(layer.Relu, y)
		case 1:
			y = b.unary(layer.Sigmoid, y)
		case 2:
			if z := b.conv(y, c, c, 1, layer.Window{}, 1); b.rng.IntN(2) == 0 {
				y = b.binary(layer.Add, z, y)
			} else {
				y = b.binary(layer.Mul, y, z)
			}
		}
	}
	y = b.unary(layer.Relu, y)
	y.Name = "y"
	b.Output(y)
	return b.Graph
}

// TestStripesGiveTheSameBits compares networks that go in stripes with the same ones that do not, in every number of threads.
func TestStripesGiveTheSameBits(t *testing.T) {
	chained, networks := 0, 300
	if testing.Short() {
		networks = 60
	}
	for seed := range uint64(networks) {
		n, c, h, w := 1+int(seed)%3, 3+int(seed)%6, 17+int(seed*7)%40, 9+int(seed*5)%20
		x := tensor.New(tensor.Float32, n, c, h, w)
		for i := range x.Float32s() {
			x.Float32s()[i] = float32(math.Sin(float64(i) + float64(seed)))
		}
		whole := compile(t, stack(seed, n, c, h, w), 1)
		if inStripes(whole) != 0 {
			t.Fatalf("network %d: small values go in stripes", seed)
		}
		want := runOn(t, whole, x)
		for _, threads := range []int{1, 2, 3} {
			for _, kept := range []int{1, 6000, 20000} {
				undo := model.WithStripes(1, kept, 1)
				p := compile(t, stack(seed, n, c, h, w), threads)
				undo()
				chained += inStripes(p)
				if got := runOn(t, p, x); !slices.Equal(got.Shape(), want.Shape()) || !slices.Equal(got.Raw(), want.Raw()) {
					t.Fatalf("network %d on %d threads, %d bytes kept: other bits in stripes", seed, threads, kept)
				}
			}
		}
	}
	if chained < 9*networks {
		t.Errorf("only %d steps of %d networks went in stripes", chained, 9*networks)
	}
}

// TestStripesOfOtherNetworks compares the networks of fast_test.go and quantised ones.
func TestStripesOfOtherNetworks(t *testing.T) {
	chained := 0
	for name, f := range nets {
		x := testInput(3)
		want := run(t, build(5, f), model.Options{Threads: 1}, x)
		for _, threads := range []int{1, 2} {
			undo := model.WithStripes(1, 3000, 1)
			p := compile(t, build(5, f), threads)
			undo()
			chained += inStripes(p)
			if got := runOn(t, p, x); !slices.Equal(got.Raw(), want.Raw()) {
				t.Errorf("%s on %d threads: other bits in stripes", name, threads)
			}
		}
	}
	if chained < 10 {
		t.Errorf("only %d steps went in stripes", chained)
	}
}

// long is a network whose values are large enough for stripes of the usual sizes.
func long() (*model.Graph, *tensor.Tensor) {
	b := newNet(8)
	x := b.Input("x", tensor.Float32, model.Fixed(1, 3, 160, 200)...)
	y := b.unary(layer.Relu, b.conv(x, 3, 16, 3, pads(1), 1))
	y = b.conv(y, 16, 16, 3, pads(1), 16)
	y = b.conv(y, 16, 32, 1, layer.Window{}, 1)
	y = b.Add("pool", &layer.MaxPool{Window: layer.Window{Strides: []int{2, 2}, Kernel: []int{2, 2}}}, y)
	y.Name = "y"
	b.Output(y)
	in := tensor.New(tensor.Float32, 1, 3, 160, 200)
	for i := range in.Float32s() {
		in.Float32s()[i] = float32(i%17) - 8
	}
	return b.Graph, in
}

// TestStripesTakeLessMemory asks that what passes between layers has no place in the arena: that of one such value is 2 MB and more.
func TestStripesTakeLessMemory(t *testing.T) {
	g, x := long()
	for _, threads := range []int{1, 2} {
		p := compile(t, g, threads)
		if n := inStripes(p); n != 4 {
			t.Fatalf("%d threads: %d steps go in stripes, not 4", threads, n)
		}
		// The result in both axis orders, where the input with channels last was before, and for each thread the rows between the layers.
		least := int64(2 * 4 * 80 * 100 * 32)
		if most, got := least+int64(threads)*280<<10, p.Size().ArenaBytes; got < least || got > most {
			t.Errorf("%d threads: %d bytes of working memory, not %d to %d", threads, got, least, most)
		}
		s := p.NewSession()
		run := func() {
			if err := s.Run(context.Background(), model.Tensors{"x": x}, nil); err != nil {
				t.Fatal(err)
			}
		}
		run()
		if n := s.ScratchBytes(); n > 0 {
			t.Errorf("%d threads: %d bytes of scratch memory", threads, n)
		}
		if n := testing.AllocsPerRun(20, run); n >= 1 && !poolsLeak {
			t.Errorf("%d threads: Run allocates %g times", threads, n)
		}
	}
}

// TestStripesAreTimed asks for a time of every member.
func TestStripesAreTimed(t *testing.T) {
	g, x := long()
	p := compile(t, g, 2)
	times := make([]time.Duration, len(p.Steps()))
	if err := p.NewSession().Time(context.Background(), model.Tensors{"x": x}, nil, times); err != nil {
		t.Fatal(err)
	}
	for i, s := range p.Steps() {
		if s.Stripes > 0 && times[i] <= 0 {
			t.Errorf("%s has no time", s.Name)
		}
	}
}

// TestStripesStop ends a context in the middle of a run.
func TestStripesStop(t *testing.T) {
	g, x := long()
	s := compile(t, g, 2).NewSession()
	want := model.Tensors{}
	if err := s.Run(context.Background(), model.Tensors{"x": x}, want); err != nil {
		t.Fatal(err)
	}
	first := slices.Clone(want["y"].Raw())
	for i := range 20 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*50*time.Microsecond)
		if err := s.Run(ctx, model.Tensors{"x": x}, nil); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancel()
		out := model.Tensors{}
		if err := s.Run(context.Background(), model.Tensors{"x": x}, out); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(out["y"].Raw(), first) {
			t.Fatal(fmt.Sprint("after run ", i, " that was stopped a run gives other bits"))
		}
	}
}

// TestStripesAreFoundCheaply compiles networks of which much could be tried, and asks for little memory.
func TestStripesAreFoundCheaply(t *testing.T) {
	many := func(layers, h, w int, add func(b *net, y *model.Value) *model.Value) *model.Graph {
		b := newNet(4)
		y := b.conv(b.Input("x", tensor.Float32, model.Fixed(1, 4, h, w)...), 4, 4, 1, layer.Window{}, 1)
		for range layers {
			y = add(b, y)
		}
		b.Output(y)
		return b.Graph
	}
	for name, graph := range map[string]*model.Graph{
		"many layers": many(300, 1<<14, 1<<10, func(b *net, y *model.Value) *model.Value { return b.unary(layer.Tanh, y) }),
		"wide dilations": many(10, 34000, 1, func(b *net, y *model.Value) *model.Value {
			w := layer.Window{Kernel: []int{3, 1}, Pads: []int{8300, 0, 8300, 0}, Dilations: []int{8300, 1}}
			return b.Add(b.name("max"), &layer.MaxPool{Window: w}, y)
		}),
	} {
		for _, threads := range []int{1, 2, 1 << 30} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			compile(t, graph, threads)
			runtime.ReadMemStats(&after)
			if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 160 {
				t.Errorf("%s, %d threads: compiling allocates %d MB", name, threads, n)
			}
		}
	}
}
