package kernels_test

import (
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
)

func TestProbesAnswerForWhatIsAvailable(t *testing.T) {
	have := map[kernels.ISA]bool{}
	for _, isa := range kernels.Available() {
		have[isa] = true
	}
	for _, isa := range []kernels.ISA{kernels.Generic, kernels.NEON, kernels.AVX2, kernels.AVX512} {
		if peak := kernels.FMAPeak(isa); (peak > 0) != have[isa] {
			t.Errorf("FMAPeak(%s) = %g; available: %v", isa, peak, have[isa])
		}
	}
	for _, threads := range []int{1, 3} {
		read, copied := kernels.Bandwidth(kernels.NewTeam(threads), 1<<20)
		if read <= 0 || copied <= 0 {
			t.Errorf("%d threads: read %g GB/s, copied %g GB/s", threads, read, copied)
		}
	}
}
