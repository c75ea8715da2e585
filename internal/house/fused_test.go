package house_test

import (
	"bufio"
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fusedAllowed lists functions in which the compiler fuses multiply-adds whose product is exact, so that fusing changes nothing.
var fusedAllowed = map[string]string{
	"kernels/ref.Gaussian": "the product is with one half",
}

// TestNothingIsFusedByTheCompiler builds the program for arm64, where Go may fuse x*y + z, and asks that it nowhere did so in our packages:
// a sum that is fused on one architecture and not on another is two answers.
func TestNothingIsFusedByTheCompiler(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "ocellus-arm64")
	goCommand(t, root, target("arm64"), "build", "-buildvcs=false", "-o", bin, "./cmd/ocellus")
	out := goCommand(t, root, nil, "tool", "objdump", "-s", `^github.com/ocellus-vision/ocellus/(kernels|model|camera)`, bin)
	fused := regexp.MustCompile(`\bFN?M(ADD|SUB)[SD]\b`)
	function, seen := "", 0
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if name, ok := strings.CutPrefix(line, "TEXT "); ok {
			function = strings.TrimPrefix(strings.SplitN(name, "(SB)", 2)[0], "github.com/ocellus-vision/ocellus/")
			seen++
			continue
		}
		if fused.MatchString(line) && fusedAllowed[function] == "" {
			t.Errorf("%s: fused by the compiler: write an explicit conversion around the product:%s", function, line)
		}
	}
	if seen < 100 {
		t.Fatalf("the disassembly shows %d functions of ours", seen)
	}
}
