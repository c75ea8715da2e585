//go:build !purego

package kernels

import (
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
)

// mapTile runs op on n elements, at most mapChunk; b and c are nil where op has fewer sources.
func mapTile(op mapOp, dst, a, b, c *float32, n int, p *mapParams) {
	switch use[OpMap] {
	case AVX512:
		mapAVX512(op, dst, a, b, c, n, p)
	case AVX2:
		mapAVX2(op, dst, a, b, c, n, p)
	default:
		mapPlain(op, unsafe.Slice(dst, n), sliceOf(a, n), sliceOf(b, n), sliceOf(c, n), *p)
	}
}

func mapAVX2(op mapOp, dst, a, b, c *float32, n int, p *mapParams) {
	switch op {
	case mapExp:
		asm.MapExpAVX2(dst, a, n)
	case mapLog:
		asm.MapLogAVX2(dst, a, n)
	case mapTanh:
		asm.MapTanhAVX2(dst, a, n)
	case mapSigmoid:
		asm.MapSigmoidAVX2(dst, a, n)
	case mapSiLU:
		asm.MapSiLUAVX2(dst, a, n)
	case mapGELU:
		asm.MapGELUAVX2(dst, a, n)
	case mapGELUTanh:
		asm.MapGELUTanhAVX2(dst, a, n)
	case mapErf:
		asm.MapErfAVX2(dst, a, n)
	case mapSoftplus:
		asm.MapSoftplusAVX2(dst, a, n)
	case mapHardSwish:
		asm.MapHardSwishAVX2(dst, a, n)
	case mapStep:
		asm.MapStepAVX2(dst, a, n)
	case mapSqrt:
		asm.MapSqrtAVX2(dst, a, n)
	case mapAbs:
		asm.MapAbsAVX2(dst, a, n)
	case mapNeg:
		asm.MapNegAVX2(dst, a, n)
	case mapReLU:
		asm.MapReLUAVX2(dst, a, n)
	case mapLeakyReLU:
		asm.MapLeakyReLUAVX2(dst, a, n, p[0])
	case mapClip:
		asm.MapClipAVX2(dst, a, n, p[0], p[1])
	case mapELU:
		asm.MapELUAVX2(dst, a, n, p[0], p[1])
	case mapHardSigmoid:
		asm.MapHardSigmoidAVX2(dst, a, n, p[0], p[1])
	case mapAddScalar:
		asm.MapAddScalarAVX2(dst, a, n, p[0])
	case mapSubScalar:
		asm.MapSubScalarAVX2(dst, a, n, p[0])
	case mapScalarSub:
		asm.MapScalarSubAVX2(dst, a, n, p[0])
	case mapMulScalar:
		asm.MapMulScalarAVX2(dst, a, n, p[0])
	case mapDivScalar:
		asm.MapDivScalarAVX2(dst, a, n, p[0])
	case mapScalarDiv:
		asm.MapScalarDivAVX2(dst, a, n, p[0])
	case mapScalarMin:
		asm.MapScalarMinAVX2(dst, a, n, p[0])
	case mapScalarMax:
		asm.MapScalarMaxAVX2(dst, a, n, p[0])
	case mapExpSub:
		asm.MapExpSubAVX2(dst, a, n, p[0])
	case mapSubSub:
		asm.MapSubSubAVX2(dst, a, n, p[0], p[1])
	case mapPReLU:
		asm.MapPReLUAVX2(dst, a, b, n)
	case mapAdd:
		asm.MapAddAVX2(dst, a, b, n)
	case mapSub:
		asm.MapSubAVX2(dst, a, b, n)
	case mapMul:
		asm.MapMulAVX2(dst, a, b, n)
	case mapDiv:
		asm.MapDivAVX2(dst, a, b, n)
	case mapMin:
		asm.MapMinAVX2(dst, a, b, n)
	case mapMax:
		asm.MapMaxAVX2(dst, a, b, n)
	case mapAddSquare:
		asm.MapAddSquareAVX2(dst, a, b, n)
	case mapLRN75:
		asm.MapLRN75AVX2(dst, a, b, n, p[0], p[1])
	case mapLRN:
		asm.MapLRNAVX2(dst, a, b, n, p[0], p[1], p[2])
	case mapScaleShiftClip:
		asm.MapScaleShiftClipAVX2(dst, a, b, c, n, p[0], p[1])
	case mapScaleShiftLeaky:
		asm.MapScaleShiftLeakyAVX2(dst, a, b, c, n, p[0])
	case mapNormalize:
		asm.MapNormalizeAVX2(dst, a, b, c, n, p[0], p[1])
	case mapReLUGrad:
		asm.MapReLUGradAVX2(dst, a, b, n)
	case mapClipGrad:
		asm.MapClipGradAVX2(dst, a, b, n, p[0], p[1])
	case mapLeakyReLUGrad:
		asm.MapLeakyReLUGradAVX2(dst, a, b, n, p[0])
	case mapSigmoidGrad:
		asm.MapSigmoidGradAVX2(dst, a, b, n)
	case mapTanhGrad:
		asm.MapTanhGradAVX2(dst, a, b, n)
	case mapELUGrad:
		asm.MapELUGradAVX2(dst, a, b, n, p[0], p[1])
	case mapSoftplusGrad:
		asm.MapSoftplusGradAVX2(dst, a, b, n)
	case mapSqrtGrad:
		asm.MapSqrtGradAVX2(dst, a, b, n)
	case mapHardSigmoidGrad:
		asm.MapHardSigmoidGradAVX2(dst, a, b, n, p[0])
	case mapSiLUGrad:
		asm.MapSiLUGradAVX2(dst, a, b, n)
	case mapHardSwishGrad:
		asm.MapHardSwishGradAVX2(dst, a, b, n)
	case mapGELUGrad:
		asm.MapGELUGradAVX2(dst, a, b, n)
	case mapGELUTanhGrad:
		asm.MapGELUTanhGradAVX2(dst, a, b, n)
	case mapErfGrad:
		asm.MapErfGradAVX2(dst, a, b, n)
	case mapAbsGrad:
		asm.MapAbsGradAVX2(dst, a, b, n)
	case mapBlend:
		asm.MapBlendAVX2(dst, a, b, n, p[0], p[1])
	case mapAddScaled:
		asm.MapAddScaledAVX2(dst, a, b, n, p[0])
	case mapLerp:
		asm.MapLerpAVX2(dst, a, b, n, p[0])
	case mapSubMul:
		asm.MapSubMulAVX2(dst, a, b, n, p[0])
	case mapAddScaledExp:
		asm.MapAddScaledExpAVX2(dst, a, b, n, p[0])
	case mapDivAddScaled:
		asm.MapDivAddScaledAVX2(dst, a, b, n, p[0], p[1])
	case mapPReLUGrad:
		asm.MapPReLUGradAVX2(dst, a, b, c, n)
	case mapMergeSquares:
		asm.MapMergeSquaresAVX2(dst, a, b, c, n, p[0])
	case mapLRNShare:
		asm.MapLRNShareAVX2(dst, a, b, c, n, p[0], p[1])
	case mapAddScaledProduct:
		asm.MapAddScaledProductAVX2(dst, a, b, c, n, p[0])
	}
}

func mapAVX512(op mapOp, dst, a, b, c *float32, n int, p *mapParams) {
	switch op {
	case mapExp:
		asm.MapExpAVX512(dst, a, n)
	case mapLog:
		asm.MapLogAVX512(dst, a, n)
	case mapTanh:
		asm.MapTanhAVX512(dst, a, n)
	case mapSigmoid:
		asm.MapSigmoidAVX512(dst, a, n)
	case mapSiLU:
		asm.MapSiLUAVX512(dst, a, n)
	case mapGELU:
		asm.MapGELUAVX512(dst, a, n)
	case mapGELUTanh:
		asm.MapGELUTanhAVX512(dst, a, n)
	case mapErf:
		asm.MapErfAVX512(dst, a, n)
	case mapSoftplus:
		asm.MapSoftplusAVX512(dst, a, n)
	case mapHardSwish:
		asm.MapHardSwishAVX512(dst, a, n)
	case mapStep:
		asm.MapStepAVX512(dst, a, n)
	case mapSqrt:
		asm.MapSqrtAVX512(dst, a, n)
	case mapAbs:
		asm.MapAbsAVX512(dst, a, n)
	case mapNeg:
		asm.MapNegAVX512(dst, a, n)
	case mapReLU:
		asm.MapReLUAVX512(dst, a, n)
	case mapLeakyReLU:
		asm.MapLeakyReLUAVX512(dst, a, n, p[0])
	case mapClip:
		asm.MapClipAVX512(dst, a, n, p[0], p[1])
	case mapELU:
		asm.MapELUAVX512(dst, a, n, p[0], p[1])
	case mapHardSigmoid:
		asm.MapHardSigmoidAVX512(dst, a, n, p[0], p[1])
	case mapAddScalar:
		asm.MapAddScalarAVX512(dst, a, n, p[0])
	case mapSubScalar:
		asm.MapSubScalarAVX512(dst, a, n, p[0])
	case mapScalarSub:
		asm.MapScalarSubAVX512(dst, a, n, p[0])
	case mapMulScalar:
		asm.MapMulScalarAVX512(dst, a, n, p[0])
	case mapDivScalar:
		asm.MapDivScalarAVX512(dst, a, n, p[0])
	case mapScalarDiv:
		asm.MapScalarDivAVX512(dst, a, n, p[0])
	case mapScalarMin:
		asm.MapScalarMinAVX512(dst, a, n, p[0])
	case mapScalarMax:
		asm.MapScalarMaxAVX512(dst, a, n, p[0])
	case mapExpSub:
		asm.MapExpSubAVX512(dst, a, n, p[0])
	case mapSubSub:
		asm.MapSubSubAVX512(dst, a, n, p[0], p[1])
	case mapPReLU:
		asm.MapPReLUAVX512(dst, a, b, n)
	case mapAdd:
		asm.MapAddAVX512(dst, a, b, n)
	case mapSub:
		asm.MapSubAVX512(dst, a, b, n)
	case mapMul:
		asm.MapMulAVX512(dst, a, b, n)
	case mapDiv:
		asm.MapDivAVX512(dst, a, b, n)
	case mapMin:
		asm.MapMinAVX512(dst, a, b, n)
	case mapMax:
		asm.MapMaxAVX512(dst, a, b, n)
	case mapAddSquare:
		asm.MapAddSquareAVX512(dst, a, b, n)
	case mapLRN75:
		asm.MapLRN75AVX512(dst, a, b, n, p[0], p[1])
	case mapLRN:
		asm.MapLRNAVX512(dst, a, b, n, p[0], p[1], p[2])
	case mapScaleShiftClip:
		asm.MapScaleShiftClipAVX512(dst, a, b, c, n, p[0], p[1])
	case mapScaleShiftLeaky:
		asm.MapScaleShiftLeakyAVX512(dst, a, b, c, n, p[0])
	case mapNormalize:
		asm.MapNormalizeAVX512(dst, a, b, c, n, p[0], p[1])
	case mapReLUGrad:
		asm.MapReLUGradAVX512(dst, a, b, n)
	case mapClipGrad:
		asm.MapClipGradAVX512(dst, a, b, n, p[0], p[1])
	case mapLeakyReLUGrad:
		asm.MapLeakyReLUGradAVX512(dst, a, b, n, p[0])
	case mapSigmoidGrad:
		asm.MapSigmoidGradAVX512(dst, a, b, n)
	case mapTanhGrad:
		asm.MapTanhGradAVX512(dst, a, b, n)
	case mapELUGrad:
		asm.MapELUGradAVX512(dst, a, b, n, p[0], p[1])
	case mapSoftplusGrad:
		asm.MapSoftplusGradAVX512(dst, a, b, n)
	case mapSqrtGrad:
		asm.MapSqrtGradAVX512(dst, a, b, n)
	case mapHardSigmoidGrad:
		asm.MapHardSigmoidGradAVX512(dst, a, b, n, p[0])
	case mapSiLUGrad:
		asm.MapSiLUGradAVX512(dst, a, b, n)
	case mapHardSwishGrad:
		asm.MapHardSwishGradAVX512(dst, a, b, n)
	case mapGELUGrad:
		asm.MapGELUGradAVX512(dst, a, b, n)
	case mapGELUTanhGrad:
		asm.MapGELUTanhGradAVX512(dst, a, b, n)
	case mapErfGrad:
		asm.MapErfGradAVX512(dst, a, b, n)
	case mapAbsGrad:
		asm.MapAbsGradAVX512(dst, a, b, n)
	case mapBlend:
		asm.MapBlendAVX512(dst, a, b, n, p[0], p[1])
	case mapAddScaled:
		asm.MapAddScaledAVX512(dst, a, b, n, p[0])
	case mapLerp:
		asm.MapLerpAVX512(dst, a, b, n, p[0])
	case mapSubMul:
		asm.MapSubMulAVX512(dst, a, b, n, p[0])
	case mapAddScaledExp:
		asm.MapAddScaledExpAVX512(dst, a, b, n, p[0])
	case mapDivAddScaled:
		asm.MapDivAddScaledAVX512(dst, a, b, n, p[0], p[1])
	case mapPReLUGrad:
		asm.MapPReLUGradAVX512(dst, a, b, c, n)
	case mapMergeSquares:
		asm.MapMergeSquaresAVX512(dst, a, b, c, n, p[0])
	case mapLRNShare:
		asm.MapLRNShareAVX512(dst, a, b, c, n, p[0], p[1])
	case mapAddScaledProduct:
		asm.MapAddScaledProductAVX512(dst, a, b, c, n, p[0])
	}
}
