package train_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

var update = flag.Bool("update", false, "write testdata/training.sha256 from this machine's results")

// numbers draws values between -1 and 1.
func numbers(seed uint64, shape ...int) *tensor.Tensor {
	t, r := tensor.New(tensor.Float32, shape...), data.NewRand(seed)
	for i, d := 0, t.Float32s(); i < len(d); i++ {
		d[i] = float32(r.Between(-1, 1))
	}
	return t
}

// small is a network with most of what training meets: convolutions dense, strided and depthwise, batch normalisation with and without an
// activation behind it, a residual, pools, LCN, LRN, dropout and fully connected layers. Input image [N,3,16,16], output logits [N,5].
func small() *model.Graph {
	g := &model.Graph{Name: "small"}
	x := g.Input("image", tensor.Float32, model.Symbol("N"), model.Dim{Size: 3}, model.Dim{Size: 16}, model.Dim{Size: 16})
	seed := uint64(0)
	weight := func(name string, shape ...int) *model.Value {
		seed++
		return model.Const(name, numbers(seed, shape...))
	}
	conv := func(name string, x *model.Value, c, o, k, stride, groups int, bias bool) *model.Value {
		w := layer.Window{Kernel: []int{k, k}, Strides: []int{stride, stride}, Pads: []int{k / 2, k / 2, k / 2, k / 2}}
		in := []*model.Value{x, weight(name+".w", o, c/groups, k, k)}
		if bias {
			in = append(in, weight(name+".b", o))
		}
		return g.Add(name, &layer.Conv{Window: w, Groups: groups}, in...)
	}
	norm := func(name string, x *model.Value, c int) *model.Value {
		ones := tensor.New(tensor.Float32, c)
		for i := range c {
			ones.Float32s()[i] = 1
		}
		return g.Add(name, &layer.BatchNorm{Epsilon: 1e-5}, x, weight(name+".s", c), weight(name+".b", c),
			model.Const(name+".m", tensor.New(tensor.Float32, c)), model.Const(name+".v", ones))
	}
	relu := func(name string, x *model.Value) *model.Value { return g.Add(name, &layer.Unary{Fn: layer.Relu}, x) }
	pool := layer.Window{Kernel: []int{2, 2}, Strides: []int{2, 2}}
	a := relu("r1", norm("n1", conv("c1", x, 3, 16, 3, 1, 1, false), 16))
	b := relu("r2", conv("c2", a, 16, 16, 3, 1, 16, true))
	b = norm("n2", conv("c3", b, 16, 16, 1, 1, 1, false), 16)
	a = relu("r3", g.Add("sum", &layer.Binary{Fn: layer.Add}, a, b))
	a = g.Add("lcn", &layer.LCN{Size: 5, Sigma: 1.2, Floor: 0.1}, g.Add("max", &layer.MaxPool{Window: pool}, a))
	a = g.Add("clip", &layer.Clip{}, norm("n3", conv("c4", a, 16, 24, 3, 2, 2, false), 24), model.Const("lo", tensor.Scalar(float32(0))), model.Const("hi", tensor.Scalar(float32(6))))
	a = g.Add("avg", &layer.AveragePool{Window: pool}, g.Add("lrn", &layer.LRN{Size: 5, Alpha: 0.1, Beta: 0.75, Bias: 1}, a))
	a = g.Add("flat", &layer.Flatten{Axis: 1}, a)
	a = g.Add("d1", &layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, a, weight("d1.w", 32, 96), weight("d1.b", 32))
	a = g.Add("drop", &layer.Dropout{Ratio: 0.25}, g.Add("tanh", &layer.Unary{Fn: layer.Tanh}, a))
	a = g.Add("d2", &layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, a, weight("d2.w", 5, 32), weight("d2.b", 5))
	a.Name = "logits"
	g.Output(a)
	return g
}

const examples = 6

func config(g *model.Graph, o train.Options) train.Config {
	targets := map[string]train.Target{"label": {DType: tensor.Int32, Shape: []int{examples}}}
	return train.Config{
		Graph: g, EmbedOptions: train.EmbedOptions{Inputs: map[string][]int{"image": {examples, 3, 16, 16}}}, Seed: 7,
		Loss: train.Loss([]train.LossSpec{{Kind: "cross_entropy", Smoothing: 0.1}}, targets), Options: o,
	}
}

func trainer(t *testing.T, g *model.Graph, o train.Options) *train.Trainer {
	t.Helper()
	r, err := train.New(config(g, o))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func feeds(seed uint64) model.Tensors {
	labels := tensor.New(tensor.Int32, examples)
	for i, d := 0, tensor.Data[int32](labels); i < len(d); i++ {
		d[i] = int32((i + int(seed)) % 5)
	}
	return model.Tensors{"image": numbers(100+seed, examples, 3, 16, 16), "label": labels}
}

// gradient is the gradient of every parameter for one batch, by name.
func gradient(t *testing.T, o train.Options, frozen bool) (float32, map[string][]float32) {
	t.Helper()
	c := config(small(), o)
	c.Frozen = frozen
	r, err := train.New(c)
	if err != nil {
		t.Fatal(err)
	}
	loss, err := r.Gradients(context.Background(), feeds(0))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]float32{}
	for i, p := range r.Params() {
		out[p.Name] = r.Gradient(i).Float32s()
	}
	return loss, out
}

// TestFastGradients compares the compiled form of a step with the layers' own plain one. The two add up in another order: each sum of n terms
// may differ by n·2⁻²⁴ of the sum of magnitudes, which gradients of one size stand for here.
func TestFastGradients(t *testing.T) {
	for _, frozen := range []bool{false, true} {
		want, plain := gradient(t, train.Options{Plain: true, Threads: 1}, frozen)
		got, fast := gradient(t, train.Options{Threads: 2}, frozen)
		compare(t, want, got, plain, fast)
	}
}

func compare(t *testing.T, want, got float32, plain, fast map[string][]float32) {
	t.Helper()
	const terms = examples * 16 * 16 * 9
	tolerance := terms * math.Pow(2, -24)
	if math.Abs(float64(got-want)) > tolerance*float64(want) {
		t.Errorf("the loss is %g, plainly computed %g", got, want)
	}
	for name, p := range plain {
		most := 0.0
		for _, v := range p {
			most = max(most, math.Abs(float64(v)))
		}
		if most == 0 {
			t.Errorf("%s: the gradient is 0", name)
		}
		for i, v := range p {
			if d := math.Abs(float64(v - fast[name][i])); d > tolerance*most {
				t.Errorf("%s[%d]: the gradient is %g, plainly computed %g; the largest is %g", name, i, fast[name][i], v, most)
				break
			}
		}
	}
}

// learn makes steps with a new trainer and returns a digest of all parameters and statistics.
func learn(t *testing.T, threads, steps int) string {
	t.Helper()
	return stepsOf(t, trainer(t, small(), train.Options{Threads: threads}), steps)
}

func stepsOf(t *testing.T, r *train.Trainer, steps int) string {
	t.Helper()
	o, err := train.NewOptimiser(train.OptimiserSpec{Kind: "sgd", Momentum: 0.9, Nesterov: true, Decay: 1e-3, Clip: 1}, r.Params())
	if err != nil {
		t.Fatal(err)
	}
	for step := range steps {
		if _, err := r.Gradients(context.Background(), feeds(uint64(step))); err != nil {
			t.Fatal(err)
		}
		if err := r.Update(o, 0.05); err != nil {
			t.Fatal(err)
		}
	}
	return digest(r)
}

func digest(r *train.Trainer) string {
	h := sha256.New()
	all := r.Tensors()
	for _, p := range r.Params() {
		h.Write(p.Value.Raw())
		delete(all, p.Name)
	}
	for _, s := range r.Statistics() {
		h.Write(s.Mean.Raw())
		h.Write(s.Variance.Raw())
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// TestDigests makes ten steps on every instruction set with 1, 2 and 3 threads, and compares what came out with what testdata says: one file for all CPUs.
func TestDigests(t *testing.T) {
	const file = "../../testdata/training.sha256"
	want, err := os.ReadFile(file)
	if err != nil && !*update {
		t.Fatal(err)
	}
	for _, isa := range kernels.Available() {
		restore, err := kernels.Force(isa)
		if err != nil {
			t.Fatal(err)
		}
		for _, threads := range []int{1, 2, 3} {
			got := learn(t, threads, 10) + "  ten steps of a small network\n"
			if *update && want == nil {
				want = []byte(got)
				if err := os.WriteFile(file, want, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(want) {
				t.Errorf("%v, %d threads: %sthe file says %s", isa, threads, got, want)
			}
		}
		restore()
	}
}

// pictures is a set of made-up examples.
type pictures struct{ n int }

func (p pictures) Len() int        { return p.n }
func (p pictures) Files() []string { return nil }
func (p pictures) Fields() []data.Field {
	return []data.Field{{Name: "image", DType: tensor.Float32, Shape: []int{3, 16, 16}}, {Name: "label", DType: tensor.Int32}}
}

func (p pictures) Read(i int, r *data.Rand, dst []*tensor.Tensor) error {
	dst[0].CopyFrom(numbers(uint64(i), 3, 16, 16))
	if r != nil {
		dst[0].Float32s()[0] = float32(r.Float())
	}
	tensor.Data[int32](dst[1])[0] = int32(i % 5)
	return nil
}

func run(t *testing.T, kind, checkpoint string, progress func(train.Progress)) *train.Run {
	spec := train.OptimiserSpec{Kind: kind, Decay: 1e-3}
	if kind == "sgd" {
		spec.Momentum = 0.9
	}
	return &train.Run{
		ID: "a test", Trainer: trainer(t, small(), train.Options{Threads: 2}), Set: pictures{40}, Batch: examples, Epochs: 3, Seed: 3,
		Schedule: train.Schedule{Rate: 0.01, Warmup: 3, Shape: "cosine"}, Optimiser: spec, Average: 0.9, Checkpoint: checkpoint, Progress: progress,
	}
}

// TestResume stops runs after some steps, continues them from the checkpoint with everything else new, and compares with a run that was not stopped.
func TestResume(t *testing.T) {
	for _, kind := range []string{"sgd", "adamw"} {
		straight := run(t, kind, "", nil)
		if _, err := straight.Do(context.Background()); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "run.npz")
		var last *train.Run
		for _, stop := range []int{1, 7, 12, 1000} {
			ctx, cancel := context.WithCancel(context.Background())
			last = run(t, kind, file, func(p train.Progress) {
				if p.Step >= stop {
					cancel()
				}
			})
			h, err := last.Do(ctx)
			cancel()
			if stop < 1000 && (!errors.Is(err, train.ErrStopped) || h.Step != stop) {
				t.Fatalf("%s: stopped at step %d of %d: %v", kind, h.Step, stop, err)
			} else if stop == 1000 && err != nil {
				t.Fatal(err)
			}
		}
		if a, b := digest(straight.Trainer), digest(last.Trainer); a != b {
			t.Errorf("%s: a run that was stopped three times ends elsewhere than one that was not", kind)
		}
		other := run(t, kind, file, nil)
		other.ID = "another"
		if _, err := other.Do(context.Background()); err == nil || !strings.Contains(err.Error(), "of another recipe") {
			t.Errorf("%s: the checkpoint of another run was taken: %v", kind, err)
		}
	}
}

// TestCheckpointsStayWhole makes writing fail, and damages a file.
func TestCheckpointsStayWhole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run.npz")
	whole := run(t, "sgd", file, nil)
	if _, err := whole.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := train.Checkpoint{State: func() {}, Tensors: whole.Trainer.Tensors()} // a function has no JSON
	if err := bad.Save(file); err == nil {
		t.Error("what cannot be written was")
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, before) {
		t.Errorf("a checkpoint that failed left another file than the last one (%v)", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, cut := range []int{0, 100, len(before) / 2, len(before) - 1} {
		if err := os.WriteFile(file, before[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		r := run(t, "sgd", file, nil)
		untouched := digest(r.Trainer)
		if _, err := r.Do(context.Background()); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("a checkpoint cut at %d bytes: %v", cut, err)
		}
		if digest(r.Trainer) != untouched {
			t.Errorf("a checkpoint cut at %d bytes changed the weights", cut)
		}
	}
}

// TestFaults gives a trainer what it must refuse.
func TestFaults(t *testing.T) {
	r := trainer(t, small(), train.Options{Threads: 1})
	before := digest(r)
	in := feeds(0)
	tensor.Data[int32](in["label"])[2] = 5
	if _, err := r.Gradients(context.Background(), in); err == nil || !strings.Contains(err.Error(), "label 2 is 5; there are 5 classes") {
		t.Errorf("a label out of range: %v", err)
	}
	in = feeds(0)
	in["image"].Float32s()[9] = float32(math.NaN())
	if _, err := r.Gradients(context.Background(), in); err == nil || !strings.Contains(err.Error(), "the loss is NaN") {
		t.Errorf("a picture with a NaN: %v", err)
	}
	if digest(r) != before {
		t.Error("a step that failed changed the network")
	}
	_, err := train.New(train.Config{
		Graph: small(), EmbedOptions: train.EmbedOptions{Inputs: map[string][]int{"image": {examples, 3, 16, 16}}},
		Loss: train.Loss([]train.LossSpec{{Kind: "cross_entropy", Target: "kind"}}, map[string]train.Target{"label": {}}),
	})
	if err == nil || !strings.Contains(err.Error(), `no "kind"; they have label`) {
		t.Errorf("a target that is not there: %v", err)
	}
	if _, err := train.New(train.Config{Graph: small(), EmbedOptions: train.EmbedOptions{Inputs: map[string][]int{"image": {6, 1, 16, 16}}}}); err == nil {
		t.Error("an input of another shape was taken")
	}
}

// TestMemory trains under bounds of memory, which the network keeps by computing parts of itself twice, and compares the weights with those without a bound.
func TestMemory(t *testing.T) {
	free := trainer(t, small(), train.Options{Threads: 1})
	need := free.Program().Size().ArenaBytes
	want := learn(t, 1, 2)
	saved := false
	for _, part := range []int64{90, 80, 70} {
		r, err := train.New(config(small(), train.Options{Threads: 1, MaxBytes: need * part / 100}))
		if err != nil {
			continue
		}
		saved = true
		if got := r.Program().Size().ArenaBytes; got > need*part/100 || r.Segments() < 2 {
			t.Errorf("a bound of %d %%: %d bytes in %d segments; unbound %d", part, got, r.Segments(), need)
		}
		if got := stepsOf(t, r, 2); got != want {
			t.Errorf("a bound of %d %% changes the weights", part)
		}
	}
	if !saved {
		t.Error("no bound below what an unbound step takes could be kept")
	}
	if _, err := train.New(config(small(), train.Options{MaxBytes: 1000})); err == nil || !strings.Contains(err.Error(), "a smaller batch needs less") {
		t.Errorf("a bound of 1000 bytes: %v", err)
	}
}

// TestMeasureAgain stops runs in a measurement, in the middle and at the end: continued, they end with the measurements of a run that was not stopped.
func TestMeasureAgain(t *testing.T) {
	measured := func(file string, cut int) (*train.Run, *train.History, error) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		r, n := run(t, "sgd", file, nil), 0
		r.Every = 1
		r.Evaluate = func(ctx context.Context) (map[string]float64, error) {
			if n++; n == cut {
				cancel()
				return nil, ctx.Err()
			}
			sum := 0.0
			for _, p := range r.Trainer.Params() {
				sum += float64(p.Value.Float32s()[0])
			}
			return map[string]float64{"sum": sum}, nil
		}
		h, err := r.Do(ctx)
		return r, h, err
	}
	straight, want, err := measured("", 0)
	if err != nil || len(want.Metrics) != 3 {
		t.Fatalf("%d measurements, %v", len(want.Metrics), err)
	}
	if _, _, err := measured("", 3); !errors.Is(err, train.ErrStopped) {
		t.Errorf("stopped in the last measurement, it ends with %v", err)
	}
	for cut := 1; cut <= 3; cut++ {
		file := filepath.Join(t.TempDir(), "run.npz")
		for _, n := range []int{cut, 1} { // the second time it is stopped in the same measurement, which is its first
			if _, h, err := measured(file, n); !errors.Is(err, train.ErrStopped) || len(h.Metrics) != cut-1 {
				t.Errorf("stopped in measurement %d: %d are there, %v", cut, len(h.Metrics), err)
			}
		}
		last, h, err := measured(file, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(h.Metrics, want.Metrics) || digest(last.Trainer) != digest(straight.Trainer) {
			t.Errorf("stopped in measurement %d it ends with %v, not %v", cut, h.Metrics, want.Metrics)
		}
	}
}

// TestNoNumber measures what is no number: the run ends well, and the checkpoint can be read.
func TestNoNumber(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run.npz")
	for range 2 {
		r := run(t, "sgd", file, nil)
		r.Evaluate = func(context.Context) (map[string]float64, error) {
			return map[string]float64{"none": math.NaN(), "far": math.Inf(1), "one": 1}, nil
		}
		h, err := r.Do(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if want := []train.Measure{{Step: h.Step, Values: map[string]float64{"one": 1}}}; !reflect.DeepEqual(h.Metrics, want) {
			t.Errorf("%v, not %v", h.Metrics, want)
		}
	}
}

// TestCheckFile asks whether files can be written, and sees that nothing changes by it.
func TestCheckFile(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	if err := os.WriteFile(old, []byte("old"), 0o444); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		old: "", filepath.Join(dir, "new"): "", dir: "is a folder; name a file", os.DevNull: "no ordinary file",
		filepath.Join(dir, "no", "new"): "no such file or directory; make the folder", filepath.Join(old, "new"): "cannot be written",
	} {
		if err := train.CheckFile(name); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %q", name, err, want)
		}
	}
	entries, err := os.ReadDir(dir)
	if b, _ := os.ReadFile(old); err != nil || len(entries) != 1 || string(b) != "old" {
		t.Errorf("it left %v and %q, %v", entries, b, err)
	}
}
