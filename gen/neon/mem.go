package neon

import (
	"fmt"
	"strings"
)

// goList and gnuList are one to four consecutive registers in the two syntaxes.
func goList(a Arr, vs []V) string {
	s := make([]string, len(vs))
	for i, v := range vs {
		s[i] = a.goT(v)
	}
	return "[" + strings.Join(s, ", ") + "]"
}

func gnuList(a Arr, vs []V) string {
	must(len(vs) >= 1 && len(vs) <= 4, "a list of registers", vs)
	s := make([]string, len(vs))
	for i, v := range vs {
		must(v == (vs[0]+V(i))%32, "a list of registers", vs)
		s[i] = a.gnu(v)
	}
	if len(vs) > 2 && vs[0] < vs[len(vs)-1] {
		return "{" + s[0] + "-" + s[len(s)-1] + "}"
	}
	return "{" + strings.Join(s, ", ") + "}"
}

// multi writes a load or store of several registers. post is 0 for none, -1 for the register idx, else the bytes to advance.
func (fn *Func) multi(name, goName string, load bool, a Arr, base R, post int, idx R, vs []V) {
	gnu := fmt.Sprintf("%s %s, [%s]", name, gnuList(a, vs), base.base())
	mem := fmt.Sprintf("(%v)", base)
	switch {
	case post > 0:
		gnu += fmt.Sprintf(", #%d", post)
		mem = fmt.Sprint(post) + mem
		goName += ".P"
	case post < 0:
		gnu += ", " + idx.x()
		mem += fmt.Sprintf("(%v)", idx)
		goName += ".P"
	}
	if load {
		fn.native(fmt.Sprintf("%s %s, %s", goName, mem, goList(a, vs)), gnu)
	} else {
		fn.native(fmt.Sprintf("%s %s, %s", goName, goList(a, vs), mem), gnu)
	}
}

// Ld1 loads one to four consecutive registers from base; Ld1P advances base by their bytes, Ld1X by the register idx. St1, St1P and St1X store.

func (fn *Func) Ld1(a Arr, base R, vs ...V) { fn.multi("ld1", "VLD1", true, a, base, 0, 0, vs) }
func (fn *Func) Ld1P(a Arr, base R, vs ...V) {
	fn.multi("ld1", "VLD1", true, a, base, len(vs)*a.bytes(), 0, vs)
}
func (fn *Func) Ld1X(a Arr, base, idx R, vs ...V) {
	fn.multi("ld1", "VLD1", true, a, base, -1, idx, vs)
}
func (fn *Func) St1(a Arr, base R, vs ...V) { fn.multi("st1", "VST1", false, a, base, 0, 0, vs) }
func (fn *Func) St1P(a Arr, base R, vs ...V) {
	fn.multi("st1", "VST1", false, a, base, len(vs)*a.bytes(), 0, vs)
}
func (fn *Func) St1X(a Arr, base, idx R, vs ...V) {
	fn.multi("st1", "VST1", false, a, base, -1, idx, vs)
}

func (fn *Func) interleaved(n int, load bool, a Arr, base R, post bool, vs []V) {
	name, goName := fmt.Sprintf("st%d", n), fmt.Sprintf("VST%d", n)
	if load {
		name, goName = fmt.Sprintf("ld%d", n), fmt.Sprintf("VLD%d", n)
	}
	must(a != D1, name, a)
	p := 0
	if post {
		p = n * a.bytes()
	}
	fn.multi(name, goName, load, a, base, p, 0, vs)
}

// Ld2, Ld3, Ld4 split elements of two, three, four parts into registers v0, v1, ...; St2, St3, St4 join them. P advances base.

func (fn *Func) Ld2(a Arr, base R, v0, v1 V)  { fn.interleaved(2, true, a, base, false, []V{v0, v1}) }
func (fn *Func) Ld2P(a Arr, base R, v0, v1 V) { fn.interleaved(2, true, a, base, true, []V{v0, v1}) }
func (fn *Func) St2(a Arr, base R, v0, v1 V)  { fn.interleaved(2, false, a, base, false, []V{v0, v1}) }
func (fn *Func) St2P(a Arr, base R, v0, v1 V) { fn.interleaved(2, false, a, base, true, []V{v0, v1}) }
func (fn *Func) Ld3(a Arr, base R, v0, v1, v2 V) {
	fn.interleaved(3, true, a, base, false, []V{v0, v1, v2})
}
func (fn *Func) Ld3P(a Arr, base R, v0, v1, v2 V) {
	fn.interleaved(3, true, a, base, true, []V{v0, v1, v2})
}
func (fn *Func) St3(a Arr, base R, v0, v1, v2 V) {
	fn.interleaved(3, false, a, base, false, []V{v0, v1, v2})
}
func (fn *Func) St3P(a Arr, base R, v0, v1, v2 V) {
	fn.interleaved(3, false, a, base, true, []V{v0, v1, v2})
}
func (fn *Func) Ld4(a Arr, base R, v0, v1, v2, v3 V) {
	fn.interleaved(4, true, a, base, false, []V{v0, v1, v2, v3})
}
func (fn *Func) Ld4P(a Arr, base R, v0, v1, v2, v3 V) {
	fn.interleaved(4, true, a, base, true, []V{v0, v1, v2, v3})
}
func (fn *Func) St4(a Arr, base R, v0, v1, v2, v3 V) {
	fn.interleaved(4, false, a, base, false, []V{v0, v1, v2, v3})
}
func (fn *Func) St4P(a Arr, base R, v0, v1, v2, v3 V) {
	fn.interleaved(4, false, a, base, true, []V{v0, v1, v2, v3})
}

// Ld1r loads one element to every lane; Ld1rP advances base by it.
func (fn *Func) Ld1r(a Arr, d V, base R) { fn.multi("ld1r", "VLD1R", true, a, base, 0, 0, []V{d}) }
func (fn *Func) Ld1rP(a Arr, d V, base R) {
	fn.multi("ld1r", "VLD1R", true, a, base, a.bits()/8, 0, []V{d})
}

func (fn *Func) oneLane(name, goName string, load bool, a Arr, v V, lane int, base R, post bool) {
	gnu := fmt.Sprintf("%s {v%d.%c}[%d], [%s]", name, v.n(), "bhsd"[a.size()], a.lane(lane), base.base())
	mem := fmt.Sprintf("(%v)", base)
	if post {
		gnu += fmt.Sprintf(", #%d", a.bits()/8)
		mem = fmt.Sprint(a.bits()/8) + mem
		goName += ".P"
	}
	if load {
		fn.native(fmt.Sprintf("%s %s, %s", goName, mem, a.goLane(v, lane)), gnu)
	} else {
		fn.native(fmt.Sprintf("%s %s, %s", goName, a.goLane(v, lane), mem), gnu)
	}
}

// Ld1Lane loads one lane and keeps the others, St1Lane stores one; P advances base by it.

func (fn *Func) Ld1Lane(a Arr, d V, lane int, base R) {
	fn.oneLane("ld1", "VLD1", true, a, d, lane, base, false)
}
func (fn *Func) Ld1LaneP(a Arr, d V, lane int, base R) {
	fn.oneLane("ld1", "VLD1", true, a, d, lane, base, true)
}
func (fn *Func) St1Lane(a Arr, s V, lane int, base R) {
	fn.oneLane("st1", "VST1", false, a, s, lane, base, false)
}
func (fn *Func) St1LaneP(a Arr, s V, lane int, base R) {
	fn.oneLane("st1", "VST1", false, a, s, lane, base, true)
}

// single writes a load or store of one register at base+off, off a multiple of the size below 4096 of them, or any in -256..255.
func (fn *Func) single(load bool, c byte, size int, v V, base R, off int) {
	scaled := off >= 0 && off%size == 0 && off/size < 4096
	must(scaled || off >= -256 && off < 256, "ldr or str", off)
	name := "str"
	if load {
		name = "ldr"
	}
	if !scaled {
		name = name[:1] + map[bool]string{true: "dur", false: "tur"}[load]
	}
	at := base.base()
	if off != 0 {
		at += fmt.Sprintf(", #%d", off)
	}
	gnu := fmt.Sprintf("%s %c%d, [%s]", name, c, v.n(), at)
	mov := map[byte]string{'q': "FMOVQ", 'd': "FMOVD", 's': "FMOVS"}[c]
	mem := fmt.Sprintf("%d(%v)", off, base)
	if off == 0 {
		mem = fmt.Sprintf("(%v)", base)
	}
	if load {
		fn.native(fmt.Sprintf("%s %s, %s", mov, mem, v.F()), gnu)
	} else {
		fn.native(fmt.Sprintf("%s %s, %s", mov, v.F(), mem), gnu)
	}
}

// LdrQ, LdrD and LdrS load 16, 8 or 4 bytes from base+off and clear the rest of the register; StrQ, StrD and StrS store.

func (fn *Func) LdrQ(d V, base R, off int) { fn.single(true, 'q', 16, d, base, off) }
func (fn *Func) LdrD(d V, base R, off int) { fn.single(true, 'd', 8, d, base, off) }
func (fn *Func) LdrS(d V, base R, off int) { fn.single(true, 's', 4, d, base, off) }
func (fn *Func) StrQ(s V, base R, off int) { fn.single(false, 'q', 16, s, base, off) }
func (fn *Func) StrD(s V, base R, off int) { fn.single(false, 'd', 8, s, base, off) }
func (fn *Func) StrS(s V, base R, off int) { fn.single(false, 's', 4, s, base, off) }

// post writes a load or store of one register at base that then advances base by off in -256..255, not 0.
func (fn *Func) post(load bool, c byte, v V, base R, off int) {
	must(off != 0 && off >= -256 && off < 256, "ldr or str", off)
	mov := map[byte]string{'q': "FMOVQ.P", 'd': "FMOVD.P", 's': "FMOVS.P"}[c]
	at := fmt.Sprintf("%c%d, [%s], #%d", c, v.n(), base.base(), off)
	if load {
		fn.native(fmt.Sprintf("%s %d(%v), %s", mov, off, base, v.F()), "ldr "+at)
	} else {
		fn.native(fmt.Sprintf("%s %s, %d(%v)", mov, v.F(), off, base), "str "+at)
	}
}

// The forms with P load or store at base and then advance it by off, -256..255.

func (fn *Func) LdrQP(d V, base R, off int) { fn.post(true, 'q', d, base, off) }
func (fn *Func) LdrDP(d V, base R, off int) { fn.post(true, 'd', d, base, off) }
func (fn *Func) LdrSP(d V, base R, off int) { fn.post(true, 's', d, base, off) }
func (fn *Func) StrQP(s V, base R, off int) { fn.post(false, 'q', s, base, off) }
func (fn *Func) StrDP(s V, base R, off int) { fn.post(false, 'd', s, base, off) }
func (fn *Func) StrSP(s V, base R, off int) { fn.post(false, 's', s, base, off) }

func (fn *Func) pairQ(load, post bool, a, b V, base R, off int) {
	must(off%16 == 0 && off >= -1024 && off <= 1008 && (!load || a != b), "ldp or stp", off)
	name, goName := "stp", "FSTPQ"
	if load {
		name, goName = "ldp", "FLDPQ"
	}
	mem, at := fmt.Sprintf("%d(%v)", off, base), fmt.Sprintf("[%s, #%d]", base.base(), off)
	switch {
	case post:
		must(off != 0, name+" with no advance")
		goName += ".P"
		at = fmt.Sprintf("[%s], #%d", base.base(), off)
	case off == 0:
		mem, at = fmt.Sprintf("(%v)", base), fmt.Sprintf("[%s]", base.base())
	}
	gnu := fmt.Sprintf("%s q%d, q%d, %s", name, a.n(), b.n(), at)
	if load {
		fn.native(fmt.Sprintf("%s %s, (%s, %s)", goName, mem, a.F(), b.F()), gnu)
	} else {
		fn.native(fmt.Sprintf("%s (%s, %s), %s", goName, a.F(), b.F(), mem), gnu)
	}
}

// LdpQ loads two registers from base+off, off a multiple of 16 in -1024..1008; LdpQP loads from base and then advances it by off. StpQ and StpQP store.

func (fn *Func) LdpQ(a, b V, base R, off int)  { fn.pairQ(true, false, a, b, base, off) }
func (fn *Func) LdpQP(a, b V, base R, off int) { fn.pairQ(true, true, a, b, base, off) }
func (fn *Func) StpQ(a, b V, base R, off int)  { fn.pairQ(false, false, a, b, base, off) }
func (fn *Func) StpQP(a, b V, base R, off int) { fn.pairQ(false, true, a, b, base, off) }

// Prfm fetches the cache line at base+off to the first level, off a multiple of 8 in 0..32760.
func (fn *Func) Prfm(base R, off int) {
	must(off >= 0 && off%8 == 0 && off < 8*4096, "prfm", off)
	mem, at := fmt.Sprintf("%d(%v)", off, base), fmt.Sprintf("[%s, #%d]", base.base(), off)
	if off == 0 {
		mem, at = fmt.Sprintf("(%v)", base), fmt.Sprintf("[%s]", base.base())
	}
	fn.native(fmt.Sprintf("PRFM %s, PLDL1KEEP", mem), "prfm pldl1keep, "+at)
}
