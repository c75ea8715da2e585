package kernels_test

import (
	"bufio"
	"crypto/sha256"
	"flag"
	"fmt"
	"hash"
	"os"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ktest"
)

const digestFile = "../testdata/kernels.sha256"

var updateDigests = flag.Bool("update", false, "rewrite "+digestFile)

// TestDigests compares one SHA-256 of everything that a family of kernels writes, over its problem list, with the one file that
// holds for every instruction set, architecture and number of threads. On the way ref solves the problems, too.
func TestDigests(t *testing.T) {
	want := map[string]string{}
	if f, err := os.Open(digestFile); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if sum, name, ok := strings.Cut(s.Text(), "  "); ok {
				want[name] = sum
			}
		}
	} else if !*updateDigests {
		t.Fatal(err)
	}
	lines := ""
	threads := []int{1, 2, 3, 7}
	for _, f := range ktest.Families() {
		var problems []posed
		for i, p := range f.List() {
			if !p.Bench {
				problems = append(problems, posed{p, 0, solves(i, 0), kernels.NewTeam(threads[i%len(threads)])})
			}
		}
		sums := map[kernels.ISA]hash.Hash{}
		for _, isa := range kernels.Available() {
			sums[isa] = sha256.New()
		}
		check(t, problems, func(isa kernels.ISA, s *ktest.Solved) { s.Hash(sums[isa]) })
		for _, isa := range kernels.Available() {
			sum := fmt.Sprintf("%x", sums[isa].Sum(nil))
			if *updateDigests && isa == kernels.Generic {
				want[f.Name] = sum
				lines += sum + "  " + f.Name + "\n"
			}
			if want[f.Name] != sum {
				t.Errorf("%s on %v: %s, want %s", f.Name, isa, sum, want[f.Name])
			}
		}
	}
	if *updateDigests {
		if err := os.WriteFile(digestFile, []byte(lines), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
