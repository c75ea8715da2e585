package ktest

import (
	"math/bits"
	"sync"
	"syscall"
	"unsafe"
)

// guarded is a buffer at the end of a mapping whose last page is inaccessible, with canaries before it.
type guarded struct {
	mapping []byte
	start   int // of the buffer in the mapping
}

const canary = 0xA5

// unused are mappings that were given back, by the logarithm of their pages: the kernel makes and removes mappings slowly.
var unused struct {
	sync.Mutex
	mappings [64][][]byte
}

// mapping returns at least room writable bytes and an inaccessible page behind them.
func mapping(room int) []byte {
	page := syscall.Getpagesize()
	class := bits.Len(uint((room - 1) / page))
	unused.Lock()
	defer unused.Unlock()
	if free := unused.mappings[class]; len(free) > 0 {
		unused.mappings[class] = free[:len(free)-1]
		return free[len(free)-1]
	}
	room = page << class
	b, err := syscall.Mmap(-1, 0, room+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic("ktest: mmap: " + err.Error())
	}
	if err := syscall.Mprotect(b[room:], syscall.PROT_NONE); err != nil {
		panic("ktest: mprotect: " + err.Error())
	}
	return b
}

func alloc[T float32 | int32 | uint8](m *Mem, n int) []T {
	if m.relaxed {
		return ordinary[T](n)
	}
	if n == 0 {
		return []T{}
	}
	size := n * int(unsafe.Sizeof(*new(T)))
	b := mapping(size + 64)
	g := guarded{b, len(b) - syscall.Getpagesize() - size}
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
	class := bits.Len(uint(len(g.mapping)/syscall.Getpagesize() - 2))
	unused.Lock()
	unused.mappings[class] = append(unused.mappings[class], g.mapping)
	unused.Unlock()
}
