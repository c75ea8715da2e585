package ref

// Taps says of what the elements along an axis are made: element i is Σ_k Weight[i][k]·x[Index[i][k]], k ascending. No Index at all stands for the axis as it is.
type Taps struct {
	Index  [][]int
	Weight [][]float32
}

// Transpose returns the taps that carry a gradient back to an axis of n elements: element p takes part in each element i that it is a part of, i ascending.
func (t Taps) Transpose(n int) Taps {
	if t.Index == nil {
		return t
	}
	b := Taps{make([][]int, n), make([][]float32, n)}
	for i, index := range t.Index {
		for k, p := range index {
			b.Index[p] = append(b.Index[p], i)
			b.Weight[p] = append(b.Weight[p], t.Weight[i][k])
		}
	}
	return b
}

// Interpolation is the resizing of [N,H,W,C] along H and then along W.
type Interpolation struct {
	N, H, W, C int
	Y, X       Taps
	Copy       bool // each element of Y and X has one tap, whose element is copied (nearest neighbour)
}

// OH and OW return the output's height and width.
func (s *Interpolation) OH() int { return s.size(s.Y, s.H) }
func (s *Interpolation) OW() int { return s.size(s.X, s.W) }

func (s *Interpolation) size(t Taps, n int) int {
	if t.Index == nil {
		return n
	}
	return len(t.Index)
}

// Interpolate computes dst = Σ over X of Σ over Y of src, one axis after the other; each sum goes by FMA32 from +0. src is [N,H,W,C], dst is [N,OH,OW,C].
//
// With the transposed taps it computes the gradient.
func Interpolate(dst, src []float32, s *Interpolation) {
	oh, ow := s.OH(), s.OW()
	rows := make([]float32, s.N*oh*s.W*s.C)
	s.axis(rows, src, s.Y, s.N, s.H, oh, s.W*s.C)
	s.axis(dst, rows, s.X, s.N*oh, s.W, ow, s.C)
}

func (s *Interpolation) axis(dst, src []float32, t Taps, outer, n, m, inner int) {
	for o := range outer {
		for i := range m {
			for j := range inner {
				at := func(p int) float32 { return src[(o*n+p)*inner+j] }
				to := &dst[(o*m+i)*inner+j]
				switch {
				case t.Index == nil:
					*to = at(i)
				case s.Copy:
					*to = at(t.Index[i][0])
				default:
					*to = 0
					for k, p := range t.Index[i] {
						*to = FMA32(at(p), t.Weight[i][k], *to)
					}
				}
			}
		}
	}
}
