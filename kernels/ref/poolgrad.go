package ref

// PoolGrad computes the gradient dx of Pool from dy, the gradient of its result y. Each window adds to dx, which starts at +0, in the order of Pool:
//
//	PoolMax: dy to the first position whose value is y; where y is a NaN, to the first NaN
//	PoolAvg: dy/count to each position
//	PoolL2:  g·x to each position, g = y > 0 ? dy/y : 0, product and sum rounded once
//
// x and dx are [N,H,W,C], y and dy are [N,OH,OW,C]; PoolAvg reads neither x nor y.
func PoolGrad(dx, dy, x, y []float32, kind PoolKind, s *Pool2D) {
	clear(dx[:s.N*s.H*s.W*s.C])
	oh, ow := s.OH(), s.OW()
	for n := 0; n < s.N; n++ {
		for oy := 0; oy < oh; oy++ {
			for ox := 0; ox < ow; ox++ {
				for c := 0; c < s.C; c++ {
					o := ((n*oh+oy)*ow+ox)*s.C + c
					var at []int
					count := 0
					for i := 0; i < s.KH; i++ {
						for j := 0; j < s.KW; j++ {
							iy, ix := oy*s.SH+i*s.DH-s.PT, ox*s.SW+j*s.DW-s.PL
							inside := iy >= 0 && iy < s.H && ix >= 0 && ix < s.W
							if inside || s.CountPad && iy < s.H+s.PB && ix < s.W+s.PR {
								count++
							}
							if inside {
								at = append(at, ((n*s.H+iy)*s.W+ix)*s.C+c)
							}
						}
					}
					switch kind {
					case PoolMax:
						for _, i := range at {
							if x[i] == y[o] || x[i] != x[i] && y[o] != y[o] {
								dx[i] += dy[o]
								break
							}
						}
					case PoolAvg:
						g := dy[o] / float32(max(count, 1))
						for _, i := range at {
							dx[i] += g
						}
					case PoolL2:
						var g float32
						if y[o] > 0 {
							g = dy[o] / y[o]
						}
						for _, i := range at {
							dx[i] = FMA32(g, x[i], dx[i])
						}
					}
				}
			}
		}
	}
}
