// Command depthwisegrad writes the tiles of the gradient of a depthwise convolution's weights (asm/depthwisegrad_avx2_amd64.s,
// asm/depthwisegrad_avx512_amd64.s, asm/depthwisegrad_neon_arm64.s) and their argument struct (asm/depthwisegrad_args.go).
//
// Lanes are channels. Nine taps have a register each while the positions run: a vector of the outputs' gradient is loaded and multiplied with
// the nine vectors of input under it.
package main

import (
	"flag"
	"log"

	"github.com/mmcloughlin/avo/build"

	"github.com/ocellus-vision/ocellus/gen/argstruct"
)

var isa = flag.String("isa", "", "avx2, avx512, neon, or args for the Go struct")

// taps is how many taps a tile computes.
const taps = 9

func main() {
	flag.Parse()
	switch *isa {
	case "args":
		if err := arguments.WriteFile("../asm/depthwisegrad_args.go"); err != nil {
			log.Fatal("depthwisegrad: ", err)
		}
	case "avx2":
		amd64("AVX2", 8)
		build.Generate()
	case "avx512":
		amd64("AVX512", 16)
		build.Generate()
	case "neon":
		if err := arm64(); err != nil {
			log.Fatal("depthwisegrad: ", err)
		}
	default:
		log.Fatalf("depthwisegrad: unknown -isa %q", *isa)
	}
}

// arguments is asm.DepthwiseGradArgs.
var arguments = argstruct.Struct{
	Name: "DepthwiseGradArgs", Generator: "depthwisegrad",
	Before: "// DepthwiseGradTaps is how many taps a tile of the gradient of depthwise weights computes.\nconst DepthwiseGradTaps = 9\n\n",
	Doc: `// DepthwiseGradArgs are the arguments of a tile of the gradient of depthwise weights: for each tap t, acc = +0; acc = FMA(Dy, X at Offs[t], acc) for
// the rows and columns of outputs in order; W[t] = acc.
`,
	Fields: []argstruct.Field{
		{"W", "*float32", "[9][16]: the first channel of the first tap"},
		{"Dy", "*float32", "the first channel of the first output"},
		{"X", "*float32", "the first channel of the input from which offsets of the first output count"},
		{"Offs", "*int64", "[9] bytes from there to the tap's pixel"},
		{"Rows", "int", "rows of outputs, at least 1"},
		{"Cols", "int", "outputs in a row, at least 1"},
		{"DyPixel", "int", "bytes from one output to the next, and on to the next row"},
		{"XPixel", "int", "bytes of X from one output to the next"},
		{"XRow", "int", "bytes of X from one row of outputs to the next"},
	},
}
