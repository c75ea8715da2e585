package camera_test

import (
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

func TestPool(t *testing.T) {
	var p camera.Pool
	f := p.Get(100)
	f.Seq, f.Time, f.Width, f.Truth = 7, time.Now(), 10, "x"
	f.Retain()
	f.Release()
	if p.Out() != 1 {
		t.Fatal("a frame that is held is in the pool")
	}
	first := &f.Data[0]
	f.Release()
	if p.Out() != 0 {
		t.Fatalf("%d frames held", p.Out())
	}
	g := p.Get(50)
	if &g.Data[0] != first || len(g.Data) != 50 || g.Seq != 0 || !g.Time.IsZero() || g.Width != 0 || g.Truth != nil {
		t.Errorf("a recycled frame is %d bytes, Seq %d, width %d", len(g.Data), g.Seq, g.Width)
	}
	g.Release()
	defer func() {
		if recover() == nil {
			t.Error("a frame was released twice and nobody minded")
		}
	}()
	g.Release()
}

// TestPoolIsBounded checks that a pool keeps few of the frames that were out at once.
func TestPoolIsBounded(t *testing.T) {
	var p camera.Pool
	seen := map[*camera.Frame]bool{}
	for round := range 2 {
		var held []*camera.Frame
		again := 0
		for range 64 {
			f := p.Get(8)
			if seen[f] {
				again++
			}
			seen[f] = true
			held = append(held, f)
		}
		for _, f := range held {
			f.Release()
		}
		if round == 1 && (again == 0 || again > 16) {
			t.Errorf("%d of 64 frames were kept", again)
		}
	}
}

func TestPoolDoesNotAllocate(t *testing.T) {
	var p camera.Pool
	p.Get(1000).Release()
	if n := testing.AllocsPerRun(100, func() { p.Get(1000).Release() }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func TestFormat(t *testing.T) {
	for f, want := range map[camera.Format]string{camera.RGB: "rgb", camera.JPEG: "jpeg", 99: "format 99"} {
		if f.String() != want {
			t.Errorf("%d is %q", f, f)
		}
	}
}
