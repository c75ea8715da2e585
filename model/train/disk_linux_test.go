package train_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train"
)

// TestFullDisk lets a process that may write no file of more than 8 KB save a checkpoint of 40 KB over another one.
func TestFullDisk(t *testing.T) {
	const key = "OCELLUS_TEST_FULL_DISK"
	if file := os.Getenv(key); file != "" {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 8 << 10, Max: 8 << 10}); err != nil {
			t.Fatal(err)
		}
		c := train.Checkpoint{State: 1, Tensors: map[string]*tensor.Tensor{"w": tensor.New(tensor.Float32, 10000)}}
		err := c.Save(file)
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Fatalf("no room for the checkpoint: %v", err)
		}
		return
	}
	file := filepath.Join(t.TempDir(), "run.npz")
	old := train.Checkpoint{State: 0, Tensors: map[string]*tensor.Tensor{"w": tensor.New(tensor.Float32, 10)}}
	if err := old.Save(file); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$")
	cmd.Env = append(os.Environ(), key+"="+file)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.ENOEXEC) {
		t.Skip("the emulated test cannot start a program of its own architecture")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the last checkpoint is not whole: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
