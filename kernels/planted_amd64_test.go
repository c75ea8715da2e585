//go:build linux && !purego

package kernels

import (
	"reflect"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
)

// body returns the machine code of an assembly function. f is Go's wrapper around it, which calls it once.
func body(t *testing.T, f func(*asm.GemmArgs)) []byte {
	wrapper := reflect.ValueOf(f).Pointer()
	name := runtime.FuncForPC(wrapper).Name()
	bytes := func(pc, n uintptr) []byte { return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&pc))), n) }
	code := bytes(wrapper, 256)
	for i := range code[:200] {
		if code[i] != 0xE8 { // CALL rel32
			continue
		}
		target := wrapper + uintptr(i) + 5 + uintptr(int(*(*int32)(unsafe.Pointer(&code[i+1]))))
		fn := runtime.FuncForPC(target)
		if fn == nil || fn.Entry() != target || fn.Name() != name {
			continue
		}
		end := target
		for g := fn; g != nil && g.Entry() == target; g = runtime.FuncForPC(end) {
			end += 16
		}
		return bytes(target, end-target-16)
	}
	t.Skipf("cannot find the machine code of %s behind its wrapper", name)
	return nil
}

// TestPlantedWrongKernelIsReplaced turns the multiply-adds of a tile into negated ones, in memory, and sees the self-test notice, lower
// the family, and the replacement give ref's bits.
func TestPlantedWrongKernelIsReplaced(t *testing.T) {
	var code []byte
	switch available[len(available)-1] {
	case AVX512:
		code = body(t, asm.Gemm12x32F32AVX512)
	case AVX2:
		code = body(t, asm.Gemm6x16F32AVX2)
	default:
		t.Skip("needs AVX2 or AVX-512")
	}
	best := available[len(available)-1]
	page := uintptr(syscall.Getpagesize())
	start := uintptr(unsafe.Pointer(&code[0])) &^ (page - 1)
	length := (uintptr(unsafe.Pointer(&code[0])) + uintptr(len(code)) - start + page - 1) &^ (page - 1)
	protect := func(prot uintptr) syscall.Errno {
		_, _, err := syscall.Syscall(syscall.SYS_MPROTECT, start, length, prot)
		return err
	}
	if err := protect(syscall.PROT_READ | syscall.PROT_WRITE | syscall.PROT_EXEC); err != 0 {
		t.Skipf("this system does not let a program change its own code: %v", err)
	}
	const fmadd, fnmadd = 0xB8, 0xBC // VFMADD231PS, VFNMADD231PS
	var changed []int
	for i := 0; i+6 < len(code); i++ {
		evex := code[i] == 0x62 && code[i+1]&0x0f == 0x02 && code[i+2]&0x87 == 0x05 && code[i+4] == fmadd
		vex := code[i] == 0xC4 && code[i+1]&0x1f == 0x02 && code[i+2]&0x83 == 0x01 && code[i+3] == fmadd
		switch {
		case evex:
			changed = append(changed, i+4)
		case vex:
			changed = append(changed, i+3)
		}
	}
	for _, i := range changed {
		code[i] = fnmadd
	}
	oldUse := use
	use[OpGemm] = best
	found := selfTest(checks[:OpGemm+1])
	lowered := use[OpGemm]
	soundAfter := checkGemm()
	use = oldUse
	for _, i := range changed {
		code[i] = fmadd
	}
	if err := protect(syscall.PROT_READ | syscall.PROT_EXEC); err != 0 {
		t.Fatalf("mprotect: %v", err)
	}
	if len(changed) == 0 {
		t.Fatal("found no multiply-add to change")
	}
	if lowered != below(best) {
		t.Errorf("with a wrong %v kernel gemm runs on %v, want %v", best, lowered, below(best))
	}
	if len(found) != 2 || found[0].Passed || found[0].Tried != best || !found[1].Passed {
		t.Errorf("the self-test reports %v", found)
	}
	if !soundAfter {
		t.Error("the replacement does not give ref's bits")
	}
	if use[OpGemm] = best; !checkGemm() {
		t.Error("the restored kernel does not give ref's bits")
	}
	use = oldUse
}
