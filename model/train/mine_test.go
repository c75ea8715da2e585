package train_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// growing are pictures that look otherwise when places have been added.
type growing struct {
	pictures
	places *[]data.Place
}

func (g growing) Mine(p []data.Place) { *g.places = append(*g.places, p...) }
func (g growing) Mined() []data.Place { return *g.places }

func (g growing) Read(i int, r *data.Rand, dst []*tensor.Tensor) error {
	err := g.pictures.Read(i, r, dst)
	for k, p := range *g.places {
		dst[0].Float32s()[1+k] = float32(p.Box[0])
	}
	return err
}

// mining is a run that adds a place after each epoch but the last, by a weight as it is then.
func mining(t *testing.T, checkpoint string, progress func(train.Progress)) *train.Run {
	r := run(t, "sgd", checkpoint, progress)
	set := growing{pictures{40}, &[]data.Place{}}
	r.Set, r.MineEvery = set, 1
	r.Mine = func(context.Context) error {
		set.Mine([]data.Place{{Scene: len(*set.places), Box: data.Box{float64(r.Trainer.Params()[0].Value.Float32s()[0])}}})
		return nil
	}
	return r
}

// TestMine asks that examples are added between epochs, and that a run that is stopped before and after it ends like one that is not.
func TestMine(t *testing.T) {
	straight := mining(t, "", nil)
	h, err := straight.Do(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Mined) != straight.Epochs-1 || h.Mined[0].Box == h.Mined[1].Box {
		t.Errorf("%v was added in %d epochs", h.Mined, straight.Epochs)
	}
	plain := run(t, "sgd", "", nil)
	if _, err := plain.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if digest(plain.Trainer) == digest(straight.Trainer) {
		t.Error("what was added was not learnt from")
	}
	file := filepath.Join(t.TempDir(), "run.npz")
	per := 40 / examples
	for _, stop := range []int{per - 1, per, per + 2, 2 * per, 1000} {
		ctx, cancel := context.WithCancel(context.Background())
		last := mining(t, file, func(p train.Progress) {
			if p.Step >= stop {
				cancel()
			}
		})
		again, err := last.Do(ctx)
		cancel()
		if stop < 1000 {
			if !errors.Is(err, train.ErrStopped) {
				t.Fatalf("stopped at step %d: %v", stop, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(again.Mined, h.Mined) || digest(last.Trainer) != digest(straight.Trainer) {
			t.Errorf("a run that was stopped four times ends elsewhere: %v was added, not %v", again.Mined, h.Mined)
		}
	}
}
