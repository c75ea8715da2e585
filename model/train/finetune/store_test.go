package finetune

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"
)

// sealed is bytes that begin with the SHA-256 of the rest.
func sealed(n int) []byte {
	rest := bytes.Repeat([]byte{byte(n)}, 1<<20)
	sum := sha256.Sum256(rest)
	return append(sum[:], rest...)
}

func oneKept(n int) *Kept {
	return &Kept{Shape: []int{3}, Examples: []KeptExample{{Class: fmt.Sprint(n), Held: n%2 == 0, Input: []float32{1, 2, float32(n)}}}}
}

// TestStore publishes, goes back, and publishes again.
func TestStore(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for want := 1; want <= 3; want++ {
		if n, err := s.Publish(sealed(want), oneKept(want)); n != want || err != nil {
			t.Fatalf("it was published as %d, %v", n, err)
		}
	}
	if err := s.Rollback(1); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Current(); n != 1 || err != nil {
		t.Errorf("%d is in force, %v", n, err)
	}
	if err := s.Rollback(7); err == nil {
		t.Error("a model that is not there was put in force")
	}
	if n, err := s.Publish(sealed(4), oneKept(4)); n != 4 || err != nil {
		t.Errorf("it was published as %d, %v", n, err)
	}
	k, err := ReadKept(s.Kept(3))
	if err != nil || len(k.Examples) != 1 || k.Examples[0].Class != "3" || k.Examples[0].Input[2] != 3 || k.Examples[0].Held {
		t.Errorf("of what was kept there is %v, %v", k, err)
	}
}

// TestKill kills programs that publish, at moments drawn at random. What is in force must be whole each time.
func TestKill(t *testing.T) {
	if dir := os.Getenv("OCELLUS_TEST_PUBLISH"); dir != "" {
		s, err := OpenStore(dir)
		fmt.Println("ready")
		for n := 1; err == nil; n++ {
			_, err = s.Publish(sealed(n), oneKept(n))
		}
		t.Fatal(err)
	}
	dir := t.TempDir()
	published, last := 0, 0
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		c := exec.Command(os.Args[0], "-test.run=^TestKill$")
		c.Env = append(os.Environ(), "OCELLUS_TEST_PUBLISH="+dir)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		// How long a program takes to begin says nothing here.
		if _, err := io.ReadFull(out, make([]byte, len("ready"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
		c.Process.Kill()
		c.Wait()
		s, err := OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		n, err := s.Current()
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			continue
		}
		if n < last {
			t.Errorf("model %d is in force after %d", n, last)
		}
		b, err := os.ReadFile(s.Model(n))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(b[32:]); !bytes.Equal(sum[:], b[:32]) {
			t.Errorf("model %d is not whole", n)
		}
		if k, err := ReadKept(s.Kept(n)); err != nil || len(k.Examples) != 1 {
			t.Errorf("what is kept with model %d cannot be read: %v", n, err)
		}
		last = n
		published++
	}
	if published == 0 {
		t.Error("nothing was published in the time")
	}
}
