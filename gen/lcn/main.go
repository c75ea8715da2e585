// Command lcn writes the kernels of local contrast normalisation: asm/lcn_avx2_amd64.s, asm/lcn_avx512_amd64.s and
// asm/lcn_neon_arm64.s.
//
// Sums over a pixel's channels keep eight lanes on every instruction set. The Gaussian passes have their lanes along the row.
// A picture of one channel has kernels of its own, with lanes along the row too; on amd64 so has one of less than eight, because
// there a load that overlaps a masked store has to wait for it.
package main

import (
	"flag"
	"fmt"
	"log"

	"github.com/mmcloughlin/avo/build"
)

var isa = flag.String("isa", "", "avx2, avx512 or neon")

func main() {
	flag.Parse()
	switch *isa {
	case "avx2":
		amd64(avx2)
		build.Generate()
	case "avx512":
		amd64(avx512)
		build.Generate()
	case "neon":
		if err := arm64(); err != nil {
			log.Fatal("lcn: ", err)
		}
	default:
		log.Fatalf("lcn: unknown -isa %q", *isa)
	}
}

// The functions: name without tile and instruction set, signature, what they compute.
type function struct{ name, signature, doc string }

var (
	blur = function{"LCNBlur", "(dst, src *float32, step int, taps *float32, k int, scale *float32, scaleStep, root, n int)",
		"computes y = scale[x·scaleStep]·Σ_q src[x+q·step]·taps[q], q from 0 to k-1 by FMA from +0, and dst[x] = y, or √y if root is not 0, for x < n. " +
			"step is in bytes, scaleStep 0 or 1, n a positive multiple of 16."}
	sum = function{"LCNSum", "(dst, src *float32, pixels, channels, square int)",
		"computes dst[p], the sum of src[p,c] over c or, if square is not 0, of its squares, in eight lanes. Pixels and channels are positive."}
	sub = function{"LCNSub", "(dst, squares, src, mean *float32, pixels, channels int)",
		"computes dst[p,c] = src[p,c] - mean[p] and squares[p], the sum of dst[p,c]² over c in eight lanes. Pixels and channels are positive."}
	div = function{"LCNDiv", "(dst, src, dev *float32, mean, floor float32, pixels, channels int)",
		"computes dst[p,c] = src[p,c] / d, d = mean > dev[p] ? mean : dev[p], then floor > d ? floor : d. Pixels are positive, channels are 8 or more on amd64."}
	fewSub = function{"LCNFewSub", "(dst, src, mean *float32, order *int32, groups, channels int)",
		"computes dst[p,c] = src[p,c] - mean[p] for groups of eight pixels. order[i] is i / channels, for i < 8·channels. Groups and channels are positive."}
	fewDiv = function{"LCNFewDiv", "(dst, src, dev *float32, order *int32, mean, floor float32, groups, channels int)",
		"computes dst[p,c] = src[p,c] / d as LCNDiv does, for groups of eight pixels; order as in LCNFewSub. Groups and channels are positive."}
	flatSub = function{"LCNFlatSub", "(dst, squares, src, mean *float32, n int)",
		"computes dst[i] = src[i] - mean[i] and squares[i] = dst[i]². n is positive."}
	flatDiv = function{"LCNFlatDiv", "(dst, src, dev *float32, mean, floor float32, n int)",
		"computes dst[i] = src[i] / d, d = mean > dev[i] ? mean : dev[i], then floor > d ? floor : d. n is positive."}
)

func (f function) full(lanes int, isa string) (name, doc string) {
	name = fmt.Sprintf("%s%dF32%s", f.name, lanes, isa)
	return name, name + " " + f.doc
}
