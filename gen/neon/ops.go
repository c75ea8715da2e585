package neon

import (
	"fmt"
	"math"
)

// must panics where an operand cannot be encoded.
func must(ok bool, name string, args ...any) {
	if !ok {
		panic("neon: cannot encode " + name + " " + fmt.Sprint(args...))
	}
}

func dnm(d, n, m V) uint32 { return m.n()<<16 | n.n()<<5 | d.n() }

// same3 encodes "three registers of the same arrangement"; sizes is a set of permitted lane widths, bit i for 8<<i bits.
func (fn *Func) same3(name, goName string, u, op, sizes uint32, a Arr, d, n, m V) {
	must(sizes>>a.size()&1 == 1 && a != D1, name, a)
	gnu := fmt.Sprintf("%s %s, %s, %s", name, a.gnu(d), a.gnu(n), a.gnu(m))
	if goName != "" {
		fn.native(fmt.Sprintf("%s %s, %s, %s", goName, a.goT(m), a.goT(n), a.goT(d)), gnu)
		return
	}
	fn.word(0x0e200400|a.q()<<30|u<<29|a.size()<<22|op<<11|dnm(d, n, m), gnu)
}

func (fn *Func) float3(name string, u, hi, op uint32, d, n, m V) {
	fn.word(0x4e200400|u<<29|hi<<23|op<<11|dnm(d, n, m), fmt.Sprintf("%s %s, %s, %s", name, S4.gnu(d), S4.gnu(n), S4.gnu(m)))
}

func (fn *Func) float2(name string, u, hi, op uint32, d, n V, tail string) {
	fn.word(0x4e200800|u<<29|hi<<23|op<<12|n.n()<<5|d.n(), fmt.Sprintf("%s %s, %s%s", name, S4.gnu(d), S4.gnu(n), tail))
}

// Float32, four lanes.

func (fn *Func) Fadd(d, n, m V) { fn.float3("fadd", 0, 0, 0x1a, d, n, m) }
func (fn *Func) Fsub(d, n, m V) { fn.float3("fsub", 0, 1, 0x1a, d, n, m) }
func (fn *Func) Fmul(d, n, m V) { fn.float3("fmul", 1, 0, 0x1b, d, n, m) }
func (fn *Func) Fdiv(d, n, m V) { fn.float3("fdiv", 1, 0, 0x1f, d, n, m) }

// Faddp adds neighbours: d = n0+n1, n2+n3, m0+m1, m2+m3.
func (fn *Func) Faddp(d, n, m V) { fn.float3("faddp", 1, 0, 0x1a, d, n, m) }

// Fabd is |n - m|.
func (fn *Func) Fabd(d, n, m V)  { fn.float3("fabd", 1, 1, 0x1a, d, n, m) }
func (fn *Func) Fcmeq(d, n, m V) { fn.float3("fcmeq", 0, 0, 0x1c, d, n, m) }
func (fn *Func) Fcmge(d, n, m V) { fn.float3("fcmge", 1, 0, 0x1c, d, n, m) }
func (fn *Func) Fcmgt(d, n, m V) { fn.float3("fcmgt", 1, 1, 0x1c, d, n, m) }

// Facge and Facgt compare absolute values.
func (fn *Func) Facge(d, n, m V) { fn.float3("facge", 1, 0, 0x1d, d, n, m) }
func (fn *Func) Facgt(d, n, m V) { fn.float3("facgt", 1, 1, 0x1d, d, n, m) }

// Fmla is d = fma(n, m, d), Fmls is d = fma(-n, m, d).
func (fn *Func) Fmla(d, n, m V) { fn.same3("fmla", "VFMLA", 0, 0, 1<<2, S4, d, n, m) }
func (fn *Func) Fmls(d, n, m V) { fn.same3("fmls", "VFMLS", 0, 0, 1<<2, S4, d, n, m) }

// FmlaLane is d = fma(n, m[lane], d), FmlsLane d = fma(-n, m[lane], d), FmulLane d = n * m[lane].
func (fn *Func) FmlaLane(d, n, m V, lane int) { fn.lane3("fmla", 0, 1, S4, S4, d, n, m, lane) }
func (fn *Func) FmlsLane(d, n, m V, lane int) { fn.lane3("fmls", 0, 5, S4, S4, d, n, m, lane) }
func (fn *Func) FmulLane(d, n, m V, lane int) { fn.lane3("fmul", 0, 9, S4, S4, d, n, m, lane) }

func (fn *Func) Fabs(d, n V)      { fn.float2("fabs", 0, 1, 0x0f, d, n, "") }
func (fn *Func) Fneg(d, n V)      { fn.float2("fneg", 1, 1, 0x0f, d, n, "") }
func (fn *Func) Fsqrt(d, n V)     { fn.float2("fsqrt", 1, 1, 0x1f, d, n, "") }
func (fn *Func) FcmgtZero(d, n V) { fn.float2("fcmgt", 0, 1, 0x0c, d, n, ", #0.0") }
func (fn *Func) FcmeqZero(d, n V) { fn.float2("fcmeq", 0, 1, 0x0d, d, n, ", #0.0") }
func (fn *Func) FcmltZero(d, n V) { fn.float2("fcmlt", 0, 1, 0x0e, d, n, ", #0.0") }
func (fn *Func) FcmgeZero(d, n V) { fn.float2("fcmge", 1, 1, 0x0c, d, n, ", #0.0") }
func (fn *Func) FcmleZero(d, n V) { fn.float2("fcmle", 1, 1, 0x0d, d, n, ", #0.0") }

// Frintn rounds to nearest even, Frintm down, Frintp up, Frintz to zero, Frinta to nearest with ties away.
func (fn *Func) Frintn(d, n V) { fn.float2("frintn", 0, 0, 0x18, d, n, "") }
func (fn *Func) Frintm(d, n V) { fn.float2("frintm", 0, 0, 0x19, d, n, "") }
func (fn *Func) Frintp(d, n V) { fn.float2("frintp", 0, 1, 0x18, d, n, "") }
func (fn *Func) Frintz(d, n V) { fn.float2("frintz", 0, 1, 0x19, d, n, "") }
func (fn *Func) Frinta(d, n V) { fn.float2("frinta", 1, 0, 0x18, d, n, "") }

// Fcvt.. convert to int32 (s) or uint32 (u) and saturate; NaN gives 0. Scvtf and Ucvtf round to nearest even.
func (fn *Func) Fcvtns(d, n V) { fn.float2("fcvtns", 0, 0, 0x1a, d, n, "") }
func (fn *Func) Fcvtnu(d, n V) { fn.float2("fcvtnu", 1, 0, 0x1a, d, n, "") }
func (fn *Func) Fcvtms(d, n V) { fn.float2("fcvtms", 0, 0, 0x1b, d, n, "") }
func (fn *Func) Fcvtas(d, n V) { fn.float2("fcvtas", 0, 0, 0x1c, d, n, "") }
func (fn *Func) Fcvtzs(d, n V) { fn.float2("fcvtzs", 0, 1, 0x1b, d, n, "") }
func (fn *Func) Fcvtzu(d, n V) { fn.float2("fcvtzu", 1, 1, 0x1b, d, n, "") }
func (fn *Func) Scvtf(d, n V)  { fn.float2("scvtf", 0, 0, 0x1d, d, n, "") }
func (fn *Func) Ucvtf(d, n V)  { fn.float2("ucvtf", 1, 0, 0x1d, d, n, "") }

// Fcvtl widens float16 (H4, H8) or float32 (S2, S4) lanes; Fcvtn narrows to them, to nearest even.
func (fn *Func) Fcvtl(a Arr, d, n V) {
	must(a.size() == 1 || a.size() == 2, "fcvtl", a)
	fn.word(0x0e217800|a.q()<<30|(a.size()-1)<<22|n.n()<<5|d.n(), fmt.Sprintf("fcvtl%s %s, %s", a.two(), a.wide().gnu(d), a.gnu(n)))
}
func (fn *Func) Fcvtn(a Arr, d, n V) {
	must(a.size() == 1 || a.size() == 2, "fcvtn", a)
	fn.word(0x0e216800|a.q()<<30|(a.size()-1)<<22|n.n()<<5|d.n(), fmt.Sprintf("fcvtn%s %s, %s", a.two(), a.gnu(d), a.wide().gnu(n)))
}

// All 16 bytes.

func (fn *Func) And(d, n, m V) { fn.same3("and", "VAND", 0, 0, 1, B16, d, n, m) }
func (fn *Func) Eor(d, n, m V) { fn.same3("eor", "VEOR", 0, 0, 1, B16, d, n, m) }

// Bic is n &^ m, Orn is n | ^m.
func (fn *Func) Bic(d, n, m V) {
	fn.word(0x4e601c00|dnm(d, n, m), fmt.Sprintf("bic %s, %s, %s", B16.gnu(d), B16.gnu(n), B16.gnu(m)))
}
func (fn *Func) Orn(d, n, m V) {
	fn.word(0x4ee01c00|dnm(d, n, m), fmt.Sprintf("orn %s, %s, %s", B16.gnu(d), B16.gnu(n), B16.gnu(m)))
}
func (fn *Func) Orr(d, n, m V) {
	if n == m {
		fn.Mov(d, n)
		return
	}
	fn.same3("orr", "VORR", 0, 0, 1, B16, d, n, m)
}
func (fn *Func) Bsl(d, n, m V) { fn.same3("bsl", "VBSL", 0, 0, 1, B16, d, n, m) }
func (fn *Func) Bit(d, n, m V) { fn.same3("bit", "VBIT", 0, 0, 1, B16, d, n, m) }
func (fn *Func) Bif(d, n, m V) { fn.same3("bif", "VBIF", 0, 0, 1, B16, d, n, m) }
func (fn *Func) Not(d, n V) {
	fn.word(0x6e205800|n.n()<<5|d.n(), fmt.Sprintf("mvn %s, %s", B16.gnu(d), B16.gnu(n)))
}
func (fn *Func) Mov(d, n V) {
	fn.native(fmt.Sprintf("VMOV %s, %s", B16.goT(n), B16.goT(d)), fmt.Sprintf("mov %s, %s", B16.gnu(d), B16.gnu(n)))
}

// Integers, lane by lane.

const (
	bhs  = 1<<0 | 1<<1 | 1<<2
	bhsd = bhs | 1<<3
	hs   = 1<<1 | 1<<2
)

func (fn *Func) Add(a Arr, d, n, m V)  { fn.same3("add", "VADD", 0, 0, bhsd, a, d, n, m) }
func (fn *Func) Sub(a Arr, d, n, m V)  { fn.same3("sub", "VSUB", 0, 0, bhsd, a, d, n, m) }
func (fn *Func) Addp(a Arr, d, n, m V) { fn.same3("addp", "VADDP", 0, 0, bhsd, a, d, n, m) }
func (fn *Func) Mul(a Arr, d, n, m V)  { fn.same3("mul", "", 0, 0x13, bhs, a, d, n, m) }
func (fn *Func) Mla(a Arr, d, n, m V)  { fn.same3("mla", "", 0, 0x12, bhs, a, d, n, m) }
func (fn *Func) Mls(a Arr, d, n, m V)  { fn.same3("mls", "", 1, 0x12, bhs, a, d, n, m) }
func (fn *Func) Smax(a Arr, d, n, m V) { fn.same3("smax", "", 0, 0x0c, bhs, a, d, n, m) }
func (fn *Func) Smin(a Arr, d, n, m V) { fn.same3("smin", "", 0, 0x0d, bhs, a, d, n, m) }
func (fn *Func) Umax(a Arr, d, n, m V) { fn.same3("umax", "VUMAX", 1, 0x0c, bhs, a, d, n, m) }
func (fn *Func) Umin(a Arr, d, n, m V) { fn.same3("umin", "VUMIN", 1, 0x0d, bhs, a, d, n, m) }
func (fn *Func) Sabd(a Arr, d, n, m V) { fn.same3("sabd", "", 0, 0x0e, bhs, a, d, n, m) }
func (fn *Func) Uabd(a Arr, d, n, m V) { fn.same3("uabd", "", 1, 0x0e, bhs, a, d, n, m) }
func (fn *Func) Cmeq(a Arr, d, n, m V) { fn.same3("cmeq", "VCMEQ", 1, 0x11, bhsd, a, d, n, m) }
func (fn *Func) Cmgt(a Arr, d, n, m V) { fn.same3("cmgt", "", 0, 0x06, bhsd, a, d, n, m) }
func (fn *Func) Cmge(a Arr, d, n, m V) { fn.same3("cmge", "", 0, 0x07, bhsd, a, d, n, m) }
func (fn *Func) Cmhi(a Arr, d, n, m V) { fn.same3("cmhi", "", 1, 0x06, bhsd, a, d, n, m) }
func (fn *Func) Cmhs(a Arr, d, n, m V) { fn.same3("cmhs", "", 1, 0x07, bhsd, a, d, n, m) }

// Cmtst is n & m != 0.
func (fn *Func) Cmtst(a Arr, d, n, m V) { fn.same3("cmtst", "VCMTST", 0, 0, bhsd, a, d, n, m) }

// Sshl, Ushl shift left by the signed low byte of m's lane, right where it is negative; Srshl, Urshl round half up then.
func (fn *Func) Sshl(a Arr, d, n, m V)  { fn.same3("sshl", "", 0, 0x08, bhsd, a, d, n, m) }
func (fn *Func) Ushl(a Arr, d, n, m V)  { fn.same3("ushl", "", 1, 0x08, bhsd, a, d, n, m) }
func (fn *Func) Srshl(a Arr, d, n, m V) { fn.same3("srshl", "", 0, 0x0a, bhsd, a, d, n, m) }
func (fn *Func) Urshl(a Arr, d, n, m V) { fn.same3("urshl", "", 1, 0x0a, bhsd, a, d, n, m) }
func (fn *Func) Sqadd(a Arr, d, n, m V) { fn.same3("sqadd", "", 0, 0x01, bhsd, a, d, n, m) }
func (fn *Func) Uqadd(a Arr, d, n, m V) { fn.same3("uqadd", "", 1, 0x01, bhsd, a, d, n, m) }
func (fn *Func) Sqsub(a Arr, d, n, m V) { fn.same3("sqsub", "", 0, 0x05, bhsd, a, d, n, m) }
func (fn *Func) Uqsub(a Arr, d, n, m V) { fn.same3("uqsub", "", 1, 0x05, bhsd, a, d, n, m) }

// Uhadd is (n + m) >> 1, Urhadd is (n + m + 1) >> 1, without overflow.
func (fn *Func) Uhadd(a Arr, d, n, m V)  { fn.same3("uhadd", "", 1, 0x00, bhs, a, d, n, m) }
func (fn *Func) Urhadd(a Arr, d, n, m V) { fn.same3("urhadd", "", 1, 0x02, bhs, a, d, n, m) }

// Sqdmulh is the upper half of 2·n·m, Sqrdmulh rounds it half up.
func (fn *Func) Sqdmulh(a Arr, d, n, m V)  { fn.same3("sqdmulh", "", 0, 0x16, hs, a, d, n, m) }
func (fn *Func) Sqrdmulh(a Arr, d, n, m V) { fn.same3("sqrdmulh", "", 1, 0x16, hs, a, d, n, m) }

// lane3 encodes an instruction by lane of m; a is the arrangement of n and of the lane, da that of d.
func (fn *Func) lane3(name string, u, op uint32, da, a Arr, d, n, m V, lane int) {
	l := uint32(a.lane(lane))
	w := 0x0f000000 | a.q()<<30 | u<<29 | a.size()<<22 | op<<12 | n.n()<<5 | d.n() | m.n()<<16
	switch a.size() {
	case 1:
		must(m < 16, name, "lane of", m)
		w |= (l>>2)<<11 | (l>>1&1)<<21 | (l&1)<<20
	case 2:
		w |= (l>>1)<<11 | (l&1)<<21
	default:
		must(false, name, a)
	}
	suffix := ""
	if da != a {
		suffix = a.two()
	}
	fn.word(w, fmt.Sprintf("%s%s %s, %s, %s", name, suffix, da.gnu(d), a.gnu(n), a.gnuLane(m, lane)))
}

// By lane of m; lanes of 16 bits are had of V0 to V15 only.

func (fn *Func) MulLane(a Arr, d, n, m V, lane int) { fn.lane3("mul", 0, 8, a, a, d, n, m, lane) }
func (fn *Func) MlaLane(a Arr, d, n, m V, lane int) { fn.lane3("mla", 1, 0, a, a, d, n, m, lane) }
func (fn *Func) SmullLane(a Arr, d, n, m V, lane int) {
	fn.lane3("smull", 0, 10, a.wide(), a, d, n, m, lane)
}
func (fn *Func) UmullLane(a Arr, d, n, m V, lane int) {
	fn.lane3("umull", 1, 10, a.wide(), a, d, n, m, lane)
}
func (fn *Func) SmlalLane(a Arr, d, n, m V, lane int) {
	fn.lane3("smlal", 0, 2, a.wide(), a, d, n, m, lane)
}
func (fn *Func) UmlalLane(a Arr, d, n, m V, lane int) {
	fn.lane3("umlal", 1, 2, a.wide(), a, d, n, m, lane)
}
func (fn *Func) SqrdmulhLane(a Arr, d, n, m V, lane int) {
	fn.lane3("sqrdmulh", 0, 13, a, a, d, n, m, lane)
}

// Sdot and Udot add four products of 8 bits to each 32-bit lane; a CPU has them where it says asimddp.
func (fn *Func) Sdot(d, n, m V) {
	fn.word(0x4e809400|dnm(d, n, m), fmt.Sprintf("sdot %s, %s, %s", S4.gnu(d), B16.gnu(n), B16.gnu(m)))
}
func (fn *Func) Udot(d, n, m V) {
	fn.word(0x6e809400|dnm(d, n, m), fmt.Sprintf("udot %s, %s, %s", S4.gnu(d), B16.gnu(n), B16.gnu(m)))
}

// SdotLane and UdotLane take the four bytes of m from one 32-bit lane.
func (fn *Func) SdotLane(d, n, m V, lane int) { fn.dotLane("sdot", 0, d, n, m, lane) }
func (fn *Func) UdotLane(d, n, m V, lane int) { fn.dotLane("udot", 1, d, n, m, lane) }

func (fn *Func) dotLane(name string, u uint32, d, n, m V, lane int) {
	l := uint32(S4.lane(lane))
	fn.word(0x4f80e000|u<<29|(l>>1)<<11|(l&1)<<21|dnm(d, n, m), fmt.Sprintf("%s %s, %s, v%d.4b[%d]", name, S4.gnu(d), B16.gnu(n), m.n(), l))
}

// long3 encodes d.wide = n.narrow op m.narrow, wide3 d.wide = n.wide op m.narrow.
func (fn *Func) long3(name string, u, op uint32, a Arr, d, n, m V) {
	fn.word(0x0e200000|a.q()<<30|u<<29|a.size()<<22|op<<12|dnm(d, n, m),
		fmt.Sprintf("%s%s %s, %s, %s", name, a.two(), a.wide().gnu(d), a.gnu(n), a.gnu(m)))
}
func (fn *Func) wide3(name string, u, op uint32, a Arr, d, n, m V) {
	fn.word(0x0e200000|a.q()<<30|u<<29|a.size()<<22|op<<12|dnm(d, n, m),
		fmt.Sprintf("%s%s %s, %s, %s", name, a.two(), a.wide().gnu(d), a.wide().gnu(n), a.gnu(m)))
}

// Widening; a is the narrow arrangement.

func (fn *Func) Smull(a Arr, d, n, m V) { fn.long3("smull", 0, 12, a, d, n, m) }
func (fn *Func) Umull(a Arr, d, n, m V) { fn.long3("umull", 1, 12, a, d, n, m) }
func (fn *Func) Smlal(a Arr, d, n, m V) { fn.long3("smlal", 0, 8, a, d, n, m) }
func (fn *Func) Umlal(a Arr, d, n, m V) { fn.long3("umlal", 1, 8, a, d, n, m) }
func (fn *Func) Smlsl(a Arr, d, n, m V) { fn.long3("smlsl", 0, 10, a, d, n, m) }
func (fn *Func) Umlsl(a Arr, d, n, m V) { fn.long3("umlsl", 1, 10, a, d, n, m) }
func (fn *Func) Saddl(a Arr, d, n, m V) { fn.long3("saddl", 0, 0, a, d, n, m) }
func (fn *Func) Uaddl(a Arr, d, n, m V) { fn.long3("uaddl", 1, 0, a, d, n, m) }
func (fn *Func) Ssubl(a Arr, d, n, m V) { fn.long3("ssubl", 0, 2, a, d, n, m) }
func (fn *Func) Usubl(a Arr, d, n, m V) { fn.long3("usubl", 1, 2, a, d, n, m) }
func (fn *Func) Uabdl(a Arr, d, n, m V) { fn.long3("uabdl", 1, 7, a, d, n, m) }
func (fn *Func) Saddw(a Arr, d, n, m V) { fn.wide3("saddw", 0, 1, a, d, n, m) }
func (fn *Func) Uaddw(a Arr, d, n, m V) { fn.wide3("uaddw", 1, 1, a, d, n, m) }

// misc2 encodes a two-register instruction on one arrangement.
func (fn *Func) misc2(name string, u, op, sizes uint32, a Arr, d, n V, tail string) {
	must(sizes>>a.size()&1 == 1 && a != D1, name, a)
	fn.word(0x0e200800|a.q()<<30|u<<29|a.size()<<22|op<<12|n.n()<<5|d.n(), fmt.Sprintf("%s %s, %s%s", name, a.gnu(d), a.gnu(n), tail))
}

func (fn *Func) Abs(a Arr, d, n V)      { fn.misc2("abs", 0, 0x0b, bhsd, a, d, n, "") }
func (fn *Func) Neg(a Arr, d, n V)      { fn.misc2("neg", 1, 0x0b, bhsd, a, d, n, "") }
func (fn *Func) CmgtZero(a Arr, d, n V) { fn.misc2("cmgt", 0, 0x08, bhsd, a, d, n, ", #0") }
func (fn *Func) CmgeZero(a Arr, d, n V) { fn.misc2("cmge", 1, 0x08, bhsd, a, d, n, ", #0") }
func (fn *Func) CmeqZero(a Arr, d, n V) { fn.misc2("cmeq", 0, 0x09, bhsd, a, d, n, ", #0") }
func (fn *Func) CmleZero(a Arr, d, n V) { fn.misc2("cmle", 1, 0x09, bhsd, a, d, n, ", #0") }
func (fn *Func) CmltZero(a Arr, d, n V) { fn.misc2("cmlt", 0, 0x0a, bhsd, a, d, n, ", #0") }
func (fn *Func) Rev16(a Arr, d, n V)    { fn.misc2("rev16", 0, 0x01, 1, a, d, n, "") }
func (fn *Func) Rev32(a Arr, d, n V)    { fn.misc2("rev32", 1, 0x00, 1|2, a, d, n, "") }
func (fn *Func) Rev64(a Arr, d, n V)    { fn.misc2("rev64", 0, 0x00, bhs, a, d, n, "") }

func (fn *Func) narrow2(name string, u, op uint32, a Arr, d, n V) {
	fn.word(0x0e200800|a.q()<<30|u<<29|a.size()<<22|op<<12|n.n()<<5|d.n(), fmt.Sprintf("%s%s %s, %s", name, a.two(), a.gnu(d), a.wide().gnu(n)))
}

// Narrowing; a is the narrow arrangement. Xtn keeps the low bits; Sqxtn, Uqxtn saturate; Sqxtun saturates signed to unsigned.

func (fn *Func) Xtn(a Arr, d, n V)    { fn.narrow2("xtn", 0, 0x12, a, d, n) }
func (fn *Func) Sqxtn(a Arr, d, n V)  { fn.narrow2("sqxtn", 0, 0x14, a, d, n) }
func (fn *Func) Uqxtn(a Arr, d, n V)  { fn.narrow2("uqxtn", 1, 0x14, a, d, n) }
func (fn *Func) Sqxtun(a Arr, d, n V) { fn.narrow2("sqxtun", 1, 0x12, a, d, n) }

func (fn *Func) pair2(name string, u, op uint32, a Arr, d, n V) {
	fn.word(0x0e200800|a.q()<<30|u<<29|a.size()<<22|op<<12|n.n()<<5|d.n(), fmt.Sprintf("%s %s, %s", name, a.half().gnu(d), a.gnu(n)))
}

// Sums of neighbours into lanes twice as wide; a is the source's arrangement. ..adalp adds them to d.

func (fn *Func) Saddlp(a Arr, d, n V) { fn.pair2("saddlp", 0, 0x02, a, d, n) }
func (fn *Func) Uaddlp(a Arr, d, n V) { fn.pair2("uaddlp", 1, 0x02, a, d, n) }
func (fn *Func) Sadalp(a Arr, d, n V) { fn.pair2("sadalp", 0, 0x06, a, d, n) }
func (fn *Func) Uadalp(a Arr, d, n V) { fn.pair2("uadalp", 1, 0x06, a, d, n) }

// across encodes a reduction of all lanes to a scalar of one lane, or of twice its width where long.
func (fn *Func) across(name string, u, op uint32, long bool, a Arr, d, n V) {
	must(a.size() < 2 || a == S4, name, a)
	c := "bhsd"[a.size()]
	if long {
		c = "bhsd"[a.size()+1]
	}
	fn.word(0x0e300800|a.q()<<30|u<<29|a.size()<<22|op<<12|n.n()<<5|d.n(), fmt.Sprintf("%s %c%d, %s", name, c, d.n(), a.gnu(n)))
}

// Over all lanes, into lane 0.

func (fn *Func) Addv(a Arr, d, n V)   { fn.across("addv", 0, 0x1b, false, a, d, n) }
func (fn *Func) Smaxv(a Arr, d, n V)  { fn.across("smaxv", 0, 0x0a, false, a, d, n) }
func (fn *Func) Umaxv(a Arr, d, n V)  { fn.across("umaxv", 1, 0x0a, false, a, d, n) }
func (fn *Func) Sminv(a Arr, d, n V)  { fn.across("sminv", 0, 0x1a, false, a, d, n) }
func (fn *Func) Uminv(a Arr, d, n V)  { fn.across("uminv", 1, 0x1a, false, a, d, n) }
func (fn *Func) Saddlv(a Arr, d, n V) { fn.across("saddlv", 0, 0x03, true, a, d, n) }
func (fn *Func) Uaddlv(a Arr, d, n V) { fn.across("uaddlv", 1, 0x03, true, a, d, n) }

// Shifts by a constant: left 0..bits-1, right 1..bits.

func (fn *Func) shift(name, suffix string, u, op uint32, left bool, lane Arr, q uint32, dst, src string, shift int, d, n V) {
	b := lane.bits()
	imm := b + shift
	if left {
		must(shift >= 0 && shift < b, name, shift)
	} else {
		must(shift >= 1 && shift <= b, name, shift)
		imm = 2*b - shift
	}
	fn.word(0x0f000400|q<<30|u<<29|uint32(imm)<<16|op<<11|n.n()<<5|d.n(), fmt.Sprintf("%s%s %s, %s, #%d", name, suffix, dst, src, shift))
}

func (fn *Func) shiftSame(name string, u, op uint32, left bool, a Arr, d, n V, shift int) {
	must(a != D1, name, a)
	fn.shift(name, "", u, op, left, a, a.q(), a.gnu(d), a.gnu(n), shift, d, n)
}

func (fn *Func) shiftNative(name, goName string, left bool, a Arr, d, n V, shift int) {
	must(a != D1, name, a)
	must(left && shift >= 0 && shift < a.bits() || !left && shift >= 1 && shift <= a.bits(), name, shift)
	fn.native(fmt.Sprintf("%s $%d, %s, %s", goName, shift, a.goT(n), a.goT(d)), fmt.Sprintf("%s %s, %s, #%d", name, a.gnu(d), a.gnu(n), shift))
}

func (fn *Func) Shl(a Arr, d, n V, shift int) { fn.shiftNative("shl", "VSHL", true, a, d, n, shift) }
func (fn *Func) Ushr(a Arr, d, n V, shift int) {
	fn.shiftNative("ushr", "VUSHR", false, a, d, n, shift)
}
func (fn *Func) Sshr(a Arr, d, n V, shift int) { fn.shiftSame("sshr", 0, 0, false, a, d, n, shift) }

// Usra and Ssra add the shifted lanes to d.
func (fn *Func) Usra(a Arr, d, n V, shift int) {
	fn.shiftNative("usra", "VUSRA", false, a, d, n, shift)
}
func (fn *Func) Ssra(a Arr, d, n V, shift int) { fn.shiftSame("ssra", 0, 2, false, a, d, n, shift) }

// Srshr and Urshr round half up.
func (fn *Func) Srshr(a Arr, d, n V, shift int) { fn.shiftSame("srshr", 0, 4, false, a, d, n, shift) }
func (fn *Func) Urshr(a Arr, d, n V, shift int) { fn.shiftSame("urshr", 1, 4, false, a, d, n, shift) }

// Sli and Sri insert the shifted lanes into d and keep d's other bits.
func (fn *Func) Sli(a Arr, d, n V, shift int) { fn.shiftNative("sli", "VSLI", true, a, d, n, shift) }
func (fn *Func) Sri(a Arr, d, n V, shift int) { fn.shiftNative("sri", "VSRI", false, a, d, n, shift) }

func (fn *Func) shiftWiden(name, plain string, u uint32, a Arr, d, n V, shift int) {
	if shift == 0 {
		fn.word(0x0f000400|a.q()<<30|u<<29|uint32(a.bits())<<16|0x14<<11|n.n()<<5|d.n(),
			fmt.Sprintf("%s%s %s, %s", plain, a.two(), a.wide().gnu(d), a.gnu(n)))
		return
	}
	fn.shift(name, a.two(), u, 0x14, true, a, a.q(), a.wide().gnu(d), a.gnu(n), shift, d, n)
}

// Sshll and Ushll widen and shift left; a is the narrow arrangement. Sxtl and Uxtl only widen.

func (fn *Func) Sshll(a Arr, d, n V, shift int) { fn.shiftWiden("sshll", "sxtl", 0, a, d, n, shift) }
func (fn *Func) Ushll(a Arr, d, n V, shift int) { fn.shiftWiden("ushll", "uxtl", 1, a, d, n, shift) }
func (fn *Func) Sxtl(a Arr, d, n V)             { fn.Sshll(a, d, n, 0) }
func (fn *Func) Uxtl(a Arr, d, n V) {
	text := "VUXTL"
	if a.q() == 1 {
		text = "VUXTL2"
	}
	fn.native(fmt.Sprintf("%s %s, %s", text, a.goT(n), a.wide().goT(d)), fmt.Sprintf("uxtl%s %s, %s", a.two(), a.wide().gnu(d), a.gnu(n)))
}

func (fn *Func) shiftNarrow(name string, u, op uint32, a Arr, d, n V, shift int) {
	w := a.wide()
	fn.shift(name, a.two(), u, op, false, a, a.q(), a.gnu(d), w.gnu(n), shift, d, n)
}

// Shift right and narrow; a is the narrow arrangement. An r rounds half up, q saturates, un takes signed to unsigned.

func (fn *Func) Shrn(a Arr, d, n V, shift int)    { fn.shiftNarrow("shrn", 0, 0x10, a, d, n, shift) }
func (fn *Func) Rshrn(a Arr, d, n V, shift int)   { fn.shiftNarrow("rshrn", 0, 0x11, a, d, n, shift) }
func (fn *Func) Sqshrn(a Arr, d, n V, shift int)  { fn.shiftNarrow("sqshrn", 0, 0x12, a, d, n, shift) }
func (fn *Func) Sqrshrn(a Arr, d, n V, shift int) { fn.shiftNarrow("sqrshrn", 0, 0x13, a, d, n, shift) }
func (fn *Func) Uqshrn(a Arr, d, n V, shift int)  { fn.shiftNarrow("uqshrn", 1, 0x12, a, d, n, shift) }
func (fn *Func) Uqrshrn(a Arr, d, n V, shift int) { fn.shiftNarrow("uqrshrn", 1, 0x13, a, d, n, shift) }
func (fn *Func) Sqshrun(a Arr, d, n V, shift int) { fn.shiftNarrow("sqshrun", 1, 0x10, a, d, n, shift) }
func (fn *Func) Sqrshrun(a Arr, d, n V, shift int) {
	fn.shiftNarrow("sqrshrun", 1, 0x11, a, d, n, shift)
}

// Permutations.

func (fn *Func) permute(name, goName string, a Arr, d, n, m V) {
	must(a != D1, name, a)
	fn.native(fmt.Sprintf("%s %s, %s, %s", goName, a.goT(m), a.goT(n), a.goT(d)), fmt.Sprintf("%s %s, %s, %s", name, a.gnu(d), a.gnu(n), a.gnu(m)))
}

// Zip1 interleaves the low halves of n and m, Zip2 the high halves; Uzp1 takes their even lanes, Uzp2 the odd ones; Trn1 pairs
// their even lanes, Trn2 the odd ones.

func (fn *Func) Zip1(a Arr, d, n, m V) { fn.permute("zip1", "VZIP1", a, d, n, m) }
func (fn *Func) Zip2(a Arr, d, n, m V) { fn.permute("zip2", "VZIP2", a, d, n, m) }
func (fn *Func) Uzp1(a Arr, d, n, m V) { fn.permute("uzp1", "VUZP1", a, d, n, m) }
func (fn *Func) Uzp2(a Arr, d, n, m V) { fn.permute("uzp2", "VUZP2", a, d, n, m) }
func (fn *Func) Trn1(a Arr, d, n, m V) { fn.permute("trn1", "VTRN1", a, d, n, m) }
func (fn *Func) Trn2(a Arr, d, n, m V) { fn.permute("trn2", "VTRN2", a, d, n, m) }

// Ext takes 16 bytes from byte i of n followed by m.
func (fn *Func) Ext(d, n, m V, i int) {
	must(i >= 0 && i < 16, "ext", i)
	fn.native(fmt.Sprintf("VEXT $%d, %s, %s, %s", i, B16.goT(m), B16.goT(n), B16.goT(d)),
		fmt.Sprintf("ext %s, %s, %s, #%d", B16.gnu(d), B16.gnu(n), B16.gnu(m), i))
}

// Tbl looks the bytes of index up in a table of one to four consecutive registers; beyond it gives 0. Tbx keeps d's byte there.
func (fn *Func) Tbl(d, index V, table ...V) { fn.table("tbl", "VTBL", d, index, table) }
func (fn *Func) Tbx(d, index V, table ...V) { fn.table("tbx", "VTBX", d, index, table) }

func (fn *Func) table(name, goName string, d, index V, table []V) {
	fn.native(fmt.Sprintf("%s %s, %s, %s", goName, B16.goT(index), goList(B16, table), B16.goT(d)),
		fmt.Sprintf("%s %s, %s, %s", name, B16.gnu(d), gnuList(B16, table), B16.gnu(index)))
}

// Lanes and integer registers.

// Dup copies an integer register to every lane.
func (fn *Func) Dup(a Arr, d V, r R) {
	must(a != D1, "dup", a)
	fn.native(fmt.Sprintf("VDUP %v, %s", r, a.goT(d)), fmt.Sprintf("dup %s, %s", a.gnu(d), general(a, r)))
}

// DupLane copies one lane to every lane.
func (fn *Func) DupLane(a Arr, d, n V, lane int) {
	must(a != D1, "dup", a)
	fn.native(fmt.Sprintf("VDUP %s, %s", a.goLane(n, lane), a.goT(d)), fmt.Sprintf("dup %s, %s", a.gnu(d), a.gnuLane(n, lane)))
}

// Ins sets one lane from an integer register, InsLane from a lane; the other lanes stay.
func (fn *Func) Ins(a Arr, d V, lane int, r R) {
	fn.native(fmt.Sprintf("VMOV %v, %s", r, a.goLane(d, lane)), fmt.Sprintf("mov %s, %s", a.gnuLane(d, lane), general(a, r)))
}
func (fn *Func) InsLane(a Arr, d V, lane int, n V, from int) {
	fn.native(fmt.Sprintf("VMOV %s, %s", a.goLane(n, from), a.goLane(d, lane)), fmt.Sprintf("mov %s, %s", a.gnuLane(d, lane), a.gnuLane(n, from)))
}

// Umov takes one lane, zero-extended, Smov sign-extended to 64 bits.
func (fn *Func) Umov(a Arr, r R, n V, lane int) {
	name := "umov"
	if a.size() >= 2 {
		name = "mov"
	}
	fn.native(fmt.Sprintf("VMOV %s, %v", a.goLane(n, lane), r), fmt.Sprintf("%s %s, %s", name, general(a, r), a.gnuLane(n, lane)))
}
func (fn *Func) Smov(a Arr, r R, n V, lane int) {
	must(a.size() < 3, "smov", a)
	fn.word(0x4e002c00|a.imm5(lane)<<16|n.n()<<5|r.n(), fmt.Sprintf("smov %s, %s", r.x(), a.gnuLane(n, lane)))
}

func general(a Arr, r R) string {
	if a.size() == 3 {
		return r.x()
	}
	return r.w()
}

// Constants.

// Movi sets every lane to a value that one instruction can hold: any byte; a byte at a multiple of 8 bits, or its complement; a short
// float32 such as 1 or -0.5 (S2, S4). It panics for others.
func (fn *Func) Movi(a Arr, d V, value uint32) {
	w, gnu, ok := movi(a, d, value)
	must(ok, "movi", a, value)
	fn.word(w, gnu)
}

func movi(a Arr, d V, value uint32) (uint32, string, bool) {
	enc := func(op, cmode, imm8 uint32) uint32 {
		return 0x0f000400 | a.q()<<30 | op<<29 | imm8>>5<<16 | cmode<<12 | imm8&31<<5 | d.n()
	}
	text := func(name string, imm8 uint32, shift uint32, kind string) string {
		s := fmt.Sprintf("%s %s, #0x%x", name, a.gnu(d), imm8)
		if shift != 0 {
			s += fmt.Sprintf(", %s #%d", kind, shift)
		}
		return s
	}
	mask := uint32(1<<a.bits() - 1)
	if a.size() > 2 || value&^mask != 0 {
		return 0, "", false
	}
	if a.size() == 0 {
		return enc(0, 14, value), text("movi", value, 0, ""), true
	}
	base := uint32(0)
	if a.size() == 1 {
		base = 8
	}
	for op, v := range []uint32{value, ^value & mask} {
		name := []string{"movi", "mvni"}[op]
		for s := uint32(0); s < uint32(a.bits()); s += 8 {
			if v&^(0xff<<s) == 0 {
				return enc(uint32(op), base|s/8<<1, v>>s), text(name, v>>s, s, "lsl"), true
			}
		}
		if a.size() == 2 {
			for i, s := range []uint32{8, 16} {
				if low := uint32(1)<<s - 1; v&low == low && v&^low&^(0xff<<s) == 0 {
					return enc(uint32(op), 12|uint32(i), v>>s), text(name, v>>s, s, "msl"), true
				}
			}
		}
	}
	if e := value >> 25 & 0x3f; a.size() == 2 && value&0x7ffff == 0 && (e == 0x20 || e == 0x1f) {
		imm8 := value>>31<<7 | value>>29&1<<6 | value>>19&0x3f
		return enc(0, 15, imm8), fmt.Sprintf("fmov %s, #%.18e", a.gnu(d), math.Float32frombits(value)), true
	}
	return 0, "", false
}

// Const sets four lanes to a bit pattern, by Movi where it can and through tmp where it cannot.
func (fn *Func) Const(d V, bits uint32, tmp R) {
	if w, gnu, ok := movi(S4, d, bits); ok {
		fn.word(w, gnu)
		return
	}
	fn.T("MOVD $0x%08x, %v", bits, tmp)
	fn.Dup(S4, d, tmp)
}

// ConstF is Const of a float32.
func (fn *Func) ConstF(d V, value float32, tmp R) { fn.Const(d, math.Float32bits(value), tmp) }
