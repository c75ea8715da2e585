// Command depthwise8 writes the tiles of depthwise convolution of 8-bit integers: asm/depthwise8_args.go for all instruction sets,
// asm/depthwise8_avx2_amd64.s, asm/depthwise8_avx512_amd64.s and asm/depthwise8_neon_arm64.s.
//
// A call computes some output rows of one block of 16 channels. First the input rows are written as quads: four neighbouring pixels of a channel lie side by
// side, as the instructions for dot products take them. A quad serves all output pixels whose windows it is under; for each place of a window in its first
// quad there are weights of their own, with zeros where the window is not.
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
		if err := arguments.WriteFile("../asm/depthwise8_args.go"); err != nil {
			log.Fatal("depthwise8: ", err)
		}
	case "avx2":
		build.ConstraintExpr("!purego")
		quads()
		dots := newAVX2dot()
		amd64(dots)
		amd64(avx2plain{dots})
		build.Generate()
	case "avx512":
		build.ConstraintExpr("!purego")
		amd64(avx512dot{})
		build.Generate()
	case "neon":
		if err := arm64(); err != nil {
			log.Fatal("depthwise8: ", err)
		}
	default:
		log.Fatalf("depthwise8: unknown -isa %q", *isa)
	}
}

// arguments is asm.Depthwise8Args.
var arguments = argstruct.Struct{
	Name: "Depthwise8Args", Generator: "depthwise8",
	Doc: `// Depthwise8Args are the arguments of depthwise convolution of 8-bit integers. Depthwise8Quads writes X[r][p/4][c][p%4] = Src[Rows[r] + Cols[p] + c] ^ Flip for
// 16 channels c. The tiles compute acc = Start + Σ X·W in int32 from it, and the bytes round(min(max(float32(acc)·Scale, Lo), Hi)) + Zero, ties to even.
`,
	Fields: []argstruct.Field{
		{"Src", "*byte", "the block's first channel of the picture"},
		{"Skip", "int", "bytes to subtract from Src"},
		{"Outside", "*byte", "16 bytes that stand for 0"},
		{"Rows", "*int64", "[InRows] byte offsets of input rows from Src - Skip; far negative: outside the picture"},
		{"Cols", "*int64", "[4*Quads] byte offsets of input columns, likewise"},
		{"Flip", "int", "a byte"},
		{"InRows", "int", "input rows, at least 1"},
		{"Quads", "int", "quads of them, at least 1,"},
		{"Left", "int", "of these so many first ones may have columns outside,"},
		{"Inner", "int", "and so many behind those have none"},
		{"Pixel", "int", "bytes from a pixel of the input to the next"},
		{"X", "*byte", "[InRows] rows of quads [16][4], with quads that may hold anything behind those of Quads"},
		{"XRow", "int", "bytes from one row of quads to the next,"},
		{"XStep", "int", "to the next under a window,"},
		{"YStep", "int", "and to the first under the next output row"},
		{"KH", "int", "kernel rows, at least 1"},
		{"W", "*int8", "[KH][patterns][16][4]: a pattern is the weights that meet a quad. There are those of the first place of a window, quad by quad, then those of the next"},
		{"Words", "*int16", "room for twice as many; only tiles without instructions for dot products use it"},
		{"Start", "*int32", "[16]"},
		{"Scale", "*float32", "[16]"},
		{"Dst", "*byte", "the block's first channel of the first output pixel"},
		{"DstPixel", "int", "bytes from a pixel of the output to the next"},
		{"DstRow", "int", "and from a row to the next"},
		{"Ys", "int", "output rows, at least 1"},
		{"OW", "int", "output columns, at least 1"},
		{"Zero", "int", "the zero point of the results"},
		{"Shift", "int", "-128 - Lo, and"},
		{"Point", "int", "Zero - Shift, for instructions that clip to the range of int8"},
		{"Lo", "float32", "from -2^14 on"},
		{"Hi", "float32", "to 2^14, at most 255 more than Lo"},
	},
}

// tiles are the numbers of output pixels computed together.
var tiles = []int{8, 4}

// window is the columns of a window and its step along the row.
type window struct{ kw, sw int }

var windows = []window{{3, 1}, {3, 2}, {5, 1}, {5, 2}}

func (w window) name(isa string) string {
	return fmt.Sprintf("Depthwise8K%dS%dx%d%s", w.kw, w.sw, tiles[0], isa)
}

func (w window) doc(name string) string {
	return fmt.Sprintf("%s computes 16 channels with windows of %d columns, %d from one to the next; see Depthwise8Args.", name, w.kw, w.sw)
}

// pattern is the weights that meet the n-th quad under a window whose first column is that of a quad.
type pattern struct{ first, quad int }

// patterns are those of a kernel row in the order of Depthwise8Args.
func (w window) patterns() []pattern {
	var all []pattern
	for first := 0; first < 4; first += w.sw {
		for q := 0; 4*q < first+w.kw; q++ {
			all = append(all, pattern{first, q})
		}
	}
	return all
}

// meets says whether a pattern has weights at one of the places.
func (w window) meets(p pattern, places ...int) bool {
	for _, b := range places {
		if j := 4*p.quad + b - p.first; j >= 0 && j < w.kw {
			return true
		}
	}
	return false
}

// product is one of a quad and a pattern, for an output pixel.
type product struct{ output, pattern, quad int }

// products are those of a kernel row, quad by quad.
func (w window) products(outputs int) []product {
	var all []product
	for q := range w.quads(outputs) {
		for o := range outputs {
			for i, p := range w.patterns() {
				if o*w.sw%4 == p.first && o*w.sw/4+p.quad == q {
					all = append(all, product{o, i, q})
				}
			}
		}
	}
	return all
}

// quads is how many there are under so many output pixels.
func (w window) quads(outputs int) int { return ((outputs-1)*w.sw + w.kw + 3) / 4 }
