package main

import (
	"fmt"
	"strings"

	"github.com/ocellus-vision/ocellus/gen/neon"
)

// writeNEON writes asm/camera_neon_arm64.s and its stub.
func writeNEON() error {
	f := neon.NewFile("gen/camera", "asm")
	f.Data("iota4", []uint32{0, 1, 2, 3})
	n := &neonFile{f}
	n.lerpRows()
	n.sumRows()
	n.lerpCols3()
	n.lerpCols1()
	n.sumCols(3)
	n.sumCols(1)
	n.scale()
	n.bytes()
	n.swap()
	n.repeat()
	n.grey()
	n.yuv("YUYV", true)
	n.yuv("NV12", true)
	n.yuv("YUYV", false)
	n.yuv("NV12", false)
	n.warp()
	n.integers(false)
	n.integers(true)
	n.narrow()
	n.lookup()
	n.most(false)
	n.most(true)
	return f.WriteFiles("../asm", "camera_neon")
}

type neonFile struct{ *neon.File }

// neonFunc is a function with the helpers of this program.
type neonFunc struct{ *neon.Func }

func (f *neonFile) begin(key string) *neonFunc {
	k := kernels[key]
	name := k.name + "NEON"
	return &neonFunc{f.Func(name, strings.TrimPrefix(k.signature, "func"), fmt.Sprintf(k.doc, name))}
}

func (fn *neonFunc) arg(name string) neon.R {
	r := fn.AllocR()
	fn.LoadArg(name, r)
	return r
}

// blocks is the NEON form of the loop of the same name.
func (fn *neonFunc) blocks(n neon.R, step int, body func(i neon.R)) {
	i := fn.AllocR()
	fn.T("MOVD ZR, %v", i)
	fn.T("SUB $%d, %v, %v", step, n, n)
	fn.Label("loop")
	body(i)
	fn.T("CMP %v, %v", n, i)
	fn.T("BGE done")
	fn.T("ADD $%d, %v, %v", step, i, i)
	fn.T("CMP %v, %v", n, i)
	fn.T("BLE loop")
	fn.T("MOVD %v, %v", n, i)
	fn.T("B loop")
	fn.Label("done")
}

// at computes base + index << shift.
func (fn *neonFunc) at(base, index neon.R, shift int) neon.R {
	r := fn.AllocR()
	fn.T("ADD %v<<%d, %v, %v", index, shift, base, r)
	return r
}

// triple computes base + 3·index.
func (fn *neonFunc) triple(base, index neon.R) neon.R {
	r := fn.at(index, index, 1)
	fn.T("ADD %v, %v, %v", base, r, r)
	return r
}

// widen turns the 8 or 16 bytes of v (16: of its upper half, "high") into two vectors of float32.
func (fn *neonFunc) widen(v neon.V, high bool) [2]neon.V {
	h := fn.Alloc()
	if high {
		fn.Uxtl(neon.B16, h, v)
	} else {
		fn.Uxtl(neon.B8, h, v)
	}
	lo, hi := fn.Alloc(), fn.Alloc()
	fn.Uxtl(neon.H4, lo, h)
	fn.Uxtl(neon.H8, hi, h)
	fn.Ucvtf(lo, lo)
	fn.Ucvtf(hi, hi)
	fn.Free(h)
	return [2]neon.V{lo, hi}
}

// difference turns b-a, of the bytes that widen takes, into two vectors of float32.
func (fn *neonFunc) difference(a, b neon.V, high bool) [2]neon.V {
	h := fn.Alloc()
	if high {
		fn.Usubl(neon.B16, h, b, a)
	} else {
		fn.Usubl(neon.B8, h, b, a)
	}
	lo, hi := fn.Alloc(), fn.Alloc()
	fn.Sxtl(neon.H4, lo, h)
	fn.Sxtl(neon.H8, hi, h)
	fn.Scvtf(lo, lo)
	fn.Scvtf(hi, hi)
	fn.Free(h)
	return [2]neon.V{lo, hi}
}

func (f *neonFile) lerpRows() {
	fn := f.begin("lerpRows")
	dst, a, b, n := fn.arg("dst"), fn.arg("a"), fn.arg("b"), fn.arg("n")
	w := fn.Alloc()
	fn.LoadArgF("w", w)
	p, q := fn.AllocN(2), fn.AllocN(2)
	fn.blocks(n, 32, func(i neon.R) {
		pa, pb, d := fn.at(a, i, 0), fn.at(b, i, 0), fn.at(dst, i, 2)
		fn.LdpQ(p[0], p[1], pa, 0)
		fn.LdpQ(q[0], q[1], pb, 0)
		for j := range 4 {
			v := fn.widen(p[j/2], j%2 == 1)
			u := fn.difference(p[j/2], q[j/2], j%2 == 1)
			fn.FmlaLane(v[0], u[0], w, 0)
			fn.FmlaLane(v[1], u[1], w, 0)
			fn.StpQ(v[0], v[1], d, 32*j)
			fn.Free(v[0], v[1], u[0], u[1])
		}
	})
	fn.Ret()
}

func (f *neonFile) sumRows() {
	fn := f.begin("sumRows")
	dst, from, rows, w, k, n := fn.arg("dst"), fn.arg("from"), fn.arg("rows"), fn.arg("w"), fn.arg("k"), fn.arg("n")
	acc, bytes, factor := fn.AllocN(8), fn.AllocN(2), fn.Alloc()
	fn.blocks(n, 32, func(i neon.R) {
		fn.T("CBZ %v, fresh", from)
		p := fn.at(from, i, 2)
		for j := 0; j < 8; j += 2 {
			fn.LdpQ(acc[j], acc[j+1], p, 16*j)
		}
		fn.T("B add")
		fn.Label("fresh")
		for _, v := range acc {
			fn.Movi(neon.S4, v, 0)
		}
		fn.Label("add")
		r, wp, left, row := fn.AllocR(), fn.AllocR(), fn.AllocR(), fn.AllocR()
		fn.T("MOVD %v, %v", rows, r)
		fn.T("MOVD %v, %v", w, wp)
		fn.T("MOVD %v, %v", k, left)
		fn.Label("row")
		fn.T("MOVD.P 24(%v), %v", r, row)
		fn.T("ADD %v, %v, %v", i, row, row)
		fn.LdrSP(factor, wp, 4)
		fn.LdpQ(bytes[0], bytes[1], row, 0)
		for j := range 4 {
			v := fn.widen(bytes[j/2], j%2 == 1)
			fn.FmlaLane(acc[2*j], v[0], factor, 0)
			fn.FmlaLane(acc[2*j+1], v[1], factor, 0)
			fn.Free(v[0], v[1])
		}
		fn.T("SUBS $1, %v, %v", left, left)
		fn.T("BNE row")
		d := fn.at(dst, i, 2)
		for j := 0; j < 8; j += 2 {
			fn.StpQ(acc[j], acc[j+1], d, 16*j)
		}
	})
	fn.Ret()
}

// store3 writes the three low lanes of v.
func (fn *neonFunc) store3(v neon.V, dst neon.R) {
	fn.StrD(v, dst, 0)
	fn.DupLane(neon.S4, v, v, 2)
	fn.StrS(v, dst, 8)
}

// factors loads the vectors at k.
func (fn *neonFunc) factors() (scale, shift neon.V) {
	k := fn.arg("k")
	scale, shift = fn.Alloc(), fn.Alloc()
	fn.LdpQ(scale, shift, k, 0)
	fn.FreeR(k)
	return scale, shift
}

func (f *neonFile) lerpCols3() {
	fn := f.begin("lerpCols3")
	dst, src, off, w, n := fn.arg("dst"), fn.arg("src"), fn.arg("off"), fn.arg("w"), fn.arg("n")
	scale, shift := fn.factors()
	o := fn.AllocR()
	pixel := func() neon.V {
		a, b, f, v := fn.Alloc(), fn.Alloc(), fn.Alloc(), fn.Alloc()
		fn.T("MOVW.P 4(%v), %v", off, o)
		fn.T("ADD %v, %v, %v", src, o, o)
		fn.LdrSP(f, w, 4)
		fn.LdrQ(a, o, 0)
		fn.LdrQ(b, o, 12)
		fn.Fsub(b, b, a)
		fn.FmlaLane(a, b, f, 0)
		fn.Mov(v, shift)
		fn.Fmla(v, a, scale)
		fn.Free(a, b, f, v)
		return v
	}
	fn.T("SUBS $1, %v, %v", n, n)
	fn.T("BEQ last")
	fn.Label("pixel")
	fn.StrQP(pixel(), dst, 12)
	fn.T("SUBS $1, %v, %v", n, n)
	fn.T("BNE pixel")
	fn.Label("last")
	fn.store3(pixel(), dst)
	fn.Ret()
}

func (f *neonFile) lerpCols1() {
	fn := f.begin("lerpCols1")
	dst, src, off, w, n, k := fn.arg("dst"), fn.arg("src"), fn.arg("off"), fn.arg("w"), fn.arg("n"), fn.arg("k")
	scale, shift := fn.Alloc(), fn.Alloc()
	fn.LdpQ(scale, shift, k, 0)
	fn.DupLane(neon.S4, shift, shift, 0)
	fn.DupLane(neon.S4, scale, scale, 0)
	v, a, b, f4 := fn.AllocN(2), fn.Alloc(), fn.Alloc(), fn.Alloc()
	fn.blocks(n, 4, func(i neon.R) {
		op, wp, d, o := fn.at(off, i, 2), fn.at(w, i, 2), fn.at(dst, i, 2), fn.AllocR()
		for j := range 4 {
			fn.T("MOVW %d(%v), %v", 4*j, op, o)
			fn.T("ADD %v, %v, %v", src, o, o)
			fn.Ld1Lane(neon.D2, v[j/2], j%2, o)
		}
		fn.Uzp1(neon.S4, a, v[0], v[1])
		fn.Uzp2(neon.S4, b, v[0], v[1])
		fn.LdrQ(f4, wp, 0)
		fn.Fsub(b, b, a)
		fn.Fmla(a, b, f4)
		fn.Mov(b, shift)
		fn.Fmla(b, a, scale)
		fn.StrQ(b, d, 0)
	})
	fn.Ret()
}

func (f *neonFile) sumCols(channels int) {
	fn := f.begin(fmt.Sprintf("sumCols%d", channels))
	dst, src, off, w, taps, n := fn.arg("dst"), fn.arg("src"), fn.arg("off"), fn.arg("w"), fn.arg("taps"), fn.arg("n")
	scale, shift := fn.factors()
	p, left := fn.AllocR(), fn.AllocR()
	acc, v, f1 := fn.Alloc(), fn.Alloc(), fn.Alloc()
	fn.Label("pixel")
	fn.T("MOVW.P 4(%v), %v", off, p)
	fn.T("ADD %v, %v, %v", src, p, p)
	fn.Movi(neon.S4, acc, 0)
	fn.T("MOVD %v, %v", taps, left)
	fn.Label("tap")
	fn.LdrSP(f1, w, 4)
	if channels == 3 {
		fn.LdrQP(v, p, 12)
	} else {
		fn.LdrSP(v, p, 4)
	}
	fn.FmlaLane(acc, v, f1, 0)
	fn.T("SUBS $1, %v, %v", left, left)
	fn.T("BNE tap")
	fn.Mov(v, shift)
	fn.Fmla(v, acc, scale)
	if channels == 3 {
		fn.T("SUBS $1, %v, %v", n, n)
		fn.T("BEQ last")
		fn.StrQP(v, dst, 12)
		fn.T("B pixel")
		fn.Label("last")
		fn.store3(v, dst)
	} else {
		fn.StrSP(v, dst, 4)
		fn.T("SUBS $1, %v, %v", n, n)
		fn.T("BNE pixel")
	}
	fn.Ret()
}

func (f *neonFile) scale() {
	fn := f.begin("scale")
	dst, src, k, n := fn.arg("dst"), fn.arg("src"), fn.arg("k"), fn.arg("n")
	scale, shift := fn.AllocN(6), fn.AllocN(6)
	for j := 0; j < 6; j += 2 {
		fn.LdpQ(scale[j], scale[j+1], k, 16*j)
		fn.LdpQ(shift[j], shift[j+1], k, 96+16*j)
	}
	fn.blocks(n, 24, func(i neon.R) {
		s, d := fn.at(src, i, 0), fn.at(dst, i, 2)
		for j := range 3 {
			b := fn.Alloc()
			fn.LdrD(b, s, 8*j)
			v := fn.widen(b, false)
			var out [2]neon.V
			for h := range out {
				out[h] = fn.Alloc()
				fn.Mov(out[h], shift[2*j+h])
				fn.Fmla(out[h], v[h], scale[2*j+h])
			}
			fn.StpQ(out[0], out[1], d, 32*j)
			fn.Free(b, v[0], v[1], out[0], out[1])
		}
	})
	fn.Ret()
}

func (f *neonFile) bytes() {
	fn := f.begin("bytes")
	dst, src, n := fn.arg("dst"), fn.arg("src"), fn.arg("n")
	v := fn.AllocN(8)
	fn.blocks(n, 32, func(i neon.R) {
		s, d := fn.at(src, i, 2), fn.at(dst, i, 0)
		// The conversion gives 0 for a NaN and what is negative; narrowing cuts at 255.
		for j := range v {
			fn.LdrQ(v[j], s, 16*j)
			fn.Fcvtnu(v[j], v[j])
		}
		for j := 0; j < 8; j += 2 {
			fn.Uqxtn(neon.H4, v[j], v[j])
			fn.Uqxtn(neon.H8, v[j], v[j+1])
		}
		for j := 0; j < 8; j += 4 {
			fn.Uqxtn(neon.B8, v[j], v[j])
			fn.Uqxtn(neon.B16, v[j], v[j+2])
		}
		fn.StpQ(v[0], v[4], d, 0)
	})
	fn.Ret()
}

func (f *neonFile) swap() {
	fn := f.begin("swap")
	dst, src, n := fn.arg("dst"), fn.arg("src"), fn.arg("n")
	v := fn.AllocN(5)
	fn.blocks(n, 16, func(i neon.R) {
		s, d := fn.triple(src, i), fn.triple(dst, i)
		fn.Ld3(neon.B16, s, v[0], v[1], v[2])
		fn.Mov(v[3], v[1])
		fn.Mov(v[4], v[0])
		fn.St3(neon.B16, d, v[2], v[3], v[4])
	})
	fn.Ret()
}

func (f *neonFile) repeat() {
	fn := f.begin("repeat")
	dst, src, n := fn.arg("dst"), fn.arg("src"), fn.arg("n")
	v := fn.AllocN(3)
	fn.blocks(n, 16, func(i neon.R) {
		s, d := fn.at(src, i, 0), fn.triple(dst, i)
		fn.LdrQ(v[0], s, 0)
		fn.Mov(v[1], v[0])
		fn.Mov(v[2], v[0])
		fn.St3(neon.B16, d, v[0], v[1], v[2])
	})
	fn.Ret()
}

func (f *neonFile) grey() {
	fn := f.begin("grey")
	dst, src, k, n := fn.arg("dst"), fn.arg("src"), fn.arg("k"), fn.arg("n")
	factors := fn.Alloc()
	fn.LdrD(factors, k, 0)
	v := fn.AllocN(3)
	out := fn.AllocN(2)
	fn.blocks(n, 16, func(i neon.R) {
		s, d := fn.triple(src, i), fn.at(dst, i, 0)
		fn.Ld3(neon.B16, s, v[0], v[1], v[2])
		for half, arr := range []neon.Arr{neon.B8, neon.B16} {
			lo, hi := fn.Alloc(), fn.Alloc()
			for c := range v {
				h := fn.Alloc()
				fn.Uxtl(arr, h, v[c])
				if c == 0 {
					fn.SmullLane(neon.H4, lo, h, factors, c)
					fn.SmullLane(neon.H8, hi, h, factors, c)
				} else {
					fn.SmlalLane(neon.H4, lo, h, factors, c)
					fn.SmlalLane(neon.H8, hi, h, factors, c)
				}
				fn.Free(h)
			}
			fn.Rshrn(neon.H4, out[half], lo, 15)
			fn.Rshrn(neon.H8, out[half], hi, 15)
			fn.Free(lo, hi)
		}
		fn.Xtn(neon.B8, out[0], out[0])
		fn.Xtn(neon.B16, out[0], out[1])
		fn.StrQ(out[0], d, 0)
	})
	fn.Ret()
}

func (f *neonFile) yuv(format string, rgb bool) {
	fn := f.begin(fmt.Sprintf("%s%t", format, rgb))
	dst, src := fn.arg("dst"), fn.arg("src")
	var uv neon.R
	if rgb && format == "NV12" {
		uv = fn.arg("uv")
	}
	k, n := fn.arg("k"), fn.arg("n")
	// Lanes 0..5: U and V for each channel; 6: Y.
	factors, add := fn.Alloc(), fn.Alloc()
	fn.LdrQ(factors, k, 0)
	fn.T("ADD $20, %v, %v", k, k)
	fn.Ld1r(neon.S4, add, k)
	in := fn.AllocN(4) // even Y, U, odd Y, V
	out := fn.AllocN(3)
	centre := fn.Alloc()
	fn.Movi(neon.B16, centre, 128)
	// luma computes Y·y + K of eight bytes.
	luma := func(y neon.V) [2]neon.V {
		h, lo, hi := fn.Alloc(), fn.Alloc(), fn.Alloc()
		fn.Uxtl(neon.B8, h, y)
		fn.Mov(lo, add)
		fn.Mov(hi, add)
		fn.SmlalLane(neon.H4, lo, h, factors, 6)
		fn.SmlalLane(neon.H8, hi, h, factors, 6)
		fn.Free(h)
		return [2]neon.V{lo, hi}
	}
	// narrow shifts by 13, cuts to bytes and leaves eight of them in d.
	narrow := func(d neon.V, s [2]neon.V) {
		fn.Sqshrun(neon.H4, d, s[0], 13)
		fn.Sqshrun(neon.H8, d, s[1], 13)
		fn.Uqxtn(neon.B8, d, d)
	}
	fn.blocks(n, 16, func(i neon.R) {
		if !rgb && format == "NV12" {
			s := fn.at(src, i, 0)
			fn.LdrD(in[0], s, 0)
			fn.LdrD(in[2], s, 8)
		} else if format == "NV12" {
			s := fn.at(src, i, 0)
			fn.Ld2(neon.B8, s, in[0], in[1])
			fn.Mov(in[2], in[1])
			s = fn.at(uv, i, 0)
			fn.Ld2(neon.B8, s, out[0], out[1])
			fn.Mov(in[1], out[0])
			fn.Mov(in[3], out[1])
		} else {
			s := fn.at(src, i, 1)
			fn.Ld4(neon.B8, s, in[0], in[1], in[2], in[3])
		}
		even, odd := luma(in[0]), luma(in[2])
		if !rgb {
			d := fn.at(dst, i, 0)
			narrow(even[0], even)
			narrow(odd[0], odd)
			if format == "NV12" {
				fn.StrD(even[0], d, 0)
				fn.StrD(odd[0], d, 8)
			} else {
				fn.Zip1(neon.B16, even[0], even[0], odd[0])
				fn.StrQ(even[0], d, 0)
			}
			return
		}
		fn.Usubl(neon.B8, in[1], in[1], centre)
		fn.Usubl(neon.B8, in[3], in[3], centre)
		for c := range out {
			var e, o [2]neon.V
			for half, arr := range []neon.Arr{neon.H4, neon.H8} {
				ch := fn.Alloc()
				fn.SmullLane(arr, ch, in[1], factors, 2*c)
				fn.SmlalLane(arr, ch, in[3], factors, 2*c+1)
				e[half], o[half] = fn.Alloc(), ch
				fn.Add(neon.S4, e[half], ch, even[half])
				fn.Add(neon.S4, o[half], ch, odd[half])
			}
			narrow(e[0], e)
			narrow(o[0], o)
			fn.Zip1(neon.B16, out[c], e[0], o[0])
			fn.Free(e[0], e[1], o[0], o[1])
		}
		d := fn.triple(dst, i)
		fn.St3(neon.B16, d, out[0], out[1], out[2])
	})
	fn.Ret()
}

func (f *neonFile) warp() {
	fn := f.begin("warp")
	const offsets, distX, distY = 8, 24, 40 // in the frame: four of each
	fn.Frame(56)
	dst, src, stride, x, n, coord := fn.arg("dst"), fn.arg("src"), fn.arg("stride"), fn.arg("x"), fn.arg("n"), fn.arg("at")
	skip := fn.arg("skip")
	fn.T("SUB %v, %v, %v", skip, src, src)
	scale, shift := fn.factors()
	at, strides, xs, four := fn.Alloc(), fn.Alloc(), fn.Alloc(), fn.Alloc()
	fn.LdrQ(at, coord, 0)
	fn.Dup(neon.S4, strides, stride)
	fn.DataAddr("iota4", skip)
	fn.LdrQ(four, skip, 0)
	fn.Dup(neon.S4, xs, x)
	fn.Add(neon.S4, xs, xs, four)
	fn.Movi(neon.S4, four, 4)
	p, left, o, o2 := fn.AllocR(), fn.AllocR(), fn.AllocR(), fn.AllocR()

	fn.Label("four")
	xf := fn.Alloc()
	fn.Scvtf(xf, xs)
	fn.Add(neon.S4, xs, xs, four)
	var whole [2]neon.V
	for a := range whole {
		s, floor := fn.Alloc(), fn.Alloc()
		fn.DupLane(neon.S4, s, at, 2*a)
		fn.FmlaLane(s, xf, at, 2*a+1)
		fn.Frintm(floor, s)
		fn.Fsub(s, s, floor)
		fn.StrQ(s, neon.RSP, []int{distX, distY}[a])
		fn.Fcvtzs(floor, floor)
		fn.Free(s)
		whole[a] = floor
	}
	fn.Add(neon.S4, xf, whole[0], whole[0])
	fn.Add(neon.S4, xf, xf, whole[0])
	fn.Mla(neon.S4, xf, whole[1], strides)
	fn.StrQ(xf, neon.RSP, offsets)
	fn.Free(xf, whole[0], whole[1])
	fn.T("ADD $%d, RSP, %v", offsets, p)
	fn.T("MOVD $4, %v", left)

	pixel := func() neon.V {
		fn.T("MOVW (%v), %v", p, o)
		fn.T("ADD %v, %v, %v", src, o, o)
		fn.T("ADD %v, %v, %v", stride, o, o2)
		fx, fy := fn.Alloc(), fn.Alloc()
		fn.LdrS(fx, p, distX-offsets)
		fn.LdrS(fy, p, distY-offsets)
		var row [2]neon.V
		for r, base := range []neon.R{o, o2} {
			a, b := fn.Alloc(), fn.Alloc()
			fn.LdrS(a, base, 0)
			fn.LdrS(b, base, 3)
			fn.Usubl(neon.B8, b, b, a)
			fn.Sxtl(neon.H4, b, b)
			fn.Scvtf(b, b)
			fn.Uxtl(neon.B8, a, a)
			fn.Uxtl(neon.H4, a, a)
			fn.Ucvtf(a, a)
			fn.FmlaLane(a, b, fx, 0)
			fn.Free(b)
			row[r] = a
		}
		fn.Fsub(row[1], row[1], row[0])
		fn.FmlaLane(row[0], row[1], fy, 0)
		fn.Mov(row[1], shift)
		fn.Fmla(row[1], row[0], scale)
		fn.Free(fx, fy, row[0], row[1])
		return row[1]
	}
	fn.Label("pixel")
	fn.T("SUBS $1, %v, %v", n, n)
	fn.T("BEQ last")
	fn.StrQP(pixel(), dst, 12)
	fn.T("ADD $4, %v, %v", p, p)
	fn.T("SUBS $1, %v, %v", left, left)
	fn.T("BNE pixel")
	fn.T("B four")
	fn.Label("last")
	fn.store3(pixel(), dst)
	fn.Ret()
}

// integers writes the kernel from 8-bit integers to float32.
func (f *neonFile) integers(signed bool) {
	fn := f.begin(fmt.Sprintf("widen%t", signed))
	dst, src, z := fn.arg("dst"), fn.arg("src"), fn.arg("zero")
	zero, scale := fn.Alloc(), fn.Alloc()
	fn.Dup(neon.H8, zero, z)
	fn.LoadArgF("scale", scale)
	n := fn.arg("n")
	b := fn.AllocN(2)
	h, lo, hi := fn.Alloc(), fn.Alloc(), fn.Alloc()
	fn.blocks(n, 32, func(i neon.R) {
		s, d := fn.at(src, i, 0), fn.at(dst, i, 2)
		fn.LdpQ(b[0], b[1], s, 0)
		for j := range 4 {
			half := []neon.Arr{neon.B8, neon.B16}[j%2]
			if signed {
				fn.Sxtl(half, h, b[j/2])
			} else {
				fn.Uxtl(half, h, b[j/2])
			}
			fn.Sub(neon.H8, h, h, zero)
			fn.Sxtl(neon.H4, lo, h)
			fn.Sxtl(neon.H8, hi, h)
			fn.Scvtf(lo, lo)
			fn.Scvtf(hi, hi)
			fn.FmulLane(lo, lo, scale, 0)
			fn.FmulLane(hi, hi, scale, 0)
			fn.StpQ(lo, hi, d, 32*j)
		}
	})
	fn.Ret()
}

func (f *neonFile) narrow() {
	fn := f.begin("narrow")
	dst, src, z := fn.arg("dst"), fn.arg("src"), fn.arg("zero")
	lo, hi, zero := fn.Alloc(), fn.Alloc(), fn.Alloc()
	fn.LoadArgF("lo", lo)
	fn.LoadArgF("hi", hi)
	for _, v := range []neon.V{lo, hi} {
		fn.Fcvtns(v, v)
		fn.DupLane(neon.H8, v, v, 0)
	}
	fn.Dup(neon.H8, zero, z)
	n := fn.arg("n")
	v, mask := fn.AllocN(4), fn.AllocN(2)
	fn.blocks(n, 32, func(i neon.R) {
		s, d := fn.at(src, i, 2), fn.at(dst, i, 0)
		for j := range 2 {
			for k := 0; k < 4; k += 2 {
				w := v[k]
				fn.LdpQ(v[k], v[k+1], s, 64*j+16*k)
				for h := range mask {
					fn.Fcmeq(mask[h], v[k+h], v[k+h])
					fn.Fcvtns(v[k+h], v[k+h])
				}
				fn.Uzp1(neon.H8, mask[0], mask[0], mask[1])
				fn.Sqxtn(neon.H4, w, w)
				fn.Sqxtn(neon.H8, w, v[k+1])
				fn.Smax(neon.H8, w, w, lo)
				fn.Smin(neon.H8, w, w, hi)
				fn.Add(neon.H8, w, w, zero)
				fn.And(w, w, mask[0])
			}
			fn.Uzp1(neon.B16, v[0], v[0], v[2])
			fn.StrQ(v[0], d, 16*j)
		}
	})
	fn.Ret()
}

func (f *neonFile) lookup() {
	fn := f.begin("lookup")
	dst, src, table := fn.arg("dst"), fn.arg("src"), fn.arg("table")
	rows := fn.AllocN(16)
	for i := 0; i < len(rows); i += 2 {
		fn.LdpQ(rows[i], rows[i+1], table, 16*i)
	}
	quarter, x, y := fn.Alloc(), fn.AllocN(4), fn.AllocN(4)
	fn.Movi(neon.B16, quarter, 64)
	n := fn.arg("n")
	fn.blocks(n, 64, func(i neon.R) {
		s, d := fn.at(src, i, 0), fn.at(dst, i, 0)
		fn.LdpQ(x[0], x[1], s, 0)
		fn.LdpQ(x[2], x[3], s, 32)
		for q := 0; q < 16; q += 4 {
			for k := range x {
				if q == 0 {
					fn.Tbl(y[k], x[k], rows[:4]...)
				} else {
					fn.Tbx(y[k], x[k], rows[q:q+4]...)
				}
				if q < 12 {
					fn.Sub(neon.B16, x[k], x[k], quarter)
				}
			}
		}
		fn.StpQ(y[0], y[1], d, 0)
		fn.StpQ(y[2], y[3], d, 32)
	})
	fn.Ret()
}

func (f *neonFile) most(signed bool) {
	fn := f.begin(fmt.Sprintf("most%t", signed))
	dst, a, b, n := fn.arg("dst"), fn.arg("a"), fn.arg("b"), fn.arg("n")
	x, y := fn.AllocN(2), fn.AllocN(2)
	fn.blocks(n, 32, func(i neon.R) {
		p, q, d := fn.at(a, i, 0), fn.at(b, i, 0), fn.at(dst, i, 0)
		fn.LdpQ(x[0], x[1], p, 0)
		fn.LdpQ(y[0], y[1], q, 0)
		for k := range x {
			if signed {
				fn.Smax(neon.B16, x[k], x[k], y[k])
			} else {
				fn.Umax(neon.B16, x[k], x[k], y[k])
			}
		}
		fn.StpQ(x[0], x[1], d, 0)
	})
	fn.Ret()
}
