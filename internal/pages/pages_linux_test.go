package pages

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"unsafe"
)

// TestSettings reads what Linux may say.
func TestSettings(t *testing.T) {
	for _, c := range []struct {
		enabled, size string
		want          grant
	}{
		{"always [madvise] never\n", "2097152\n", grant{true, true}},
		{"[always] madvise never\n", "2097152\n", grant{true, false}},
		{"always madvise [never]\n", "2097152\n", grant{}},
		{"always [madvise] never\n", "33554432\n", grant{}},  // base pages of 16 KiB
		{"always [madvise] never\n", "536870912\n", grant{}}, // of 64 KiB
		{"", "2097152\n", grant{}},
		{"always [madvise] never\n", "", grant{}},
	} {
		settings := fstest.MapFS{}
		for name, text := range map[string]string{"enabled": c.enabled, "hpage_pmd_size": c.size} {
			if text != "" {
				settings[name] = &fstest.MapFile{Data: []byte(text)}
			}
		}
		if got := read(settings); got != c.want {
			t.Errorf("%q, %q: got %+v, want %+v", c.enabled, c.size, got, c.want)
		}
	}
}

// TestAdvise finds the flag of advised memory in Linux's list of what the process has mapped, from its first byte to its last.
func TestAdvise(t *testing.T) {
	if !granted().asked {
		t.Skip("this system gives no large pages of 2 MiB to those who ask")
	}
	probe, err := syscall.Mmap(-1, 0, os.Getpagesize(), syscall.PROT_READ, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Munmap(probe) }()
	if err := syscall.Madvise(probe, syscall.MADV_DONTFORK); err != nil {
		t.Fatal(err)
	}
	if flags, err := flagsAt(unsafe.Pointer(&probe[0])); err != nil || !strings.Contains(flags, " dc ") {
		t.Skip("this system, perhaps an emulator, does not list what was advised: ", flags, err)
	}
	b := make([]byte, 5*size+size/2)
	Advise(b)
	for i := range b {
		if b[i] != 0 {
			t.Fatalf("byte %d is %d", i, b[i])
		}
	}
	for _, i := range []int{0, len(b) / 2, len(b) - 1} {
		if flags, err := flagsAt(unsafe.Pointer(&b[i])); err != nil || !strings.Contains(flags, " hg ") {
			t.Errorf("byte %d lies in memory with the flags %q (%v): none for large pages", i, flags, err)
		}
	}
}

// flagsAt returns the VmFlags of the mapping with an address, each between two spaces.
func flagsAt(p unsafe.Pointer) (string, error) {
	address := uintptr(p)
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return "", err
	}
	defer f.Close()
	inside := false
	for s := bufio.NewScanner(f); s.Scan(); {
		var from, to uintptr
		if n, _ := fmt.Sscanf(s.Text(), "%x-%x ", &from, &to); n == 2 {
			inside = from <= address && address < to
		}
		if flags, ok := strings.CutPrefix(s.Text(), "VmFlags:"); ok && inside {
			return flags + " ", nil
		}
	}
	return "", fmt.Errorf("no flags for %#x", address)
}
