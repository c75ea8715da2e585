// Package gemmargs describes the argument struct that the GEMM tiles of every instruction set share.
package gemmargs

import "github.com/ocellus-vision/ocellus/gen/argstruct"

// Args is asm.GemmArgs.
var Args = argstruct.Struct{
	Name: "GemmArgs", Generator: "gemm",
	Package: "// Package asm holds the generated assembly. It decides nothing: kernels chooses what to call, and checks arguments.\n",
	Doc: `// GemmArgs are the arguments of a GEMM tile: acc = Bias or C; acc = FMA(A[r][k], B[k][c], acc) for steps and k
// ascending; acc += Res; C = Act(acc).
//
// Tiles of 8-bit integers take four of them where others take a float: A holds bytes, which are XORed with Flip and then unsigned, or signed in tiles for
// arm64; B holds int8, [Steps*K][16][4]; Bias, never nil, and C hold int32, and acc += Σ A[r][4k+i]·B[k][c][4]. With an Act of 3 C holds bytes, those of
// round(min(max(float32(acc)·Scale, Lo), Hi)) + Point, ties to even. They have no Res and no other Act.
`,
	Fields: []argstruct.Field{
		{"A", "*float32", "base of the rows of A"},
		{"Offs", "*int32", "[Steps][OffStride] offsets in floats of row r at step t from A; negative: the row is Zero"},
		{"Zero", "*float32", "at least K zeros"},
		{"B", "*float32", "packed panel [Steps*K][16] of 16 columns"},
		{"BPanel", "int", "bytes from one panel to the next, for tiles of several panels"},
		{"Bias", "*float32", "16 floats a panel, or nil for +0: what the accumulators start from"},
		{"C", "*float32", "the tile's first output"},
		{"Res", "*float32", "the tile's first residual, or nil"},
		{"LDC", "int", "bytes from one output row to the next"},
		{"LDR", "int", "bytes from one residual row to the next"},
		{"K", "int", "floats per step, at least 1"},
		{"Steps", "int", "kernel positions; 0 leaves the accumulators as they start"},
		{"OffStride", "int", "bytes from one step's offsets to the next"},
		{"AStep", "int", "bytes that A advances from tile to tile"},
		{"OffStep", "int", "bytes that Offs advances from tile to tile"},
		{"Rows", "int", "rows of a tile, 1 to the tile's height"},
		{"Cols", "int", "valid columns, 1 to the tile's width; nothing beyond them is read or written in C and Res"},
		{"Tiles", "int", "tiles of this height, one below the other, at least 1"},
		{"Load", "int", "not 0: the accumulators start from C instead of Bias"},
		{"Scale", "*float32", "16 floats a panel, for an Act of 3"},
		{"Flip", "int", "of 8-bit integers: a byte, in each of the lower four"},
		{"Point", "int", "the zero point of the results, for an Act of 3"},
		{"Act", "int", "0 none, 1 clip: y = Lo > y ? Lo : y, then Hi < y ? Hi : y, 2 leaky: y = y > 0 ? y : Alpha*y"},
		{"Ahead", "int", "bytes from a step's B to what will be read when the tiles are done: tiles with a register to spare prefetch it, the highest of them every fourth line, and each other ones; 0 for nothing"},
		{"LDA", "int", "bytes from one row of A to the next where Steps is 1, or there is StepA, and that is all that Offs says, else 0; tiles may do without it"},
		{"StepA", "int", "bytes from where a step's run of a row ends to where the next begins, where LDA is not 0 and tiles for even rows take several steps"},
		{"Lo", "float32", ""},
		{"Hi", "float32", ""},
		{"Alpha", "float32", ""},
	},
}
