//go:build linux && !purego

package kernels

import (
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
)

// function is an assembly function that the test program holds.
type function struct {
	name string
	code []byte
}

// functions returns the assembly functions that the program holds: those that kernels calls.
func functions() []function {
	const pkg = "github.com/ocellus-vision/ocellus/asm."
	of := func(pc uintptr) *runtime.Func {
		if f := runtime.FuncForPC(pc); f != nil && strings.HasPrefix(f.Name(), pkg) {
			return f
		}
		return nil
	}
	const align = 16 // of functions
	start := reflect.ValueOf(asm.ProbeFMAAVX2).Pointer()
	for of(start-align) != nil {
		start -= align
	}
	var all []function
	for pc := start; of(pc) != nil; {
		f, end := of(pc), pc+align
		for g := of(end); g != nil && g.Entry() != end; g = of(end) {
			end += align
		}
		all = append(all, function{strings.TrimPrefix(f.Name(), pkg), unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&pc))), end-pc)})
		pc = end
	}
	return all
}

// writable lets the program change functions until the test ends.
func writable(t *testing.T, functions []function) {
	page := uintptr(syscall.Getpagesize())
	first, last := functions[0].code, functions[len(functions)-1].code
	start := uintptr(unsafe.Pointer(&first[0])) &^ (page - 1)
	length := uintptr(unsafe.Pointer(&last[0])) + uintptr(len(last)) - start
	protect := func(prot uintptr) syscall.Errno {
		_, _, err := syscall.Syscall(syscall.SYS_MPROTECT, start, length, prot)
		return err
	}
	if err := protect(syscall.PROT_READ | syscall.PROT_WRITE | syscall.PROT_EXEC); err != 0 {
		t.Skipf("this system does not let a program change its own code: %v", err)
	}
	t.Cleanup(func() {
		if err := protect(syscall.PROT_READ | syscall.PROT_EXEC); err != 0 {
			t.Errorf("mprotect: %v", err)
		}
	})
}

// TestSelfTestSeesEveryFunction makes one assembly function after the other do nothing, and sees the self-test notice. Functions for traits that this CPU
// lacks are run, too.
func TestSelfTestSeesEveryFunction(t *testing.T) {
	const ret = 0xC3
	all := functions()
	writable(t, all)
	oldUse := use
	defer func() { use = oldUse }()
	var last Op // to notice anything: families lie together
	sound := func(has bool) bool {
		defer WithTraits(has)()
		for i := range NumOps {
			if op := (last + i) % NumOps; !runCheck(checks[op]) {
				last = op
				return false
			}
		}
		return true
	}
	// Products of bytes run on tiles for CPUs without instructions for them, too.
	allSound := func() bool {
		if !sound(false) || !sound(true) {
			return false
		}
		defer WithoutDotProducts()()
		return sound(true)
	}
	for _, isa := range available[1:] {
		for op := range use {
			use[op] = isa
		}
		suffixes := []string{strings.ToUpper(isa.String())}
		if dotProducts[isa] {
			suffixes = append(suffixes, map[ISA]string{AVX2: "AVXVNNI", AVX512: "AVX512VNNI"}[isa])
		}
		if !allSound() {
			t.Fatalf("%v: the self-test fails before anything is planted", isa)
		}
		tried := 0
		for _, f := range all {
			ours := slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(f.name, s) })
			if !ours || strings.HasPrefix(f.name, "Probe") {
				continue
			}
			tried++
			old := f.code[0]
			f.code[0] = ret
			noticed := !allSound()
			f.code[0] = old
			if !noticed {
				t.Errorf("%v: nobody notices that %s does nothing", isa, f.name)
			}
		}
		if tried < 100 {
			t.Errorf("%v: found %d functions", isa, tried)
		}
	}
}

// TestPlantedWrongKernelIsReplaced turns the multiply-adds of a tile into negated ones, in memory, and sees the self-test notice, lower
// the family, and the replacement give ref's bits.
func TestPlantedWrongKernelIsReplaced(t *testing.T) {
	best := available[len(available)-1]
	tile := map[ISA]string{AVX2: "Gemm6x16F32AVX2", AVX512: "Gemm12x32F32AVX512"}[best]
	if tile == "" {
		t.Skip("needs AVX2 or AVX-512")
	}
	all := functions()
	writable(t, all)
	const fmadd, fnmadd = 0xB8, 0xBC // VFMADD231PS, VFNMADD231PS
	var changed []*byte
	at := slices.IndexFunc(all, func(f function) bool { return f.name == tile })
	if at < 0 {
		t.Fatalf("found no %s", tile)
	}
	code := all[at].code
	for i := range len(code) - 6 {
		evex := code[i] == 0x62 && code[i+1]&0x0f == 0x02 && code[i+2]&0x87 == 0x05 && code[i+4] == fmadd
		vex := code[i] == 0xC4 && code[i+1]&0x1f == 0x02 && code[i+2]&0x83 == 0x01 && code[i+3] == fmadd
		switch {
		case evex:
			changed = append(changed, &code[i+4])
		case vex:
			changed = append(changed, &code[i+3])
		}
	}
	if len(changed) == 0 {
		t.Fatal("found no multiply-add to change")
	}
	for _, at := range changed {
		*at = fnmadd
	}
	oldUse := use
	use[OpGemm] = best
	found := selfTest(checks[:OpGemm+1])
	lowered := use[OpGemm]
	soundAfter := checkGemm()
	use = oldUse
	for _, at := range changed {
		*at = fmadd
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
