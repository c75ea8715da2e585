package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// again runs one test in a process of its own, in a folder, and skips where that cannot be.
func again(t *testing.T, name, key, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+name+"$")
	cmd.Env = append(os.Environ(), key+"="+dir)
	return cmd
}

// soak is for how long at most long tests run, which are short where it is 0.
func soak(t *testing.T) time.Duration {
	t.Helper()
	s := os.Getenv("OCELLUS_SOAK")
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal("OCELLUS_SOAK: ", err)
	}
	return d
}

// TestKill kills a process that adds events at random moments. Each time the database is whole, and what was acknowledged is there with its picture.
func TestKill(t *testing.T) {
	const key = "OCELLUS_TEST_KILL"
	if dir := os.Getenv(key); dir != "" {
		writeForEver(dir)
	}
	rounds, bound := 25, soak(t)
	switch {
	case bound > 0:
		rounds = 160
	case testing.Short():
		rounds = 3
	}
	dir := t.TempDir()
	var acknowledged []int64 // numbers may be left out: those of events that were not committed are not given again where their pictures were written
	begun := time.Now()
	for round := range rounds {
		if bound > 0 && time.Since(begun) > bound {
			rounds = round
			break
		}
		cmd := again(t, "TestKill", key, dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		err = cmd.Start()
		if errors.Is(err, syscall.ENOEXEC) {
			t.Skip("the emulated test cannot start a program of its own architecture")
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for stop := 1 + rand.IntN(40); stop > 0 && lines.Scan(); stop-- {
			if id, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
				acknowledged = append(acknowledged, id)
			}
		}
		time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it said before it died
			if id, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
				acknowledged = append(acknowledged, id)
			}
		}
		cmd.Wait()

		d := open(t, dir)
		if d.Aside() != "" {
			t.Fatalf("round %d: the database was damaged", round)
		}
		for _, id := range acknowledged[max(0, len(acknowledged)-50):] {
			e, err := d.Event(t.Context(), id)
			if err != nil {
				t.Errorf("round %d: %d was acknowledged: %v", round, id, err)
				continue
			}
			if b, err := d.Snapshot(t.Context(), id); err != nil || string(b) != fmt.Sprint("picture of ", e.Track) {
				t.Errorf("round %d: the picture of %d is %q, %v", round, id, b, err)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d kills, %d events were acknowledged", rounds, len(acknowledged))
	if len(acknowledged) < rounds {
		t.Errorf("only %d events were acknowledged in %d rounds", len(acknowledged), rounds)
	}
}

// writeForEver adds events and prints their numbers when they are in, until the process is killed.
func writeForEver(dir string) {
	d, err := Open(dir)
	for err == nil {
		n := rand.Int64N(1 << 40)
		e := Event{Time: time.Now(), Camera: "door", Kind: Loitering, Track: n}
		if err = d.AddEvent(context.Background(), &e, []byte(fmt.Sprint("picture of ", n))); err == nil {
			fmt.Println(e.ID)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestFullDisk lets a process that may write no file beyond a size add events until one is refused. The refusal says so, what was in before is still there, and
// all goes on when there is room again.
func TestFullDisk(t *testing.T) {
	const key = "OCELLUS_TEST_FULL_DISK"
	if dir := os.Getenv(key); dir != "" {
		fillDisk(t, dir)
		return
	}
	dir := t.TempDir()
	out, err := again(t, "TestFullDisk", key, dir).CombinedOutput()
	if errors.Is(err, syscall.ENOEXEC) {
		t.Skip("the emulated test cannot start a program of its own architecture")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d := open(t, dir)
	defer d.Close()
	if d.Aside() != "" {
		t.Error("the full disk damaged the database")
	}
	list, err := d.Events(t.Context(), Filter{Limit: 1})
	if err != nil || len(list) != 1 || list[0].Label != "after" {
		t.Errorf("%+v, %v", list, err)
	}
}

func fillDisk(t *testing.T, dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	d := open(t, dir)
	defer d.Close()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 200 << 10, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	long := map[string]any{"text": strings.Repeat("x", 1000)}
	in := 0
	var err error
	for ; in < 1000 && err == nil; in++ {
		err = d.AddEvent(t.Context(), &Event{Time: at, Camera: "door", Kind: Loitering, Data: long}, nil)
	}
	if err == nil || !(strings.Contains(err.Error(), "full") || strings.Contains(err.Error(), "I/O")) {
		t.Errorf("after %d events: %v", in, err)
	}
	var without *SnapshotError
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	list, err := d.Events(t.Context(), Filter{Limit: 1000})
	if err != nil || len(list) != in-1 {
		t.Errorf("%d of %d events are there, %v", len(list), in-1, err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 20, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	e := Event{Time: at, Camera: "door", Kind: Loitering, Label: "after"}
	if err := d.AddEvent(t.Context(), &e, make([]byte, 2<<20)); !errors.As(err, &without) || e.ID == 0 || e.Snapshot != "" {
		t.Errorf("a picture that is too large: %v, %+v", err, e)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, snapshots, "*", "*")); files != nil {
		t.Errorf("%q is left of a picture that could not be written", files)
	}
}

// TestReadOnlyFolder asks for an error that says what to do.
func TestReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a folder that cannot be written was opened")
	}
}
