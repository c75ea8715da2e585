package models

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk lets a process that may write no file of more than 8 KB get one of 200 KB. What did not fit is removed.
func TestFullDisk(t *testing.T) {
	const key = "OCELLUS_TEST_FULL_DISK"
	if os.Getenv(key) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$")
		cmd.Env = append(os.Environ(), key+"=1")
		out, err := cmd.CombinedOutput()
		if errors.Is(err, syscall.ENOEXEC) {
			t.Skip("the emulated test cannot start a program of its own architecture")
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 8 << 10, Max: 8 << 10}); err != nil {
		t.Fatal(err)
	}
	b, e := entry()
	f := fetcher(t, serve(b))
	if _, err := f.Get(t.Context(), e); err == nil || !strings.Contains(err.Error(), syscall.EFBIG.Error()) {
		t.Error(err)
	}
	if got := files(t, f.Store); got != "" {
		t.Errorf("the folder holds %s", got)
	}
}
