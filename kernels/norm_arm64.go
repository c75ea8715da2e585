//go:build !purego

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// The sums over lanes; len(x) is a positive multiple of 8. They have eight lanes on every instruction set.

func lanesSum(l *eight, x []float32) {
	if use[OpNorm] == Generic {
		plainLanesSum(l, x)
		return
	}
	asm.LanesSumNEON(&l[0], &x[0], len(x))
}

func lanesDot(l *eight, x, y []float32) {
	if use[OpNorm] == Generic {
		plainLanesDot(l, x, y)
		return
	}
	asm.LanesDotNEON(&l[0], &x[0], &y[0], len(x))
}

func lanesSquareDiff(l *eight, x []float32, m float32) {
	if use[OpNorm] == Generic {
		plainLanesSquareDiff(l, x, m)
		return
	}
	asm.LanesSquareDiffNEON(&l[0], &x[0], len(x), m)
}

func lanesMax(s *[16]float32, x []float32) {
	if use[OpNorm] == Generic {
		plainLanesMax(s, x)
		return
	}
	asm.LanesMaxNEON(&s[0], &x[0], len(x))
}

func lanesArgMax(s *[32]float32, x []float32) {
	if use[OpNorm] == Generic {
		plainLanesArgMax(s, x)
		return
	}
	asm.LanesArgMaxNEON(&s[0], &x[0], len(x))
}
