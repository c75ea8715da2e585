// Command vecmap writes the element-wise functions, the sums across lanes and the loops of back-propagation (asm/map_*, asm/norm_*, asm/grad_*) for one instruction set.
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
	family := flag.String("family", "map", "map, norm or grad")
	flag.Parse()
	kernels := append(maps(), grads()...)
	switch *family {
	case "norm":
		kernels = norms()
	case "grad":
		kernels = append(columns(), append(updates(), poolGrads()...)...)
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
