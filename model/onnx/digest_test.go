package onnx_test

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
)

const digestFile = "../../testdata/models.sha256"

var updateDigests = flag.Bool("update", false, "rewrite "+digestFile)

// digested are networks small enough to run in plain Go and under emulation: digits, faces, landmarks, persons.
var digested = []string{"lenet_5", "mnist_8", "blazeface", "pfld", "ultraface_slim_320_simplified", "person_yolox_192"}

// TestDigestsOfRealModels compares one SHA-256 of each network's outputs with the one file that holds for every instruction set,
// architecture and number of threads.
func TestDigestsOfRealModels(t *testing.T) {
	dir := shared(t, "models")
	want := map[string]string{}
	if b, err := os.ReadFile(digestFile); err == nil {
		for _, line := range strings.Split(string(b), "\n") {
			if sum, name, ok := strings.Cut(line, "  "); ok {
				want[name] = sum
			}
		}
	}
	lines := ""
	for _, name := range digested {
		c, g, in, shapes := readCase(t, filepath.Join(dir, name))
		for _, isa := range kernels.Available() {
			restore, err := kernels.Force(isa)
			if err != nil {
				t.Fatal(err)
			}
			threads := []int{1, 2, 3, 7}
			if isa == kernels.Generic || testing.Short() {
				threads = []int{2}
			}
			for _, n := range threads {
				p, err := model.Compile(g, model.Options{Inputs: shapes, Threads: n})
				if err != nil {
					t.Fatal(err)
				}
				out := model.Tensors{}
				if err := p.NewSession().Run(context.Background(), in, out); err != nil {
					t.Fatal(err)
				}
				h := sha256.New()
				for _, o := range c.Outputs {
					h.Write(out[o.Name].Raw())
				}
				sum := fmt.Sprintf("%x", h.Sum(nil))
				if *updateDigests && isa == kernels.Generic {
					want[name] = sum
					lines += sum + "  " + name + "\n"
				}
				if sum != want[name] {
					t.Errorf("%s on %v with %d threads: %s, want %s", name, isa, n, sum, want[name])
				}
			}
			restore()
		}
	}
	if *updateDigests {
		if err := os.WriteFile(digestFile, []byte(lines), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
