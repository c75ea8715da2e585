package main

import (
	"fmt"

	"github.com/ocellus-vision/ocellus/gen/neon"
)

// arm is NEON, and the machine of its transforms. The constants stay in the lanes of the first two registers.
type arm struct{ *neon.Func }

const (
	lanesNEON     = 4
	registersNEON = 32
	constantsNEON = 2 // registers
)

func (t arm) mov(d, s int)    { t.Mov(neon.V(d), neon.V(s)) }
func (t arm) add(d, a, b int) { t.Fadd(neon.V(d), neon.V(a), neon.V(b)) }
func (t arm) sub(d, a, b int) { t.Fsub(neon.V(d), neon.V(a), neon.V(b)) }
func (t arm) mul(d int, c factor, a int) {
	t.FmulLane(neon.V(d), neon.V(a), neon.V(c/lanesNEON), int(c%lanesNEON))
}
func (t arm) fma(d int, c factor, a int) {
	t.FmlaLane(neon.V(d), neon.V(a), neon.V(c/lanesNEON), int(c%lanesNEON))
}
func (t arm) fnma(d int, c factor, a int) {
	t.FmlsLane(neon.V(d), neon.V(a), neon.V(c/lanesNEON), int(c%lanesNEON))
}

// The general registers of all functions on arm64.
const (
	nArgs = neon.R0 + iota
	nTmp
	nIdx    // bytes of channels done
	nCursor // into the planes
	nColumn // of planes, at the channels
	nPlanes // of the tile
	nPlane
	nStep // from one plane to the next that is used
	nRows
	nCols
	nTiles
	nChans
	nWork
	nImage
	nOutside
	nAt
	nRow
)

func (t arm) field(name string, r neon.R) { t.T("MOVD %d(%v), %v", arguments.Offset(name), nArgs, r) }

func arm64() error {
	f := neon.NewFile("gen/winograd", "asm")
	f.DataF("winogradInput", append(inputFactors[:], 0, 0))
	f.DataF("winogradOutput", append(outputFactors[:], 0, 0))
	for _, v := range inputs {
		nInput(f, v)
	}
	for _, v := range variants {
		nOutput(f, v)
	}
	return f.WriteFiles("../asm", "winograd_neon")
}

// nStart begins a function: registers that all have, and the constants.
func nStart(f *neon.File, name, doc string, v variant, consts string) (arm, *pool) {
	t := arm{f.Func(name, "(args *WinogradArgs)", doc)}
	t.LoadArg("args", nArgs)
	for _, l := range []struct {
		name string
		r    neon.R
	}{{"Planes", nPlanes}, {"Plane", nPlane}, {"Rows", nRows}, {"Cols", nCols}, {"Tiles", nTiles}, {"Chans", nChans}, {"Work", nWork}, {"Outside", nOutside}} {
		t.field(l.name, l.r)
	}
	if v.n == 4 {
		return t, newPool(0, registersNEON)
	}
	t.DataAddr(consts, nTmp)
	t.LdpQ(neon.V0, neon.V1, nTmp, 0)
	return t, newPool(constantsNEON, registersNEON)
}

// addresses writes those of k x k pixels of image to the working memory.
func (t arm) addresses(image neon.R, k, at int) {
	for i := range k {
		t.T("MOVD %d(%v), %v", 8*i, nRows, nRow)
		for j := range k {
			t.T("MOVD %d(%v), %v", 8*j, nCols, nAt)
			t.T("ADDS %v, %v, %v", nRow, nAt, nAt)
			t.T("ADD %v, %v, %v", image, nAt, nAt)
			t.T("CSEL MI, %v, %v, %v", nOutside, nAt, nAt)
			t.T("MOVD %v, %d(%v)", nAt, at+8*(i*k+j), nWork)
		}
	}
}

// at leaves the address of channel nIdx of a pixel whose address is in the working memory.
func (t arm) at(disp int) {
	t.T("MOVD %d(%v), %v", disp, nWork, nTmp)
	t.T("ADD %v, %v, %v", nIdx, nTmp, nTmp)
}

func (t arm) spill(n int) (spill, fill func(v, i, j int)) {
	at := func(i, j int) int { return workSpill + 4*lanesNEON*(i*n+j) }
	return func(v, i, j int) { t.StrQ(neon.V(v), nWork, at(i, j)) }, func(v, i, j int) { t.LdrQ(neon.V(v), nWork, at(i, j)) }
}

// next ends the loop over channels and that over tiles of k columns.
func (t arm) next(k int) {
	t.T("ADD $%d, %v, %v", 4*lanesNEON, nIdx, nIdx)
	t.T("CMP %v, %v", nChans, nIdx)
	t.T("BLT channels")
	t.T("ADD $%d, %v, %v", 8*k, nCols, nCols)
	t.field("Row", nTmp)
	t.T("ADD %v, %v, %v", nTmp, nPlanes, nPlanes)
	t.T("SUBS $1, %v, %v", nTiles, nTiles)
	t.T("BNE tile")
	t.Ret()
}

func nInput(f *neon.File, v variant) {
	n := v.n
	t, p := nStart(f, v.inputName("NEON"), v.inputDoc("NEON", lanesNEON), v, "winogradInput")
	t.Label("tile")
	t.field("Image", nImage)
	t.addresses(nImage, n, workPixels)
	t.T("MOVD ZR, %v", nIdx)
	t.Label("channels")
	t.T("ADD %v, %v, %v", nIdx, nPlanes, nCursor)
	spill, fill := t.spill(n)
	passes(p, n, n, v.kept(registersNEON, constantsNEON, n), func(d []int) []int { return input(t, p, d) },
		func(d, i, j int) {
			t.at(workPixels + 8*(i*n+j))
			t.LdrQ(neon.V(d), nTmp, 0)
		}, spill, fill,
		func(_ int, y []int) {
			for _, r := range y {
				t.St1X(neon.S4, nCursor, nPlane, neon.V(r))
			}
			p.put(y...)
		})
	t.next(n)
}

func nOutput(f *neon.File, v variant) {
	n, m := v.n, v.m
	t, p := nStart(f, v.outputName("NEON"), v.outputDoc("NEON", lanesNEON), v, "winogradOutput")
	t.T("MOVD $%d, %v", n, nTmp)
	t.T("MUL %v, %v, %v", nTmp, nPlane, nStep)
	t.Label("tile")
	t.field("Image", nImage)
	t.addresses(nImage, m, workPixels)
	t.field("Res", nImage)
	t.T("CBZ %v, plain", nImage)
	t.addresses(nImage, m, workRes)
	t.Label("plain")
	t.T("MOVD ZR, %v", nIdx)
	t.Label("channels")
	t.T("ADD %v, %v, %v", nIdx, nPlanes, nColumn)
	spill, fill := t.spill(n)
	passes(p, n, m, v.kept(registersNEON, constantsNEON, m), func(d []int) []int { return output(t, p, m, d) },
		func(d, i, _ int) {
			if i == 0 {
				t.T("MOVD %v, %v", nColumn, nCursor)
				t.T("ADD %v, %v, %v", nPlane, nColumn, nColumn)
			}
			t.Ld1X(neon.S4, nCursor, nStep, neon.V(d))
		}, spill, fill,
		func(i int, y []int) { t.finish(p, fmt.Sprintf("row%d", i), m, i, y) })
	t.next(m)
}

// broadcast loads a float of the arguments to every lane.
func (t arm) broadcast(name string, v neon.V) {
	t.T("ADD $%d, %v, %v", arguments.Offset(name), nArgs, nTmp)
	t.Ld1r(neon.S4, v, nTmp)
}

// finish adds bias and residual to a row of a tile, applies the activation by comparing and selecting, and stores it.
func (t arm) finish(p *pool, label string, m, i int, y []int) {
	b := p.get()
	t.field("Bias", nTmp)
	t.T("ADD %v, %v, %v", nIdx, nTmp, nTmp)
	t.LdrQ(neon.V(b), nTmp, 0)
	for _, r := range y {
		t.add(r, r, b)
	}
	t.T("CBZ %v, %s", nImage, label+"act") // the residual
	for j, r := range y {
		t.at(workRes + 8*(i*m+j))
		t.LdrQ(neon.V(b), nTmp, 0)
		t.add(r, r, b)
	}
	t.Label(label + "act")
	t.field("Act", nTmp)
	t.T("CMP $1, %v", nTmp)
	t.T("BLT %s", label+"store")
	t.T("BGT %s", label+"leaky")
	h, k := p.get(), p.get()
	lo, hi, mask := neon.V(b), neon.V(h), neon.V(k)
	t.broadcast("Lo", lo)
	t.broadcast("Hi", hi)
	for _, r := range y {
		t.Fcmgt(mask, lo, neon.V(r))
		t.Bit(neon.V(r), lo, mask)
		t.Fcmgt(mask, neon.V(r), hi)
		t.Bit(neon.V(r), hi, mask)
	}
	t.T("B %s", label+"store")
	t.Label(label + "leaky")
	alpha, scaled := lo, hi
	t.broadcast("Alpha", alpha)
	for _, r := range y {
		t.FcmgtZero(mask, neon.V(r))
		t.Fmul(scaled, neon.V(r), alpha)
		t.Bif(neon.V(r), scaled, mask)
	}
	p.put(b, h, k)
	t.Label(label + "store")
	for j, r := range y {
		t.at(workPixels + 8*(i*m+j))
		t.StrQ(neon.V(r), nTmp, 0)
	}
	p.put(y...)
}
