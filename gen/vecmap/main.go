// Command vecmap writes the element-wise functions and the sums across lanes (asm/map_*, asm/norm_*) for one instruction set.
package main

import (
	"flag"
	stdlog "log"

	. "github.com/mmcloughlin/avo/build"

	"github.com/ocellus-vision/ocellus/gen/neon"
	"github.com/ocellus-vision/ocellus/gen/vec"
)

func main() {
	isa := flag.String("isa", "", "avx2, avx512 or neon")
	family := flag.String("family", "map", "map or norm")
	flag.Parse()
	kernels := append(maps(), grads()...)
	if *family == "norm" {
		kernels = norms()
	}
	switch *isa {
	case "avx2":
		ConstraintExpr("!purego")
		vec.WriteX86("AVX2", kernels)
	case "avx512":
		ConstraintExpr("!purego")
		vec.WriteX86("AVX512", kernels)
	case "neon":
		f := neon.NewFile("command: go run ./vecmap -family "+*family+" -isa neon", "asm")
		vec.WriteNEON(f, kernels)
		if err := f.WriteFiles("../asm", *family+"_neon"); err != nil {
			stdlog.Fatal(err)
		}
		return
	default:
		stdlog.Fatalf("vecmap: unknown -isa %q", *isa)
	}
	Generate()
}
