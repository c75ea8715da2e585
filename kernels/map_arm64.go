//go:build !purego

package kernels

import (
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
)

// mapTile runs op on n elements, at most mapChunk; b and c are nil where op has fewer sources.
func mapTile(op mapOp, dst, a, b, c *float32, n int, p *mapParams) {
	switch use[OpMap] {
	case NEON:
		mapNEON(op, dst, a, b, c, n, p)
	default:
		mapPlain(op, unsafe.Slice(dst, n), sliceOf(a, n), sliceOf(b, n), sliceOf(c, n), *p)
	}
}

func mapNEON(op mapOp, dst, a, b, c *float32, n int, p *mapParams) {
	switch op {
	case mapExp:
		asm.MapExpNEON(dst, a, n)
	case mapLog:
		asm.MapLogNEON(dst, a, n)
	case mapTanh:
		asm.MapTanhNEON(dst, a, n)
	case mapSigmoid:
		asm.MapSigmoidNEON(dst, a, n)
	case mapSiLU:
		asm.MapSiLUNEON(dst, a, n)
	case mapGELU:
		asm.MapGELUNEON(dst, a, n)
	case mapGELUTanh:
		asm.MapGELUTanhNEON(dst, a, n)
	case mapErf:
		asm.MapErfNEON(dst, a, n)
	case mapSoftplus:
		asm.MapSoftplusNEON(dst, a, n)
	case mapHardSwish:
		asm.MapHardSwishNEON(dst, a, n)
	case mapStep:
		asm.MapStepNEON(dst, a, n)
	case mapSqrt:
		asm.MapSqrtNEON(dst, a, n)
	case mapAbs:
		asm.MapAbsNEON(dst, a, n)
	case mapNeg:
		asm.MapNegNEON(dst, a, n)
	case mapReLU:
		asm.MapReLUNEON(dst, a, n)
	case mapLeakyReLU:
		asm.MapLeakyReLUNEON(dst, a, n, p[0])
	case mapClip:
		asm.MapClipNEON(dst, a, n, p[0], p[1])
	case mapELU:
		asm.MapELUNEON(dst, a, n, p[0], p[1])
	case mapHardSigmoid:
		asm.MapHardSigmoidNEON(dst, a, n, p[0], p[1])
	case mapAddScalar:
		asm.MapAddScalarNEON(dst, a, n, p[0])
	case mapSubScalar:
		asm.MapSubScalarNEON(dst, a, n, p[0])
	case mapScalarSub:
		asm.MapScalarSubNEON(dst, a, n, p[0])
	case mapMulScalar:
		asm.MapMulScalarNEON(dst, a, n, p[0])
	case mapDivScalar:
		asm.MapDivScalarNEON(dst, a, n, p[0])
	case mapScalarDiv:
		asm.MapScalarDivNEON(dst, a, n, p[0])
	case mapScalarMin:
		asm.MapScalarMinNEON(dst, a, n, p[0])
	case mapScalarMax:
		asm.MapScalarMaxNEON(dst, a, n, p[0])
	case mapExpSub:
		asm.MapExpSubNEON(dst, a, n, p[0])
	case mapSubSub:
		asm.MapSubSubNEON(dst, a, n, p[0], p[1])
	case mapPReLU:
		asm.MapPReLUNEON(dst, a, b, n)
	case mapAdd:
		asm.MapAddNEON(dst, a, b, n)
	case mapSub:
		asm.MapSubNEON(dst, a, b, n)
	case mapMul:
		asm.MapMulNEON(dst, a, b, n)
	case mapDiv:
		asm.MapDivNEON(dst, a, b, n)
	case mapMin:
		asm.MapMinNEON(dst, a, b, n)
	case mapMax:
		asm.MapMaxNEON(dst, a, b, n)
	case mapAddSquare:
		asm.MapAddSquareNEON(dst, a, b, n)
	case mapLRN75:
		asm.MapLRN75NEON(dst, a, b, n, p[0], p[1])
	case mapLRN:
		asm.MapLRNNEON(dst, a, b, n, p[0], p[1], p[2])
	case mapScaleShiftClip:
		asm.MapScaleShiftClipNEON(dst, a, b, c, n, p[0], p[1])
	case mapScaleShiftLeaky:
		asm.MapScaleShiftLeakyNEON(dst, a, b, c, n, p[0])
	case mapNormalize:
		asm.MapNormalizeNEON(dst, a, b, c, n, p[0], p[1])
	case mapReLUGrad:
		asm.MapReLUGradNEON(dst, a, b, n)
	case mapClipGrad:
		asm.MapClipGradNEON(dst, a, b, n, p[0], p[1])
	case mapLeakyReLUGrad:
		asm.MapLeakyReLUGradNEON(dst, a, b, n, p[0])
	case mapSigmoidGrad:
		asm.MapSigmoidGradNEON(dst, a, b, n)
	case mapTanhGrad:
		asm.MapTanhGradNEON(dst, a, b, n)
	case mapELUGrad:
		asm.MapELUGradNEON(dst, a, b, n, p[0], p[1])
	case mapSoftplusGrad:
		asm.MapSoftplusGradNEON(dst, a, b, n)
	case mapSqrtGrad:
		asm.MapSqrtGradNEON(dst, a, b, n)
	case mapHardSigmoidGrad:
		asm.MapHardSigmoidGradNEON(dst, a, b, n, p[0])
	case mapSiLUGrad:
		asm.MapSiLUGradNEON(dst, a, b, n)
	case mapHardSwishGrad:
		asm.MapHardSwishGradNEON(dst, a, b, n)
	case mapGELUGrad:
		asm.MapGELUGradNEON(dst, a, b, n)
	case mapGELUTanhGrad:
		asm.MapGELUTanhGradNEON(dst, a, b, n)
	case mapErfGrad:
		asm.MapErfGradNEON(dst, a, b, n)
	case mapAbsGrad:
		asm.MapAbsGradNEON(dst, a, b, n)
	case mapBlend:
		asm.MapBlendNEON(dst, a, b, n, p[0], p[1])
	case mapAddScaled:
		asm.MapAddScaledNEON(dst, a, b, n, p[0])
	case mapLerp:
		asm.MapLerpNEON(dst, a, b, n, p[0])
	case mapSubMul:
		asm.MapSubMulNEON(dst, a, b, n, p[0])
	case mapAddScaledExp:
		asm.MapAddScaledExpNEON(dst, a, b, n, p[0])
	case mapDivAddScaled:
		asm.MapDivAddScaledNEON(dst, a, b, n, p[0], p[1])
	case mapPReLUGrad:
		asm.MapPReLUGradNEON(dst, a, b, c, n)
	case mapMergeSquares:
		asm.MapMergeSquaresNEON(dst, a, b, c, n, p[0])
	case mapLRNShare:
		asm.MapLRNShareNEON(dst, a, b, c, n, p[0], p[1])
	case mapAddScaledProduct:
		asm.MapAddScaledProductNEON(dst, a, b, c, n, p[0])
	}
}
