package train

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// lossCase is a loss with inputs that it is checked with.
type lossCase struct {
	name         string
	spec         LossSpec
	out          *tensor.Tensor // float64
	target, mask *tensor.Tensor
	want         float64 // worked out otherwise
}

func randoms(seed uint64, lo, hi float64, shape ...int) *tensor.Tensor {
	r := rand.New(rand.NewPCG(seed, 1))
	t := tensor.New(tensor.Float64, shape...)
	for i, d := 0, tensor.Data[float64](t); i < len(d); i++ {
		d[i] = lo + (hi-lo)*r.Float64()
	}
	return t
}

// lossCases works every loss out from its formula, element by element.
func lossCases() []lossCase {
	var cases []lossCase
	x, soft := randoms(1, -2, 2, 2, 1, 3), tensor.Of([]float64{1, 0.25, -1, 0, 1, 0.5}, 2, 1, 3)
	bce, fl, n, hits := 0.0, 0.0, 0.0, 0.0
	for i, y := range tensor.Data[float64](soft) {
		if y < 0 {
			continue
		}
		v := tensor.Data[float64](x)[i]
		p := 1 / (1 + math.Exp(-v))
		bce += -y*math.Log(p) - (1-y)*math.Log(1-p)
		n++
		if y == 1 {
			hits++
			fl += -math.Pow(1-p, 1.5) * math.Log(p)
		} else {
			fl += -math.Pow(1-y, 3) * math.Pow(p, 1.5) * math.Log(1-p)
		}
	}
	cases = append(cases,
		lossCase{name: "binary cross-entropy", spec: LossSpec{Kind: "binary_cross_entropy"}, out: x, target: soft, want: bce / n},
		lossCase{name: "focal", spec: LossSpec{Kind: "focal", Power: 1.5, Near: 3}, out: x, target: soft, want: fl / hits})

	a, b, mask := randoms(2, -2, 2, 2, 3), randoms(3, -2, 2, 2, 3), tensor.Of([]float64{1, 0.5}, 2, 1)
	l1, part, total := 0.0, 0.0, 0.0
	for i, v := range tensor.Data[float64](a) {
		d, e := math.Abs(v-tensor.Data[float64](b)[i]), 0.0
		if e = d - 0.25; d < 0.5 {
			e = d * d
		}
		w := tensor.Data[float64](mask)[i/3]
		l1, part, total = l1+e/6, part+w*e, total+w
	}
	cases = append(cases,
		lossCase{name: "smooth L1", spec: LossSpec{Kind: "smooth_l1", Beta: 0.5}, out: a, target: b, want: l1},
		lossCase{name: "smooth L1 of some", spec: LossSpec{Kind: "smooth_l1", Beta: 0.5, Mask: "mask"}, out: a, target: b, mask: mask, want: part / total})

	// Boxes as corners, and their overlaps by the usual formula.
	d, goal, count := randoms(4, -1, 1, 2, 4, 3), randoms(5, 1, 20, 2, 4, 3), randoms(6, 0.2, 1, 2, 1, 3)
	plain, general, weights := 0.0, 0.0, 0.0
	for k := range 6 {
		at := func(t *tensor.Tensor, side int) float64 { return tensor.Data[float64](t)[k/3*12+side*3+k%3] }
		var p, q [4]float64
		for side := range 4 {
			sign := float64(side/2*2 - 1)
			p[side], q[side] = sign*8*math.Exp(at(d, side)), sign*at(goal, side)
		}
		area := func(b [4]float64) float64 { return (b[2] - b[0]) * (b[3] - b[1]) }
		inner := area([4]float64{max(p[0], q[0]), max(p[1], q[1]), min(p[2], q[2]), min(p[3], q[3])})
		outer := area([4]float64{min(p[0], q[0]), min(p[1], q[1]), max(p[2], q[2]), max(p[3], q[3])})
		union := area(p) + area(q) - inner
		w := tensor.Data[float64](count)[k]
		plain += w * (1 - inner/union)
		general += w * (1 - inner/union + (outer-union)/outer)
		weights += w
	}
	cases = append(cases,
		lossCase{name: "IoU", spec: LossSpec{Kind: "iou", Stride: 8, Mask: "mask"}, out: d, target: goal, mask: count, want: plain / max(weights, 1)},
		lossCase{name: "GIoU", spec: LossSpec{Kind: "giou", Stride: 8, Mask: "mask"}, out: d, target: goal, mask: count, want: general / max(weights, 1)})

	margins, sides := randoms(8, -2, 2, 5, 1), []int32{0, 1, 1, 0, 1}
	hinges := 0.0
	for i, v := range tensor.Data[float64](margins) {
		if sides[i] == 0 {
			v = -v
		}
		hinges += max(0, 1-v) / 5
	}
	cases = append(cases, lossCase{name: "hinge", spec: LossSpec{Kind: "hinge"}, out: margins, target: tensor.Of(sides, 5), want: hinges})

	z, label := randoms(7, -1, 1, 5, 3), []int32{0, 1, 0, 2, 1}
	labels := tensor.Of(label, 5)
	cosine := func(i, j int, u, v []float64) float64 {
		var dot, p, q float64
		for k := range 3 {
			a, b := u[i*3+k], v[j*3+k]
			dot, p, q = dot+a*b, p+a*a, q+b*b
		}
		return dot / math.Sqrt(p*q)
	}
	zs := tensor.Data[float64](z)
	con, anchors, tri := 0.0, 0.0, 0.0
	for i := range 5 {
		sum, logs, many := 0.0, 0.0, 0.0
		far, near := math.Inf(-1), math.Inf(1)
		for j := range 5 {
			if j == i {
				continue
			}
			c := cosine(i, j, zs, zs)
			sum += math.Exp(c / 0.5)
			if label[i] == label[j] {
				logs += c / 0.5
				many++
				far = max(far, 2-2*c)
			} else {
				near = min(near, 2-2*c)
			}
		}
		if many > 0 {
			con -= logs/many - math.Log(sum)
			tri += max(0, far-near+0.3)
			anchors++
		}
	}
	cases = append(cases,
		lossCase{name: "contrastive", spec: LossSpec{Kind: "contrastive", Heat: 0.5}, out: z, target: labels, want: con / anchors},
		lossCase{name: "triplet", spec: LossSpec{Kind: "triplet", Margin: 0.3}, out: z, target: labels, want: tri / anchors})
	return cases
}

// build puts a loss on a Tape with inputs out, target and mask.
func (c *lossCase) build(t *testing.T) (*Tape, layer.Ref, layer.Ref) {
	t.Helper()
	tape := NewTape()
	out := tape.Input("out", c.out.DType(), c.out.Shape()...)
	targets := map[string]Target{"label": {DType: c.target.DType(), Shape: c.target.Shape()}}
	if c.mask != nil {
		targets["mask"] = Target{DType: c.mask.DType(), Shape: c.mask.Shape()}
	}
	loss, _, err := Loss([]LossSpec{c.spec}, targets)(tape, &Network{Outputs: map[string]layer.Ref{"out": out}})
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	return tape, out, loss
}

func (c *lossCase) feeds() model.Tensors {
	in := model.Tensors{"out": c.out, "label": c.target}
	if c.mask != nil {
		in["mask"] = c.mask
	}
	return in
}

func run(t *testing.T, tape *Tape) *model.Session {
	t.Helper()
	p, err := tape.Compile(Options{Threads: 1, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	return p.NewSession()
}

// TestLosses compares losses with their formulas, and their gradients with finite differences.
func TestLosses(t *testing.T) {
	for _, c := range lossCases() {
		tape, out, loss := c.build(t)
		grads, err := Differentiate(tape, loss, out)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		tape.Output(loss)
		tape.Output(grads[0])
		compareLoss(t, c.name, run(t, tape), 1, c.feeds(), c.out, c.want)
	}
}

// compareLoss checks output 0, the loss, and another one, its gradient by x.
func compareLoss(t *testing.T, name string, s *model.Session, at int, in model.Tensors, x *tensor.Tensor, want float64) {
	t.Helper()
	loss := func() float64 {
		if err := s.Run(context.Background(), in, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return tensor.Data[float64](s.Output(0))[0]
	}
	if got := loss(); math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
		t.Errorf("%s is %.12g, not %.12g", name, got, want)
	}
	grad := append([]float64{}, tensor.Data[float64](s.Output(at))...)
	const h = 1e-5
	any := false
	for i, d := 0, tensor.Data[float64](x); i < len(d); i++ {
		was := d[i]
		d[i] = was + h
		up := loss()
		d[i] = was - h
		down := loss()
		d[i] = was
		slope := (up - down) / (2 * h)
		any = any || slope != 0
		// The differences are off by h²·|f‴|/6 and by the rounding of the loss, 2⁻⁵³/h.
		if math.Abs(grad[i]-slope) > 1e-7*max(1, math.Abs(slope)) {
			t.Errorf("%s: derivative %d is %.10g; differences say %.10g", name, i, grad[i], slope)
		}
	}
	if !any {
		t.Errorf("%s: every derivative is 0", name)
	}
}

// TestMarginSoftmax does the same for the loss that has parameters of its own, with angles on both sides of π - Margin.
func TestMarginSoftmax(t *testing.T) {
	x, w, label := randoms(1, -1, 1, 4, 3), randoms(2, -1, 1, 3, 3), []int32{0, 2, 1, 0}
	wd := tensor.Data[float64](w)
	for k := range 3 { // example 0 lies nearly opposite to its class
		wd[k] = -tensor.Data[float64](x)[k] + 0.05*float64(k)
	}
	const margin, scale = 0.4, 8
	want, past := 0.0, 0
	for i := range 4 {
		var logits [3]float64
		sum := 0.0
		for j := range 3 {
			var dot, p, q float64
			for k := range 3 {
				a, b := tensor.Data[float64](x)[i*3+k], wd[j*3+k]
				dot, p, q = dot+a*b, p+a*a, q+b*b
			}
			angle := math.Acos(dot / math.Sqrt(p*q))
			logits[j] = math.Cos(angle)
			if j == int(label[i]) {
				if logits[j] = math.Cos(angle + margin); angle+margin > math.Pi {
					logits[j] = math.Cos(angle) - margin*math.Sin(margin)
					past++
				}
			}
			sum += math.Exp(scale * logits[j])
		}
		want += (math.Log(sum) - scale*logits[label[i]]) / 4
	}
	if past == 0 {
		t.Fatal("no angle passes π")
	}
	tape := NewTape()
	out, vectors := tape.Input("out", tensor.Float64, 4, 3), tape.Input("vectors", tensor.Float64, 3, 3)
	target := tape.Input("label", tensor.Int32, 4)
	part := &term{Tape: tape, LossSpec: LossSpec{Kind: "margin_softmax", Margin: margin, Scale: scale, Count: 3}, out: out, target: target}
	loss := part.margin(vectors)
	grads, err := Differentiate(tape, loss, out, vectors)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []layer.Ref{loss, grads[0], grads[1]} {
		tape.Output(r)
	}
	s, in := run(t, tape), model.Tensors{"out": x, "vectors": w, "label": tensor.Of(label, 4)}
	compareLoss(t, "margin softmax", s, 1, in, x, want)
	compareLoss(t, "margin softmax by its vectors", s, 2, in, w, want)
}

// TestMarginVectors trains a layer with the margin softmax: its vectors are trained with it, and are no constants of the network.
func TestMarginVectors(t *testing.T) {
	weights := tensor.Of([]float32{1, 0.5, -0.5, 0.25, 0.75, -1}, 3, 2)
	g := &model.Graph{}
	in := g.Input("x", tensor.Float32, model.Symbol("N"), model.Dim{Size: 2})
	g.Output(g.Add("embedding", &layer.Gemm{Alpha: 1, Beta: 1, TransB: true}, in, model.Const("w", weights)))
	r, err := New(Config{Graph: g, EmbedOptions: EmbedOptions{Inputs: map[string][]int{"x": {2, 2}}}, Options: Options{Threads: 1},
		Loss: Loss([]LossSpec{{Kind: "margin_softmax", Count: 5}}, map[string]Target{"label": {tensor.Int32, []int{2}}})})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.Params()); n != 2 {
		t.Fatalf("%d parameters", n)
	}
	o, err := NewOptimiser(OptimiserSpec{Kind: "sgd"}, r.Params())
	if err != nil {
		t.Fatal(err)
	}
	feeds := model.Tensors{"x": tensor.Of([]float32{1, 2, -1, 1}, 2, 2), "label": tensor.Of([]int32{3, 1})}
	var first, last float32
	for i := range 60 {
		if last, err = r.Gradients(context.Background(), feeds); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = last
		}
		if err := r.Update(o, 0.02); err != nil {
			t.Fatal(err)
		}
	}
	if !(last < first/4) {
		t.Errorf("the loss went from %g to %g", first, last)
	}
	if n := len(g.Constants()); n != 1 {
		t.Errorf("the network has %d constants", n)
	}
}

// TestLossFaults asks that wrong specifications are refused.
func TestLossFaults(t *testing.T) {
	for _, c := range []struct {
		spec LossSpec
		say  string
	}{
		{LossSpec{Kind: "entropy"}, "the kind is"},
		{LossSpec{Kind: "giou", Channels: [2]int{3, 2}}, "channels"},
		{LossSpec{Kind: "focal", Power: -1}, "not negative"},
		{LossSpec{Kind: "margin_softmax"}, "count is 0"},
		{LossSpec{Kind: "margin_softmax", Count: 3, Margin: 2}, "margin is 2"},
	} {
		if err := c.spec.Check(); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%+v: %v", c.spec, err)
		}
	}
}

// TestLossesOfPyTorch compares losses and gradients in float64 with those that testdata/losses.py recorded: rounding is all that they differ by.
func TestLossesOfPyTorch(t *testing.T) {
	b, err := os.ReadFile("testdata/losses.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name                          string
		Shape, TargetShape, MaskShape []int
		Out, Target, Mask, Grad       []float64
		Loss                          float64
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	specs := map[string]LossSpec{
		"binary cross-entropy": {Kind: "binary_cross_entropy"}, "smooth l1": {Kind: "smooth_l1", Beta: 0.5}, "focal": {Kind: "focal"},
		"giou": {Kind: "giou", Stride: 8, Mask: "mask"}, "contrastive": {Kind: "contrastive", Heat: 0.2}, "triplet": {Kind: "triplet"},
	}
	if len(cases) != len(specs) {
		t.Fatalf("%d cases", len(cases))
	}
	for _, r := range cases {
		c := lossCase{name: r.Name, spec: specs[r.Name], out: tensor.Of(r.Out, r.Shape...), target: tensor.Of(r.Target, r.TargetShape...)}
		if len(r.TargetShape) == 1 {
			labels := make([]int32, len(r.Target))
			for i, v := range r.Target {
				labels[i] = int32(v)
			}
			c.target = tensor.Of(labels)
		}
		if r.Mask != nil {
			c.mask = tensor.Of(r.Mask, r.MaskShape...)
		}
		tape, out, loss := c.build(t)
		grads, err := Differentiate(tape, loss, out)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		tape.Output(loss)
		tape.Output(grads[0])
		s := run(t, tape)
		if err := s.Run(context.Background(), c.feeds(), nil); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		// Some hundred roundings of 2⁻⁵³ each, of numbers no greater than the greatest.
		scale := math.Abs(r.Loss)
		for _, g := range r.Grad {
			scale = max(scale, math.Abs(g))
		}
		if got := tensor.Data[float64](s.Output(0))[0]; !(math.Abs(got-r.Loss) <= scale*0x1p-44) {
			t.Errorf("%s is %.15g; PyTorch says %.15g", c.name, got, r.Loss)
		}
		for i, g := range tensor.Data[float64](s.Output(1)) {
			if !(math.Abs(g-r.Grad[i]) <= scale*0x1p-44) {
				t.Errorf("%s: derivative %d is %.15g; PyTorch says %.15g", c.name, i, g, r.Grad[i])
			}
		}
	}
}
