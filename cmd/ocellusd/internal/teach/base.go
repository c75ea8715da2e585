package teach

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/ocellus-vision/ocellus/model/train"
	"github.com/ocellus-vision/ocellus/model/train/finetune"
)

// base is a model of the folder that no lesson made.
type base struct {
	Number int    `json:"number"`
	Source string `json:"source,omitempty"` // as in Options
}

// basesName is the file of the list of bases, beside the folder of models.
const basesName = "bases.json"

func (t *Teacher) isBase(n int) bool {
	return slices.ContainsFunc(t.bases, func(b base) bool { return b.Number == n })
}

// begin returns the model that is to be in force: n, or where the options name another classifier than the last base that one, as a new model. A new program
// that brings another one takes nothing that was taught out of force.
func (t *Teacher) begin(n int) (int, error) {
	if err := t.readBases(); err != nil {
		return 0, err
	}
	if k := len(t.bases); n > 0 && k > 0 && t.bases[k-1].Source == t.o.Source {
		return n, nil
	}
	x, err := openWindow(t.o.Model, 1, t.o.Threads)
	if err != nil && n > 0 {
		t.o.Log.Error("teach.model cannot be taught, and all goes on with the model in force", "model", n, "error", err)
		return n, nil
	}
	if err != nil {
		return 0, fmt.Errorf("the classifier that is taught: %w", err)
	}
	// A program that was killed after it had published the base, and before it noted that, left it in force.
	if file, err := readModel(t.store.Model(n)); n == 0 || err != nil || !bytes.Equal(file, t.o.Model) {
		if n, err = t.store.Publish(t.o.Model, &finetune.Kept{Shape: []int{3, x.h, x.w}}); err != nil {
			return 0, err
		}
	}
	t.bases = append(t.bases, base{n, t.o.Source})
	if n > 1 {
		t.o.Log.Info("another classifier is taught: it is in force, earlier ones are kept", "model", n)
	}
	return n, train.WriteFile(filepath.Join(t.o.Dir, basesName), func(w io.Writer) error { return json.NewEncoder(w).Encode(t.bases) })
}

// readBases reads the list of bases. Where there is none, as earlier programs left the folder, the first model is the only base: the classifier of the options
// if that is the one in the program or has the same bytes.
func (t *Teacher) readBases() error {
	name := filepath.Join(t.o.Dir, basesName)
	b, err := os.ReadFile(name)
	if err == nil {
		if err := json.Unmarshal(b, &t.bases); err != nil {
			return fmt.Errorf("%s: %w: remove the file, and the first model counts as what lessons began with", name, err)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	first, err := readModel(t.store.Model(1))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	t.bases = []base{{Number: 1}}
	if bytes.Equal(first, t.o.Model) || bytes.Equal(first, t.o.File) {
		t.bases[0].Source = t.o.Source
	}
	return nil
}
