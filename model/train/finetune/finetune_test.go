package finetune

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train"
	"github.com/ocellus-vision/ocellus/model/train/data"
	"github.com/ocellus-vision/ocellus/model/zoo/arch"
)

// mnist opens digits, or skips the test.
func mnist(t *testing.T, part string) *data.Digits {
	t.Helper()
	shared := os.Getenv("OCELLUS_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "..", "shared")
	}
	dir := filepath.Join(shared, "data", "mnist")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the digits are not there: " + dir)
	}
	d, err := data.OpenDigits(filepath.Join(dir, part+"-images-idx3-ubyte.gz"), filepath.Join(dir, part+"-labels-idx1-ubyte.gz"), 10)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// subsetOf returns examples first, first+1, ... of some classes, n of each, with flip of their labels wrong.
func subsetOf(t *testing.T, d data.Labelled, classes []string, first, n int, flip float64) data.Labelled {
	t.Helper()
	sub, taken := &relabelled{Labelled: d, labels: map[int]int{}}, map[int]int{}
	r := data.NewRand(99)
	for i := range d.Len() {
		l := d.Label(i)
		if at := slices.Index(classes, d.Classes()[l]); at < 0 || taken[l] >= first+n {
			continue
		} else if taken[l]++; taken[l] <= first {
			continue
		} else if r.Chance(flip) {
			wrong := classes[(at+1+r.Intn(len(classes)-1))%len(classes)]
			sub.labels[i] = slices.Index(d.Classes(), wrong)
		}
		sub.index = append(sub.index, i)
	}
	return sub
}

type relabelled struct {
	data.Labelled
	index  []int
	labels map[int]int
}

func (r *relabelled) Len() int            { return len(r.index) }
func (r *relabelled) Name(i int) string   { return r.Labelled.Name(r.index[i]) }
func (r *relabelled) Source(i int) string { return r.Labelled.Source(r.index[i]) }
func (r *relabelled) Label(i int) int {
	if l, ok := r.labels[r.index[i]]; ok {
		return l
	}
	return r.Labelled.Label(r.index[i])
}
func (r *relabelled) Read(i int, x *data.Rand, dst []*tensor.Tensor) error {
	return r.Labelled.Read(r.index[i], x, dst)
}

// numbers names the classes from a to b.
func numbers(a, b int) (list []string) {
	for ; a <= b; a++ {
		list = append(list, fmt.Sprint(a))
	}
	return list
}

// parent trains a small network for 0 to 7 on n examples of each class.
func parent(t *testing.T, d data.Labelled, n, epochs int) []byte {
	t.Helper()
	b := arch.NewBuilder("small", 1)
	x := b.Input("image", 1, 28, 28)
	x = b.MaxPool(b.ReLU(b.Conv(x, arch.ConvSpec{Out: 8, K: 5})), 2, 2, 0)
	x = b.MaxPool(b.ReLU(b.Conv(x, arch.ConvSpec{Out: 16, K: 5})), 2, 2, 0)
	x = b.ReLU(b.Dense(x, 64))
	b.Gain(1)
	b.Output("logits", b.Dense(x, 8))
	const batch = 32
	r, err := train.New(train.Config{
		Graph: b.Graph, EmbedOptions: train.EmbedOptions{Inputs: map[string][]int{"image": {batch, 1, 28, 28}}},
		Loss: train.Loss([]train.LossSpec{{Kind: "cross_entropy"}}, map[string]train.Target{"label": {DType: tensor.Int32, Shape: []int{batch}}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	run := &train.Run{Trainer: r, Set: subsetOf(t, d, numbers(0, 7), 0, n, 0), Batch: batch, Epochs: epochs, Seed: 1,
		Schedule: train.Schedule{Rate: 0.05, Shape: "cosine"}, Optimiser: train.OptimiserSpec{Kind: "sgd", Momentum: 0.9, Decay: 1e-4}}
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	out, err := onnx.Write(b.Graph)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func config(model []byte, d data.Labelled) Config {
	return Config{Model: model, Data: d, Epochs: 20, Batch: 32, Rate: 0.01, Seed: 1, Margin: 1, Least: 80, Keep: 200, CacheBytes: 64 << 20}
}

func must(t *testing.T, c Config) *Result {
	t.Helper()
	r, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range append(slices.Clone(r.Report.Groups), r.Report.ByClass...) {
		t.Logf("%-14s %4d  %5.1f -> %5.1f  %+.1f (%+.1f..%+.1f) in %d groups", g.Name, g.N, g.Before, g.After, g.Difference.Value, g.Difference.Low, g.Difference.High, g.Difference.N)
	}
	for _, g := range []*Group{r.Report.Test, r.Report.TestOld} {
		if g != nil {
			t.Logf("%-14s %4d  %5.1f -> %5.1f", g.Name, g.N, g.Before, g.After)
		}
	}
	t.Logf("trained on %d; refused: %q", r.Report.Trained, r.Report.Refused)
	return r
}

// TestDigits adds 8 and 9 from 20 examples each to a network that knows 0 to 7, then offers it examples with wrong labels and with right ones.
func TestDigits(t *testing.T) {
	if testing.Short() {
		t.Skip("networks are trained six times, which takes minutes without vector instructions")
	}
	d := mnist(t, "train")
	before := parent(t, d, 2000, 3)
	c := config(before, subsetOf(t, d, numbers(8, 9), 0, 20, 0))
	c.From = "dense1"
	c.Old = subsetOf(t, d, numbers(0, 7), 2000, 200, 0)
	c.Test = subsetOf(t, mnist(t, "t10k"), numbers(0, 9), 0, 200, 0)
	r := must(t, c)
	if len(r.Report.Refused) > 0 {
		t.Errorf("the clean set was refused: %q", r.Report.Refused)
	}
	if g := r.Report.TestOld; g.Before-g.After >= 1 {
		t.Errorf("old classes lost %.2f points of the test set", g.Before-g.After)
	}
	g, err := onnx.Read(r.Model)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := card.FromMeta(g.Meta); err != nil || !slices.Equal(m.Labels, numbers(0, 9)) {
		t.Errorf("the labels are %v, %v", m.Labels, err)
	}
	sum := sha256.Sum256(before)
	if got := g.Meta["ocellus.parent_sha256"]; got != fmt.Sprintf("%x", sum) {
		t.Errorf("the parent is %s, not %x", got, sum)
	}

	for _, c := range []struct {
		name string
		set  data.Labelled
	}{
		{"30 % of the labels of all classes wrong", subsetOf(t, d, numbers(0, 9), 2500, 100, 0.3)},
		{"labels at random", subsetOf(t, d, numbers(0, 9), 2500, 100, 0.9)},
	} {
		cfg := config(r.Model, c.set)
		cfg.Card.Labels = numbers(0, 9)
		cfg.Kept = r.Kept
		if bad := must(t, cfg); len(bad.Report.Refused) == 0 {
			t.Errorf("a set was not refused: %s", c.name)
		}
	}
	flipped := config(before, subsetOf(t, d, numbers(0, 9), 2500, 100, 0.3))
	flipped.Old = c.Old
	if bad := must(t, flipped); len(bad.Report.Refused) == 0 {
		t.Error("new classes among labels of which 30 % are wrong were not refused")
	}
	more := config(r.Model, subsetOf(t, d, numbers(0, 9), 3000, 200, 0))
	more.Card.Labels, more.Kept, more.Test = numbers(0, 9), r.Kept, c.Test
	if good := must(t, more); len(good.Report.Refused) > 0 {
		t.Errorf("200 clean examples of each class were refused: %q", good.Report.Refused)
	} else if good.Report.Test.After <= good.Report.Test.Before {
		t.Errorf("the gate let a model through that is worse on the test set: %.2f %%, before %.2f %%", good.Report.Test.After, good.Report.Test.Before)
	}
}

// TestSameBits fine-tunes with other numbers of threads, other instruction sets, and features in a file.
func TestSameBits(t *testing.T) {
	c := config(toy(t), shapes(30, numbers(0, 3)))
	c.Epochs, c.Old = 3, shapes(40, numbers(0, 2))
	want := must(t, c)
	check := func(name string) {
		t.Helper()
		got, err := Run(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		var a, b bytes.Buffer
		if err := want.Kept.Write(&a); err != nil {
			t.Fatal(err)
		}
		if err := got.Kept.Write(&b); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want.Model, got.Model) || !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: the model or what is kept differs", name)
		}
	}
	for _, n := range []int{1, 2, 3} {
		c.Threads = n
		check(fmt.Sprint(n, " threads"))
	}
	c.CacheBytes, c.CacheDir = 0, t.TempDir()
	check("features in a file")
	for _, isa := range kernels.Available() {
		end, err := kernels.Force(isa)
		if err != nil {
			t.Fatal(err)
		}
		check(isa.String())
		end()
	}
}

// TestCut trains from every layer on: the start must be the model that was given, and all below the layer stay as it is.
func TestCut(t *testing.T) {
	before, err := onnx.Read(toy(t))
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNetwork(before, []int{1, 12, 12})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, node := range n.order {
		c := config(toy(t), shapes(30, numbers(0, 2)))
		c.Epochs, c.From = 1, layerName(node)
		if !slices.ContainsFunc(n.order[i:], weighty) {
			continue
		}
		r, err := Run(context.Background(), c)
		if err != nil {
			t.Fatalf("from %s: %v", c.From, err)
		}
		after, err := onnx.Read(r.Model)
		if err != nil {
			t.Fatal(err)
		}
		now := map[string]*tensor.Tensor{}
		for _, v := range after.Constants() {
			now[v.Name] = v.Const
		}
		for k, m := range n.order {
			if !weighty(m) {
				continue
			}
			same := bytes.Equal(m.In[1].Const.Raw(), now[m.In[1].Name].Raw())
			if same != (k < i) {
				t.Errorf("from %s: weights of %s unchanged: %v", c.From, layerName(m), same)
			}
			seen[layerName(m)] = true
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d layers with weights were looked at, not 4", len(seen))
	}
}

// toy is a network of three classes with a batch normalisation and a residual, as an ONNX file; its weights are random.
func toy(t *testing.T) []byte {
	t.Helper()
	b := arch.NewBuilder("toy", 3)
	x := b.ConvBN(b.Input("image", 1, 12, 12), arch.ConvSpec{Out: 8, K: 3})
	x = b.Sum(x, b.ReLU(b.Conv(x, arch.ConvSpec{Out: 8, K: 3})))
	x = b.ReLU(b.Dense(b.MaxPool(x, 2, 2, 0), 16))
	b.Output("logits", b.Dense(x, 3))
	out, err := onnx.Write(b.Graph)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// blobs is a data.Labelled of drawn pictures, 12x12: class k has a bright square at a place of its own, in noise.
type blobs struct {
	n       int
	classes []string
}

func shapes(n int, classes []string) *blobs { return &blobs{n, classes} }

func (b *blobs) Files() []string   { return nil }
func (b *blobs) Len() int          { return b.n * len(b.classes) }
func (b *blobs) Classes() []string { return b.classes }
func (b *blobs) Label(i int) int   { return i % len(b.classes) }
func (b *blobs) Name(i int) string { return fmt.Sprint("blob ", i) }
func (b *blobs) Source(int) string { return "" }
func (b *blobs) Fields() []data.Field {
	return []data.Field{{Name: "image", DType: tensor.Float32, Shape: []int{1, 12, 12}}, {Name: "label", DType: tensor.Int32}}
}
func (b *blobs) Read(i int, _ *data.Rand, dst []*tensor.Tensor) error {
	r := data.NewRand(uint64(b.n), uint64(i))
	l, x := b.Label(i), dst[0].Float32s()
	for k := range x {
		x[k] = float32(r.Float())
		if y, c := k/12, k%12; y/6 == l/2 && c/6 == l%2 {
			x[k] += 0.7
		}
	}
	tensor.Data[int32](dst[1])[0] = int32(l)
	return nil
}

// TestReplayOfNewClasses gives examples of a new class among those to replay: they must teach and judge nothing.
func TestReplayOfNewClasses(t *testing.T) {
	c := config(toy(t), shapes(30, numbers(0, 3)))
	c.Epochs, c.Old = 1, shapes(40, numbers(0, 3))
	r := must(t, c)
	for _, g := range r.Report.Groups {
		if g.Name == "replay" && g.N != 3*8 {
			t.Errorf("%d replayed examples judge, not a fifth of 40 of each of 3 old classes", g.N)
		}
	}
	if want := 4*24 + 3*32; r.Report.Trained != want {
		t.Errorf("%d examples were trained on, not %d", r.Report.Trained, want)
	}
}

// TestErrors asks for what cannot be done.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		say    string
		change func(c *Config)
	}{
		{`there is no layer "nonsense"`, func(c *Config) { c.From = "nonsense" }},
		{"one class only", func(c *Config) { c.Data = shapes(30, numbers(1, 1)) }},
		{"no examples to replay of 0, 1, 2", func(c *Config) { c.Data = shapes(30, numbers(3, 4)) }},
		{`class "0" has 3 examples`, func(c *Config) { c.Data = shapes(3, numbers(0, 2)) }},
		{"of shape", func(c *Config) { c.Kept = &Kept{Shape: []int{1, 2, 2}, Examples: make([]KeptExample, 1)} }},
	} {
		cfg := config(toy(t), shapes(30, numbers(0, 2)))
		c.change(&cfg)
		if _, err := Run(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("the error is %v, not %q", err, c.say)
		}
	}
}

// TestAtMost compares tails of the binomial distribution with values from tables: P(X ≤ 4 | 8, 0.8), P(X ≤ 3 | 8, 0.8), P(X ≤ 5 | 10, 0.5).
func TestAtMost(t *testing.T) {
	for _, c := range []struct {
		k, n    int
		p, want float64
	}{{4, 8, 0.8, 0.0563}, {3, 8, 0.8, 0.0104}, {5, 10, 0.5, 0.6230}, {8, 8, 0.8, 1}, {0, 5, 0, 1}, {4, 5, 1, 0}, {5, 5, 1, 1}, {800, 1000, 0.8, 0.5126}} {
		if got := atMost(c.k, c.n, c.p); math.Abs(got-c.want) > 5e-5 {
			t.Errorf("at most %d of %d with %g: %.5f, not %.4f", c.k, c.n, c.p, got, c.want)
		}
	}
}

// TestCard gives a card that is not that in the metadata: the model is published with the one that was in force, which Check sees before anything is learnt.
func TestCard(t *testing.T) {
	g, err := onnx.Read(toy(t))
	if err != nil {
		t.Fatal(err)
	}
	g.Meta = map[string]string{card.MetaKey: `{"score": 0.5, "input": {"mean": [0], "std": [255]}}`}
	c := config(nil, shapes(30, append(numbers(0, 2), "new")))
	if c.Model, err = onnx.Write(g); err != nil {
		t.Fatal(err)
	}
	c.Epochs, c.Old = 1, shapes(40, numbers(0, 2))
	c.Card = card.Card{Labels: numbers(0, 2), Input: card.Input{Mean: []float64{127.5}, Std: []float64{127.5}}}
	want := card.Card{Labels: append(numbers(0, 2), "new"), Score: new(0.5), Input: c.Card.Input}
	var asked card.Card
	c.Check = func(published card.Card) error { asked = published; return nil }
	if g, err = onnx.Read(must(t, c).Model); err != nil {
		t.Fatal(err)
	}
	if got, err := card.FromMeta(g.Meta); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the model carries %+v, %v; not %+v", got, err, want)
	}
	if !reflect.DeepEqual(asked, want) {
		t.Errorf("Check was asked about %+v, not %+v", asked, want)
	}
	no := errors.New("no")
	c.Check = func(card.Card) error { return no }
	c.Progress = func(train.Progress) { t.Error("it was trained") }
	if _, err := Run(context.Background(), c); !errors.Is(err, no) {
		t.Errorf("what Check refused gives %v", err)
	}
}
