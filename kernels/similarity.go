package kernels

import "math"

// Similarity is the map (x, y) -> (A·x - B·y + X, B·x + A·y + Y): a turn, a scale and a shift.
type Similarity struct{ A, B, X, Y float64 }

// FitSimilarity returns the Similarity that brings the points from nearest to as many points to, in the sum of squared distances, and whether there is one:
// not where all of from are one point. In the plane the solution (Umeyama, Least-Squares Estimation of Transformation Parameters Between Two Point
// Patterns, PAMI 1991) that does not mirror is a quotient of complex numbers: Σ to·from* / Σ from·from*, both about their means.
func FitSimilarity(from, to [][2]float64) (Similarity, bool) {
	if len(from) != len(to) {
		panic("kernels: FitSimilarity: from and to differ in length")
	}
	var fx, fy, tx, ty float64
	n := float64(len(from))
	for i := range from {
		fx, fy, tx, ty = fx+from[i][0]/n, fy+from[i][1]/n, tx+to[i][0]/n, ty+to[i][1]/n
	}
	var re, im, norm float64
	for i := range from {
		px, py, qx, qy := from[i][0]-fx, from[i][1]-fy, to[i][0]-tx, to[i][1]-ty
		re += float64(qx*px) + float64(qy*py)
		im += float64(qy*px) - float64(qx*py)
		norm += float64(px*px) + float64(py*py)
	}
	s := Similarity{A: re / norm, B: im / norm}
	s.X = tx - (float64(s.A*fx) - float64(s.B*fy))
	s.Y = ty - (float64(s.B*fx) + float64(s.A*fy))
	sum := s.A + s.B + s.X + s.Y
	return s, norm > 0 && sum-sum == 0 && s.Scale() > 0
}

// Scale returns the length that 1 becomes.
func (s Similarity) Scale() float64 { return math.Hypot(s.A, s.B) }

// Map returns the place that x, y goes to.
func (s Similarity) Map(x, y float64) (float64, float64) {
	return float64(s.A*x) - float64(s.B*y) + s.X, float64(s.B*x) + float64(s.A*y) + s.Y
}

// Inverse returns the Similarity that takes s back. Its scale must not be zero.
func (s Similarity) Inverse() Similarity {
	n := float64(s.A*s.A) + float64(s.B*s.B)
	r := Similarity{A: s.A / n, B: -s.B / n}
	r.X = -(float64(r.A*s.X) - float64(r.B*s.Y))
	r.Y = -(float64(r.B*s.X) + float64(r.A*s.Y))
	return r
}
