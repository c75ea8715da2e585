package tensorfile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
)

func TestNames(t *testing.T) {
	for _, c := range []struct{ names, want []string }{
		{[]string{"y", "transpose:0", "Größe 1"}, []string{"y", "transpose:0", "Größe 1"}},
		{[]string{"a/b", "a\\b", "a_b", "A_B"}, []string{"a_b", "a_b_2", "a_b_3", "A_B_4"}},
		{[]string{"../../etc/passwd", "..", ".", ""}, []string{"_._.._etc_passwd", "_.", "_", "__2"}},
		{[]string{"a\x00b\nc\xff"}, []string{"a_b_c_"}},
		{[]string{strings.Repeat("é", 150), strings.Repeat("é", 150)}, []string{strings.Repeat("é", 100), strings.Repeat("é", 100) + "_2"}},
		{[]string{"y", "y_2", "y"}, []string{"y", "y_2", "y_3"}},
	} {
		if got := Names(c.names); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.names, got, c.want)
		}
	}
}

// TestWriteLeavesNothing asks that a write that fails leaves neither the file nor a part of it.
func TestWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := Write(filepath.Join(dir, "y.npy"), tensor.Strings([]string{"a"}, 1)); err == nil {
		t.Error("strings were written")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
}
