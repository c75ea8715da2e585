// Command gemmtn writes the tiles of products with a transposed left matrix (asm/gemmtn_avx2_amd64.s, asm/gemmtn_avx512_amd64.s,
// asm/gemmtn_neon_arm64.s) and their argument struct (asm/gemmtn_args.go).
//
// A tile of Rows x 16 or 32 outputs stays in registers while the positions run. Both matrices are read where they lie, position after position: floats
// of A are broadcast, vectors of B multiplied with them. Positions come as spans, so that the pixels under a tap of a convolution are a matrix too.
package main

import (
	"flag"
	"log"

	"github.com/mmcloughlin/avo/build"
)

var isa = flag.String("isa", "", "avx2, avx512, neon, or args for the Go struct")

func main() {
	flag.Parse()
	switch *isa {
	case "args":
		if err := arguments.WriteFile("../asm/gemmtn_args.go"); err != nil {
			log.Fatal("gemmtn: ", err)
		}
	case "avx2":
		amd64(target{name: "AVX2", rows: 6, wide: false})
		build.Generate()
	case "avx512":
		amd64(target{name: "AVX512", rows: 12, wide: true})
		build.Generate()
	case "neon":
		if err := arm64(); err != nil {
			log.Fatal("gemmtn: ", err)
		}
	default:
		log.Fatalf("gemmtn: unknown -isa %q", *isa)
	}
}
