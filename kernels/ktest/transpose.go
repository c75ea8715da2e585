package ktest

import (
	"fmt"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

func transposeFamily() Family {
	return Family{Name: "transpose", Op: kernels.OpTranspose, List: transposeList, Random: func(r *rand.Rand) Problem {
		return transposeProblem(r.IntN(1+r.IntN(200)), r.IntN(1+r.IntN(200)), r.IntN(5)*r.IntN(2), r.IntN(5)*r.IntN(2))
	}}
}

// transposeProblem has gaps of d and s floats between rows.
func transposeProblem(rows, cols, d, s int) Problem {
	return Problem{
		Name: fmt.Sprintf("transpose/%dx%d/gap%d,%d", rows, cols, d, s), Bytes: 8 * float64(rows*cols),
		Build: func(m *Mem) Case {
			n := func(rows, cols, gap int) int { return max(0, (rows-1)*(cols+gap)+cols) }
			src := m.F32(n(rows, cols, s))
			got, want := m.Out("dst", n(cols, rows, d))
			return Case{
				Fast: func(t *kernels.Team) { kernels.Transpose(t, got, rows+d, src, cols+s, rows, cols) },
				Ref:  func() { ref.Transpose(want, rows+d, src, cols+s, rows, cols) },
			}
		},
	}
}

// layoutProblem is a batch between NHWC and NCHW.
func layoutProblem(n, p, c int, toNCHW, bench bool) Problem {
	what := "nchw-nhwc"
	if toNCHW {
		what = "nhwc-nchw"
	}
	return Problem{
		Name: fmt.Sprintf("transpose/%s/%dx%dx%d", what, n, p, c), Bench: bench, Bytes: 8 * float64(n*p*c),
		Build: func(m *Mem) Case {
			src := m.F32(n * p * c)
			got, want := m.Out("dst", n*p*c)
			if toNCHW {
				return Case{
					Fast: func(t *kernels.Team) { kernels.NHWCToNCHW(t, got, src, n, p, c) },
					Ref: func() {
						for i := range n {
							ref.Transpose(want[i*p*c:], p, src[i*p*c:], c, p, c)
						}
					},
				}
			}
			return Case{
				Fast: func(t *kernels.Team) { kernels.NCHWToNHWC(t, got, src, n, c, p) },
				Ref: func() {
					for i := range n {
						ref.Transpose(want[i*p*c:], c, src[i*p*c:], p, c, p)
					}
				},
			}
		},
	}
}

func transposeList() []Problem {
	var l []Problem
	sizes := []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 64, 67, 130}
	for i, r := range sizes {
		for j, c := range sizes {
			l = append(l, transposeProblem(r, c, i*j%3, (i+j)%3))
		}
	}
	for _, n := range []int{0, 1, 7, 8, 9, 16, 23, 58, 116} {
		l = append(l, joinProblem(n), splitProblem(n))
	}
	for _, toNCHW := range []bool{false, true} {
		for _, s := range [][3]int{{0, 4, 4}, {1, 1, 1}, {2, 49, 3}, {3, 64, 32}, {2, 129, 65}, {2, 5, 131}, {1, 1000, 3}} {
			l = append(l, layoutProblem(s[0], s[1], s[2], toNCHW, false))
		}
		for _, s := range [][3]int{{1, 640 * 480, 3}, {1, 56 * 56, 64}, {1, 112 * 112, 32}, {1, 64 * 64, 128}, {1, 49, 1280}} {
			l = append(l, layoutProblem(s[0], s[1], s[2], toNCHW, true))
		}
	}
	return l
}

// joinProblem interleaves two rows of n.
func joinProblem(n int) Problem {
	return Problem{
		Name: fmt.Sprintf("transpose/join2/%d", n), Bytes: 16 * float64(n),
		Build: func(m *Mem) Case {
			a, b := m.F32(n), m.F32(n)
			got, want := m.Out("dst", 2*n)
			return Case{
				Fast: func(*kernels.Team) { kernels.Join2(got, a, b) },
				Ref:  func() { ref.Join2(want, a, b) },
			}
		},
	}
}

// splitProblem is the reverse.
func splitProblem(n int) Problem {
	return Problem{
		Name: fmt.Sprintf("transpose/split2/%d", n), Bytes: 16 * float64(n),
		Build: func(m *Mem) Case {
			src := m.F32(2 * n)
			gotA, wantA := m.Out("a", n)
			gotB, wantB := m.Out("b", n)
			return Case{
				Fast: func(*kernels.Team) { kernels.Split2(gotA, gotB, src) },
				Ref:  func() { ref.Split2(wantA, wantB, src) },
			}
		},
	}
}
