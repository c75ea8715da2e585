// Command probe writes the loops that measure a CPU: multiply-adds with nothing else to wait for, and a read of memory
// (asm/probe_avx2_amd64.s, asm/probe_avx512_amd64.s, asm/probe_neon_arm64.s).
package main

import (
	"flag"
	"fmt"
	"log"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// chains is the number of independent accumulators: more than latency times units of any CPU that has these vectors.
const chains = 12

// block is how many bytes one turn of the read loop loads.
const block = 128

func main() {
	isa := flag.String("isa", "", "avx2, avx512 or neon")
	flag.Parse()
	ConstraintExpr("!purego")
	switch *isa {
	case "avx2":
		fma("AVX2", 8, func() reg.VecVirtual { return YMM() })
		readAVX2()
	case "avx512":
		fma("AVX512", 16, func() reg.VecVirtual { return ZMM() })
	case "neon":
		if err := writeNEON(); err != nil {
			log.Fatal(err)
		}
		return
	default:
		log.Fatalf("probe: unknown -isa %q", *isa)
	}
	Generate()
}

func fma(isa string, lanes int, vec func() reg.VecVirtual) {
	name := "ProbeFMA" + isa
	TEXT(name, NOSPLIT, "func(x *float32, n int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s runs n turns of %d independent multiply-adds of %d float32: acc = *x·acc + *x.", name, chains, lanes))
	x := vec()
	VBROADCASTSS(Mem{Base: Load(Param("x"), GP64())}, x)
	n := Load(Param("n"), GP64())
	acc := make([]reg.VecVirtual, chains)
	for i := range acc {
		acc[i] = vec()
		VMOVUPS(x, acc[i])
	}
	loop := "loop"
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label(loop)
	for i := range acc {
		VFMADD213PS(x, x, acc[i])
	}
	DECQ(n)
	JNZ(LabelRef(loop))
	Label("done")
	VZEROUPPER()
	RET()
}

func readAVX2() {
	TEXT("ProbeReadAVX2", NOSPLIT, "func(src *uint64, n int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("ProbeReadAVX2 loads n blocks of %d bytes from src on.", block))
	src := Load(Param("src"), GP64())
	n := Load(Param("n"), GP64())
	v := YMM()
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("loop")
	for i := range block / 32 {
		VMOVUPS(Mem{Base: src, Disp: 32 * i}, v)
	}
	ADDQ(U32(block), src)
	DECQ(n)
	JNZ(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
