package doctor

import (
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
)

func TestReplacedKernelIsReported(t *testing.T) {
	results := []kernels.CheckResult{
		{Op: kernels.OpGemm, Tried: kernels.AVX512, Passed: true},
		{Op: kernels.OpPool, Tried: kernels.AVX512, Passed: false},
		{Op: kernels.OpPool, Tried: kernels.AVX2, Passed: false},
		{Op: kernels.OpPool, Tried: kernels.Generic, Passed: true},
	}
	active := func(op kernels.Op) kernels.ISA {
		if op == kernels.OpPool {
			return kernels.Generic
		}
		return kernels.AVX512
	}
	got, ok := families(results, active)
	if ok {
		t.Error("ok although a kernel was replaced")
	}
	if k := got[kernels.OpGemm]; k.SelfTest != "passed" || k.ISA != "avx512" || len(k.Differed) != 0 {
		t.Errorf("%+v", k)
	}
	if k := got[kernels.OpPool]; k.SelfTest != "replaced" || k.ISA != "generic" || !slices.Equal(k.Differed, []string{"avx512", "avx2"}) {
		t.Errorf("%+v", k)
	}
	text := Report{Kernels: got}.Text()
	if want := "\n  pool      generic  REPLACED: avx512, avx2 differed"; !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
	if _, ok := families(results[:1], active); !ok {
		t.Error("not ok although no kernel was replaced")
	}
}

func TestThrottleNotes(t *testing.T) {
	for _, c := range []struct {
		hex  string
		want []string
	}{
		{"", nil},
		{"0x0", nil},
		{"50005", []string{"the supply voltage is too low", "the clock is throttled"}},
		{"0x50000", []string{"the supply voltage is too low (earlier)", "the clock is throttled (earlier)"}},
		{"0xe0008", []string{"the clock is capped (earlier)", "the clock is throttled (earlier)", "the soft temperature limit is reached"}},
	} {
		if got := throttleNotes(c.hex); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.hex, got, c.want)
		}
	}
}

func TestFields(t *testing.T) {
	const info = "processor\t: 0\nmodel name\t: ARMv7 Processor rev 4 (v7l)\nFeatures\t: half neon vfpv4\n"
	if got := colonField(info, "Features"); got != "half neon vfpv4" {
		t.Errorf("%q", got)
	}
	if got := colonField(info, "name"); got != "" {
		t.Errorf("%q", got)
	}
	const release = "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"
	if got := shellField(release, "PRETTY_NAME"); got != "Debian GNU/Linux 12 (bookworm)" {
		t.Errorf("%q", got)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 bytes", 1023: "1023 bytes", 4096: "4 KiB", 1536: "1.5 KiB", 3 << 30: "3 GiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for _, c := range []struct {
		cache int
		free  uint64
		want  int
	}{{0, 0, 64 << 20}, {32 << 20, 8 << 30, 128 << 20}, {384 << 20, 64 << 30, 512 << 20}, {1 << 20, 128 << 20, 32 << 20}} {
		if got := bufferSize(c.cache, c.free); got != c.want {
			t.Errorf("cache %d, free %d: %d, want %d", c.cache, c.free, got, c.want)
		}
	}
}
