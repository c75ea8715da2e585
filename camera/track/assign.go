package track

import "slices"

// assigner finds pairs of rows and columns with the greatest sum of weights. Its memory is used again.
type assigner struct {
	flip         []int32 // the weights with rows and columns exchanged
	row, column  []int32 // prices of rows and of columns
	least        []int32 // of each column: the reduced cost of the cheapest way to it
	before       []int32 // the column before it on that way
	taken        []int32 // the row that a column is paired with, -1: none; the last belongs to no column
	seen         []bool
	result, back []int32
}

// assign returns the column of each row, or -1, such that no column occurs twice and the sum of the pairs' weights is the greatest. weights is rows x cols, row by
// row, at least 0; a weight of 0 makes no pair. It is the Hungarian method by shortest augmenting paths: Jonker and Volgenant, "A shortest augmenting path
// algorithm for dense and sparse linear assignment problems", Computing 1987. Integers make the answer the same everywhere.
func (a *assigner) assign(weights []int32, rows, cols int) []int32 {
	a.result = slices.Grow(a.result[:0], rows)[:rows]
	if rows <= cols {
		a.pairs(weights, rows, cols, a.result)
		return a.result
	}
	a.flip = slices.Grow(a.flip[:0], rows*cols)[:rows*cols]
	for r := range rows {
		for c := range cols {
			a.flip[c*rows+r] = weights[r*cols+c]
		}
	}
	a.back = slices.Grow(a.back[:0], cols)[:cols]
	a.pairs(a.flip, cols, rows, a.back)
	for r := range a.result {
		a.result[r] = -1
	}
	for c, r := range a.back {
		if r >= 0 {
			a.result[r] = int32(c)
		}
	}
	return a.result
}

// pairs fills result for rows <= cols.
func (a *assigner) pairs(weights []int32, rows, cols int, result []int32) {
	a.row, a.column = zeros(a.row, rows), zeros(a.column, cols+1)
	a.least, a.before, a.taken = zeros(a.least, cols+1), zeros(a.before, cols+1), zeros(a.taken, cols+1)
	a.seen = slices.Grow(a.seen[:0], cols+1)[:cols+1]
	for c := range a.taken {
		a.taken[c] = -1
	}
	for r := range rows {
		a.augment(weights, cols, int32(r))
	}
	for r := range result {
		result[r] = -1
	}
	for c, r := range a.taken[:cols] {
		if r >= 0 && weights[int(r)*cols+c] > 0 {
			result[r] = int32(c)
		}
	}
}

// augment pairs row r with a column, and the rows that lose theirs with others.
func (a *assigner) augment(weights []int32, cols int, r int32) {
	const far = 1<<31 - 1
	for c := range a.least {
		a.least[c], a.seen[c] = far, false
	}
	at := cols
	a.taken[at] = r
	for a.taken[at] >= 0 {
		a.seen[at] = true
		from := a.taken[at]
		step, next := int32(far), -1
		line := weights[int(from)*cols : int(from+1)*cols]
		price := a.row[from]
		for c, w := range line {
			if a.seen[c] {
				continue
			}
			if cost := -w - price - a.column[c]; cost < a.least[c] {
				a.least[c], a.before[c] = cost, int32(at)
			}
			if a.least[c] < step {
				step, next = a.least[c], c
			}
		}
		for c := range a.seen {
			if a.seen[c] {
				a.row[a.taken[c]] += step
				a.column[c] -= step
			} else {
				a.least[c] -= step
			}
		}
		at = next
	}
	for at != cols {
		from := int(a.before[at])
		a.taken[at] = a.taken[from]
		at = from
	}
	a.taken[cols] = -1
}

func zeros(s []int32, n int) []int32 {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}
