package main

import "github.com/ocellus-vision/ocellus/gen/argstruct"

// arguments is asm.GemmTNArgs.
var arguments = argstruct.Struct{
	Name: "GemmTNArgs", Generator: "gemmtn",
	Before: `// GemmTNSpan is positions that lie evenly: where the first one is, in bytes from the arguments' A and B, and how many there are, at least 1.
type GemmTNSpan struct{ A, B, N int }

`,
	Doc: `// GemmTNArgs are the arguments of a tile of a product of a transposed matrix: acc = +0 or C; acc = FMA(A[p][r], B[p][c], acc) for the
// positions p of all spans in order; C = acc, or C + acc.
`,
	Fields: []argstruct.Field{
		{"A", "*float32", "the first row's column of A"},
		{"B", "*float32", "the first column of B"},
		{"C", "*float32", "the tile's first output"},
		{"Spans", "*GemmTNSpan", "[Count]"},
		{"Count", "int", "spans; 0 leaves the accumulators as they start"},
		{"LDA", "int", "bytes from one position of a span to the next in A"},
		{"LDB", "int", "and in B"},
		{"LDC", "int", "bytes from one output row to the next"},
		{"Rows", "int", "rows of the tile, 1 to its height: neighbouring floats of A"},
		{"Cols", "int", "columns: neighbouring floats of B. 16 but for AVX-512, which takes 1 to 32 and reads and writes nothing beyond them; of 3 rows and fewer also 32 (AVX-512: 64), of one row also 64 (128)"},
		{"Load", "int", "not 0: the accumulators start from C"},
		{"Add", "int", "not 0: C is added to"},
	},
}
