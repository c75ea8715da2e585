package model

import (
	"cmp"
	"slices"

	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// plan decides which values share storage and places the others in one arena, in which memory is used again
// once nobody will read what it held. Large values are placed first, each in the lowest gap that stays free for as long as it lives
// (Pisarchyk, Lee: Efficient memory management for deep neural net inference, 2020, greedy by size).
func (p *Program) plan() {
	n := len(p.vals)
	last := make([]int, n) // the last step that reads a value, or len(steps) for outputs
	for i := range last {
		last[i] = -1
	}
	for i, s := range p.steps {
		for _, k := range s.in {
			if k >= 0 {
				last[k] = max(last[k], s.runs(i))
			}
		}
	}
	keep := make([]bool, n) // storage that is not ours to write, or that must outlive the run
	for _, k := range p.inputs {
		keep[k] = true
	}
	for i, v := range p.vals {
		keep[i] = keep[i] || v.info.Value != nil || !v.known
	}
	final := make([]bool, n)
	for _, k := range p.outputs {
		last[k] = len(p.steps)
		final[k] = true
	}
	type life struct{ root, from, to, size int }
	begin, end := make([]int, n), make([]int, n)
	for i := range begin {
		begin[i] = -1
	}
	for i := range p.steps {
		s := &p.steps[i]
		if s.runs(i) != i {
			continue // what passes between the members of a chain lies in no place of its own
		}
		for o, k := range s.out {
			if k < 0 || !p.vals[k].known {
				continue
			}
			begin[k], end[k] = i, max(i, last[k])
			if o != 0 || s.dynamic || len(s.in) == 0 || s.in[0] < 0 {
				continue
			}
			x := s.in[0]
			r := p.vals[x].root
			if !p.vals[x].known || p.bytes(x) != p.bytes(k) || p.vals[x].info.DType == tensor.String {
				continue
			}
			if _, ok := s.op.(layer.Aliaser); ok && sole(s.out) {
				p.vals[k].root = r
				s.shared = true
				end[r] = max(end[r], end[k])
				final[r] = final[r] || final[k]
				continue
			}
			// In place: the input's storage is ours and nobody reads it afterwards.
			if _, ok := s.op.(layer.InPlacer); ok && !keep[r] && !final[r] && end[r] == i && p.bytes(r) == p.bytes(k) && !repeated(s.in, p, r) {
				p.vals[k].root = r
				end[r] = max(end[r], end[k])
				final[r] = final[r] || final[k]
			}
		}
	}
	var lives []life
	for i, v := range p.vals {
		if v.root == i && !keep[i] && begin[i] >= 0 && v.info.DType != tensor.String {
			lives = append(lives, life{i, begin[i], end[i], slotBytes(p.bytes(i))})
		}
	}
	slices.SortStableFunc(lives, func(a, b life) int { return cmp.Compare(b.size, a.size) })
	var placed []life // by offset
	for _, l := range lives {
		at, pos := 0, len(placed)
		for _, q := range placed {
			off := p.vals[q.root].off
			if q.from > l.to || q.to < l.from {
				continue
			}
			if off >= at+l.size {
				break
			}
			at = max(at, off+q.size)
		}
		p.vals[l.root].off = at
		p.arena = max(p.arena, at+l.size)
		for i, q := range placed {
			if p.vals[q.root].off > at {
				pos = i
				break
			}
		}
		placed = slices.Insert(placed, pos, l)
	}
}

// repeated reports whether a step reads storage r through another input than its first.
func repeated(in []int, p *Program, r int) bool {
	for _, k := range in[1:] {
		if k >= 0 && p.vals[k].root == r {
			return true
		}
	}
	return false
}

func (p *Program) bytes(i int) int {
	n, _ := tensor.Count(p.vals[i].info.Shape)
	return n * p.vals[i].info.DType.Size()
}

// slotBytes is the room that a value of n bytes gets. Large ones get a little more than they need: values that lie a multiple of 4096 bytes apart
// look alike to a CPU that compares the low bits of addresses to see whether a load waits for a store, and what is read and what is written crowd each
// other out of a cache's sets where pixels lie a power of two apart. Five lines, once or several times, are far from any power of two.
func slotBytes(n int) int {
	const large, apart = 4096, 5 * tensor.Align
	if n < large {
		return roundUp(n)
	}
	return roundUp(n) + apart
}

func roundUp(n int) int { return (n + tensor.Align - 1) &^ (tensor.Align - 1) }

// sole reports whether a step has no output but its first.
func sole(out []int) bool {
	for _, k := range out[1:] {
		if k >= 0 {
			return false
		}
	}
	return true
}
