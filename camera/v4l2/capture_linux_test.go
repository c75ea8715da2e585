package v4l2

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocellus-vision/ocellus/camera"
)

// ramp returns n bytes that begin with first.
func ramp(n int, first byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// shot is what a frame says of its pixels.
type shot struct {
	Seq                   uint64
	Time                  time.Time
	Width, Height, Stride int
	Format                camera.Format
	Colour                camera.Colour
}

// collect runs a camera until its script ends in an error, and returns what it gave, and the pixels of it.
func collect(t *testing.T, k *fake, query string) (frames []shot, pixels [][]byte, s *Source, err error) {
	t.Helper()
	s = k.source(query)
	err = s.Run(t.Context(), func(f *camera.Frame) {
		frames = append(frames, shot{f.Seq, f.Time, f.Width, f.Height, f.Stride, f.Format, f.Colour})
		pixels = append(pixels, bytes.Clone(f.Data))
		f.Release()
	})
	if leak := k.leak(); leak != nil || s.Held() != 0 {
		t.Errorf("not given back: %v, %d frames", leak, s.Held())
	}
	return frames, pixels, s, err
}

var unplugged = picture{err: unix.ENODEV, events: unix.POLLERR | unix.POLLHUP}

func TestRunGivesFrames(t *testing.T) {
	const w, h, stride = 6, 4, 16
	whole := ramp(stride*h, 1)
	k := newFake("YUYV", w, h, stride,
		picture{data: whole, sequence: 7, age: 300 * time.Millisecond},
		picture{data: ramp(stride*h, 9), sequence: 8},
		picture{data: whole, sequence: 12}, // 9, 10, 11 never came
		picture{data: whole, sequence: 13, flags: bufFlagError},
		picture{data: whole[:stride*3+11], sequence: 14}, // one byte less than the last row needs
		picture{data: whole[:stride*3+12], sequence: 15},
		picture{err: unix.EAGAIN},
		picture{data: whole, sequence: 2}, // began again
		unplugged)
	frames, pixels, s, err := collect(t, k, "")
	if !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), "/dev/video0") || !strings.Contains(err.Error(), "unplugged") {
		t.Errorf("unplugged: %v", err)
	}
	var seqs []uint64
	for i, f := range frames {
		seqs = append(seqs, f.Seq)
		f.Seq, f.Time = 0, time.Time{}
		if f != (shot{Width: w, Height: h, Stride: stride, Format: camera.YUYV}) {
			t.Errorf("frame %d: %+v", i, f)
		}
	}
	if want := []uint64{0, 1, 5, 8, 9}; !slices.Equal(seqs, want) {
		t.Errorf("numbers %v, want %v", seqs, want)
	}
	if got, want := s.Stats(), (Stats{Frames: 5, Missed: 3, Flagged: 1, Short: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if !bytes.Equal(pixels[0], whole[:stride*3+12]) || !bytes.Equal(pixels[1], ramp(stride*3+12, 9)) {
		t.Error("other pixels than the driver's")
	}
	if age := frames[1].Time.Sub(frames[0].Time); age < 300*time.Millisecond || age > 10*time.Second {
		t.Errorf("the first picture was taken %v before the second arrived, want 300 ms", age)
	}
	if m := (Mode{camera.YUYV, w, h, 30}); s.Mode() != m {
		t.Errorf("mode %v, want %v", s.Mode(), m)
	}
}

// TestRunAgain opens a camera again after it failed: nothing of the first time is left.
func TestRunAgain(t *testing.T) {
	k := newFake("GREY", 4, 2, 4, picture{data: ramp(8, 0)}, unplugged)
	s := k.source("")
	for i := range 3 {
		k.next = 0
		got := uint64(99)
		if err := s.Run(t.Context(), func(f *camera.Frame) { got = f.Seq; f.Release() }); !errors.Is(err, unix.ENODEV) || got != 0 {
			t.Errorf("time %d: frame %d, %v", i, got, err)
		}
	}
	if k.leak() != nil || s.Held() != 0 {
		t.Error(k.leak(), s.Held())
	}
}

// TestRunFollows plugs cameras in again so that their numbers change.
func TestRunFollows(t *testing.T) {
	newCamera := func(card, bus string) *fake {
		k := newFake("GREY", 4, 2, 4, picture{data: ramp(8, 0)}, unplugged)
		k.card, k.bus = card, bus
		return k
	}
	mine, twin, other := newCamera("A", "port 1"), newCamera("A", "port 2"), newCamera("B", "port 3")
	mine2 := newCamera("A", "port 1")
	mine2.caps = capStreaming // its metadata device
	for _, c := range []struct {
		name string
		at   map[string]*fake
		want *fake // the one that is read; nil: none
	}{
		{"first", map[string]*fake{"/dev/video0": mine, "/dev/video1": mine2}, mine},
		{"the same place", map[string]*fake{"/dev/video0": mine, "/dev/video2": twin}, mine},
		{"metadata and picture change places", map[string]*fake{"/dev/video0": mine2, "/dev/video1": mine}, mine},
		{"another took its number", map[string]*fake{"/dev/video0": other, "/dev/video1": twin, "/dev/video4": mine}, mine},
		{"gone", map[string]*fake{"/dev/video1": other}, nil},
		{"at another port", map[string]*fake{"/dev/video0": other, "/dev/video1": twin}, twin},
		{"exchanged for another", map[string]*fake{"/dev/video0": other}, other},
	} {
		s := mine.source("")
		s.last = identity{"A", "port 1"}
		s.nodes = func() []string { return slices.Sorted(maps.Keys(c.at)) }
		s.open = func(path string) (port, error) {
			if k := c.at[path]; k != nil {
				k.next, k.open = 0, true
				return k, nil
			}
			return nil, unix.ENOENT
		}
		if c.name == "first" {
			s.last = identity{}
		}
		for _, k := range c.at {
			k.next = 0
		}
		frames := 0
		err := s.Run(t.Context(), func(f *camera.Frame) { frames++; f.Release() })
		switch {
		case c.want == nil && !errors.Is(err, unix.ENOENT):
			t.Errorf("%s: %v", c.name, err)
		case c.want != nil && (!errors.Is(err, unix.ENODEV) || frames != 1 || c.want.next == 0):
			t.Errorf("%s: %d frames, %v", c.name, frames, err)
		}
	}
}

func TestRunReadsFormats(t *testing.T) {
	nv12 := ramp(8*6, 0)
	for _, c := range []struct {
		name, query string
		k           *fake
		mend        func(p *pixFormat)
		want        shot
		pixels      []byte
	}{
		{"grey", "", newFake("GREY", 5, 2, 8), nil, shot{Width: 5, Height: 2, Stride: 8, Format: camera.Grey}, nv12[:13]},
		{"grey, limited", "?range=limited", newFake("GREY", 5, 2, 0), nil, shot{Width: 5, Height: 2, Stride: 5, Format: camera.Grey}, make([]byte, 10)},
		{"nv12", "", newFake("NV12", 6, 4, 8), nil, shot{Width: 6, Height: 4, Stride: 8, Format: camera.NV12}, nv12[:46]},
		{"nv12, BT.709", "", newFake("NV12", 8, 4, 8), func(p *pixFormat) { p.colorspace = colorspaceREC709 }, shot{Width: 8, Height: 4, Stride: 8, Format: camera.NV12, Colour: camera.BT709}, nv12},
		{"nv12, JPEG's colours", "", newFake("NV12", 8, 4, 8), func(p *pixFormat) { p.colorspace = colorspaceJPEG }, shot{Width: 8, Height: 4, Stride: 8, Format: camera.NV12, Colour: camera.BT601Full}, nv12},
		{"yuyv, full", "", newFake("YUYV", 2, 2, 0), func(p *pixFormat) { p.quantization = quantizationFull }, shot{Width: 2, Height: 2, Stride: 4, Format: camera.YUYV, Colour: camera.BT601Full}, nv12[:8]},
		{"yuyv, full by the URI", "?range=full", newFake("YUYV", 2, 2, 0), func(p *pixFormat) { p.ycbcrEnc = ycbcr709 }, shot{Width: 2, Height: 2, Stride: 4, Format: camera.YUYV, Colour: camera.BT709Full}, nv12[:8]},
	} {
		c.k.script = []picture{{data: nv12}, unplugged}
		if c.mend != nil {
			c.mend(&c.k.pix)
		}
		frames, pixels, _, err := collect(t, c.k, c.query)
		if len(frames) != 1 {
			t.Errorf("%s: %d frames, %v", c.name, len(frames), err)
			continue
		}
		frames[0].Seq, frames[0].Time = 0, time.Time{}
		if frames[0] != c.want || !bytes.Equal(pixels[0], c.pixels) {
			t.Errorf("%s: %+v %v, want %+v %v", c.name, frames[0], pixels[0], c.want, c.pixels)
		}
	}
}

// TestWide holds the widening of luma against the definition of ITU-R BT.601: 16 is black, 235 is white.
func TestWide(t *testing.T) {
	for y := range 256 {
		exact := (float64(y) - 16) * 255 / 219
		if d := float64(wide[y]) - min(max(exact, 0), 255); d < -0.5 || d > 0.5 {
			t.Errorf("%d becomes %d, exactly %.3f", y, wide[y], exact)
		}
	}
}

func jpegPicture(t testing.TB) []byte {
	t.Helper()
	m := image.NewYCbCr(image.Rect(0, 0, 32, 16), image.YCbCrSubsampleRatio422)
	copy(m.Y, ramp(len(m.Y), 0))
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRunMJPEG(t *testing.T) {
	whole := jpegPicture(t)
	dht := bytes.Index(whole, []byte{0xff, 0xc4})
	bare := slices.Delete(bytes.Clone(whole), dht, dht+2+int(whole[dht+2])<<8+int(whole[dht+3]))
	k := newFake("MJPG", 32, 16, 0,
		picture{data: whole, sequence: 1},
		picture{data: whole[:len(whole)/2], sequence: 2},
		picture{data: bare, sequence: 3},
		picture{data: append(bytes.Clone(whole), 0, 0, 0), sequence: 4},
		picture{data: []byte{}, sequence: 5},
		picture{err: unix.EIO})
	frames, pixels, s, err := collect(t, k, "")
	if !errors.Is(err, unix.EIO) {
		t.Error(err)
	}
	if got, want := s.Stats(), (Stats{Frames: 3, Damaged: 2, Repaired: 1}); got != want || len(frames) != 3 || frames[2].Seq != 3 {
		t.Fatalf("%+v, want %+v; %d frames", got, want, len(frames))
	}
	for i, p := range pixels {
		if !bytes.Equal(p, whole) {
			t.Errorf("picture %d: %d bytes, want %d", i, len(p), len(whole))
		}
		if f := frames[i]; f.Format != camera.JPEG || f.Width != 32 || f.Height != 16 || f.Stride != 0 || f.Colour != camera.BT601Full {
			t.Errorf("frame %d: %+v", i, f)
		}
	}
}

// TestRunWarns asks that who runs the camera hears of dropped pictures and of a size and rate that were not asked for.
func TestRunWarns(t *testing.T) {
	k := newFake("YUYV", 4, 2, 8, picture{data: ramp(16, 0)}, picture{data: ramp(16, 0), flags: bufFlagError}, picture{data: ramp(9, 0)}, unplugged)
	k.rate = fract{1, 10}
	var told []string
	faults := &camera.Faults{Report: func(f camera.Fault) { told = append(told, f.Err.Error()) }}
	err := k.source("?size=640x480&fps=30").Run(camera.WithFaults(t.Context(), faults), func(f *camera.Frame) { f.Release() })
	faults.Close()
	if !errors.Is(err, unix.ENODEV) || faults.Total() != 4 || len(told) == 0 || !strings.Contains(told[len(told)-1], "/dev/video0: a picture with less data") {
		t.Errorf("%d faults, %q, %v", faults.Total(), told, err)
	}
}

func TestRunFrozen(t *testing.T) {
	k := newFake("GREY", 4, 2, 4, picture{data: ramp(8, 0)})
	frames, _, _, err := collect(t, k, "?timeout=30ms")
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "frozen") || !strings.Contains(err.Error(), "30ms") || len(frames) != 1 {
		t.Errorf("%d frames, then %v", len(frames), err)
	}
	k = newFake("GREY", 4, 2, 4, picture{data: ramp(8, 0), flags: bufFlagError}, picture{data: ramp(7, 0)})
	k.loop = true
	_, _, s, err := collect(t, k, "?timeout=30ms")
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "only damaged pictures") || s.Stats().Flagged == 0 || s.Stats().Short == 0 {
		t.Errorf("%+v, %v", s.Stats(), err)
	}
}

// TestSlowSink lets the sink take longer than the camera may: the camera is not to blame.
func TestSlowSink(t *testing.T) {
	k := newFake("GREY", 4, 2, 4, picture{data: ramp(8, 0)}, picture{data: ramp(8, 0)}, picture{data: ramp(8, 0)}, unplugged)
	frames := 0
	err := k.source("?timeout=10ms").Run(t.Context(), func(f *camera.Frame) { frames++; f.Release(); time.Sleep(30 * time.Millisecond) })
	if !errors.Is(err, unix.ENODEV) || frames != 3 {
		t.Errorf("%d frames, %v", frames, err)
	}
}

func TestRunStops(t *testing.T) {
	k := newFake("GREY", 4, 2, 4, picture{data: ramp(8, 0)})
	ctx, cancel := context.WithCancel(t.Context())
	s := k.source("?timeout=1h")
	if err := s.Run(ctx, func(f *camera.Frame) { f.Release(); time.AfterFunc(time.Millisecond, cancel) }); err != nil {
		t.Errorf("stopped: %v", err)
	}
	if k.leak() != nil {
		t.Error(k.leak())
	}
	if err := s.Run(ctx, func(f *camera.Frame) { t.Error("a frame after the end") }); err != nil || k.leak() != nil {
		t.Errorf("stopped before: %v, %v", err, k.leak())
	}
}

// TestRunGivesBack lets each call into the kernel fail in turn.
func TestRunGivesBack(t *testing.T) {
	for n := 1; ; n++ {
		k := newFake("YUYV", 4, 2, 8, picture{data: ramp(16, 0)}, picture{data: ramp(16, 0)}, unplugged)
		k.failAt = n
		_, _, _, err := collect(t, k, "")
		if k.calls < n {
			if n < 25 {
				t.Errorf("only %d calls", n)
			}
			return
		}
		if err == nil {
			t.Errorf("call %d failed and Run did not", n)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	for _, c := range []struct {
		name, query string
		change      func(k *fake)
		want        string
	}{
		{"metadata", "", func(k *fake) { k.caps = 0x00800000 | capStreaming }, "gives no pictures"},
		{"planes", "", func(k *fake) { k.caps = capVideoCaptureMPlane | capStreaming }, "separate planes"},
		{"other format", "?format=mjpeg", func(k *fake) {}, "(Fake): it does not give mjpeg, only yuyv"},
		{"H.264", "", func(k *fake) { k.pix.pixelFormat = cc("H264") }, "none of yuyv, nv12, grey and mjpeg, but H264; try ffmpeg:/dev/video0"},
		{"busy", "", func(k *fake) { k.fails = map[uint32]error{setFmt: unix.EBUSY} }, "use"},
		{"bus full", "", func(k *fake) { k.fails = map[uint32]error{streamOn: unix.ENOSPC} }, "format=mjpeg"},
		{"too little memory", "", func(k *fake) { k.length = 15 }, "15 bytes and a picture needs 16"},
	} {
		k := newFake("YUYV", 4, 2, 8, picture{data: ramp(16, 0)}, unplugged)
		c.change(k)
		frames, _, _, err := collect(t, k, c.query)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "/dev/video0") || len(frames) != 0 {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestNoAllocation counts what a frame costs once the pool is full.
func TestNoAllocation(t *testing.T) {
	for _, k := range []*fake{newFake("YUYV", 4, 2, 8, picture{data: ramp(16, 0), age: time.Millisecond}), newFake("MJPG", 32, 16, 0, picture{data: jpegPicture(t)})} {
		k.loop = true
		c := &capture{s: k.source(""), p: k}
		if err := errors.Join(c.prepare(), c.start()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		n, total := 0, 1000
		allocs := testing.AllocsPerRun(1, func() {
			if err := c.loop(ctx, func(f *camera.Frame) {
				f.Release()
				if n++; n%total == 0 {
					cancel()
				}
			}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel = context.WithCancel(t.Context())
		})
		cancel()
		if n != 2*total || allocs > 20 { // of the contexts
			t.Errorf("%s: %d frames, %v allocations for the last %d", k.pix.pixelFormat, n, allocs, total)
		}
		c.stop()
	}
}

// TestOpenErrors asks for devices that are not there, or are something else.
func TestOpenErrors(t *testing.T) {
	for path, want := range map[string]string{t.TempDir() + "/video9": "there is no such device; ", "/dev/null": "this is not a camera; "} {
		s, err := New(path)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Run(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if devices, err := Devices(); err != nil || slices.ContainsFunc(devices, func(d Device) bool { return !strings.HasPrefix(d.Path, "/dev/video") }) {
		t.Errorf("%v, %v", devices, err)
	}
}

func TestHolders(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/held")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := holders(f.Name()); !strings.Contains(got, "fuser") {
		t.Errorf("held by this process only: %s", got)
	}
	p, err := os.StartProcess("/bin/sleep", []string{"sleep", "60"}, &os.ProcAttr{Files: []*os.File{f}})
	if err != nil {
		t.Skip(err)
	}
	defer p.Wait()
	defer p.Kill()
	deadline := time.Now().Add(10 * time.Second)
	got := holders(f.Name())
	for !strings.Contains(got, "sleep") && time.Now().Before(deadline) { // until it has become sleep
		time.Sleep(time.Millisecond)
		got = holders(f.Name())
	}
	if !strings.HasPrefix(got, "it is in use by sleep (process ") {
		t.Error(got)
	}
}

func TestExamine(t *testing.T) {
	k := newFake("YUYV", 640, 480, 0)
	d, captures := examine("/dev/video7", func(string) (port, error) { return k, nil })
	want := Size{camera.YUYV, 640, 480, 640, 480, 0, 0, []float64{30}}
	if !captures || d.Err != nil || d.Name != "Fake" || len(d.Sizes) != 1 || d.Sizes[0].String() != want.String() || want.String() != "yuyv 640x480 at 30" {
		t.Errorf("%+v", d)
	}
	if d, captures := examine("/dev/video7", func(string) (port, error) { return nil, unix.EACCES }); captures || !strings.Contains(d.Err.Error(), "video") || !errors.Is(d.Err, unix.EACCES) {
		t.Errorf("%+v", d)
	}
	k.caps = capStreaming
	if d, captures := examine("/dev/video7", func(string) (port, error) { return k, nil }); captures || d.Err != nil {
		t.Errorf("metadata: %+v", d)
	}
}

// FuzzDriver lets a driver answer anything.
func FuzzDriver(f *testing.F) {
	codes := []string{"YUYV", "NV12", "MJPG", "GREY"}
	for i := range codes {
		f.Add(byte(i), bytes.Repeat([]byte{255}, 60))
		f.Add(byte(i), append(bytes.Repeat([]byte{255}, 20), ramp(200, 0)...))
	}
	picture := picture{data: append(jpegPicture(f), make([]byte, 1000)...)}
	f.Fuzz(func(t *testing.T, code byte, lies []byte) {
		l := &liar{newFake(codes[int(code)%len(codes)], 32, 16, 0, picture), lies}
		l.loop = true
		s, _ := New("/dev/video0")
		s.open = func(string) (port, error) { return l, nil }
		err := s.Run(t.Context(), func(f *camera.Frame) {
			defer f.Release()
			rows, row := f.Height, f.Width
			switch f.Format {
			case camera.JPEG:
				rows, row = 1, 4
			case camera.YUYV:
				row = (f.Width + 1) / 2 * 4
			case camera.NV12:
				rows, row = rows+(rows+1)/2, (f.Width+1)/2*2
			}
			if f.Width < 1 || f.Height < 1 || f.Stride < row && f.Format != camera.JPEG || len(f.Data) < (rows-1)*f.Stride+row {
				t.Fatalf("%dx%d %v, stride %d: %d bytes", f.Width, f.Height, f.Format, f.Stride, len(f.Data))
			}
		})
		if err == nil || l.mapped != 0 || s.Held() != 0 {
			t.Fatalf("%v; %d mapped, %d held", err, l.mapped, s.Held())
		}
	})
}
