// Package data reads examples, changes them at random (augmentation) and gathers them in batches, in the background. What a batch
// holds is a function of the data, the seed and the number of the step alone, so that a run can be repeated, and continued where it was stopped.
package data

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// Field is a tensor of every example: an input of the network or of its loss.
type Field struct {
	Name  string
	DType tensor.DType
	Shape []int // of one example; a batch is [N,Shape...]
}

// Set is a collection of examples.
type Set interface {
	Files() []string // that the examples come from
	Len() int
	Fields() []Field
	// Read writes example i to dst, one tensor per field. With r it is changed at random, without as it stands. Many goroutines may read at once. The
	// error names the file.
	Read(i int, r *Rand, dst []*tensor.Tensor) error
}

// Sampler says which examples make the batch of a step.
type Sampler interface {
	// Batch fills index with the examples of a step, a function of the seed and the step alone.
	Batch(seed, step uint64, index []int)
}

// Sampled is a Set that says how it is sampled.
type Sampled interface{ Sampler() Sampler }

// Epochs takes every example once an epoch, in a new random order each.
type Epochs struct {
	N     int
	mu    sync.Mutex
	epoch uint64
	seed  uint64
	order []int
}

func (e *Epochs) Batch(seed, step uint64, index []int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := step * uint64(len(index))
	for i := range index {
		k := at + uint64(i)
		if epoch := k / uint64(e.N); e.order == nil || epoch != e.epoch || seed != e.seed {
			e.epoch, e.seed = epoch, seed
			e.order = NewRand(seed, 0x6f72646572, epoch).Shuffle(e.N)
		}
		index[i] = e.order[k%uint64(e.N)]
	}
}

// Batches are the tensors of a batch.
type batch struct {
	feeds model.Tensors
	rows  [][]*tensor.Tensor // of each example, a view of its row in every field
	err   error
}

func newBatch(fields []Field, n int) *batch {
	b := &batch{feeds: model.Tensors{}, rows: make([][]*tensor.Tensor, n)}
	for _, f := range fields {
		t := tensor.New(f.DType, append([]int{n}, f.Shape...)...)
		b.feeds[f.Name] = t
		size := len(t.Raw()) / n
		for i := range n {
			row := tensor.View(f.DType, f.Shape...)
			row.Bind(t.Raw()[i*size : (i+1)*size : (i+1)*size])
			b.rows[i] = append(b.rows[i], row)
		}
	}
	return b
}

// Loader makes batches in the background, a few ahead.
type Loader struct {
	ready  chan *batch
	spare  chan *batch
	last   *batch
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// ahead is how many batches are made in advance.
const ahead = 3

// NewLoader starts to make batches of n examples, from that of a step on. augment says whether examples are changed at random.
func NewLoader(s Set, p Sampler, n int, seed, step uint64, augment bool) *Loader {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Loader{ready: make(chan *batch, ahead), spare: make(chan *batch, ahead+1), cancel: cancel}
	for range ahead + 1 {
		l.spare <- newBatch(s.Fields(), n)
	}
	l.done.Add(1)
	go func() {
		defer l.done.Done()
		defer close(l.ready)
		index := make([]int, n)
		for ; ; step++ {
			var b *batch
			select {
			case b = <-l.spare:
			case <-ctx.Done():
				return
			}
			p.Batch(seed, step, index)
			b.err = b.fill(ctx, s, index, seed, step, augment)
			select {
			case l.ready <- b:
			case <-ctx.Done():
				return
			}
			if b.err != nil {
				return
			}
		}
	}()
	return l
}

// fill reads examples on all CPUs.
func (b *batch) fill(ctx context.Context, s Set, index []int, seed, step uint64, augment bool) error {
	var first error
	var mu sync.Mutex
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), len(index))
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var r *Rand
			if augment {
				r = new(Rand)
			}
			for k := w; k < len(index) && ctx.Err() == nil; k += workers {
				if r != nil {
					r.Reset(seed, step, uint64(k))
				}
				if err := s.Read(index[k], r, b.rows[k]); err != nil {
					mu.Lock()
					if first == nil {
						first = fmt.Errorf("data: example %d: %w", index[k], err)
					}
					mu.Unlock()
					return
				}
			}
		}()
	}
	wg.Wait()
	return first
}

// Next returns the next batch, which is valid until the call after it.
func (l *Loader) Next(ctx context.Context) (model.Tensors, error) {
	if l.last != nil {
		l.spare <- l.last
		l.last = nil
	}
	select {
	case b, ok := <-l.ready:
		if !ok {
			return nil, fmt.Errorf("data: the loader has ended")
		}
		if b.err != nil {
			return nil, b.err
		}
		l.last = b
		return b.feeds, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends the work in the background.
func (l *Loader) Close() {
	l.cancel()
	l.done.Wait()
}

// Walk reads all examples of a set as they stand, in order, n at a time, and gives them to f with how many of the batch are
// examples: the rest of the last one repeats the last example.
func Walk(ctx context.Context, s Set, n int, f func(feeds model.Tensors, first, count int) error) error {
	b := newBatch(s.Fields(), n)
	index := make([]int, n)
	for from := 0; from < s.Len(); from += n {
		for i := range index {
			index[i] = min(from+i, s.Len()-1)
		}
		if err := b.fill(ctx, s, index, 0, 0, false); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f(b.feeds, from, min(n, s.Len()-from)); err != nil {
			return err
		}
	}
	return nil
}
