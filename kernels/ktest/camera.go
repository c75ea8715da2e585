package ktest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/kernels/ref"
)

var formatNames = [...]string{"rgb", "bgr", "grey", "yuyv", "nv12"}

// picture returns random bytes in rows that are gap bytes longer than their pixels; the last row ends with its last pixel.
func picture(m *Mem, f kernels.Format, c kernels.Colour, w, h, gap int) kernels.Picture {
	p := kernels.Picture{Format: f, Colour: c, W: w, H: h}
	pix, uv := p.RowBytes()
	p.Stride, p.UVStride = pix+gap, uv+gap
	p.Pix = m.U8((h-1)*p.Stride + pix)
	if uv > 0 {
		p.UV = m.U8(((h+1)/2-1)*p.UVStride + uv)
	}
	return p
}

func pictureBytes(f kernels.Format, w, h int) float64 {
	p := kernels.Picture{Format: f, W: w, H: h}
	pix, uv := p.RowBytes()
	return float64(pix*h + uv*((h+1)/2))
}

// resizeProblem leaves Scale and Shift to the case's kind of numbers, unless plain.
func resizeProblem(s kernels.ResizeSpec, gap int, bytes, plain, bench bool) Problem {
	kind, out := "bilinear", "f32"
	if s.Area {
		kind = "area"
	}
	size := 4.0
	if bytes {
		out, size = "u8", 1
	}
	name := fmt.Sprintf("resize/%s-%s/%dx%d-%dx%d/%s/%s", formatNames[s.Format], formatNames[s.Order], s.SrcW, s.SrcH, s.W, s.H, kind, out)
	if s.Crop != (kernels.Rect{}) {
		name += fmt.Sprintf("/crop%g,%g,%gx%g", s.Crop.X, s.Crop.Y, s.Crop.W, s.Crop.H)
	}
	if s.Fit == kernels.Letterbox {
		name += "/letterbox"
	}
	n := s.W * s.H * s.Order.Channels()
	return Problem{
		Name: name, Bench: bench, Bytes: pictureBytes(s.Format, s.SrcW, s.SrcH) + size*float64(n),
		Build: func(m *Mem) Case {
			s := s
			if !plain {
				for c := range 3 {
					s.Scale[c], s.Shift[c], s.Pad[c] = m.Value(), m.Value(), m.Value()
				}
			}
			p := picture(m, s.Format, s.Colour, s.SrcW, s.SrcH, gap)
			r := kernels.NewResize(s)
			if bytes {
				got, want := m.OutU8("dst", n)
				return Case{Fast: func(t *kernels.Team) { r.RunBytes(t, got, p) }, Ref: func() { s.Bytes(want, &p) }}
			}
			got, want := m.Out("dst", n)
			return Case{Fast: func(t *kernels.Team) { r.Run(t, got, p) }, Ref: func() { s.Float(want, &p) }}
		},
	}
}

func warpProblem(s kernels.WarpSpec, a kernels.Affine, what string, gap int, bytes, bench bool) Problem {
	out, size := "f32", 4.0
	if bytes {
		out, size = "u8", 1
	}
	n := s.W * s.H * s.Order.Channels()
	return Problem{
		Name:  fmt.Sprintf("warp/%s-%s/%dx%d-%dx%d/%s/%s", formatNames[s.Format], formatNames[s.Order], s.SrcW, s.SrcH, s.W, s.H, what, out),
		Bench: bench, Bytes: size * float64(n),
		Build: func(m *Mem) Case {
			s := s
			for c := range 3 {
				s.Scale[c], s.Shift[c] = m.Value(), m.Value()
				if bytes && bench {
					s.Scale[c], s.Shift[c] = 1, 0
				}
				s.Border[c] = 255 * m.Rand().Float32()
			}
			p := picture(m, s.Format, s.Colour, s.SrcW, s.SrcH, gap)
			w := kernels.NewWarp(s)
			if bytes {
				got, want := m.OutU8("dst", n)
				return Case{Fast: func(t *kernels.Team) { w.RunBytes(t, got, p, a) }, Ref: func() { s.Bytes(want, &p, &a) }}
			}
			got, want := m.Out("dst", n)
			return Case{Fast: func(t *kernels.Team) { w.Run(t, got, p, a) }, Ref: func() { s.Float(want, &p, &a) }}
		},
	}
}

// turn maps the middle of a w x h destination to (x, y) of the source, turned by angle and with scale source pixels to one.
func turn(w, h int, x, y, angle, scale float64) kernels.Affine {
	c, s := scale*math.Cos(angle), scale*math.Sin(angle)
	cx, cy := float64(w-1)/2, float64(h-1)/2
	return kernels.Affine{c, -s, x - c*cx + s*cy, s, c, y - s*cx - c*cy}
}

func cameraFamily() Family {
	return Family{Name: "camera", Op: kernels.OpCamera, List: cameraList, Random: cameraRandom}
}

func cameraList() []Problem {
	var l []Problem
	spec := func(f, order kernels.Format, sw, sh, w, h int, area bool) kernels.ResizeSpec {
		return kernels.ResizeSpec{Format: f, Order: order, SrcW: sw, SrcH: sh, W: w, H: h, Area: area}
	}
	// Every layout to every order and type, at widths around the blocks of the row kernels.
	for f := kernels.RGB; f <= kernels.NV12; f++ {
		for order := kernels.RGB; order <= kernels.Grey; order++ {
			for _, w := range []int{1, 2, 15, 16, 17, 31, 32, 33, 53} {
				s := spec(f, order, w, 3, w, 3, false)
				s.Colour = kernels.Colour(w % 4)
				l = append(l, resizeProblem(s, w%3, false, false, false), resizeProblem(s, 0, true, true, false))
			}
			l = append(l, resizeProblem(spec(f, order, 37, 29, 23, 11, false), 5, false, false, false),
				resizeProblem(spec(f, order, 37, 29, 23, 11, true), 5, true, true, false))
		}
	}
	// Sizes: one pixel, enlarging, shrinking, both; rows of fewer pixels than a block; many taps.
	for _, d := range [][4]int{
		{1, 1, 1, 1}, {1, 1, 5, 7}, {7, 5, 1, 1}, {2, 2, 3, 3}, {3, 3, 2, 2}, {10, 11, 13, 17}, {31, 7, 5, 23}, {8, 8, 4, 4}, {9, 9, 8, 8}, {64, 48, 32, 24},
		{97, 61, 41, 59}, {41, 59, 97, 61}, {150, 90, 4, 3}, {33, 200, 32, 5},
	} {
		for _, order := range []kernels.Format{kernels.RGB, kernels.Grey} {
			for _, area := range []bool{false, true} {
				for _, f := range []kernels.Format{order, kernels.YUYV} {
					l = append(l, resizeProblem(spec(f, order, d[0], d[1], d[2], d[3], area), 0, false, false, false))
				}
			}
		}
	}
	// Crops: inside, at fractions of a pixel, across the border, wholly outside; an odd first column of pairs; letterboxes.
	for _, c := range []kernels.Rect{{X: 3, Y: 5, W: 20, H: 10}, {X: 3.25, Y: 4.5, W: 17.3, H: 11.7}, {X: -6.5, Y: -3, W: 30, H: 20}, {X: 50, Y: 40, W: 9, H: 9}, {X: -9, Y: -9, W: 3, H: 4}, {X: 20.5, Y: 10, W: 0.75, H: 0.5}} {
		for _, f := range []kernels.Format{kernels.RGB, kernels.YUYV, kernels.NV12} {
			for _, area := range []bool{false, true} {
				s := spec(f, kernels.RGB, 40, 30, 11, 7, area)
				s.Crop = c
				l = append(l, resizeProblem(s, 1, area, area, false))
			}
		}
	}
	for _, f := range []kernels.Format{kernels.BGR, kernels.NV12} {
		odd := spec(f, kernels.RGB, 40, 30, 21, 17, false)
		odd.Crop = kernels.Rect{X: 7, Y: 3, W: 21, H: 17}
		l = append(l, resizeProblem(odd, 0, true, true, false), resizeProblem(odd, 0, false, false, false))
		for _, d := range [][2]int{{30, 30}, {33, 12}, {1, 9}, {40, 40}, {64, 64}} {
			s := spec(f, kernels.RGB, 40, 30, d[0], d[1], false)
			s.Fit = kernels.Letterbox
			s.Pad = [3]float32{114, 113.5, 300}
			l = append(l, resizeProblem(s, 0, true, true, false), resizeProblem(s, 0, false, false, false))
		}
	}
	// Warps: inside, over each border, mirrored, far away, nowhere.
	for _, a := range []struct {
		what string
		m    kernels.Affine
	}{
		{"turn", turn(19, 13, 25, 20, 0.3, 1)}, {"shrink", turn(19, 13, 25, 20, -0.2, 2.9)}, {"enlarge", turn(19, 13, 25, 20, 2, 0.2)},
		{"identity", kernels.Affine{1, 0, 0, 0, 1, 0}}, {"mirror", kernels.Affine{-1, 0, 30, 0, 1, 2}}, {"away", kernels.Affine{1, 0, 1e9, 0, 1, -1e9}},
		{"constant", kernels.Affine{0, 0, 3.5, 0, 0, 4.25}}, {"nan", kernels.Affine{1, 0, math.NaN(), 0, math.Inf(1), 0}}, {"flip", kernels.Affine{0, 2, -3, 2, 0, -3}},
	} {
		for f := kernels.RGB; f <= kernels.NV12; f++ {
			for _, order := range []kernels.Format{kernels.RGB, kernels.Grey} {
				s := kernels.WarpSpec{Format: f, Order: order, SrcW: 51, SrcH: 41, W: 19, H: 13}
				l = append(l, warpProblem(s, a.m, a.what, int(f), order == kernels.RGB && f > 1, false))
			}
		}
	}
	for _, d := range [][2]int{{1, 1}, {2, 2}, {3, 2}, {4, 3}} {
		s := kernels.WarpSpec{SrcW: d[0], SrcH: d[1], W: 9, H: 9, Order: kernels.BGR}
		l = append(l, warpProblem(s, turn(9, 9, 1, 1, 0.1, 0.5), "small", 0, false, false))
	}
	// What cameras give and networks take.
	bench := func(f, order kernels.Format, sw, sh, w, h int, area, bytes bool) {
		l = append(l, resizeProblem(spec(f, order, sw, sh, w, h, area), 0, bytes, bytes, true))
	}
	for _, f := range []kernels.Format{kernels.RGB, kernels.YUYV} {
		bench(f, kernels.RGB, 640, 480, 640, 480, false, false)
		bench(f, kernels.RGB, 640, 480, 320, 240, false, false)
		bench(f, kernels.RGB, 640, 480, 320, 240, true, false)
		bench(f, kernels.RGB, 1280, 720, 480, 360, false, false)
		bench(f, kernels.RGB, 1280, 720, 480, 360, true, false)
	}
	bench(kernels.BGR, kernels.RGB, 640, 480, 640, 480, false, false)
	bench(kernels.NV12, kernels.RGB, 1280, 720, 480, 360, false, false)
	bench(kernels.YUYV, kernels.RGB, 640, 480, 640, 480, false, true)
	bench(kernels.NV12, kernels.RGB, 640, 480, 640, 480, false, true)
	bench(kernels.RGB, kernels.RGB, 1280, 720, 320, 180, true, true)
	bench(kernels.RGB, kernels.Grey, 640, 480, 320, 240, false, false)
	bench(kernels.Grey, kernels.Grey, 640, 480, 320, 240, true, false)
	face := kernels.WarpSpec{SrcW: 640, SrcH: 480, W: 112, H: 112}
	l = append(l, warpProblem(face, turn(112, 112, 300, 200, 0.2, 1.3), "face", 0, false, true))
	face.Format = kernels.YUYV
	l = append(l, warpProblem(face, turn(112, 112, 300, 200, 0.2, 1.3), "face", 0, false, true))
	return l
}

func cameraRandom(r *rand.Rand) Problem {
	f, order := kernels.Format(r.IntN(5)), kernels.Format(r.IntN(3))
	side := func() int { return 1 + r.IntN(1+r.IntN(80)) }
	sw, sh, w, h := side(), side(), side(), side()
	c := kernels.Colour(r.IntN(4))
	if r.IntN(3) == 0 {
		s := kernels.WarpSpec{Format: f, Colour: c, Order: order, SrcW: sw, SrcH: sh, W: w, H: h}
		a := turn(w, h, (r.Float64()*2-0.5)*float64(sw), (r.Float64()*2-0.5)*float64(sh), r.Float64()*7, r.Float64()*3)
		return warpProblem(s, a, "random", r.IntN(9), r.IntN(2) == 0, false)
	}
	s := kernels.ResizeSpec{Format: f, Colour: c, Order: order, SrcW: sw, SrcH: sh, W: w, H: h, Area: r.IntN(2) == 0, Fit: ref.Fit(r.IntN(2))}
	if r.IntN(2) == 0 {
		s.Crop = kernels.Rect{X: r.Float64()*float64(sw)*1.2 - 5, Y: r.Float64()*float64(sh)*1.2 - 5, W: 0.1 + r.Float64()*float64(sw), H: 0.1 + r.Float64()*float64(sh)}
	}
	return resizeProblem(s, r.IntN(9), r.IntN(2) == 0, r.IntN(3) == 0, false)
}
