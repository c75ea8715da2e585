package finetune

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/ocellus-vision/ocellus/model/train/data"
)

// heldPart: one in so many examples is held back.
const heldPart = 5

// Fewest is the fewest examples of a class that are split into those that are learnt from and those that are held back.
const Fewest = 5

// where an example comes from.
type origin uint8

const (
	fresh origin = iota // the data of this run
	given               // --replay: of old classes, not trained on by this program yet
	kept                // kept with the model
)

// example is one example of a run.
type example struct {
	from   origin
	set    data.Labelled
	index  int // in set
	class  int // of the model
	hash   hash
	thumb  []float32 // unit vector, or nil where the picture is of one colour
	group  int       // examples of one group are on one side
	held   bool
	unused bool // on neither side
}

func (e *example) name() string { return e.set.Name(e.index) }

// thumbSide is that of the small picture by which near-duplicates are found.
const thumbSide = 16

// thumb reduces an input to 16x16 means, takes away their mean and scales the rest to length 1. Inputs of any shape count as pictures: [C,H,W], [H,W,C] or a line.
func thumb(shape []int, x []float32) []float32 {
	c, h, w := 1, 1, len(x)
	planes := true
	switch {
	case len(shape) == 3 && (shape[2] == 1 || shape[2] == 3) && shape[0] > 3:
		h, w, c, planes = shape[0], shape[1], shape[2], false
	case len(shape) == 3:
		c, h, w = shape[0], shape[1], shape[2]
	case len(shape) == 2:
		h, w = shape[0], shape[1]
	}
	var sum, number [thumbSide * thumbSide]float64
	for i, v := range x {
		y, at := i/w%h, i%w
		if !planes {
			y, at = i/(w*c), i/c%w
		}
		cell := y*thumbSide/h*thumbSide + at*thumbSide/w
		sum[cell] += float64(v)
		number[cell]++
	}
	mean, cells := 0.0, 0.0
	for i, n := range number {
		if n > 0 {
			sum[i] /= n
			mean += sum[i]
			cells++
		}
	}
	mean /= cells
	square := 0.0
	for i, n := range number {
		if n > 0 {
			sum[i] -= mean
			square += float64(sum[i] * sum[i])
		}
	}
	if !(square > 1e-12) {
		return nil
	}
	out, length := make([]float32, len(sum)), math.Sqrt(square)
	for i, v := range sum {
		out[i] = float32(v / length)
	}
	return out
}

// alike is the correlation of two thumbs from which on the pictures count as nearly the same.
const alike = 0.99

// window is how many pictures before it in its class a picture is compared with.
const window = 512

func near(a, b []float32) bool {
	if a == nil || b == nil {
		return false
	}
	sum := float32(0)
	for i, v := range a {
		sum += float32(v * b[i])
	}
	return sum >= alike
}

// forest joins examples into groups.
type forest []int

func (f forest) root(i int) int {
	for f[i] != i {
		f[i] = f[f[i]]
		i = f[i]
	}
	return i
}

func (f forest) join(a, b int) {
	a, b = f.root(a), f.root(b)
	f[max(a, b)] = min(a, b)
}

// group joins examples that are of one source, the same or nearly the same.
func group(all []*example) {
	f := make(forest, len(all))
	sources, hashes := map[string]int{}, map[hash]int{}
	recent := map[int][]int{} // of a class
	for i, e := range all {
		f[i] = i
		if s := e.set.Source(e.index); s != "" && e.from != kept {
			s = fmt.Sprint(e.from, " ", s)
			if first, ok := sources[s]; ok {
				f.join(first, i)
			} else {
				sources[s] = i
			}
		}
		if first, ok := hashes[e.hash]; ok {
			f.join(first, i)
		} else {
			hashes[e.hash] = i
		}
		before := recent[e.class]
		for _, k := range before {
			if f.root(k) != f.root(i) && near(all[k].thumb, e.thumb) {
				f.join(k, i)
			}
		}
		if len(before) == window {
			before = slices.Delete(before, 0, 1)
		}
		recent[e.class] = append(before, i)
	}
	for i, e := range all {
		e.group = f.root(i)
	}
}

// divide decides which examples are held back. Of each class it is a fifth of those of each origin, taken by groups, those of the least hash first; a group that
// has an example which is kept stays on the side of that one. Two that are kept and nearly the same may be on two sides: both were there before.
func divide(all []*example, names []string) error {
	group(all)
	members := map[int][]*example{}
	for _, e := range all {
		members[e.group] = append(members[e.group], e)
	}
	for _, g := range members {
		trained, held := false, false
		for _, e := range g {
			trained = trained || e.from == kept && !e.held
			held = held || e.from == kept && e.held
		}
		for _, e := range g {
			if e.from != kept {
				e.held = held
				e.unused = trained && held
			}
		}
		if trained || held {
			delete(members, g[0].group)
		}
	}
	for _, from := range []origin{fresh, given} {
		for class := range names {
			if err := hold(all, members, from, class, names[class]); err != nil {
				return err
			}
		}
	}
	return nil
}

// hold holds a fifth of the examples of a class and an origin back.
func hold(all []*example, members map[int][]*example, from origin, class int, name string) error {
	total, held, where := 0, 0, ""
	var groups []int
	for _, e := range all {
		if e.from != from || e.class != class || e.unused {
			continue
		}
		total++
		where = e.name()
		if e.held {
			held++
		}
		if members[e.group] != nil && !slices.Contains(groups, e.group) {
			groups = append(groups, e.group)
		}
	}
	if total == 0 {
		return nil
	}
	need := max(1, (total+heldPart/2)/heldPart)
	key := func(g int) []byte {
		k := members[g][0].hash
		for _, e := range members[g] {
			if bytes.Compare(e.hash[:], k[:]) < 0 {
				k = e.hash
			}
		}
		return k[:]
	}
	slices.SortFunc(groups, func(a, b int) int { return bytes.Compare(key(a), key(b)) })
	for _, g := range groups {
		size, free := 0, true
		for _, e := range members[g] {
			free = free && !e.held
			if e.class == class && e.from == from {
				size++
			}
		}
		// A large group goes to the side that it fits better.
		if !free || held >= need || held > 0 && held+size > 2*need || held+size >= total {
			continue
		}
		for _, e := range members[g] {
			e.held = true
		}
		held += size
	}
	if from == fresh && (total < Fewest || held == 0 || held == total) {
		return fmt.Errorf("class %q has %d examples in %d groups of one source or nearly alike (such as %s); at least %d of two groups are needed, so that some can be held back for judging",
			name, total, len(groups), where, Fewest)
	}
	return nil
}
