package model_test

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
)

const digestFile = "../testdata/networks.sha256"

var updateDigests = flag.Bool("update", false, "rewrite "+digestFile)

// TestDigests compares one SHA-256 of what all the small networks compute with the one file that holds for every instruction set,
// architecture and number of threads.
func TestDigests(t *testing.T) {
	for _, isa := range kernels.Available() {
		restore, err := kernels.Force(isa)
		if err != nil {
			t.Fatal(err)
		}
		for _, threads := range []int{1, 2, 3, 7} {
			lines := ""
			for _, name := range slices.Sorted(maps.Keys(nets)) {
				h := sha256.New()
				for seed := range uint64(3) {
					p, err := model.Compile(build(seed, nets[name]), model.Options{Threads: threads})
					if err != nil {
						t.Fatal(err)
					}
					out := model.Tensors{}
					if err := p.NewSession().Run(context.Background(), model.Tensors{"x": testInput(seed)}, out); err != nil {
						t.Fatal(err)
					}
					h.Write(out["y"].Raw())
				}
				lines += fmt.Sprintf("%x  %s\n", h.Sum(nil), name)
			}
			if *updateDigests {
				if err := os.WriteFile(digestFile, []byte(lines), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(digestFile)
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range strings.Split(string(want), "\n") {
				if g := strings.Split(lines, "\n"); i >= len(g) || g[i] != w {
					t.Errorf("%v, %d threads: %q is not in the digest file, which has %q", isa, threads, g[min(i, len(g)-1)], w)
				}
			}
		}
		restore()
	}
}
