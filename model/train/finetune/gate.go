package finetune

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/metric"
)

// Report is a run and its judgement.
type Report struct {
	Parent  string   `json:"parent_sha256"`
	From    string   `json:"from"` // first trained layer
	Seed    uint64   `json:"seed"`
	Classes []string `json:"classes"`
	New     []string `json:"new_classes,omitempty"`
	Trained int      `json:"trained"` // examples, replayed ones among them
	Groups  []Group  `json:"groups"`
	ByClass []Group  `json:"by_class"`
	Test    *Group   `json:"test,omitempty"`
	TestOld *Group   `json:"test_known_classes,omitempty"`
	Refused []string `json:"refused,omitempty"` // why it must not be published; none where it may
}

// Group is how many examples were recognised before and after, in percent.
type Group struct {
	Name       string          `json:"name"`
	N          int             `json:"n"`
	Before     float64         `json:"before"`
	After      float64         `json:"after"`
	Difference metric.Estimate `json:"difference"` // of the same examples; the interval is over their groups, of which there are N
}

// judge measures the parent and a new model on what was held back, and says why the new one must be refused.
func (j *job) judge(r *Report, after *model.Graph) error {
	var held, replay []*example
	for _, e := range j.all {
		switch {
		case !e.held || e.unused:
		case e.from == fresh:
			held = append(held, e)
		default:
			replay = append(replay, e)
		}
	}
	all := append(slices.Clone(held), replay...)
	was, err := j.correct(j.before, all)
	if err != nil {
		return err
	}
	is, err := j.correct(after, all)
	if err != nil {
		return err
	}
	group := func(name string, keep func(i int, e *example) bool) Group {
		return compare(name, all, was, is, keep)
	}
	fresh := func(i int, _ *example) bool { return i < len(held) }
	all1 := group("held back", fresh)
	known := group("known classes", func(i int, e *example) bool { return fresh(i, e) && e.class < j.old })
	added := group("new classes", func(i int, e *example) bool { return fresh(i, e) && e.class >= j.old })
	again := group("replay", func(i int, e *example) bool { return !fresh(i, e) })
	r.Groups = []Group{all1}
	for _, g := range []Group{known, added, again} {
		if g.N > 0 && (g.Name == again.Name || len(r.New) > 0) {
			r.Groups = append(r.Groups, g)
		}
	}
	for c, name := range j.names {
		if g := group(name, func(_ int, e *example) bool { return e.class == c }); g.N > 0 {
			r.ByClass = append(r.ByClass, g)
		}
	}
	refuse := func(format string, args ...any) { r.Refused = append(r.Refused, fmt.Sprintf(format, args...)) }
	if d := all1.Difference; !(d.Value > 0 && d.Low >= 0) {
		refuse("on the %d examples held back it is not shown to be better: %+.1f points, with 95 %% confidence %+.1f to %+.1f", all1.N, d.Value, d.Low, d.High)
	}
	if len(r.New) > 0 && known.N > 0 && known.Difference.Value < -j.Margin {
		refuse("it recognises %.1f points fewer of the %d held-back examples of known classes; %.1f are allowed", -known.Difference.Value, known.N, j.Margin)
	}
	if hits := int(math.Round(added.After * float64(added.N) / 100)); added.N > 0 && atMost(hits, added.N, j.Least/100) < unlikely {
		refuse("it recognises %d of the %d held-back examples of new classes; %.0f %% are asked for", hits, added.N, j.Least)
	}
	if again.N > 0 && again.Difference.Value < -j.Margin {
		refuse("it recognises %.1f points fewer of the %d replayed examples; %.1f are allowed", -again.Difference.Value, again.N, j.Margin)
	}
	return j.test(r, after)
}

// unlikely is the probability below which a result counts as shown not to be by chance.
const unlikely = 0.025

// atMost is the probability that no more than k of n examples are recognised where each is with probability p: the lower tail of the binomial distribution.
func atMost(k, n int, p float64) float64 {
	if k >= n || p <= 0 {
		return 1
	}
	if p >= 1 {
		return 0
	}
	factorial := func(n int) float64 { // its logarithm
		v, _ := math.Lgamma(float64(n + 1))
		return v
	}
	sum := 0.0
	for i := range k + 1 {
		sum += math.Exp(factorial(n) - factorial(i) - factorial(n-i) + float64(float64(i)*math.Log(p)) + float64(float64(n-i)*math.Log1p(-p)))
	}
	return min(sum, 1)
}

// test measures both models on the test set.
func (j *job) test(r *Report, after *model.Graph) error {
	if j.Test == nil {
		return nil
	}
	t := &job{Config: j.Config, ctx: j.ctx, net: j.net, names: j.names, options: j.options}
	if err := t.list(j.Test, given, len(j.names)); err != nil {
		return err
	}
	for i, e := range t.all {
		e.group = i
	}
	was, err := t.correct(j.before, t.all)
	if err != nil {
		return err
	}
	is, err := t.correct(after, t.all)
	if err != nil {
		return err
	}
	g := compare("test", t.all, was, is, func(int, *example) bool { return true })
	r.Test = &g
	if len(r.New) > 0 {
		g := compare("test, known classes", t.all, was, is, func(_ int, e *example) bool { return e.class < j.old })
		r.TestOld = &g
	}
	return nil
}

// compare sums the examples up that keep says.
func compare(name string, all []*example, was, is []bool, keep func(int, *example) bool) Group {
	g := Group{Name: name}
	type tally struct{ n, was, is int }
	groups := map[int]*tally{}
	for i, e := range all {
		if !keep(i, e) {
			continue
		}
		t := groups[e.group]
		if t == nil {
			t = &tally{}
			groups[e.group] = t
		}
		t.n++
		g.N++
		if was[i] {
			t.was++
			g.Before++
		}
		if is[i] {
			t.is++
			g.After++
		}
	}
	if g.N == 0 {
		return g
	}
	g.Before *= 100 / float64(g.N)
	g.After *= 100 / float64(g.N)
	var list []*tally
	for _, k := range sorted(groups) {
		list = append(list, groups[k])
	}
	g.Difference = metric.Bootstrap(len(list), func(times []int) float64 {
		sum, n := 0, 0
		for i, t := range list {
			sum += times[i] * (t.is - t.was)
			n += times[i] * t.n
		}
		return 100 * float64(sum) / float64(n)
	})
	return g
}

// correct says which examples a model recognises.
func (j *job) correct(g *model.Graph, list []*example) ([]bool, error) {
	o := j.options
	o.Inputs = map[string][]int{g.Inputs[0].Name: append([]int{evalBatch}, j.net.input...)}
	p, err := model.Compile(g, o)
	if err != nil {
		return nil, err
	}
	out := make([]bool, len(list))
	err = j.walk(p, j.pool(list), func(s *model.Session, feeds model.Tensors, first, n int) error {
		scores := s.Output(0).Float32s()
		classes := len(scores) / evalBatch
		for i := range n {
			best, at := float32(math.Inf(-1)), -1
			for c, v := range scores[i*classes : (i+1)*classes] {
				if v > best {
					best, at = v, c
				}
			}
			out[first+i] = at == list[first+i].class
		}
		return nil
	})
	return out, err
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
