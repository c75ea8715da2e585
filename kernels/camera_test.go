package kernels_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
)

// halfUlp is half a unit in the last place of float32 below 256: what one rounding of a sample can lose.
const halfUlp = 0x1p-17

func randomPicture(f kernels.Format, w, h int) kernels.Picture {
	p := kernels.Picture{Format: f, W: w, H: h}
	p.Stride, p.UVStride = p.RowBytes()
	p.Pix, p.UV = make([]uint8, p.Stride*h), make([]uint8, p.UVStride*((h+1)/2))
	r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	for _, b := range [][]uint8{p.Pix, p.UV} {
		for i := range b {
			b[i] = uint8(r.Uint32())
		}
	}
	return p
}

// TestColoursFollowTheStandards holds every luma with a grid of chroma against the standards' equations in float64. The factors are
// rounded to 1/8192, each by at most half of that, and the result to an integer.
func TestColoursFollowTheStandards(t *testing.T) {
	for _, std := range []struct {
		c       kernels.Colour
		kr, kb  float64
		limited bool
	}{{kernels.BT601, 0.299, 0.114, true}, {kernels.BT601Full, 0.299, 0.114, false}, {kernels.BT709, 0.2126, 0.0722, true}, {kernels.BT709Full, 0.2126, 0.0722, false}} {
		black, lumaRange, chromaRange := 0.0, 255.0, 255.0
		if std.limited {
			black, lumaRange, chromaRange = 16, 219, 224
		}
		var chroma []int
		step := 5
		if testing.Short() {
			step = 51
		}
		for v := 0; v < 256; v += step {
			chroma = append(chroma, v)
		}
		chroma = append(chroma, 128)
		// Each pair of rows has every luma at one V.
		p := kernels.Picture{Format: kernels.NV12, Colour: std.c, W: 256, H: 2 * len(chroma), Stride: 256, UVStride: 256}
		p.Pix, p.UV = make([]uint8, 256*p.H), make([]uint8, 256*len(chroma))
		for i := range p.Pix {
			p.Pix[i] = uint8(i)
		}
		plan := kernels.NewResize(kernels.ResizeSpec{Format: kernels.NV12, Colour: std.c, SrcW: 256, SrcH: p.H, W: 256, H: p.H})
		grey := kernels.NewResize(kernels.ResizeSpec{Format: kernels.NV12, Colour: std.c, SrcW: 256, SrcH: p.H, W: 256, H: p.H, Order: kernels.Grey})
		got, luma := make([]uint8, 3*256*p.H), make([]uint8, 256*p.H)
		for _, u := range chroma {
			for i := range p.UV {
				p.UV[i] = uint8(u)
				if i%2 == 1 {
					p.UV[i] = uint8(chroma[i/256])
				}
			}
			plan.RunBytes(nil, got, p)
			grey.RunBytes(nil, luma, p)
			for y := range p.H {
				for x := range 256 {
					e := (float64(x) - black) / lumaRange
					pb, pr := (float64(u)-128)/chromaRange, (float64(chroma[y/2])-128)/chromaRange
					r := e + 2*(1-std.kr)*pr
					b := e + 2*(1-std.kb)*pb
					g := (e - std.kr*r - std.kb*b) / (1 - std.kr - std.kb)
					lost := (math.Abs(float64(x)-black) + math.Abs(float64(u)-128) + math.Abs(float64(chroma[y/2])-128)) * 0x1p-14
					near := func(what string, v uint8, want float64) {
						if want = math.Min(math.Max(255*want, 0), 255); math.Abs(float64(v)-want) > 0.5+lost {
							t.Fatalf("standard %d: Y %d U %d V %d: %s is %d, the equations give %.3f", std.c, x, u, chroma[y/2], what, v, want)
						}
					}
					o := 3 * (256*y + x)
					near("red", got[o], r)
					near("green", got[o+1], g)
					near("blue", got[o+2], b)
					near("grey", luma[256*y+x], e)
				}
			}
		}
	}
}

func TestGreyIsLuma(t *testing.T) {
	p := randomPicture(kernels.BGR, 211, 97)
	got := make([]uint8, p.W*p.H)
	kernels.NewResize(kernels.ResizeSpec{Format: kernels.BGR, SrcW: p.W, SrcH: p.H, W: p.W, H: p.H, Order: kernels.Grey}).RunBytes(nil, got, p)
	for i, v := range got {
		b, g, r := float64(p.Pix[3*i]), float64(p.Pix[3*i+1]), float64(p.Pix[3*i+2])
		// Three factors, each rounded to 1/32768; blue's once more so that they add up to one.
		if want := 0.299*r + 0.587*g + 0.114*b; math.Abs(float64(v)-want) > 0.5+(r+g+3*b)*0x1p-16 {
			t.Fatalf("pixel %d is %d, want %g", i, v, want)
		}
	}
}

// TestResizeAgainstFloat64 holds both filters against their meaning, computed in two dimensions at once and in float64.
func TestResizeAgainstFloat64(t *testing.T) {
	p := randomPicture(kernels.RGB, 47, 31)
	for _, d := range [][2]int{{47, 31}, {20, 13}, {90, 77}, {1, 1}, {23, 62}, {3, 31}} {
		for _, crop := range []kernels.Rect{{W: 47, H: 31}, {X: 5.25, Y: 3.125, W: 33.3, H: 20.9}, {X: -4.5, Y: 20, W: 30, H: 15.5}} {
			for _, area := range []bool{false, true} {
				w, h := d[0], d[1]
				got := make([]float32, 3*w*h)
				kernels.NewResize(kernels.ResizeSpec{SrcW: p.W, SrcH: p.H, W: w, H: h, Crop: crop, Area: area}).Run(nil, got, p)
				sx, sy := crop.W/float64(w), crop.H/float64(h)
				// A weight is off by at most 2^-25 of its value; sums of taps positive terms round once for each.
				tolerance := halfUlp * (12 + math.Ceil(sx) + math.Ceil(sy))
				for i, v := range got {
					x, y, c := i/3%w, i/3/w, i%3
					want := 0.0
					for _, a := range weights(crop.X, sx, x, p.W, area) {
						for _, b := range weights(crop.Y, sy, y, p.H, area) {
							want += a.w * b.w * float64(p.Pix[b.i*p.Stride+3*a.i+c])
						}
					}
					if math.Abs(float64(v)-want) > tolerance {
						t.Fatalf("%v to %dx%d, area %v: dst[%d,%d,%d] = %g, want %g", crop, w, h, area, y, x, c, v, want)
					}
				}
			}
		}
	}
}

type weight struct {
	i int
	w float64
}

// weights returns what output i is made of along an axis of n pixels that starts at start, each output being step pixels wide.
func weights(start, step float64, i, n int, area bool) []weight {
	inside := func(p float64) int { return int(math.Max(0, math.Min(p, float64(n-1)))) }
	if area && step > 1 {
		lo, hi := start+float64(i)*step, start+float64(i+1)*step
		var l []weight
		for p := math.Floor(lo); p < hi; p++ {
			l = append(l, weight{inside(p), (math.Min(hi, p+1) - math.Max(lo, p)) / step})
		}
		return l
	}
	centre := start + (float64(i)+0.5)*step
	left := math.Floor(centre - 0.5)
	f := centre - 0.5 - left
	return []weight{{inside(left), 1 - f}, {inside(left + 1), f}}
}

// TestWarpAgainstFloat64 allows, over the roundings of values, those of positions: two of at most 64 pixels, on slopes of at most 255 a pixel.
func TestWarpAgainstFloat64(t *testing.T) {
	p := randomPicture(kernels.RGB, 40, 30)
	border := [3]float32{10, 200, 77.5}
	const w, h = 33, 29
	got := make([]float32, 3*w*h)
	plan := kernels.NewWarp(kernels.WarpSpec{SrcW: p.W, SrcH: p.H, W: w, H: h, Border: border})
	for _, m := range []kernels.Affine{{1, 0, 0, 0, 1, 0}, {0.8, -0.6, 12, 0.6, 0.8, -5}, {-1.2, 0.1, 40, 0.3, 0.9, 1}, {0.1, 0, 4.5, 0, 0.1, 7.25}} {
		plan.Run(nil, got, p, m)
		for i, v := range got {
			x, y, c := float64(i/3%w), float64(i/3/w), i%3
			sx, sy := m[0]*x+m[1]*y+m[2], m[3]*x+m[4]*y+m[5]
			at := func(x, y float64) float64 {
				if x < 0 || y < 0 || x >= float64(p.W) || y >= float64(p.H) {
					return float64(border[c])
				}
				return float64(p.Pix[int(y)*p.Stride+3*int(x)+c])
			}
			x0, y0 := math.Floor(sx), math.Floor(sy)
			fx, fy := sx-x0, sy-y0
			want := (1-fy)*((1-fx)*at(x0, y0)+fx*at(x0+1, y0)) + fy*((1-fx)*at(x0, y0+1)+fx*at(x0+1, y0+1))
			if tolerance := 8*halfUlp + 2*255*2*64*0x1p-24; math.Abs(float64(v)-want) > tolerance {
				t.Fatalf("%v: dst[%d] = %g, want %g", m, i, v, want)
			}
		}
	}
}

// TestLetterboxMapsBack reads, from a picture whose value is its column or its row, where each output pixel came from.
func TestLetterboxMapsBack(t *testing.T) {
	const w, h = 200, 120
	p := kernels.Picture{Format: kernels.Grey, W: w, H: h, Pix: make([]uint8, w*h), Stride: w}
	for _, d := range [][2]int{{64, 64}, {90, 20}, {300, 400}} {
		for axis, value := range []func(x, y int) int{func(x, _ int) int { return x }, func(_, y int) int { return y }} {
			for i := range p.Pix {
				p.Pix[i] = uint8(value(i%w, i/w))
			}
			r := kernels.NewResize(kernels.ResizeSpec{Format: kernels.Grey, Order: kernels.Grey, SrcW: w, SrcH: h, W: d[0], H: d[1], Fit: kernels.Letterbox, Pad: [3]float32{-7}})
			got := make([]float32, d[0]*d[1])
			r.Run(nil, got, p)
			left, top := r.ToSource(0, 0)
			right, bottom := r.ToSource(float64(d[0]), float64(d[1]))
			x0, x1 := -left/(right-left)*float64(d[0]), (w-left)/(right-left)*float64(d[0])
			y0, y1 := -top/(bottom-top)*float64(d[1]), (h-top)/(bottom-top)*float64(d[1])
			if long, short := math.Max((x1-x0)/float64(d[0]), (y1-y0)/float64(d[1])), (x1-x0)/(y1-y0); long != 1 || math.Abs(short/(w/float64(h))-1) > 0.05 {
				t.Errorf("%v: the picture fills %g,%g to %g,%g", d, x0, y0, x1, y1)
			}
			for i, v := range got {
				x, y := float64(i%d[0])+0.5, float64(i/d[0])+0.5
				if x < x0 || x > x1 || y < y0 || y > y1 {
					if v != -7 {
						t.Fatalf("%v: padding at %g,%g is %g", d, x, y, v)
					}
					continue
				}
				sx, sy := r.ToSource(x, y)
				want := math.Min(math.Max([2]float64{sx, sy}[axis]-0.5, 0), float64([2]int{w, h}[axis]-1))
				if math.Abs(float64(v)-want) > 8*halfUlp {
					t.Fatalf("%v: pixel %g,%g comes from %v, ToSource says %g", d, x, y, v, want)
				}
			}
		}
	}
}

// TestUnpackingFirstIsTheSame says that a YUYV picture is treated as the RGB bytes that it stands for.
func TestUnpackingFirstIsTheSame(t *testing.T) {
	const w, h = 75, 41
	p := randomPicture(kernels.YUYV, w, h)
	q := kernels.Picture{Format: kernels.RGB, W: w, H: h, Pix: make([]uint8, 3*w*h), Stride: 3 * w}
	kernels.NewResize(kernels.ResizeSpec{Format: kernels.YUYV, SrcW: w, SrcH: h, W: w, H: h}).RunBytes(nil, q.Pix, p)
	s := kernels.ResizeSpec{SrcW: w, SrcH: h, W: 32, H: 24, Area: true, Crop: kernels.Rect{X: 3.5, Y: 1, W: 66, H: 38}}
	a, b := make([]float32, 3*32*24), make([]float32, 3*32*24)
	kernels.NewResize(s).Run(nil, a, q)
	s.Format = kernels.YUYV
	kernels.NewResize(s).Run(nil, b, p)
	if !slices.Equal(a, b) {
		t.Error("resizing YUYV and resizing its RGB bytes differ")
	}
	m := kernels.Affine{0.9, 0.3, 4, -0.3, 0.9, 9}
	ws := kernels.WarpSpec{SrcW: w, SrcH: h, W: 32, H: 24}
	kernels.NewWarp(ws).Run(nil, a, q, m)
	ws.Format = kernels.YUYV
	kernels.NewWarp(ws).Run(nil, b, p, m)
	if !slices.Equal(a, b) {
		t.Error("warping YUYV and warping its RGB bytes differ")
	}
}

func TestCameraPlansServeManyGoroutines(t *testing.T) {
	p := randomPicture(kernels.NV12, 64, 48)
	r := kernels.NewResize(kernels.ResizeSpec{Format: kernels.NV12, SrcW: 64, SrcH: 48, W: 40, H: 30, Area: true})
	w := kernels.NewWarp(kernels.WarpSpec{Format: kernels.NV12, SrcW: 64, SrcH: 48, W: 40, H: 30})
	m := kernels.Affine{1, 0.2, 3, -0.2, 1, 5}
	want := [2][]float32{make([]float32, 3*40*30), make([]float32, 3*40*30)}
	r.Run(nil, want[0], p)
	w.Run(nil, want[1], p, m)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			team, got := kernels.NewTeam(2), make([]float32, 3*40*30)
			for range 20 {
				if r.Run(team, got, p); !slices.Equal(got, want[0]) {
					t.Error("Resize differs among goroutines")
				}
				if w.Run(team, got, p, m); !slices.Equal(got, want[1]) {
					t.Error("Warp differs among goroutines")
				}
			}
		})
	}
	wg.Wait()
}

func TestCameraDoesNotAllocate(t *testing.T) {
	p := randomPicture(kernels.YUYV, 96, 64)
	team := kernels.NewTeam(2)
	r := kernels.NewResize(kernels.ResizeSpec{Format: kernels.YUYV, SrcW: 96, SrcH: 64, W: 40, H: 30, Area: true})
	w := kernels.NewWarp(kernels.WarpSpec{Format: kernels.YUYV, SrcW: 96, SrcH: 64, W: 40, H: 30})
	dst, bytes := make([]float32, 3*40*30), make([]uint8, 3*40*30)
	if n := testing.AllocsPerRun(100, func() {
		r.Run(team, dst, p)
		r.RunBytes(team, bytes, p)
		w.Run(team, dst, p, kernels.Affine{1, 0, 2, 0, 1, 2})
		w.RunBytes(team, bytes, p, kernels.Affine{1, 0, 2, 0, 1, 2})
		kernels.Transpose(team, dst[:600], 30, dst[600:], 20, 30, 20)
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

// TestCameraRefusesBadArguments wants a constant message, and nothing written.
func TestCameraRefusesBadArguments(t *testing.T) {
	spec := kernels.ResizeSpec{Format: kernels.NV12, SrcW: 9, SrcH: 7, W: 5, H: 4}
	wspec := kernels.WarpSpec{Format: kernels.RGB, SrcW: 9, SrcH: 7, W: 5, H: 4}
	dst, bytes := make([]float32, 60), make([]uint8, 60)
	resize := func(f func(*kernels.Picture)) func() {
		return func() {
			p := randomPicture(kernels.NV12, 9, 7)
			f(&p)
			kernels.NewResize(spec).Run(nil, dst, p)
		}
	}
	plan := func(f func(*kernels.ResizeSpec)) func() {
		return func() {
			s := spec
			f(&s)
			kernels.NewResize(s)
		}
	}
	warp := func(f func(*kernels.WarpSpec, *kernels.Picture)) func() {
		return func() {
			s, p := wspec, randomPicture(kernels.RGB, 9, 7)
			f(&s, &p)
			kernels.NewWarp(s).Run(nil, dst, p, kernels.Affine{1, 0, 0, 0, 1, 0})
		}
	}
	good, goodRGB := randomPicture(kernels.NV12, 9, 7), randomPicture(kernels.RGB, 9, 7)
	for want, f := range map[string]func(){
		"kernels: Resize.Run: dst too short":              func() { kernels.NewResize(spec).Run(nil, dst[:59], good) },
		"kernels: Resize.RunBytes: dst too short":         func() { kernels.NewResize(spec).RunBytes(nil, bytes[:59], good) },
		"kernels: Resize: src differs from the plan":      resize(func(p *kernels.Picture) { p.H++ }),
		"kernels: Resize: src.Pix too short":              resize(func(p *kernels.Picture) { p.Pix = p.Pix[1:] }),
		"kernels: Resize: src.UV too short":               resize(func(p *kernels.Picture) { p.UVStride = 9 }),
		"kernels: NewResize: bad Format, Colour or Order": plan(func(s *kernels.ResizeSpec) { s.Order = kernels.YUYV }),
		"kernels: NewResize: bad SrcW or SrcH":            plan(func(s *kernels.ResizeSpec) { s.SrcW = 0 }),
		"kernels: NewResize: bad W or H":                  plan(func(s *kernels.ResizeSpec) { s.H = -1 }),
		"kernels: NewResize: bad Crop":                    plan(func(s *kernels.ResizeSpec) { s.Crop.W = math.NaN() }),
		"kernels: NewResize: bad Fit":                     plan(func(s *kernels.ResizeSpec) { s.Fit = 2 }),
		"kernels: Warp.Run: dst too short":                func() { kernels.NewWarp(wspec).Run(nil, dst[:59], goodRGB, kernels.Affine{}) },
		"kernels: Warp.RunBytes: dst too short":           func() { kernels.NewWarp(wspec).RunBytes(nil, bytes[:59], goodRGB, kernels.Affine{}) },
		"kernels: Warp: src differs from the plan":        warp(func(_ *kernels.WarpSpec, p *kernels.Picture) { p.Format = kernels.BGR }),
		"kernels: Warp: src.Pix too short":                warp(func(_ *kernels.WarpSpec, p *kernels.Picture) { p.Stride = 26 }),
		"kernels: Warp: src.Stride too large":             warp(func(s *kernels.WarpSpec, p *kernels.Picture) { s.SrcH, p.H, p.Stride = 1, 1, 1<<30+1 }),
		"kernels: NewWarp: bad Border":                    warp(func(s *kernels.WarpSpec, _ *kernels.Picture) { s.Border[1] = float32(math.Inf(1)) }),
		"kernels: NewWarp: bad W or H":                    warp(func(s *kernels.WarpSpec, _ *kernels.Picture) { s.W = 1 << 20 }),
		"kernels: NewWarp: bad SrcW or SrcH":              warp(func(s *kernels.WarpSpec, _ *kernels.Picture) { s.SrcH = 0 }),
		"kernels: NewWarp: bad Format, Colour or Order":   warp(func(s *kernels.WarpSpec, _ *kernels.Picture) { s.Colour = 9 }),
		"kernels: Transpose: bad rows or cols":            func() { kernels.Transpose(nil, dst, 4, dst, 4, -1, 4) },
		"kernels: Transpose: src too short":               func() { kernels.Transpose(nil, dst, 4, dst[:15], 4, 4, 4) },
		"kernels: Transpose: dst too short":               func() { kernels.Transpose(nil, dst[:15], 4, dst, 4, 4, 4) },
		"kernels: Transpose: dst overlaps src":            func() { kernels.Transpose(nil, dst[:16], 4, dst[15:], 4, 4, 4) },
		"kernels: NHWCToNCHW: dst overlaps src":           func() { kernels.NHWCToNCHW(nil, dst, dst, 1, 4, 4) },
		"kernels: NCHWToNHWC: dst overlaps src":           func() { kernels.NCHWToNHWC(nil, dst, dst, 1, 4, 4) },
		"kernels: Join2: a and b differ in length":        func() { kernels.Join2(dst, dst, dst[1:]) },
		"kernels: Join2: dst is not twice as long":        func() { kernels.Join2(dst[:7], dst[10:13], dst[13:16]) },
		"kernels: Join2: dst overlaps a or b":             func() { kernels.Join2(dst[:6], dst[10:13], dst[5:8]) },
		"kernels: Split2: a and b differ in length":       func() { kernels.Split2(dst, dst[1:], dst) },
		"kernels: Split2: src is not twice as long":       func() { kernels.Split2(dst[10:13], dst[13:16], dst[:7]) },
		"kernels: Split2: a, b or src overlap":            func() { kernels.Split2(dst[10:13], dst[12:15], dst[:6]) },
		"kernels: Resize.RunBytes: dst overlaps src":      func() { kernels.NewResize(spec).RunBytes(nil, good.Pix, good) },
		"kernels: Warp.RunBytes: dst overlaps src":        func() { kernels.NewWarp(wspec).RunBytes(nil, goodRGB.Pix, goodRGB, kernels.Affine{}) },
		"kernels: NHWCToNCHW: bad n, p or c":              func() { kernels.NHWCToNCHW(nil, dst, dst, 1, 1, -1) },
		"kernels: NHWCToNCHW: src too short":              func() { kernels.NHWCToNCHW(nil, dst, dst[:9], 2, 5, 1) },
		"kernels: NHWCToNCHW: dst too short":              func() { kernels.NHWCToNCHW(nil, dst[:9], dst, 2, 5, 1) },
		"kernels: NCHWToNHWC: bad n, c or p":              func() { kernels.NCHWToNHWC(nil, dst, dst, -1, 1, 1) },
		"kernels: NCHWToNHWC: src too short":              func() { kernels.NCHWToNHWC(nil, dst, dst[:9], 2, 5, 1) },
		"kernels: NCHWToNHWC: dst too short":              func() { kernels.NCHWToNHWC(nil, dst[:9], dst, 2, 5, 1) },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != want {
					t.Errorf("panicked with %q, want %q", got, want)
				}
			}()
			f()
		}()
	}
	for i := range dst {
		if dst[i] != 0 || bytes[i] != 0 {
			t.Fatal("written before a panic")
		}
	}
}
