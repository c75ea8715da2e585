// Command winograd writes the transforms of Winograd convolution (Lavin, Gray: Fast algorithms for convolutional neural networks, CVPR 2016):
// asm/winograd_args.go for all instruction sets, asm/winograd_avx2_amd64.s, asm/winograd_avx512_amd64.s and asm/winograd_neon_arm64.s.
//
// Lanes are channels. The addresses of a tile's pixels are worked out once, from tables of rows and columns; those outside the picture are
// exchanged for memory that lies elsewhere. Then each block of channels passes through the transform of all columns and that of all rows in
// registers, as far as there are enough.
package main

import (
	"flag"
	"fmt"
	"log"

	"github.com/mmcloughlin/avo/build"

	"github.com/ocellus-vision/ocellus/gen/argstruct"
)

var isa = flag.String("isa", "", "avx2, avx512, neon, or args for the Go struct")

func main() {
	flag.Parse()
	switch *isa {
	case "args":
		if err := arguments.WriteFile("../asm/winograd_args.go"); err != nil {
			log.Fatal("winograd: ", err)
		}
	case "avx2":
		build.ConstraintExpr("!purego")
		amd64(avx2)
		weights("AVX2", 32)
		build.Generate()
	case "avx512":
		build.ConstraintExpr("!purego")
		amd64(avx512)
		weights("AVX512", 64)
		build.Generate()
	case "neon":
		if err := arm64(); err != nil {
			log.Fatal("winograd: ", err)
		}
	default:
		log.Fatalf("winograd: unknown -isa %q", *isa)
	}
}

// arguments is asm.WinogradArgs.
var arguments = argstruct.Struct{
	Name: "WinogradArgs", Generator: "winograd",
	Before: fmt.Sprintf("// WinogradWork is the size in bytes of the working memory of the Winograd transforms.\nconst WinogradWork = %d\n\n", workBytes),
	Doc: `// WinogradArgs are the arguments of the transforms of F(m x m, r x r), n = m+r-1. The input transform computes the planes of tiles
// of n x n pixels, the output transform tiles of m x m pixels from the planes: y = Act((y + Bias) + Res).
`,
	Fields: []argstruct.Field{
		{"Image", "*float32", "the first channel of the picture that is read (input) or written (output)"},
		{"Outside", "*float32", "input: zeros, one for each channel; output: memory of a pixel, to which positions outside are written"},
		{"Planes", "*float32", "the first tile's element 0: n·n planes, each with a row of channels for every tile"},
		{"Plane", "int", "bytes from one plane to the next"},
		{"Row", "int", "bytes from one tile to the next in a plane"},
		{"Rows", "*int64", "[n or m] byte offsets in the picture of the tiles' rows; far negative: outside"},
		{"Cols", "*int64", "[Tiles][n or m] byte offsets of each tile's columns, likewise"},
		{"Tiles", "int", "neighbouring tiles, at least 1"},
		{"Chans", "int", "bytes of channels, a positive multiple of the vector's"},
		{"Work", "*float32", "WinogradWork bytes that the function may write, aligned to 64"},
		{"Res", "*float32", "output: the residual, which lies as the picture does, or nil"},
		{"Bias", "*float32", "output: of the first channel"},
		{"Act", "int", "output: 0 none, 1 clip: y = Lo > y ? Lo : y, then Hi < y ? Hi : y, 2 leaky: y = y > 0 ? y : Alpha*y"},
		{"Lo", "float32", ""},
		{"Hi", "float32", ""},
		{"Alpha", "float32", ""},
	},
}

// The working memory holds addresses of a tile's pixels, of its residuals, and registers.
const (
	workPixels = 0
	workRes    = 36 * 8
	workSpill  = 448
	workBytes  = 2048
)
