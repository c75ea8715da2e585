package kernels

import "github.com/ocellus-vision/ocellus/kernels/ref"

// columnOp is what is summed along the columns of matrices.
type columnOp uint8

const (
	columnSum        columnOp = iota // s += a
	columnDot                        // s = fma(a, b, s)
	columnSquareDiff                 // s = fma(d, d, s), d = a - row
	columnPReLU                      // s = fma(a, b > 0 ? 0 : b, s)
	columnGrad                       // s += a; t = fma(a, b - row, t)
	columnGradClip                   // as columnGrad, with p[0] < c < p[1] ? a : 0 for a
	columnGradLeaky                  // as columnGrad, with c > 0 ? a : p[0]·a for a
	numColumnOps
)

// sums returns how many sums the operation makes.
func (o columnOp) sums() int {
	if o >= columnGrad {
		return 2
	}
	return 1
}

// columns is a task that sums over the rows of [rows, C] matrices; its tiles are blocks of ref.ChannelBlock rows.
type columns struct {
	op         columnOp
	c, rows    int
	a, b, d    []float32 // sources, nil where the operation has fewer
	row        []float32 // of each channel, or nil
	p          mapParams
	stats      bool      // sum, then sum of squares of the distance from the block's own mean
	partial    []float32 // of each block and sum, [C]
	temp       []float32
	size       int // floats of partial for a block
	blockRows  int
	sideBySide int
}

var columnTasks = poolOf[columns]()

// narrow is the most channels of which several rows are summed side by side.
const narrow = 64

// run computes the blocks' sums.
func (k *columns) run(t *Team) (blocks int) {
	k.blockRows, k.sideBySide = ref.ChannelBlock(k.c), ref.ChannelParts(k.c)
	blocks = (k.rows + k.blockRows - 1) / k.blockRows
	k.size = k.op.sums() * k.c
	if k.stats {
		k.size = 2 * k.c
	}
	if need := blocks*k.size + k.c; cap(k.partial) < need {
		k.partial = make([]float32, need)
	}
	k.temp = k.partial[blocks*k.size : blocks*k.size+k.c]
	t.Run(k, blocks)
	return blocks
}

// done returns the task to its pool; it keeps the memory of partial sums only.
func (k *columns) done() {
	*k = columns{partial: k.partial[:cap(k.partial)]}
	columnTasks.Put(k)
}

// Tile computes the sums of block i.
func (k *columns) Tile(i, _ int) {
	first := i * k.blockRows
	n := min(k.blockRows, k.rows-first)
	to := k.partial[i*k.size : (i+1)*k.size]
	if !k.stats {
		k.sum(to, k.op, first, n, k.row)
		return
	}
	mean, squares := to[:k.c], to[k.c:]
	k.sum(mean, columnSum, first, n, nil)
	mapRun(mapDivScalar, mean, mean, nil, nil, mapParams{float32(n)})
	k.sum(squares, columnSquareDiff, first, n, mean)
}

// sum computes op over n rows from first.
func (k *columns) sum(to []float32, op columnOp, first, n int, row []float32) {
	c, side := k.c, k.sideBySide
	at := func(x []float32) []float32 {
		if x == nil {
			return nil
		}
		return x[first*c : (first+n)*c]
	}
	a, b, d := at(k.a), at(k.b), at(k.d)
	clear(to)
	sums := op.sums()
	if side == 1 {
		// Strips of columns go through the rows of a piece again and again: it stays in the first-level cache.
		const wide, piece = 512, 1 << 12
		for at := 0; at < c; at += wide {
			end := min(at+wide, c)
			rows := max(8, piece/(end-at))
			for i := 0; i < n; i += rows {
				o := i*c + at
				columnCall(op, to[at:end], from(to, (sums-1)*c+at), from(a, o), from(b, o), from(d, o), from(row, at), c, min(rows, n-i), k.p)
			}
		}
		return
	}
	var state [2 * narrow]float32
	var rows [narrow]float32
	if row != nil {
		for j := range side {
			copy(rows[j*c:], row)
		}
		row = rows[:]
	}
	wide := side * c
	second := state[(sums-1)*wide:]
	whole := n / side
	if whole > 0 {
		columnCall(op, state[:wide], second, a, b, d, row, wide, whole, k.p)
	}
	if rest := (n - whole*side) * c; rest > 0 {
		skip := whole * wide
		columnCall(op, state[:rest], second, from(a, skip), from(b, skip), from(d, skip), row, rest, 1, k.p)
	}
	for s := range sums {
		out, parts := to[s*c:(s+1)*c], state[s*wide:(s+1)*wide]
		copy(out, parts)
		for j := c; j < wide; j += c {
			for i := range out {
				out[i] += parts[j+i]
			}
		}
	}
}

func from(x []float32, n int) []float32 {
	if x == nil {
		return nil
	}
	return x[n:]
}

// total adds sum s of the blocks to dst, in order.
func (k *columns) total(dst []float32, s, blocks int) {
	clear(dst)
	for i := range blocks {
		part := k.partial[i*k.size+s*k.c : i*k.size+(s+1)*k.c]
		if i == 0 {
			copy(dst, part)
			continue
		}
		mapRun(mapAdd, dst, dst, part, nil, mapParams{})
	}
}

func channelSums(t *Team, op columnOp, dst, a, b []float32) {
	k := columnTasks.Get().(*columns)
	k.op, k.c, k.rows, k.a, k.b = op, len(dst), len(a)/len(dst), a, b
	k.total(dst, 0, k.run(t))
	k.done()
}

func checkChannels(name string, dst, a, b []float32) {
	if len(dst) == 0 || len(a)%len(dst) != 0 {
		panic("kernels: " + name + ": the sources are not made of rows of dst's length")
	}
	if len(b) != len(a) {
		panic("kernels: " + name + ": the sources differ in length")
	}
	if !disjoint(dst, a) || !disjoint(dst, b) {
		panic("kernels: " + name + ": dst overlaps a source")
	}
}

// ChannelSum computes dst[c] = Σ src[i,c] over the rows of src, [rows, C]. It returns the bits of ref.ChannelSum.
func ChannelSum(t *Team, dst, src []float32) {
	checkChannels("ChannelSum", dst, src, src)
	channelSums(t, columnSum, dst, src, nil)
}

// ChannelDot computes dst[c] = Σ a[i,c]·b[i,c] over the rows of a and b, [rows, C]. It returns the bits of ref.ChannelDot.
func ChannelDot(t *Team, dst, a, b []float32) {
	checkChannels("ChannelDot", dst, a, b)
	channelSums(t, columnDot, dst, a, b)
}

// PReLUSlopeGrad computes dslope[c] = Σ (x[i,c] > 0 ? 0 : dy[i,c]·x[i,c]) over the rows of dy and x, [rows, C]. It returns the bits of ref.PReLUSlopeGrad.
func PReLUSlopeGrad(t *Team, dslope, dy, x []float32) {
	checkChannels("PReLUSlopeGrad", dslope, dy, x)
	channelSums(t, columnPReLU, dslope, dy, x)
}

// BatchNormStats computes the mean over the rows of each channel of src, [rows, C], and the mean square distance from it; rows is positive,
// mean and variance are [C]. It returns the bits of ref.BatchNormStats.
func BatchNormStats(t *Team, mean, variance, src []float32) {
	c := len(mean)
	if len(variance) != c {
		panic("kernels: BatchNormStats: mean and variance differ in length")
	}
	if c == 0 || len(src) == 0 || len(src)%c != 0 {
		panic("kernels: BatchNormStats: src is not made of rows of mean's length")
	}
	if !disjoint(mean, variance) || !disjoint(mean, src) || !disjoint(variance, src) {
		panic("kernels: BatchNormStats: mean, variance and src overlap")
	}
	k := columnTasks.Get().(*columns)
	k.c, k.rows, k.a, k.stats = c, len(src)/c, src, true
	blocks := k.run(t)
	copy(mean, k.partial[:c])
	copy(variance, k.partial[c:2*c])
	for i := 1; i < blocks; i++ {
		first := i * k.blockRows
		n := min(k.blockRows, k.rows-first)
		w := float32(n) / float32(first+n)
		m, m2 := k.partial[2*i*c:(2*i+1)*c], k.partial[(2*i+1)*c:(2*i+2)*c]
		mapRun(mapSub, k.temp, m, mean, nil, mapParams{})
		mapRun(mapAddScaled, mean, mean, k.temp, nil, mapParams{w})
		mapRun(mapMergeSquares, variance, variance, m2, k.temp, mapParams{float32(float32(first) * w)})
	}
	mapRun(mapDivScalar, variance, variance, nil, nil, mapParams{float32(k.rows)})
	k.done()
}

func checkBatchNorm(name string, dy, x, y []float32, act Act, c int) {
	checkAct(name, act)
	if c == 0 || len(dy) == 0 || len(dy)%c != 0 {
		panic("kernels: " + name + ": dy is not made of rows of the channels")
	}
	if len(x) != len(dy) || act.Kind != ActNone && len(y) != len(dy) {
		panic("kernels: " + name + ": dy, x and y differ in length")
	}
}

// BatchNormGradSums computes sum[c] = Σ g[i,c] and dot[c] = Σ g[i,c]·(x[i,c] - mean[c]) over the rows of dy and x, [rows, C], rows positive. g is dy, or
// with an activation after the normalisation act.ApplyGrad(dy, y), y [rows, C] being its result; it may be nil without one. It returns the bits of ref.BatchNormGradSums.
func BatchNormGradSums(t *Team, sum, dot, dy, x, y, mean []float32, act Act) {
	c := len(sum)
	if len(dot) != c || len(mean) != c {
		panic("kernels: BatchNormGradSums: sum, dot and mean differ in length")
	}
	checkBatchNorm("BatchNormGradSums", dy, x, y, act, c)
	if !disjoint(sum, dot) || !outputApart(sum, dy, x, y, mean) || !outputApart(dot, dy, x, y, mean) {
		panic("kernels: BatchNormGradSums: sum or dot overlaps another argument")
	}
	k := columnTasks.Get().(*columns)
	k.c, k.rows, k.a, k.b, k.row = c, len(dy)/c, dy, x, mean
	switch act.Kind {
	case ActClip:
		k.op, k.d, k.p = columnGradClip, y, mapParams{act.Lo, act.Hi}
	case ActLeaky:
		k.op, k.d, k.p = columnGradLeaky, y, mapParams{act.Alpha}
	default:
		k.op = columnGrad
	}
	blocks := k.run(t)
	k.total(sum, 0, blocks)
	k.total(dot, 1, blocks)
	k.done()
}

// outputApart says whether dst shares nothing with the sources.
func outputApart(dst, a, b, c, d []float32) bool {
	return disjoint(dst, a) && disjoint(dst, b) && disjoint(dst, c) && disjoint(dst, d)
}

// batchNormInput is BatchNormGradInput being computed; its tiles are blocks of rows.
type batchNormInput struct {
	dx, dy, x, y, a, b, k []float32
	act                   Act
	block                 int       // elements
	factors               []float32 // room for a, b and k
}

var batchNormInputs = poolOf[batchNormInput]()

// BatchNormGradInput computes dx[i,c] = g[i,c]·a[c] + (x[i,c]·b[c] + k[c]), g as in BatchNormGradSums. dx is dy or x, or does not overlap them. It
// returns the bits of ref.BatchNormGradInput.
func BatchNormGradInput(t *Team, dx, dy, x, y, a, b, k []float32, act Act) {
	c := len(a)
	if len(b) != c || len(k) != c {
		panic("kernels: BatchNormGradInput: a, b and k differ in length")
	}
	checkBatchNorm("BatchNormGradInput", dy, x, y, act, c)
	if len(dx) != len(dy) {
		panic("kernels: BatchNormGradInput: dx and dy differ in length")
	}
	if !apart(dx, dy) || !apart(dx, x) || !apart(dx, y) || !disjoint(dx, a) || !disjoint(dx, b) || !disjoint(dx, k) {
		panic("kernels: BatchNormGradInput: dx overlaps another argument")
	}
	task := batchNormInputs.Get().(*batchNormInput)
	task.run(t, dx, dy, x, y, a, b, k, act)
	task.done()
}

func (k *batchNormInput) done() {
	*k = batchNormInput{factors: k.factors}
	batchNormInputs.Put(k)
}

func (k *batchNormInput) run(t *Team, dx, dy, x, y, a, b, kk []float32, act Act) {
	c := len(a)
	if act.Kind == ActNone {
		y = nil
	}
	k.dx, k.dy, k.x, k.y, k.a, k.b, k.k, k.act, k.block = dx, dy, x, y, a, b, kk, act, ref.ChannelBlock(c)*c
	t.Run(k, (len(dx)+k.block-1)/k.block)
}

// Tile computes a block of rows.
func (k *batchNormInput) Tile(i, _ int) {
	at := i * k.block
	end := min(at+k.block, len(k.dx))
	if rows := (end - at) / len(k.a); len(k.a) <= patternLen/2 {
		var buf [3][patternLen + lineLen]float32
		k.rows(at, end, repeat(buf[0][:], k.a, rows), repeat(buf[1][:], k.b, rows), repeat(buf[2][:], k.k, rows))
		return
	}
	k.rows(at, end, k.a, k.b, k.k)
}

func (k *batchNormInput) rows(at, end int, a, b, s []float32) {
	for ; at < end; at += len(a) {
		for o := 0; o < min(len(a), end-at); o += mapChunk {
			n := min(mapChunk, len(a)-o, end-at-o)
			var y []float32
			if k.y != nil {
				y = k.y[at+o : at+o+n]
			}
			i, j := at+o, at+o+n
			batchNormCall(k.act, k.dx[i:j], k.dy[i:j], k.x[i:j], y, a[o:o+n], b[o:o+n], s[o:o+n])
		}
	}
}

// BatchNormGrad computes the gradients of y = act(gain·(x - mean)/√(variance + eps) + bias), mean and variance being those of the batch: dx [rows, C], dgain and
// dbias [C]. dy, x and y are [rows, C], rows positive; without an activation y may be nil. dx is dy, x or y, or does not overlap them. It returns the bits of ref.BatchNormGrad.
func BatchNormGrad(t *Team, dx, dgain, dbias, dy, x, y []float32, act Act, gain, mean, variance []float32, eps float32) {
	c := len(gain)
	if len(dgain) != c || len(dbias) != c || len(mean) != c || len(variance) != c {
		panic("kernels: BatchNormGrad: the channels differ in length")
	}
	checkBatchNorm("BatchNormGrad", dy, x, y, act, c)
	if len(dx) != len(dy) {
		panic("kernels: BatchNormGrad: dx and dy differ in length")
	}
	if !apart(dx, dy) || !apart(dx, x) || !apart(dx, y) || !outputApart(dx, dgain, dbias, gain, mean) || !disjoint(dx, variance) {
		panic("kernels: BatchNormGrad: dx overlaps another argument")
	}
	if !disjoint(dgain, gain) || !disjoint(dbias, gain) || !disjoint(dgain, variance) || !disjoint(dbias, variance) {
		panic("kernels: BatchNormGrad: dgain or dbias overlaps another argument")
	}
	BatchNormGradSums(t, dbias, dgain, dy, x, y, mean, act)
	task := batchNormInputs.Get().(*batchNormInput)
	if cap(task.factors) < 3*c {
		task.factors = make([]float32, 3*c)
	}
	a, b, k := task.factors[:c], task.factors[c:2*c], task.factors[2*c:3*c]
	for i := range gain {
		a[i], b[i], k[i], dgain[i] = ref.BatchNormGradFactors(gain[i], mean[i], variance[i], eps, dbias[i], dgain[i], len(dx)/c)
	}
	task.run(t, dx, dy, x, y, a, b, k, act)
	task.done()
}

// The kernels in plain Go.

// columnGeneric adds rows to the sums s and, where the operation makes two, t. Rows are len(s) floats long and stride floats apart.
func columnGeneric(op columnOp, s, t, a, b, d, row []float32, stride, rows int, p mapParams) {
	width := len(s)
	for i := range rows {
		a := a[i*stride : i*stride+width]
		switch op {
		case columnSum:
			for j, v := range a {
				s[j] += v
			}
			continue
		case columnSquareDiff:
			for j, v := range a {
				e := v - row[j]
				s[j] = ref.FMA32(e, e, s[j])
			}
			continue
		}
		b := b[i*stride : i*stride+width]
		switch op {
		case columnDot:
			for j, v := range a {
				s[j] = ref.FMA32(v, b[j], s[j])
			}
			continue
		case columnPReLU:
			for j, v := range a {
				x := b[j]
				if x > 0 {
					x = 0
				}
				s[j] = ref.FMA32(v, x, s[j])
			}
			continue
		}
		for j, g := range a {
			switch op {
			case columnGradClip:
				g = ref.ClipGrad(g, d[i*stride+j], p[0], p[1])
			case columnGradLeaky:
				g = ref.LeakyReLUGrad(g, d[i*stride+j], p[0])
			}
			s[j] += g
			t[j] = ref.FMA32(g, b[j]-row[j], t[j])
		}
	}
}

func batchNormGeneric(act Act, dx, dy, x, y, a, b, k []float32) {
	for i, g := range dy {
		if act.Kind != ActNone {
			g = act.ApplyGrad(g, y[i])
		}
		dx[i] = ref.FMA32(g, a[i], ref.FMA32(x[i], b[i], k[i]))
	}
}
