package ktest

import (
	"syscall"
	"unsafe"
)

// guarded is a buffer at the end of a mapping whose last page is inaccessible, with canaries before it.
type guarded struct {
	mapping []byte
	start   int // of the buffer in the mapping
}

const canary = 0xA5

func alloc[T float32 | int32 | uint8](m *Mem, n int) []T {
	if m.relaxed {
		return make([]T, n)
	}
	if n == 0 {
		return []T{}
	}
	page := syscall.Getpagesize()
	size := n * int(unsafe.Sizeof(*new(T)))
	room := (size + 64 + page - 1) / page * page
	b, err := syscall.Mmap(-1, 0, room+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic("ktest: mmap: " + err.Error())
	}
	if err := syscall.Mprotect(b[room:], syscall.PROT_NONE); err != nil {
		panic("ktest: mprotect: " + err.Error())
	}
	g := guarded{b, room - size}
	for i := max(0, g.start-256); i < g.start; i++ {
		b[i] = canary
	}
	m.bufs = append(m.bufs, g)
	return unsafe.Slice((*T)(unsafe.Pointer(&b[g.start])), n)
}

func (g *guarded) intact() bool {
	for i := max(0, g.start-256); i < g.start; i++ {
		if g.mapping[i] != canary {
			return false
		}
	}
	return true
}

func (g *guarded) free() {
	if err := syscall.Munmap(g.mapping); err != nil {
		panic("ktest: munmap: " + err.Error())
	}
}
