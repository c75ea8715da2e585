package model

import "github.com/ocellus-vision/ocellus/model/tensor"

// odometer counts through the places of several axes, the first fastest, and knows where two arrays have them.
type odometer struct {
	dims  []int
	steps [2][]int // of each array along each axis
}

// places returns how many there are.
func (o *odometer) places() int {
	n := 1
	for _, d := range o.dims {
		n *= d
	}
	return n
}

// reading is a place: along each axis, and in each array.
type reading struct {
	at  [tensor.MaxRank]int
	off [2]int
}

// from returns the i-th place.
func (o *odometer) from(i int) (r reading) {
	for k, d := range o.dims {
		r.at[k] = i % d
		i /= d
		r.off[0] += r.at[k] * o.steps[0][k]
		r.off[1] += r.at[k] * o.steps[1][k]
	}
	return r
}

// next goes to the place after r.
func (o *odometer) next(r *reading) {
	for k, d := range o.dims {
		if r.at[k]++; r.at[k] < d {
			r.off[0] += o.steps[0][k]
			r.off[1] += o.steps[1][k]
			return
		}
		r.at[k] = 0
		r.off[0] -= (d - 1) * o.steps[0][k]
		r.off[1] -= (d - 1) * o.steps[1][k]
	}
}
