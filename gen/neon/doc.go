// Package neon writes assembly for Go's arm64 assembler, one Go method per instruction.
//
// Go's assembler knows few of the vector instructions. Those that it has are printed in its own syntax; the others are encoded here and
// printed as a WORD with the GNU text as its comment:
//
//	WORD $0x4e21d400 // fadd v0.4s, v0.4s, v1.4s
//
// A test assembles every method with operands at the edges, disassembles the result and compares each instruction with its text. A second
// test compares every WORD of the committed asm/*_arm64.s with its comment.
//
// # Writing a function
//
//	f := neon.NewFile("gen/axpyneon", "asm")
//	fn := f.Func("AxpyF32NEON", "(y, x *float32, a float32, n int)",
//		"AxpyF32NEON computes y[i] = fma(a, x[i], y[i]) for i < n, n a positive multiple of 4.")
//	y, x, n := fn.AllocR(), fn.AllocR(), fn.AllocR()
//	a, v, w := fn.Alloc(), fn.Alloc(), fn.Alloc()
//	fn.LoadArg("y", y)
//	fn.LoadArg("x", x)
//	fn.LoadArgF("a", a)
//	fn.LoadArg("n", n)
//	fn.Label("loop")
//	fn.Ld1P(neon.S4, x, v)
//	fn.LdrQ(w, y, 0)
//	fn.FmlaLane(w, v, a, 0)
//	fn.St1P(neon.S4, y, w)
//	fn.T("SUBS $4, %v, %v", n, n)
//	fn.T("BGT loop")
//	fn.Ret()
//	err := f.WriteFiles("../asm", "axpy_neon") // axpy_neon_arm64.s and axpy_neon_arm64.go
//
// File.Func parses the signature, so that arguments are referred to by name and `go vet` (asmdecl) can check them: LoadArg, LoadArgF, StoreRet,
// StoreRetF; a slice x has the parts x_base, x_len, x_cap; an unnamed result is ret. The stub declares the function with //go:noescape and the doc
// comment. File.Const and File.Data add a constant to the stub and a table of read-only words to the assembly; Func.DataAddr loads its address.
//
// # Operands
//
// Operands stand in GNU order, destination first: Fsub(d, n, m) is d = n - m. V0..V31 are the vector registers, R0..R26 without R18 the integer
// ones, RSP the stack pointer. R18 (platform), R27 (the assembler's scratch), R28 (g), R29 (frame) and R30 (link) are reserved: no constant
// exists for them and T refuses text that names them. Every vector register may be used; nothing survives a call.
//
// Float instructions work on four float32 lanes (.4s). Instructions on integers, permutations and memory take the arrangement first: B8, B16, H4,
// H8, S2, S4, D1, D2. Where an instruction widens or narrows, the arrangement is that of the narrow operand, and its upper-half form ("2") is had
// through the full-width one: Uxtl(B8, d, n) is uxtl d.8h, n.8b and Uxtl(B16, d, n) is uxtl2 d.8h, n.16b; Xtn(H4, d, n) writes the low half
// of d and clears the rest, Xtn(H8, d, n) is xtn2 and writes the upper half only. Pairwise long adds (Saddlp, Uadalp, ...) take the
// arrangement of the source. Operands that cannot be encoded panic with the instruction's text.
//
// Selection: Fcmgt and its kin give all ones or zeros per lane; Bsl(d, n, m) has the mask in d (d = d ? n : m), Bit(d, n, m) takes n where m is set,
// Bif(d, n, m) takes n where m is clear. And, Orr, Eor, Bic, Orn, Bsl, Bit, Bif, Not and Mov work on all 16 bytes.
//
// Constants: Movi for what one instruction can hold; Const and ConstF for any 32-bit pattern in four lanes (through an integer register where
// needed). Integer work, scalar floats, compares and branches are written in Go's own syntax through T: R prints as R5, V as V5, V.F() as F5.
//
// # Registers
//
// Alloc hands out the lowest free vector register and panics when there is none; Free gives registers back; Take claims given ones. AllocR, FreeR and
// TakeR do the same for integer registers. This is a linear scan for straight-line code: the caller frees a value after its last use in program
// order, and keeps values that live round a loop.
package neon
