package training

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// dot returns the sum of products of elements, of every fourth one by itself first.
func dot(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	b = b[:len(a)]
	i := 0
	for ; i <= len(a)-4; i += 4 {
		x, y := a[i:i+4:i+4], b[i:i+4:i+4]
		s0 += float64(x[0] * y[0])
		s1 += float64(x[1] * y[1])
		s2 += float64(x[2] * y[2])
		s3 += float64(x[3] * y[3])
	}
	for ; i < len(a); i++ {
		s0 += float64(a[i] * b[i])
	}
	return (s0 + s1) + (s2 + s3)
}

// dots returns the dot products of rows of a with rows of b: row i, column k is of a[i] and b[k].
func dots(t *kernels.Team, a, b [][]float64) [][]float64 {
	return (&dotTask{a: a, b: b}).run(t)
}

// dotTask computes blocks of rows of c, over some columns of a and b at a time so that these stay in the cache.
type dotTask struct {
	a, b, c [][]float64
	lower   bool // row i has columns 0 to i alone
}

const (
	dotRows    = 16
	dotColumns = 512
)

func (d *dotTask) run(t *kernels.Team) [][]float64 {
	d.c = make([][]float64, len(d.a))
	t.Run(d, (len(d.a)+dotRows-1)/dotRows)
	return d.c
}

func (d *dotTask) Tile(tile, _ int) {
	from, to := tile*dotRows, min((tile+1)*dotRows, len(d.a))
	for i := from; i < to; i++ {
		d.c[i] = make([]float64, len(d.b))
	}
	for at, n := 0, len(d.a[from]); at < n; at += dotColumns {
		end := min(at+dotColumns, n)
		for k, row := range d.b {
			if d.lower && k >= to {
				break
			}
			row = row[at:end]
			for i := from; i < to; i++ {
				d.c[i][k] += dot(d.a[i][at:end], row)
			}
		}
	}
}

// covariance returns the mean [n,n] of the outer products of vectors of n.
func covariance(t *kernels.Team, vectors [][]float64, n int) [][]float64 {
	columns := make([][]float64, n)
	share := 1 / math.Sqrt(float64(max(1, len(vectors))))
	for k := range columns {
		columns[k] = make([]float64, len(vectors))
		for i, v := range vectors {
			columns[k][i] = v[k] * share
		}
	}
	c := (&dotTask{a: columns, b: columns, lower: true}).run(t)
	for i := range c {
		for k := range i {
			c[k][i] = c[i][k]
		}
	}
	return c
}

// rounds is how often principal multiplies.
const rounds = 16

// principal returns k orthonormal vectors that span nearly the k directions in which a symmetric matrix without negative eigenvalues is greatest, by
// orthogonal iteration (Golub, Van Loan: Matrix Computations, section 8.2.4).
func principal(t *kernels.Team, a [][]float64, k int) [][]float64 {
	n := len(a)
	q := make([][]float64, k)
	r := data.NewRand(uint64(n), uint64(k))
	for i := range q {
		q[i] = make([]float64, n)
		for m := range q[i] {
			q[i][m] = r.Bell()
		}
	}
	for range rounds {
		q = dots(t, q, a)
		for i, v := range q {
			for _, w := range q[:i] {
				along := dot(v, w)
				for m := range v {
					v[m] -= float64(along * w[m])
				}
			}
			share := 1 / math.Sqrt(dot(v, v))
			for m := range v {
				v[m] *= share
			}
		}
	}
	return q
}

// inverseCholesky returns the lower triangular X with X·a·Xᵀ = 1, for a positive definite a.
func inverseCholesky(a [][]float64) ([][]float64, error) {
	n := len(a)
	l, x := make([][]float64, n), make([][]float64, n)
	for i := range n {
		l[i], x[i] = make([]float64, i+1), make([]float64, n)
		for k := range i + 1 {
			sum := a[i][k] - dot(l[k][:k], l[i])
			if k < i {
				l[i][k] = sum / l[k][k]
				continue
			}
			if !(sum > 0) {
				return nil, fmt.Errorf("the covariance within people is not positive definite; shrink it more with whiten")
			}
			l[i][i] = math.Sqrt(sum)
		}
		x[i][i] = 1
		for k, v := range l[i][:i] {
			for c, y := range x[k][:k+1] {
				x[i][c] -= float64(v * y)
			}
		}
		for c := range i + 1 {
			x[i][c] /= l[i][i]
		}
	}
	return x, nil
}
