package detect

// centre decodes planes score, left, top, right, bottom over one grid: the distances from the middle of a cell to the sides of the box as their logarithms, in
// cells; further planes, in pairs, are landmarks, right and down from the middle of the cell, in cells. Only cells that none of their eight neighbours exceeds are centres
// (Zhou, Wang, Krähenbühl, Objects as Points, arXiv 1904.07850, §4.1).
type centre struct{ w, h, gw, gh, marks int }

func matchCentre(s *signature) decoder {
	shape := s.single(3)
	if shape == nil || shape[0] != 5 && !(s.named && shape[0] > 5 && shape[0]%2 == 1 && shape[0] <= 5+2*64) || shape[1] < 1 || shape[2] < 1 {
		return nil
	}
	return &centre{s.w, s.h, shape[2], shape[1], shape[0] - 5}
}

func (d *centre) classes() int { return 1 }

func (d *centre) decode(b *boxes) error {
	v, n := b.out[0], d.gw*d.gh
	sx, sy := float32(d.w)/float32(d.gw), float32(d.h)/float32(d.gh)
	for y := range d.gh {
		for x := range d.gw {
			i := y*d.gw + x
			score := b.prob(v[i])
			if !(score >= b.min) || !d.peak(v[:n], x, y) {
				continue
			}
			cx, cy := float32((float32(x)+0.5)*sx), float32((float32(y)+0.5)*sy)
			left, top := float32(exp(v[n+i])*sx), float32(exp(v[2*n+i])*sy)
			right, bottom := float32(exp(v[3*n+i])*sx), float32(exp(v[4*n+i])*sy)
			points, ok := b.add(score, 0, cx-left, cy-top, cx+right, cy+bottom, d.marks)
			for k := 0; ok && k < len(points); k += 2 {
				points[k], points[k+1] = cx+float32(v[(5+k)*n+i]*sx), cy+float32(v[(6+k)*n+i]*sy)
			}
		}
	}
	return nil
}

// peak says whether no neighbour of a cell exceeds it.
func (d *centre) peak(v []float32, x, y int) bool {
	at := v[y*d.gw+x]
	for j := max(y-1, 0); j <= min(y+1, d.gh-1); j++ {
		for i := max(x-1, 0); i <= min(x+1, d.gw-1); i++ {
			if v[j*d.gw+i] > at {
				return false
			}
		}
	}
	return true
}
