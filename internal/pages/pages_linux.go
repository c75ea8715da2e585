package pages

import (
	"bytes"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"syscall"
	"unsafe"
)

var granted = sync.OnceValue(func() grant { return read(os.DirFS("/sys/kernel/mm/transparent_hugepage")) })

// read reads Linux's settings. It knows no large pages where one is missing.
func read(settings fs.FS) grant {
	pmd, err := fs.ReadFile(settings, "hpage_pmd_size")
	if err != nil || string(bytes.TrimSpace(pmd)) != strconv.Itoa(size) {
		return grant{}
	}
	enabled, err := fs.ReadFile(settings, "enabled") // such as "always [madvise] never"
	if err != nil {
		return grant{}
	}
	asked := bytes.Contains(enabled, []byte("[madvise]"))
	return grant{asked || bytes.Contains(enabled, []byte("[always]")), asked}
}

// advise advises whole large pages, from that of the first byte to that of the last. Go's heap grows by several of them, so that all are its own.
func advise(b []byte) {
	first := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	start, end := first&^(size-1), (first+uintptr(len(b))+size-1)&^(size-1)
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, start, end-start, syscall.MADV_HUGEPAGE)
}
