// Package gen writes the assembly of package asm. Run "go generate" here, or "make generate" at the top.
package gen

//go:generate go run ./gemm -isa args
//go:generate go run ./gemm -isa avx2 -out ../asm/gemm_avx2_amd64.s -stubs ../asm/gemm_avx2_amd64.go -pkg asm
//go:generate go run ./gemm -isa avx512 -out ../asm/gemm_avx512_amd64.s -stubs ../asm/gemm_avx512_amd64.go -pkg asm
//go:generate go run ./gemm -bytes -isa avx2 -out ../asm/gemm8_avx2_amd64.s -stubs ../asm/gemm8_avx2_amd64.go -pkg asm
//go:generate go run ./gemm -bytes -isa avx512 -out ../asm/gemm8_avx512_amd64.s -stubs ../asm/gemm8_avx512_amd64.go -pkg asm
//go:generate go run ./gemmneon
//go:generate go run ./probe -isa avx2 -out ../asm/probe_avx2_amd64.s -stubs ../asm/probe_avx2_amd64.go -pkg asm
//go:generate go run ./probe -isa avx512 -out ../asm/probe_avx512_amd64.s -stubs ../asm/probe_avx512_amd64.go -pkg asm
//go:generate go run ./probe -isa neon
//go:generate go run ./camera -isa avx2 -out ../asm/camera_avx2_amd64.s -stubs ../asm/camera_avx2_amd64.go -pkg asm
//go:generate go run ./camera -isa neon
//go:generate go run ./depthwise -isa args
//go:generate go run ./depthwise -isa avx2 -out ../asm/depthwise_avx2_amd64.s -stubs ../asm/depthwise_avx2_amd64.go -pkg asm
//go:generate go run ./depthwise -isa avx512 -out ../asm/depthwise_avx512_amd64.s -stubs ../asm/depthwise_avx512_amd64.go -pkg asm
//go:generate go run ./depthwise -isa neon
//go:generate go run ./depthwise8 -isa args
//go:generate go run ./depthwise8 -isa avx2 -out ../asm/depthwise8_avx2_amd64.s -stubs ../asm/depthwise8_avx2_amd64.go -pkg asm
//go:generate go run ./depthwise8 -isa avx512 -out ../asm/depthwise8_avx512_amd64.s -stubs ../asm/depthwise8_avx512_amd64.go -pkg asm
//go:generate go run ./depthwise8 -isa neon
//go:generate go run ./transpose -isa avx2 -out ../asm/transpose_avx2_amd64.s -stubs ../asm/transpose_avx2_amd64.go -pkg asm
//go:generate go run ./transpose -isa avx512 -out ../asm/transpose_avx512_amd64.s -stubs ../asm/transpose_avx512_amd64.go -pkg asm
//go:generate go run ./transpose -isa neon
//go:generate go run ./pool -isa args
//go:generate go run ./pool -isa avx2 -out ../asm/pool_avx2_amd64.s -stubs ../asm/pool_avx2_amd64.go -pkg asm
//go:generate go run ./pool -isa avx512 -out ../asm/pool_avx512_amd64.s -stubs ../asm/pool_avx512_amd64.go -pkg asm
//go:generate go run ./pool -isa neon
//go:generate go run ./vecmap -isa avx2 -out ../asm/map_avx2_amd64.s -stubs ../asm/map_avx2_amd64.go -pkg asm
//go:generate go run ./vecmap -isa avx512 -out ../asm/map_avx512_amd64.s -stubs ../asm/map_avx512_amd64.go -pkg asm
//go:generate go run ./vecmap -isa neon
//go:generate go run ./vecmap -family norm -isa avx2 -out ../asm/norm_avx2_amd64.s -stubs ../asm/norm_avx2_amd64.go -pkg asm
//go:generate go run ./vecmap -family norm -isa neon
//go:generate go run ./vecmap -family grad -isa avx2 -out ../asm/grad_avx2_amd64.s -stubs ../asm/grad_avx2_amd64.go -pkg asm
//go:generate go run ./vecmap -family grad -isa avx512 -out ../asm/grad_avx512_amd64.s -stubs ../asm/grad_avx512_amd64.go -pkg asm
//go:generate go run ./vecmap -family grad -isa neon
//go:generate go run ./lcn -isa avx2 -out ../asm/lcn_avx2_amd64.s -stubs ../asm/lcn_avx2_amd64.go -pkg asm
//go:generate go run ./lcn -isa avx512 -out ../asm/lcn_avx512_amd64.s -stubs ../asm/lcn_avx512_amd64.go -pkg asm
//go:generate go run ./lcn -isa neon
//go:generate go run ./winograd -isa args
//go:generate go run ./winograd -isa avx2 -out ../asm/winograd_avx2_amd64.s -stubs ../asm/winograd_avx2_amd64.go -pkg asm
//go:generate go run ./winograd -isa avx512 -out ../asm/winograd_avx512_amd64.s -stubs ../asm/winograd_avx512_amd64.go -pkg asm
//go:generate go run ./winograd -isa neon
//go:generate go run ./gemmtn -isa args
//go:generate go run ./gemmtn -isa avx2 -out ../asm/gemmtn_avx2_amd64.s -stubs ../asm/gemmtn_avx2_amd64.go -pkg asm
//go:generate go run ./gemmtn -isa avx512 -out ../asm/gemmtn_avx512_amd64.s -stubs ../asm/gemmtn_avx512_amd64.go -pkg asm
//go:generate go run ./gemmtn -isa neon
//go:generate go run ./depthwisegrad -isa args
//go:generate go run ./depthwisegrad -isa avx2 -out ../asm/depthwisegrad_avx2_amd64.s -stubs ../asm/depthwisegrad_avx2_amd64.go -pkg asm
//go:generate go run ./depthwisegrad -isa avx512 -out ../asm/depthwisegrad_avx512_amd64.s -stubs ../asm/depthwisegrad_avx512_amd64.go -pkg asm
//go:generate go run ./depthwisegrad -isa neon
