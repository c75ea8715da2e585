// Command pool writes the pooling kernels: asm/pool_args.go for all instruction sets, asm/pool_avx2_amd64.s,
// asm/pool_avx512_amd64.s and asm/pool_neon_arm64.s.
//
// Channels are lanes. A chunk of channels of one output pixel stays in registers while the positions of its window pass.
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
	var err error
	switch *isa {
	case "args":
		err = arguments.WriteFile("../asm/pool_args.go")
	case "avx2":
		amd64(avx2)
		build.Generate()
	case "avx512":
		amd64(avx512)
		build.Generate()
	case "neon":
		err = arm64()
	default:
		err = fmt.Errorf("unknown -isa %q", *isa)
	}
	if err != nil {
		log.Fatal("pool: ", err)
	}
}

// arguments is asm.PoolArgs.
var arguments = argstruct.Struct{
	Name: "PoolArgs", Generator: "pool",
	Doc: `// PoolArgs are the arguments of a pooling kernel: acc = a start value or Dst; acc = op(acc, src) for the window's rows and columns
// ascending; Dst = finish(acc).
`,
	Fields: []argstruct.Field{
		{"Dst", "*float32", "first output"},
		{"Src", "*float32", "first position of the first window"},
		{"Pixels", "int", "output pixels, at least 1"},
		{"Channels", "int", "at least 1"},
		{"KH", "int", "rows of a window, none outside the picture; 0 for an empty window"},
		{"KW", "int", "columns of a window, at least 1"},
		{"Row", "int", "bytes from a row of a window to the next"},
		{"Col", "int", "bytes from a column of a window to the next"},
		{"Step", "int", "bytes from a window to the next"},
		{"Out", "int", "bytes from an output pixel to the next"},
		{"Load", "int", "not 0: go on from Dst"},
		{"Part", "int", "not 0: more of the window follows, do not finish"},
		{"Count", "float32", "divisor of an average"},
	},
}

// kind is one way of pooling.
type kind struct{ name, doc string }

var kinds = []kind{
	{"Max", "acc = acc > src ? acc : src from -Inf"},
	{"Avg", "acc = acc + src from +0, then acc / Count"},
	{"Norm", "acc = fma(src, src, acc) from +0, then sqrt(acc)"},
}

// vectors are the numbers of vectors in a chunk, largest first. What is less than a vector follows.
var vectors = []int{4, 1}

func (k kind) function(lanes int, isa string) (name, doc string) {
	name = fmt.Sprintf("Pool%s%dF32%s", k.name, vectors[0]*lanes, isa)
	return name, fmt.Sprintf("%s computes %s; see PoolArgs.", name, k.doc)
}
