package pipeline_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/pipeline"
)

// scene draws grey pictures in any format: a shaded ground, noise, light, and a square that moves.
type scene struct {
	rng    *rand.Rand
	noise  float64
	light  int
	square func(i int) (x, y, side int) // side 0: none
	table  []int                        // noise to draw from
}

func (s *scene) draw(f *camera.Frame, i int) {
	if s.table == nil {
		for range 1 << 12 {
			s.table = append(s.table, int(s.noise*s.rng.NormFloat64()))
		}
	}
	x0, y0, side := 0, 0, 0
	if s.square != nil {
		x0, y0, side = s.square(i)
	}
	for y := range f.Height {
		for x := range f.Width {
			v := 60 + (x+y)*100/(f.Width+f.Height) + s.light + s.table[s.rng.Uint32()%uint32(len(s.table))]
			if x >= x0 && x < x0+side && y >= y0 && y < y0+side {
				v = 230
			}
			v = min(max(v, 0), 255)
			switch f.Format {
			case camera.RGB, camera.BGR:
				p := f.Data[y*f.Stride+3*x:]
				p[0], p[1], p[2] = byte(v), byte(v), byte(v)
			case camera.YUYV:
				f.Data[y*f.Stride+2*x], f.Data[y*f.Stride+2*x+1] = byte(v), byte(s.rng.Uint32())
			default:
				f.Data[y*f.Stride+x] = byte(v)
			}
		}
	}
}

func blank(format camera.Format, w, h int) *camera.Frame {
	f := &camera.Frame{Width: w, Height: h, Format: format}
	switch format {
	case camera.RGB, camera.BGR:
		f.Stride = 3*w + 5
	case camera.YUYV:
		f.Stride = 2 * w
	default:
		f.Stride = w + 1
	}
	n := f.Stride * h
	if format == camera.NV12 {
		n += f.Stride * h / 2
	}
	f.Data = make([]byte, n)
	return f
}

var pixels = []camera.Format{camera.RGB, camera.BGR, camera.Grey, camera.YUYV, camera.NV12}

// TestGate watches a street at 15 frames a second with the noise of a poor camera: still, then crossed by someone, then still.
func TestGate(t *testing.T) {
	for _, format := range pixels {
		g := pipeline.Gate{Every: time.Hour}
		f := blank(format, 160, 120)
		s := scene{rng: rand.New(rand.NewPCG(1, 1)), noise: 6, square: func(i int) (x, y, side int) {
			if i >= 200 && i < 260 {
				return 3 * (i - 200) / 2, 50, 10
			}
			return 0, 0, 0
		}}
		const second = 15
		for i := range 400 {
			s.draw(f, i)
			f.Time = time.Unix(100, 0).Add(time.Duration(i) * time.Second / second)
			moving := g.Moving(f)
			var want bool
			switch {
			case i <= 2*second: // the first frame is movement, and holds
				want = true
			case i == 201: // let the square come in
				continue
			case i >= 200 && i <= 259+2*second:
				want = true
			case i > 259+2*second && i < 259+5*second: // the background may take a while to be itself again
				continue
			}
			if moving != want {
				t.Errorf("%v, frame %d: moving %v", format, i, moving)
			}
		}
	}
}

// TestGateLight changes the light of the whole picture, slowly and at once.
func TestGateLight(t *testing.T) {
	g := pipeline.Gate{Hold: time.Second, Every: time.Hour}
	f := blank(camera.Grey, 160, 120)
	s := scene{rng: rand.New(rand.NewPCG(2, 1)), noise: 4}
	for i := range 300 {
		s.light = min(i/4, 30)
		if i >= 250 {
			s.light += 40
		}
		s.draw(f, i)
		f.Time = time.Unix(100, 0).Add(time.Duration(i) * time.Second / 15)
		if g.Moving(f) && i > 15 {
			t.Fatalf("frame %d passes for movement", i)
		}
	}
}

// TestGateEvery lets a frame of a still scene pass now and then.
func TestGateEvery(t *testing.T) {
	g := pipeline.Gate{Hold: time.Second, Every: 3 * time.Second}
	f := blank(camera.Grey, 64, 48)
	var passed []int
	for i := range 100 {
		f.Time = time.Unix(100, 0).Add(time.Duration(i) * time.Second / 5)
		if g.Moving(f) {
			passed = append(passed, i)
		}
	}
	// 5 a second: the first second, then each third second after the last that passed.
	want := []int{0, 1, 2, 3, 4, 5, 20, 35, 50, 65, 80, 95}
	if len(passed) != len(want) {
		t.Fatalf("passed %v", passed)
	}
	for i := range want {
		if passed[i] != want[i] {
			t.Fatalf("passed %v", passed)
		}
	}
}

// TestGatePasses gives frames that the gate cannot look at: they all pass, and none makes it panic.
func TestGatePasses(t *testing.T) {
	var g pipeline.Gate
	for _, f := range []*camera.Frame{
		{Format: camera.JPEG, Data: []byte{0xff, 0xd8}},
		{Format: camera.RGB},
		{Format: camera.RGB, Width: 100, Height: 100, Stride: 300, Data: make([]byte, 300*99+299)},
		{Format: camera.Grey, Width: 100, Height: 100, Stride: 99, Data: make([]byte, 10000)},
		{Format: camera.Grey, Width: -1, Height: -1, Stride: -1, Data: make([]byte, 10)},
		{Format: camera.Format(77), Width: 1, Height: 1, Stride: 1, Data: make([]byte, 1)},
	} {
		for i := range 3 {
			if f.Time = time.Unix(int64(1000+10*i), 0); !g.Moving(f) {
				t.Errorf("%v %dx%d was held back", f.Format, f.Width, f.Height)
			}
		}
	}
	// The smallest that it can.
	for _, format := range pixels {
		f := blank(format, 1, 1)
		for i := range 3 {
			f.Time = time.Unix(int64(1000+4*i), 0)
			if moving := g.Moving(f); moving != (i == 0) {
				t.Errorf("%v 1x1, frame %d: moving %v", format, i, moving)
			}
		}
	}
}

// TestStillScene counts what a gate keeps from the task, in a live pipeline and in one that must give each frame.
func TestStillScene(t *testing.T) {
	for _, c := range []struct{ lossless, all bool }{{false, false}, {false, true}, {true, true}} {
		in(t, func(t *testing.T) {
			src := &ticks{every: 100 * ms, n: 300, width: 64, height: 48, draw: func(f *camera.Frame) { clear(f.Data[1:]) }}
			job, workers := task(t, "job", ms)
			p := pipeline.New(pipeline.Options{Lossless: c.lossless})
			still, seen := 0, 0
			out := p.AddSink("log", 4, pipeline.SinkFunc(func(_ context.Context, e *pipeline.Event) error {
				seen++
				if e.Still != (len(e.Results) == 0) {
					t.Errorf("frame %d: still %v with %d results", e.Frame.Seq, e.Still, len(e.Results))
				}
				if e.Still {
					still++
				}
				return nil
			}))
			door := add(t, p, pipeline.Input{Name: "door", Source: src, Tasks: []*pipeline.Task{job}, Outlets: []*pipeline.Outlet{out}, Gate: &pipeline.Gate{},
				Still: c.all && !c.lossless})
			if err := p.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.Close(t.Context())
			// 2 s of frames at first, then one each 10 s.
			s := door.Summary()
			if s.Worked != 21+2 || s.Still != 300-23 || s.Tasks[0].Runs != 23 || src.pool.Out() != 0 || workers["door"].last < 200 {
				t.Errorf("%+v", s)
			}
			if c.all && (seen != 300 || still != 277) || !c.all && (seen != 23 || still != 0) {
				t.Errorf("%d events, %d still", seen, still)
			}
		})
	}
}

// TestStillJPEG gives a gate JPEGs, which must be decoded to be looked at: of a still scene only as often as a task is due, and no task runs on them.
func TestStillJPEG(t *testing.T) {
	for _, lossless := range []bool{false, true} {
		in(t, func(t *testing.T) {
			// Something comes after 25 s, for one second.
			src := &ticks{every: 100 * ms, n: 300, width: 64, height: 48, draw: func(f *camera.Frame) {
				clear(f.Data[1:])
				if i := f.Seq; i >= 250 && i < 260 {
					for j := 1000; j < 2000; j++ {
						f.Data[j] = 200
					}
				}
				f.Format = camera.JPEG
			}}
			fast, fastWorkers := task(t, "fast", 20*ms)
			slow, _ := task(t, "slow", 130*ms) // frames come while it runs
			fast.Rate, slow.Rate = 5, 1
			p := pipeline.New(pipeline.Options{Lossless: lossless})
			var pool camera.Pool
			unpack := packed(&pool, 0)
			decoded, seen, still, last := 0, 0, 0, uint64(0)
			out := p.AddSink("log", 4, pipeline.SinkFunc(func(_ context.Context, e *pipeline.Event) error {
				seen++
				if e.Still {
					still++
				}
				if e.Still != (len(e.Results) == 0) || e.Frame.Format != camera.Grey || lossless && seen > 1 && e.Frame.Seq != last+1 {
					t.Errorf("frame %d after %d: %v, still %v with %d results", e.Frame.Seq, last, e.Frame.Format, e.Still, len(e.Results))
				}
				last = e.Frame.Seq
				return nil
			}))
			door := add(t, p, pipeline.Input{Name: "door", Source: src, Tasks: []*pipeline.Task{fast, slow}, Outlets: []*pipeline.Outlet{out}, Gate: &pipeline.Gate{},
				Decode: func(ctx context.Context, f *camera.Frame) (*camera.Frame, error) {
					if decoded++; !lossless && decoded%7 == 0 {
						time.Sleep(120 * ms) // the next frame comes meanwhile
					}
					return unpack(ctx, f)
				}})
			if err := p.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.Close(t.Context())
			s := door.Summary()
			if s.Frames != 300 || s.Worked+s.Dropped+s.Skipped+s.Still != 300 || src.pool.Out() != 0 || pool.Out() != 0 || fastWorkers["door"].last < 260 {
				t.Errorf("%+v, %d and %d frames are held", s, src.pool.Out(), pool.Out())
			}
			runs := s.Tasks[0].Runs
			if lossless {
				// 2 s at first, one each 10 s, and from the movement on until 2 s after it: the source waits 150 ms for the tasks on each.
				if decoded != 300 || seen != 300 || still != int(s.Still) || runs != s.Worked || runs < 13+2+20 || runs > 14+3+50 {
					t.Errorf("%d decoded, %d events, %d still: %+v", decoded, seen, still, s)
				}
				return
			}
			// All that is due is decoded, 5 a second, and no frame twice; run on are those of about 7 of the 30 s.
			if decoded < 120 || decoded > 185 || still != 0 || seen != int(runs+s.Tasks[1].Runs) || s.Still < 80 ||
				runs < 20 || runs > 40 || s.Tasks[1].Runs < 5 || s.Tasks[1].Runs > 14 {
				t.Errorf("%d decoded, %d events, %d still: %+v", decoded, seen, still, s)
			}
		})
	}
}

func BenchmarkGate(b *testing.B) {
	for _, format := range pixels {
		b.Run(format.String(), func(b *testing.B) {
			var g pipeline.Gate
			f := blank(format, 1280, 720)
			b.ReportAllocs()
			for b.Loop() {
				g.Moving(f)
			}
		})
	}
}

// packed is a Decode of frames that only say that they are JPEGs, which takes a while.
func packed(pool *camera.Pool, cost time.Duration) func(context.Context, *camera.Frame) (*camera.Frame, error) {
	return func(_ context.Context, f *camera.Frame) (*camera.Frame, error) {
		time.Sleep(cost)
		g := pool.Get(len(f.Data))
		copy(g.Data, f.Data)
		g.Width, g.Height, g.Stride, g.Format = f.Width, f.Height, f.Stride, camera.Grey
		return g, nil
	}
}

// TestStillJPEGForAll has a task that is due rarely beside one that is due often: of a still scene both see the frame that the gate lets pass each ten seconds.
func TestStillJPEGForAll(t *testing.T) {
	in(t, func(t *testing.T) {
		src := &ticks{every: 100 * ms, n: 1000, width: 64, height: 48, draw: func(f *camera.Frame) {
			clear(f.Data[1:])
			f.Format = camera.JPEG
		}}
		often, _ := task(t, "often", 20*ms)
		rarely, _ := task(t, "rarely", 20*ms)
		often.Rate, rarely.Rate = 6, 0.3
		p := pipeline.New(pipeline.Options{})
		var pool camera.Pool
		door := add(t, p, pipeline.Input{Name: "door", Source: src, Tasks: []*pipeline.Task{often, rarely}, Gate: &pipeline.Gate{}, Decode: packed(&pool, 5*ms)})
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.Close(t.Context())
		if runs := door.Summary().Tasks[1].Runs; runs < 9 || runs > 12 {
			t.Errorf("in 100 s the rare task saw %d frames", runs)
		}
	})
}

// TestStillJPEGIsNoLoad decodes every frame of a still scene, each of which waits for that when the controller looks: nothing is asked of the tasks.
func TestStillJPEGIsNoLoad(t *testing.T) {
	in(t, func(t *testing.T) {
		src := &ticks{every: 33 * ms, n: 3000, width: 64, height: 48, draw: func(f *camera.Frame) {
			clear(f.Data[1:])
			f.Format = camera.JPEG
		}}
		said := &steps{start: time.Now()}
		all := sized(t, "all", []int{640, 320}, func(int) time.Duration { return 20 * ms })
		p := pipeline.New(pipeline.Options{Degraded: said.add})
		var pool camera.Pool
		add(t, p, pipeline.Input{Name: "door", Source: src, Tasks: []*pipeline.Task{all}, Gate: &pipeline.Gate{}, Decode: packed(&pool, 25*ms)})
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.Close(t.Context())
		if len(said.all) > 0 {
			t.Errorf("%v at %v", said.all, said.at)
		}
	})
}
