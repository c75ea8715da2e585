//go:build purego || !(amd64 || arm64)

package kernels

import "github.com/ocellus-vision/ocellus/asm"

// winogradLanes returns how many channels a transform computes at a time, and the instruction set whose transform that is.
func winogradLanes(ISA, int) (ISA, int) { return Generic, 1 }

func winogradInput(_ ISA, m int, a *asm.WinogradArgs) { winogradInputGeneric(m, a) }

func winogradOutput(_ ISA, m int, a *asm.WinogradArgs) { winogradOutputGeneric(m, a) }
