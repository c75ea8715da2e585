package ktest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

func widen8(n, offset int, in kernels.Bytes, scale float32) Problem {
	kind := "u8"
	if in.Signed {
		kind = "i8"
	}
	return Problem{
		Name:  fmt.Sprintf("bytes8/Widen8/%d at %d/%s-%d*%g", n, offset, kind, in.Zero, scale),
		Bytes: 5 * float64(n),
		Build: func(m *Mem) Case {
			src := m.U8(n + offset)[offset:]
			got, want := m.Out("dst", n)
			scale := scale
			if scale != 1 {
				scale *= m.Value()
			}
			return Case{
				Fast: func(*kernels.Team) { kernels.Widen8(got, src, in, scale) },
				Ref:  func() { ref.Widen8(want, src, in, scale) },
			}
		},
	}
}

func narrow8(n, offset int, lo, hi float32, zero int32) Problem {
	return Problem{
		Name:  fmt.Sprintf("bytes8/Narrow8/%d at %d/%g..%g%+d", n, offset, lo, hi, zero),
		Bytes: 5 * float64(n),
		Build: func(m *Mem) Case {
			src := m.F32(n + offset)[offset:]
			for i, v := range src {
				if i%3 != 0 {
					src[i] *= 300
				}
				if v = src[i]; i%3 == 2 && v > -1000 && v < 1000 {
					src[i] = float32(int32(v)) + 0.5 // a tie
				}
			}
			got, want := m.OutU8("dst", n+offset)
			got, want = got[offset:], want[offset:]
			return Case{
				Fast: func(*kernels.Team) { kernels.Narrow8(got, src, lo, hi, zero) },
				Ref:  func() { ref.Narrow8(want, src, lo, hi, zero) },
			}
		},
	}
}

func lookup8(n, offset int) Problem {
	return Problem{
		Name:  fmt.Sprintf("bytes8/Lookup8/%d at %d", n, offset),
		Bytes: 2 * float64(n),
		Build: func(m *Mem) Case {
			src, table := m.U8(n + offset)[offset:], (*[256]byte)(m.U8(256))
			got, want := m.OutU8("dst", n+offset)
			got, want = got[offset:], want[offset:]
			return Case{
				Fast: func(*kernels.Team) { kernels.Lookup8(got, src, table) },
				Ref:  func() { ref.Lookup8(want, src, table) },
			}
		},
	}
}

// max8 has the kernel write over its first argument, or beside.
func max8(n, offset int, signed, over bool) Problem {
	return Problem{
		Name:  fmt.Sprintf("bytes8/Max8/%d at %d signed %t over %t", n, offset, signed, over),
		Bytes: 3 * float64(n),
		Build: func(m *Mem) Case {
			a, b := m.U8(n + offset)[offset:], m.U8(n)
			got, want := m.OutU8("dst", n)
			return Case{
				Fast: func(*kernels.Team) {
					if over {
						copy(got, a)
						kernels.Max8(got, got, b, signed)
					} else {
						kernels.Max8(got, a, b, signed)
					}
				},
				Ref: func() { ref.Max8(want, a, b, signed) },
			}
		},
	}
}

// bytes8Sizes stand around the edges of blocks of 32 and of chunks.
var bytes8Sizes = []int{0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 95, 97, 127, 8191, 8192, 8192 + 31, 8192 + 37}

var clips = []struct {
	lo, hi float32
	zero   int32
}{{0, 255, 0}, {-114, 141, 114}, {-255, 0, 255}, {-128, 127, 0}, {-138, 117, 10}, {0, 255, -128}, {3, 3, -1000}, {-16384, 16384, 1 << 30}}

func bytes8Family() Family {
	return Family{
		Name: "bytes8", Op: kernels.OpCamera,
		List: func() []Problem {
			var ps []Problem
			for i, n := range bytes8Sizes {
				for j, zero := range []int32{0, 114, 255, -128} {
					ps = append(ps, widen8(n, (i+j)%4, kernels.Bytes{Signed: j%2 == 0, Zero: zero}, 0.7), widen8(n, 0, kernels.Bytes{Signed: j%2 == 1, Zero: zero}, 1))
				}
				for j, c := range clips {
					ps = append(ps, narrow8(n, (i+j)%4, c.lo, c.hi, c.zero))
				}
				ps = append(ps, lookup8(n, i%4), max8(n, i%3, i%2 == 0, i%3 == 0), max8(n, i%3, i%2 != 0, i%3 != 0))
			}
			for _, n := range []int{1 << 14, 1 << 23} {
				for _, p := range []Problem{widen8(n, 0, kernels.Bytes{Zero: 114}, 0.7), narrow8(n, 0, -114, 141, 114), lookup8(n, 0), max8(n, 0, false, false)} {
					p.Bench = true
					ps = append(ps, p)
				}
			}
			return ps
		},
		Random: func(r *rand.Rand) Problem {
			n, offset := r.IntN(200), r.IntN(8)
			switch r.IntN(4) {
			case 3:
				return max8(n, offset, r.IntN(2) == 0, r.IntN(2) == 0)
			case 0:
				return lookup8(n, offset)
			case 1:
				return widen8(n, offset, kernels.Bytes{Signed: r.IntN(2) == 0, Zero: int32(r.IntN(384) - 128)}, 2)
			}
			lo := r.IntN(512) - 256
			return narrow8(n, offset, float32(lo), float32(lo+r.IntN(256)), int32(r.IntN(600)-300))
		},
	}
}
