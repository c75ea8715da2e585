package main

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	in := `goos: linux
BenchmarkKernels/avx2/1/gemm/4x4x4_bias-2   	     757	    146111 ns/op	        91.45 %peak	         5.382 GB/s	       229.6 GFLOP/s
BenchmarkKernels/avx2/1/pool/max-2   	 10	 5 ns/op	 20.0 GB/s	 1.034 xbound
BenchmarkKernels/avx2/2/gemm/4x4x4_bias-2   	     757	    146111 ns/op	        90.0 %peak	         10.0 GB/s	       420 GFLOP/s
PASS
`
	isas, rows, err := parse(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	write(&b, isas, rows)
	for _, want := range []string{"\navx2\n", "| gemm/4x4x4 bias | 230 | 91 % | 5 |  | 1.86x |\n", "| pool/max |  |  | 20 | 1.03x |  |\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	if _, _, err := parse(strings.NewReader("BenchmarkKernels/avx2/1/x-2 1 a ns/op\n")); err == nil {
		t.Error("a value that is no number is accepted")
	}
}
