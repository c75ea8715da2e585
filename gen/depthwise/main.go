// Command depthwise writes the depthwise convolution tiles: asm/depthwise_args.go for all instruction sets,
// asm/depthwise_avx2_amd64.s, asm/depthwise_avx512_amd64.s and asm/depthwise_neon_arm64.s.
//
// A call computes some output rows of one block of channels, or, on AVX2 and AVX-512, of several. For each tile of neighbouring output pixels
// and each kernel row, the input pixels under the tile are loaded and multiplied with every weight that meets them. Rows and columns outside
// the picture are read from a row of zeros: the pointer is exchanged, the arithmetic stays the same.
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
		if err := arguments.WriteFile("../asm/depthwise_args.go"); err != nil {
			log.Fatal("depthwise: ", err)
		}
	case "avx2":
		build.ConstraintExpr("!purego")
		amd64(avx2)
		build.Generate()
	case "avx512":
		build.ConstraintExpr("!purego")
		amd64(avx512)
		build.Generate()
	case "neon":
		if err := arm64(); err != nil {
			log.Fatal("depthwise: ", err)
		}
	default:
		log.Fatalf("depthwise: unknown -isa %q", *isa)
	}
}

// arguments is asm.DepthwiseArgs.
var arguments = argstruct.Struct{
	Name: "DepthwiseArgs", Generator: "depthwise",
	Doc: `// DepthwiseArgs are the arguments of a depthwise convolution tile: acc = bias; acc = FMA(src, w, acc) for kernel rows and columns
// ascending, columns and rows outside the picture counting as +0; dst = Act(acc).
`,
	Fields: []argstruct.Field{
		{"Dst", "*float32", "the block's first channel of the first output pixel"},
		{"Src", "*float32", "the block's first channel of the picture"},
		{"Skip", "int", "bytes to subtract from Src: those of PL pixels, and what Rows counts from"},
		{"Zero", "*float32", "zeros, one for each channel of the input pixels under a tile"},
		{"W", "*float32", "bias, then one vector of weights for each tap in order, 64 bytes apart"},
		{"Rows", "*int64", "[Ys][KH] byte offsets of input rows from Src; far negative: outside the picture"},
		{"Cols", "*int64", "[OW][KW] byte offsets of input columns, likewise; only DepthwiseAny reads it"},
		{"KH", "int", "kernel rows, at least 1"},
		{"KW", "int", "kernel columns, at least 1; only DepthwiseAny reads it"},
		{"Ys", "int", "output rows, at least 1"},
		{"Blocks", "int", "blocks of channels, at least 1; only some functions read it"},
		{"OW", "int", "output columns"},
		{"Width", "int", "input columns"},
		{"PL", "int", "columns of padding at the left"},
		{"Pixel", "int", "bytes from a pixel of the input to the next, and of the output unless there is DstPixel"},
		{"DstPixel", "int", "bytes from a pixel of the output to the next; only functions with Blocks read it"},
		{"DstRow", "int", "bytes from a row of the output to the next, and"},
		{"RowStep", "int", "in Rows from its offsets to the next's; only functions with Blocks read both"},
		{"Near", "int", "0, or the least int where there is nothing to fetch ahead; only functions that fetch read it"},
		{"Act", "int", "0 none, 1 clip: y = Lo > y ? Lo : y, then Hi < y ? Hi : y, 2 leaky: y = y > 0 ? y : Alpha*y"},
		{"Lo", "float32", ""},
		{"Hi", "float32", ""},
		{"Alpha", "float32", ""},
	},
}

// tiles are the numbers of pixels that are computed together, largest first. The maps of networks with inputs of 224 pixels are
// multiples of 7 wide.
var tiles = []int{7, 3, 1}

// window is a square window and a stride along the row that have code of their own.
type window struct{ kw, sw int }

var windows = []window{{3, 1}, {3, 2}, {5, 1}, {5, 2}, {7, 1}}

func (w window) name(isa string) string {
	return fmt.Sprintf("Depthwise%dx%dS%dx%dF32%s", w.kw, w.kw, w.sw, tiles[0], isa)
}

// downName is that of the function that goes down the rows.
func (w window) downName(isa string) string {
	return fmt.Sprintf("Depthwise%dx%dS%dDownx%dF32%s", w.kw, w.kw, w.sw, tiles[0], isa)
}

func (w window) doc(name string, lanes int) string {
	return fmt.Sprintf("%s computes %d channels of depthwise convolution with a %dx%d window, stride %d along the row; see DepthwiseArgs. "+
		"A window leaves the picture by at most %d at the left or right.", name, lanes, w.kw, w.kw, w.sw, w.edge())
}

func (w window) runsDoc(name string, lanes int) string {
	step := (1 + w.kw*w.kw) * tap
	apart := fmt.Sprintf("%d bytes apart", step)
	if 4*lanes < tap {
		apart = fmt.Sprintf("in turn %d bytes and the rest of %d apart", 4*lanes, step)
	}
	return fmt.Sprintf("%s computes Blocks blocks of %d channels of depthwise convolution with a %dx%d window, stride %d along the row; "+
		"see DepthwiseArgs. The weights of blocks lie %s. A window leaves the picture by at most %d at the left or right.",
		name, lanes, w.kw, w.kw, w.sw, apart, w.edge())
}

// edge is how many of the outermost input pixels of a tile may lie outside the picture at either side.
func (w window) edge() int { return w.kw / 2 }

// inputs is the number of input pixels under a tile.
func (w window) inputs(pixels int) int { return (pixels-1)*w.sw + w.kw }

// outside says whether input q of a tile may lie to the left or to the right of the picture; never both.
func (w window) outside(pixels, q int) (left, right bool) {
	return q < w.edge(), q >= w.inputs(pixels)-w.edge()
}

// edgeInput is the input of a tile that is the e-th of those that may lie outside the picture.
func (w window) edgeInput(pixels, e int) int {
	if e < w.edge() {
		return e
	}
	return w.inputs(pixels) - 2*w.edge() + e
}

// anyTile is how many pixels DepthwiseAny computes together.
const anyTile = 4

func anyDoc(name string, lanes int) string {
	return fmt.Sprintf("%s computes %d channels of depthwise convolution with any window, stride, dilation and padding; see DepthwiseArgs.", name, lanes)
}

// moveSignature is that of the function that gathers a channel block's pixels to lie one after the other, and scatters them again.
const moveSignature = "(dst, src *float32, pixels, blocks, dstPixel, dstBlock, srcPixel, srcBlock int)"

func moveName(isa string) (name, doc string) {
	name = "DepthwiseMove16F32" + isa
	return name, name + " copies 16 floats for each pixel and block, both positive. Steps are in bytes."
}
