// Package finetune teaches a classifier more from its owner's examples, on the device, and judges what came of it: a model that is not shown to be better by
// examples it never saw is not published.
//
// The layers below the first trained one run once for each example, as plain inference; what they give is kept, so that an epoch costs only the layers above.
package finetune

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// Config says what is learnt, from what, and how.
type Config struct {
	Model []byte        // ONNX file of the parent
	Card  card.Card     // in force; its labels name the classes
	Data  data.Labelled // new examples, of classes that the model has or not
	Old   data.Labelled // examples of the model's classes to replay, or nil
	Kept  *Kept         // what was kept with the model, or nil
	Test  data.Labelled // measured before and after, and nothing else; or nil

	From       string // first trained layer; "" is the head
	Statistics bool   // trained batch normalisations use the batch's statistics; else those they have
	Epochs     int
	Batch      int
	Rate       float64 // the highest learning rate
	Seed       uint64

	Margin float64 // what old classes may lose, in percent of the examples
	Least  float64 // percent of new classes that must be recognised: the held-back examples must not show that it is fewer
	Keep   int     // examples kept of each class, Fewest or more

	CacheBytes int64  // features that are kept in memory; more go to a file
	CacheDir   string // for it; "" is the system's
	Threads    int
	Metadata   map[string]string // added to the model's
	// Check is asked, before anything is learnt, about the card that the model will carry: that in force with the names of all classes. Its error ends the run.
	// It may be nil.
	Check    func(card.Card) error
	Progress func(train.Progress)
}

// Result is what came of a run.
type Result struct {
	Report Report
	Model  []byte // ONNX file with its provenance
	Kept   *Kept
}

// evalBatch is how many examples run at a time where nothing is learnt.
const evalBatch = 32

// job is the state of a run.
type job struct {
	Config
	ctx     context.Context
	before  *model.Graph
	net     *network  // that is trained
	old     int       // classes of the parent
	names   []string  // of all classes, new ones last
	card    card.Card // that the model will carry
	all     []*example
	options model.Options
}

// Run fine-tunes and judges. What it returns may be published if Report.Refused is empty.
func Run(ctx context.Context, c Config) (*Result, error) {
	j := &job{Config: c, ctx: ctx, options: model.Options{Threads: c.Threads}}
	if err := j.open(); err != nil {
		return nil, err
	}
	from, err := j.net.find(c.From)
	if err != nil {
		return nil, err
	}
	p, err := j.net.split(from, evalBatch, j.options)
	if err != nil {
		return nil, err
	}
	f, err := newFeatures(p, len(j.all), c.CacheBytes, c.CacheDir)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if err := j.scan(p, f); err != nil {
		return nil, err
	}
	if err := divide(j.all, j.names); err != nil {
		return nil, err
	}
	learn := j.learning()
	if err := j.coverage(learn); err != nil {
		return nil, err
	}
	if len(j.names) > j.old {
		starts, err := j.starts(p, f, learn)
		if err != nil {
			return nil, err
		}
		if err := j.net.grow(j.old, starts); err != nil {
			return nil, err
		}
	}
	if err := j.train(p, f, learn); err != nil {
		return nil, err
	}
	return j.finish(layerName(j.net.order[from]), len(learn))
}

// open reads the model twice, matches classes and lists the examples.
func (j *job) open() error {
	var err error
	if j.before, err = onnx.Read(j.Model); err != nil {
		return err
	}
	g, err := onnx.Read(j.Model)
	if err != nil {
		return err
	}
	fields := j.Data.Fields()
	if len(fields) != 2 || fields[0].DType != tensor.Float32 || fields[1].DType != tensor.Int32 {
		panic("finetune: Run: Data has not the fields input and label")
	}
	if j.net, err = newNetwork(g, fields[0].Shape); err != nil {
		return err
	}
	if j.old, err = j.net.classes(j.options); err != nil {
		return err
	}
	if err := j.Card.CheckLabels(j.old); err != nil {
		return err
	}
	j.names = classNames(j.Card, j.old, j.Data.Classes())
	if err := j.list(j.Data, fresh, 0); err != nil {
		return err
	}
	if j.Old != nil {
		if err := j.list(j.Old, given, j.old); err != nil {
			return err
		}
	}
	if j.Kept != nil && len(j.Kept.Examples) > 0 {
		if !slices.Equal(j.Kept.Shape, fields[0].Shape) {
			return fmt.Errorf("the examples kept with the model are of shape %s, those of the data %s", tensor.FormatShape(j.Kept.Shape), tensor.FormatShape(fields[0].Shape))
		}
		if err := j.list(j.Kept.labelled(), kept, j.old); err != nil {
			return err
		}
	}
	if len(j.names) > j.old {
		if _, _, err = j.net.rows(j.old); err != nil {
			return err
		}
	}
	meta, err := card.FromMeta(g.Meta)
	if err != nil {
		return err
	}
	j.card = j.Card.Over(meta)
	j.card.Labels = j.names
	if j.Check != nil {
		return j.Check(j.card)
	}
	return nil
}

// classNames names a model's classes: by its labels; where it has none and those of the data are numbers, by numbers.
func classNames(c card.Card, classes int, of []string) []string {
	numbers := len(c.Labels) == 0
	for _, name := range of {
		_, err := strconv.Atoi(name)
		numbers = numbers && err == nil
	}
	names := make([]string, classes)
	for i := range names {
		names[i] = c.Label(i)
		if numbers {
			names[i] = strconv.Itoa(i)
		}
	}
	return names
}

// list adds examples to those of the run: those of the first known classes or, where that is 0, of all, and classes that the model lacks are added to it.
// Replay must know old classes only, else it would hide how those fare, and teach new ones by more than the data.
func (j *job) list(s data.Labelled, from origin, known int) error {
	classes := s.Classes()
	number := make([]int, s.Len())
	counts := make([]int, len(classes))
	for i := range number {
		number[i] = s.Label(i)
		counts[number[i]]++
	}
	place := make([]int, len(classes))
	for l, name := range classes {
		place[l] = slices.IndexFunc(j.names, func(known string) bool { return card.Tidy(known) == card.Tidy(name) })
		switch {
		case known > 0 && place[l] >= known:
			place[l] = -1
		case known == 0 && place[l] < 0 && counts[l] > 0:
			place[l] = len(j.names)
			j.names = append(j.names, name)
		}
	}
	for i, l := range number {
		if c := place[l]; c >= 0 {
			e := &example{from: from, set: s, index: i, class: c}
			if k, ok := s.(*labelled); ok {
				e.held = k.kept.Examples[i].Held
			}
			j.all = append(j.all, e)
		}
	}
	return nil
}

// pool is examples as a data.Set, with the labels of the model.
type pool struct {
	fields []data.Field
	list   []*example
}

func (p *pool) Files() []string { return nil }

func (p *pool) Len() int { return len(p.list) }

func (p *pool) Fields() []data.Field { return p.fields }

func (p *pool) Read(i int, _ *data.Rand, dst []*tensor.Tensor) error {
	e := p.list[i]
	if err := e.set.Read(e.index, nil, dst); err != nil {
		return err
	}
	tensor.Data[int32](dst[1])[0] = int32(e.class)
	return nil
}

func (j *job) pool(list []*example) *pool {
	return &pool{[]data.Field{{Name: j.net.graph.Inputs[0].Name, DType: tensor.Float32, Shape: j.net.input}, {Name: "label", DType: tensor.Int32}}, list}
}

// walk runs a program on all examples of a set and gives f the session behind each batch, for rows 0..n-1 the examples from first on.
func (j *job) walk(p *model.Program, s data.Set, f func(session *model.Session, feeds model.Tensors, first, n int) error) error {
	session, in := p.NewSession(), model.Tensors{}
	return data.Walk(j.ctx, s, evalBatch, func(feeds model.Tensors, first, n int) error {
		for _, port := range p.Inputs() {
			in[port.Name] = feeds[port.Name]
		}
		if err := session.Run(j.ctx, in, nil); err != nil {
			return err
		}
		return f(session, feeds, first, n)
	})
}

// scan reads every example once: its hash, its small picture and its features.
func (j *job) scan(p *parts, f *features) error {
	outs := make([]*tensor.Tensor, len(p.fields))
	input := j.net.graph.Inputs[0].Name
	size := count(j.net.input)
	return j.walk(p.program, j.pool(j.all), func(s *model.Session, feeds model.Tensors, first, n int) error {
		for k := range outs {
			outs[k] = s.Output(k)
		}
		x := feeds[input].Float32s()
		for i := range n {
			e := j.all[first+i]
			one := x[i*size : (i+1)*size]
			for _, v := range one {
				if v-v != 0 {
					return fmt.Errorf("%s: an element is %g", e.name(), v)
				}
			}
			e.hash, e.thumb = hashOf(one), thumb(j.net.input, one)
			if err := f.put(first+i, int32(e.class), outs, i); err != nil {
				return err
			}
		}
		return nil
	})
}

// learning lists the examples that are trained on, by their places in all.
func (j *job) learning() []int {
	held := map[hash]bool{}
	for _, e := range j.all {
		if e.held {
			held[e.hash] = true
		}
	}
	var list []int
	for i, e := range j.all {
		if !e.held && !e.unused && !held[e.hash] {
			list = append(list, i)
		}
	}
	return list
}

// coverage says whether there is enough to learn from and to judge by.
func (j *job) coverage(learn []int) error {
	seen := make([]int, len(j.names))
	for _, i := range learn {
		seen[j.all[i].class]++
	}
	var there []string
	for c, n := range seen {
		if n > 0 {
			there = append(there, j.names[c])
		}
	}
	if len(there) < 2 {
		return fmt.Errorf("there are examples of one class only, %q: from these nothing can be learnt that tells it from others; add some, or name a folder of them with --replay", strings.Join(there, ""))
	}
	if len(j.names) == j.old {
		return nil
	}
	var missing []string
	for c := range j.old {
		if seen[c] == 0 {
			missing = append(missing, j.names[c])
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("classes are added, and there are no examples to replay of %s: it could not be seen whether they are forgotten; name a folder of them with --replay", some(missing))
	}
	return nil
}

// some writes a list, cut short.
func some(list []string) string {
	const most = 10
	if len(list) > most {
		return fmt.Sprintf("%s and %d others", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

// starts returns a unit vector for each new class: the mean direction of what the head is given for its examples.
func (j *job) starts(p *parts, f *features, learn []int) ([][]float64, error) {
	w, _, err := j.net.rows(j.old)
	if err != nil {
		return nil, err
	}
	head := j.net.head
	at := slices.Index(p.upper.Nodes, head)
	if at < 0 {
		return nil, fmt.Errorf("classes are added to the head %q, which must be trained: --from names a layer above it", layerName(head))
	}
	g := &model.Graph{Inputs: p.upper.Inputs, Nodes: p.upper.Nodes[:at], Outputs: head.In[:1]}
	prog, err := model.Compile(g, j.shapes(p, evalBatch))
	if err != nil {
		return nil, err
	}
	list := subset{f, nil}
	for _, i := range learn {
		if j.all[i].class >= j.old {
			list.index = append(list.index, i)
		}
	}
	sums := make([][]float64, len(j.names)-j.old)
	for i := range sums {
		sums[i] = make([]float64, w.width())
	}
	row := make([]float64, w.width())
	err = j.walk(prog, &list, func(s *model.Session, feeds model.Tensors, first, n int) error {
		x := s.Output(0).Float32s()
		size := len(x) / evalBatch
		for i := range n {
			one := x[i*size : (i+1)*size]
			positions := size / len(row)
			if positions*len(row) != size {
				return fmt.Errorf("the head %q takes %d numbers of each example, for rows of %d", layerName(head), size, len(row))
			}
			for k := range row {
				row[k] = 0
				for _, v := range one[k*positions : (k+1)*positions] {
					row[k] += float64(v)
				}
			}
			sum := sums[j.all[list.index[first+i]].class-j.old]
			for k, v := range unit(row) {
				sum[k] += v
			}
		}
		return nil
	})
	for i := range sums {
		unit(sums[i])
	}
	return sums, err
}

// unit scales a vector to length 1, in place; 0 stays 0.
func unit(v []float64) []float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x * x)
	}
	if sum > 0 {
		length := math.Sqrt(sum)
		for i := range v {
			v[i] /= length
		}
	}
	return v
}

func (j *job) shapes(p *parts, batch int) model.Options {
	o := j.options
	o.Inputs = map[string][]int{}
	for _, t := range p.fields {
		o.Inputs[t.name] = append([]int{batch}, t.shape...)
	}
	return o
}

// subset is some rows of features.
type subset struct {
	*features
	index []int
}

func (s *subset) Len() int { return len(s.index) }

func (s *subset) Read(i int, r *data.Rand, dst []*tensor.Tensor) error {
	return s.features.Read(s.index[i], r, dst)
}

// train trains the upper part on features.
func (j *job) train(p *parts, f *features, learn []int) error {
	set := &subset{f, learn}
	r, err := train.New(train.Config{
		Graph:        p.upper,
		EmbedOptions: train.EmbedOptions{Inputs: j.shapes(p, j.Batch).Inputs, Frozen: !j.Statistics},
		Loss: train.Loss([]train.LossSpec{{Kind: "cross_entropy"}},
			map[string]train.Target{"label": {DType: tensor.Int32, Shape: []int{j.Batch}}}),
		Seed: j.Seed, Options: train.Options{Threads: j.Threads},
	})
	if err != nil {
		return err
	}
	per := max(1, (len(learn)+j.Batch-1)/j.Batch)
	run := &train.Run{
		Trainer: r, Set: set, Sampler: newBalanced(f.labels, learn), Batch: j.Batch, PerEpoch: per, Epochs: j.Epochs, Seed: j.Seed,
		Schedule:  train.Schedule{Rate: j.Rate, Warmup: min(10, per*j.Epochs/10), Shape: "cosine"},
		Optimiser: train.OptimiserSpec{Kind: "sgd", Momentum: 0.9, Nesterov: true, Decay: 1e-4, Clip: 5},
		Progress:  j.Progress,
	}
	_, err = run.Do(j.ctx)
	return err
}

// balanced is a data.Sampler that takes classes in turn, in a new random order each round, and the examples of each in random order.
type balanced struct {
	classes [][]int // places of the examples of each class that has any
}

// newBalanced returns a sampler of places in learn.
func newBalanced(labels []int32, learn []int) *balanced {
	of := map[int32][]int{}
	for place, i := range learn {
		of[labels[i]] = append(of[labels[i]], place)
	}
	b := &balanced{}
	for _, l := range sorted(of) {
		b.classes = append(b.classes, of[l])
	}
	return b
}

func (b *balanced) Batch(seed, step uint64, index []int) {
	classes := uint64(len(b.classes))
	type cycle struct{ class, epoch uint64 }
	orders, turns := map[cycle][]int{}, map[uint64][]int{}
	for i := range index {
		k := step*uint64(len(index)) + uint64(i)
		round := k / classes
		if turns[round] == nil {
			turns[round] = data.NewRand(seed, 0x7475726e, round).Shuffle(len(b.classes))
		}
		class := turns[round][k%classes]
		list := b.classes[class]
		at := cycle{uint64(class), round / uint64(len(list))}
		if orders[at] == nil {
			orders[at] = data.NewRand(seed, 0x636c617373, at.class, at.epoch).Shuffle(len(list))
		}
		index[i] = list[orders[at][round%uint64(len(list))]]
	}
}

// finish writes the model, reads it as its users will, judges it and keeps examples.
func (j *job) finish(from string, trained int) (*Result, error) {
	g := j.net.graph
	parent := sha256.Sum256(j.Model)
	r := &Result{Report: Report{Parent: hex.EncodeToString(parent[:]), From: from, Seed: j.Seed, Classes: j.names, New: j.names[j.old:], Trained: trained}}
	b, err := onnx.Write(g)
	if err != nil {
		return nil, err
	}
	after, err := onnx.Read(b)
	if err != nil {
		return nil, fmt.Errorf("the trained model cannot be read again: %w", err)
	}
	if err := j.judge(&r.Report, after); err != nil {
		return nil, err
	}
	if err := j.describe(&r.Report); err != nil {
		return nil, err
	}
	if r.Model, err = onnx.Write(g); err != nil {
		return nil, err
	}
	r.Kept, err = j.keep()
	return r, err
}

// describe puts card and provenance into the model's metadata.
func (j *job) describe(r *Report) error {
	g := j.net.graph
	if g.Meta == nil {
		g.Meta = map[string]string{}
	}
	text, err := json.Marshal(j.card)
	if err != nil {
		return err
	}
	g.Meta[card.MetaKey] = string(text)
	if text, err = json.Marshal(r); err != nil {
		return err
	}
	g.Meta["ocellus.finetune"] = string(text)
	g.Meta["ocellus.parent_sha256"] = r.Parent
	g.Meta["ocellus.seed"] = fmt.Sprint(j.Seed)
	for k, v := range j.Metadata {
		g.Meta[k] = v
	}
	return nil
}

// keptBytes is the most that the inputs of kept examples take.
const keptBytes = 256 << 20

// keep chooses the examples that are kept with the model.
func (j *job) keep() (*Kept, error) {
	k := &Kept{Shape: j.net.input}
	places := map[hash]*example{}
	for _, e := range j.all {
		if !e.unused {
			k.Examples = append(k.Examples, KeptExample{Class: j.names[e.class], Held: e.held, hash: e.hash})
			places[e.hash] = e
		}
	}
	k.limit(max(Fewest, min(j.Keep, keptBytes/(4*count(j.net.input)*len(j.names)))))
	row := []*tensor.Tensor{nil, tensor.New(tensor.Int32)}
	for i := range k.Examples {
		e := places[k.Examples[i].hash]
		row[0] = tensor.New(tensor.Float32, j.net.input...)
		if err := e.set.Read(e.index, nil, row); err != nil {
			return nil, err
		}
		k.Examples[i].Input = row[0].Float32s()
	}
	return k, nil
}
