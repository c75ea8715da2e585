package detect

// faceLevel is the outputs for one stride; those that are not there have out < 0.
type faceLevel struct {
	level
	score, second view
	box, marks    view
}

// faceLevels sorts outputs [anchors·cells, 1, 4 or 10] into levels, whatever their order; nil where one is missing or left over.
// pairs says that a level has two outputs of scores.
func (s *signature) faceLevels(anchors int, pairs bool, strides ...int) []faceLevel {
	none := view{out: -1}
	var all []faceLevel
	used := 0
	for _, stride := range strides {
		l := faceLevel{newLevel(s.w, s.h, stride), none, none, none, none}
		for i, shape := range s.out {
			if len(shape) == 1 { // a batch of one was taken off [1,1]
				shape = []int{1, shape[0]}
			}
			if len(shape) != 2 || shape[0] != anchors*l.cells() {
				continue
			}
			v := view{out: i, pitch: shape[1]}
			switch {
			case shape[1] == 1 && l.score.out < 0:
				l.score = v
			case shape[1] == 1 && l.second.out < 0 && pairs:
				l.second = v
			case shape[1] == 4 && l.box.out < 0:
				l.box = v
			case shape[1] == 10 && l.marks.out < 0:
				l.marks = v
			default:
				return nil
			}
			used++
		}
		if l.score.out < 0 || l.box.out < 0 || pairs && l.second.out < 0 || len(all) > 0 && (l.marks.out < 0) != (all[0].marks.out < 0) {
			return nil
		}
		all = append(all, l)
	}
	if used != len(s.out) {
		return nil
	}
	return all
}

// yunet decodes, for a cell at (gx, gy): score √(class·objectness), centre ((gx+x)·stride, (gy+y)·stride), size (eʷ·stride, eʰ·stride),
// landmarks ((gx+x)·stride, (gy+y)·stride) (Wu et al., YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 2023).
type yunet struct{ levels []faceLevel }

func matchYuNet(s *signature) decoder {
	if l := s.faceLevels(1, true, 8, 16, 32); l != nil {
		return &yunet{l}
	}
	return nil
}

func (*yunet) classes() int { return 1 }

func (d *yunet) decode(b *boxes) error {
	unit := func(x float32) float32 { return min(max(b.prob(x), 0), 1) }
	for _, l := range d.levels {
		s := float32(l.stride)
		for i := range l.cells() {
			score := root(unit(l.score.row(b, i, 1)[0]) * unit(l.second.row(b, i, 1)[0]))
			if !(score >= b.min) {
				continue
			}
			gx, gy := float32(i%l.w), float32(i/l.w)
			r := l.box.row(b, i, 4)
			x, y := float32((gx+r[0])*s), float32((gy+r[1])*s)
			points, ok := b.addCentred(score, 0, x, y, float32(exp(r[2])*s), float32(exp(r[3])*s), l.landmarks())
			l.mark(b, points, ok, i, gx, gy)
		}
	}
	return nil
}

// landmarks is how many numbers the landmarks of a face are.
func (l *faceLevel) landmarks() int {
	if l.marks.out < 0 {
		return 0
	}
	return l.marks.pitch
}

// mark sets the points of candidate i, which was added if ok, to ((gx+x)·stride, (gy+y)·stride).
func (l *faceLevel) mark(b *boxes, points []float32, ok bool, i int, gx, gy float32) {
	if !ok || l.marks.out < 0 {
		return
	}
	s := float32(l.stride)
	for j, v := range l.marks.row(b, i, len(points)) {
		g := gx
		if j%2 == 1 {
			g = gy
		}
		points[j] = (g + v) * s
	}
}

// scrfd decodes two anchors in each cell, whose point is its corner: distances to left, top, right and bottom and landmarks, all in strides
// (Guo et al., Sample and Computation Redistribution for Efficient Face Detection, ICLR 2022).
type scrfd struct {
	levels  []faceLevel
	anchors int
}

func matchSCRFD(s *signature) decoder {
	if l := s.faceLevels(2, false, 8, 16, 32); l != nil {
		return &scrfd{l, 2}
	}
	if l := s.faceLevels(1, false, 8, 16, 32, 64, 128); l != nil {
		return &scrfd{l, 1}
	}
	return nil
}

func (*scrfd) classes() int { return 1 }

func (d *scrfd) decode(b *boxes) error {
	for _, l := range d.levels {
		s := float32(l.stride)
		for i := range d.anchors * l.cells() {
			score := b.prob(l.score.row(b, i, 1)[0])
			if !(score >= b.min) {
				continue
			}
			cell := i / d.anchors
			gx, gy := float32(cell%l.w), float32(cell/l.w)
			r := l.box.row(b, i, 4)
			points, ok := b.add(score, 0, float32((gx-r[0])*s), float32((gy-r[1])*s), float32((gx+r[2])*s), float32((gy+r[3])*s), l.landmarks())
			l.mark(b, points, ok, i, gx, gy)
		}
	}
	return nil
}

// blazeFace decodes anchors whose point is the middle of a cell: centre, size and landmarks in pixels of the input, centre and landmarks from
// that point (Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, 2019). Scores come before the sigmoid
// unless the card says otherwise.
type blazeFace struct {
	levels     []level
	anchors    []int // in a cell of each level
	box, score view
	probs      bool
}

func matchBlazeFace(s *signature) decoder {
	if len(s.out) != 2 || len(s.out[0]) != 2 || len(s.out[1]) != 2 {
		return nil
	}
	box, score := 0, 1
	if s.out[0][1] == 1 {
		box, score = 1, 0
	}
	n, c := s.out[box][0], s.out[box][1]
	if s.out[score][1] != 1 || s.out[score][0] != n || c < 6 || c%2 != 0 || c > 4+2*64 {
		return nil
	}
	d := &blazeFace{box: view{out: box, pitch: c}, score: view{out: score, pitch: 1}}
	d.probs = s.card.Logits != nil && !*s.card.Logits
	for _, k := range []struct{ strides, anchors []int }{
		{[]int{8, 16}, []int{2, 6}}, {[]int{16, 32}, []int{2, 6}}, {[]int{4}, []int{1}},
	} {
		levels, _ := s.levels(k.strides...)
		cells := 0
		for i, l := range levels {
			cells += l.cells() * k.anchors[i]
		}
		if cells == n {
			d.levels, d.anchors = levels, k.anchors
			return d
		}
	}
	return nil
}

func (*blazeFace) classes() int { return 1 }

func (d *blazeFace) decode(b *boxes) error {
	i := 0
	for li, l := range d.levels {
		for j := range l.cells() * d.anchors[li] {
			row := d.box.row(b, i, d.box.pitch)
			score := d.score.row(b, i, 1)[0]
			i++
			if !d.probs {
				score = sigmoid(score)
			}
			if !(score >= b.min) {
				continue
			}
			cell := j / d.anchors[li]
			s := float32(l.stride)
			ax, ay := float32((float32(cell%l.w)+0.5)*s), float32((float32(cell/l.w)+0.5)*s)
			points, ok := b.addCentred(score, 0, ax+row[0], ay+row[1], row[2], row[3], len(row)-4)
			if !ok {
				continue
			}
			for k := 0; k < len(points); k += 2 {
				points[k], points[k+1] = ax+row[4+k], ay+row[5+k]
			}
		}
	}
	return nil
}
