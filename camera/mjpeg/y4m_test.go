package mjpeg

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// planes returns n bytes from first on.
func planes(first, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(first + i)
	}
	return b
}

func TestY4M(t *testing.T) {
	// Frames of odd size: Y from 1, U from 101, V from 201.
	for _, c := range []struct {
		header string
		u      int // bytes of U, and of V
		format camera.Format
		colour camera.Colour
		stride int
		want   []byte
	}{
		{"W3 H3 F25:1 Ip C420jpeg", 4, camera.NV12, camera.BT601, 4, []byte{1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 101, 201, 102, 202, 103, 203, 104, 204}},
		{"H3 W3", 4, camera.NV12, camera.BT601, 4, []byte{1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 101, 201, 102, 202, 103, 203, 104, 204}},
		{"W3 H2 C422 XCOLORRANGE=FULL", 4, camera.YUYV, camera.BT601Full, 8, []byte{1, 101, 2, 201, 3, 102, 0, 202, 4, 103, 5, 203, 6, 104, 0, 204}},
		{"W3 H2 C444 A1:1 XYSCSS=444", 6, camera.YUYV, camera.BT601, 8, []byte{1, 102, 2, 202, 3, 103, 0, 203, 4, 105, 5, 205, 6, 106, 0, 206}},
		{"W3 H1 Cmono", 0, camera.Grey, camera.BT601Full, 3, []byte{1, 2, 3}},
		{"W3 H1 XCOLORRANGE=LIMITED Cmono", 0, camera.Grey, camera.BT601, 3, []byte{0, 0, 0}},
	} {
		w, h := 3, int(c.header[strings.Index(c.header, "H")+1]-'0')
		frame := slices.Concat(planes(1, w*h), planes(101, c.u), planes(201, c.u))
		stream := slices.Concat([]byte("YUV4MPEG2 "+c.header+"\nFRAME\n"), frame, []byte("FRAME Ip X1\n"), frame)
		var pool camera.Pool
		y, err := newY4M(bufio.NewReader(iotest.HalfReader(bytes.NewReader(stream))))
		if err != nil {
			t.Errorf("%s: %v", c.header, err)
			continue
		}
		for range 2 {
			f, err := y.frame(&pool)
			if err != nil {
				t.Fatalf("%s: %v", c.header, err)
			}
			if f.Width != w || f.Height != h || f.Format != c.format || f.Colour != c.colour || f.Stride != c.stride || !bytes.Equal(f.Data, c.want) {
				t.Errorf("%s: %+v", c.header, f)
			}
			f.Release()
		}
		if _, err := y.frame(&pool); err != io.EOF {
			t.Errorf("%s: after the last frame: %v", c.header, err)
		}
		// Wherever the stream is cut off within a frame, that is an error.
		header := bytes.IndexByte(stream, '\n') + 1
		for cut := header + 1; cut < len(stream)-header; cut++ {
			y, err := newY4M(bufio.NewReader(bytes.NewReader(stream[:cut])))
			for err == nil {
				var f *camera.Frame
				if f, err = y.frame(&pool); err == nil {
					f.Release()
				}
			}
			if whole := header + len("FRAME\n") + len(frame); (err == io.EOF) != (cut == whole) || cut != whole && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: cut off at %d: %v", c.header, cut, err)
			}
		}
		if pool.Out() != 0 {
			t.Errorf("%s: %d frames held", c.header, pool.Out())
		}
	}
}

// TestGreyRange computes each step of limited range in floating point.
func TestGreyRange(t *testing.T) {
	y, err := newY4M(bufio.NewReader(io.MultiReader(strings.NewReader("YUV4MPEG2 W256 H1 Cmono XCOLORRANGE=LIMITED\nFRAME\n"), bytes.NewReader(planes(0, 256)))))
	if err != nil {
		t.Fatal(err)
	}
	f, err := y.frame(new(camera.Pool))
	if err != nil {
		t.Fatal(err)
	}
	for v, got := range f.Data {
		if want := min(max((float64(v)-16)*255/219, 0), 255); float64(got) < want-0.5 || float64(got) > want+0.5 {
			t.Errorf("%d becomes %d, want %g", v, got, want)
		}
	}
}

func TestY4MRefuses(t *testing.T) {
	for header, want := range map[string]string{
		"W4 H4 It":                            "interlaced",
		"W4 H4 Im":                            "interlaced",
		"W4 H4 C420p10":                       "8 bits",
		"W4 H4 C444alpha":                     "8 bits",
		"W4 H4 C411":                          "8 bits",
		"W4":                                  "pictures of 4x0",
		"W-4 H4":                              "pictures of -4x4",
		"W4x H4":                              "W4x",
		"W32768 H32768":                       "million pixels",
		"W99999999999999999999 H1":            "W9999",
		"W4 H4 F1":                            "rate",
		"W4 H4 F1:1000000":                    "rate",
		"W4 H4 X" + strings.Repeat("x", 9999): "longer than",
	} {
		if _, err := newY4M(bufio.NewReader(strings.NewReader("YUV4MPEG2 " + header + "\n"))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v; want %q", header, err, want)
		}
	}
	y, err := newY4M(bufio.NewReader(strings.NewReader("YUV4MPEG2 W1280 H720 F30000:1001\nFRAMES\n")))
	if err != nil || y.colour != camera.BT709 || y.rate < 29.97 || y.rate > 29.98 {
		t.Fatal(err)
	}
	if _, err := y.frame(new(camera.Pool)); err == nil || !strings.Contains(err.Error(), "frame 1") {
		t.Errorf("FRAMES: %v", err)
	}
}

// TestY4MBesideFFmpeg compares frames with ffmpeg's own conversion to their layout.
func TestY4MBesideFFmpeg(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not installed (Debian: sudo apt install ffmpeg)")
	}
	path := filepath.Join(t.TempDir(), "clip.y4m")
	for _, c := range []struct{ from, to string }{{"yuv420p", "nv12"}, {"yuvj420p", "nv12"}, {"yuv422p", "yuyv422"}, {"gray", "gray"}} {
		make := exec.Command(ffmpeg, "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=1", "-pix_fmt", c.from, "-strict", "-1", path)
		if out, err := make.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		raw := []string{"-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", c.to, "-"}
		if c.from == "yuvj420p" {
			raw = slices.Insert(raw, 4, "-vf", "scale=in_range=pc:out_range=pc")
		}
		want, err := exec.Command(ffmpeg, raw...).Output()
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		err = s.Run(context.Background(), func(f *camera.Frame) {
			if len(want) < len(f.Data) || !bytes.Equal(f.Data, want[:len(f.Data)]) {
				t.Errorf("%s: frame %d is not that of ffmpeg", c.from, n)
			}
			want = want[min(len(f.Data), len(want)):]
			if full := c.from == "yuvj420p" || c.from == "gray"; (f.Colour == camera.BT601Full) != full {
				t.Errorf("%s: colour %d", c.from, f.Colour)
			}
			n++
			f.Release()
		})
		if err != io.EOF || n != 5 || len(want) > 0 {
			t.Errorf("%s: %d frames, %v, %d bytes left", c.from, n, err, len(want))
		}
	}
}

func TestStream(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b ...[]byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, slices.Concat(b...), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	y4m := []byte("YUV4MPEG2 W2 H2 F50:1\nFRAME\n123456FRAME\n123456FRAME\n123456")
	for _, c := range []struct {
		path string
		o    Options
		want string
		end  string
	}{
		{write("a.y4m", y4m), Options{}, "0 0 nv12, 1 20 nv12, 2 40 nv12, ", "EOF"},
		{write("b.mjpeg", drawn(t, 1), drawn(t, 2)[:900], drawn(t, 3)), Options{Rate: 10}, "0 0 jpeg, 1 100 jpeg, ", "EOF"},
		{write("c.mjpeg", drawn(t, 1), drawn(t, 2)[:300]), Options{}, "0 0 jpeg, ", "c.mjpeg: the stream ended within a picture"},
		{write("d.y4m", y4m[:len(y4m)-1]), Options{}, "0 0 nv12, 1 20 nv12, ", "d.y4m: frame 3: the stream is cut off"},
		{write("e.mjpeg"), Options{}, "", "empty"},
		{write("f.mjpeg", []byte("RIFF....AVI LIST")), Options{}, "", "neither JPEGs nor Y4M"},
		{write("g.y4m", []byte("YUV4MPEG2 W2")), Options{}, "", "the stream ends here"},
		{filepath.Join(dir, "none"), Options{}, "", "no such file"},
	} {
		s, err := Open(c.path, c.o)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		var first time.Time
		err = s.Run(context.Background(), func(f *camera.Frame) {
			if f.Seq == 0 {
				first = f.Time
			}
			got += fmt.Sprint(f.Seq, " ", f.Time.Sub(first).Milliseconds(), " ", f.Format, ", ")
			f.Release()
		})
		if got != c.want || err == nil || !strings.Contains(err.Error(), c.end) || (err == io.EOF) != (c.end == "EOF") || s.pool.Out() != 0 {
			t.Errorf("%s: %s%v", filepath.Base(c.path), got, err)
		}
	}
	// In real time no frame comes early; live ones bear the time at which they came.
	for _, o := range []Options{{RealTime: true}, {Live: true}} {
		s, err := Open(filepath.Join(dir, "a.y4m"), o)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := s.Run(context.Background(), func(f *camera.Frame) {
			if time.Until(f.Time) > 0 || f.Time.Before(begun) {
				t.Errorf("%+v: frame %d is stamped %v from now", o, f.Seq, time.Until(f.Time))
			}
			f.Release()
		}); err != io.EOF {
			t.Error(err)
		}
		if took := time.Since(begun); o.RealTime && took < 40*time.Millisecond {
			t.Errorf("three frames at 50 a second took %v", took)
		}
	}
	if _, err := Open("-", Options{Rate: -1}); err == nil {
		t.Error("a rate of -1 is taken")
	}
}

// TestStandardInput runs this test again with a pipe as its standard input, which stays open and silent.
func TestStandardInput(t *testing.T) {
	if os.Getenv("OCELLUS_TEST_STDIN") != "" {
		s, err := Open("-", Options{Live: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		err = s.Run(ctx, func(f *camera.Frame) { // the second frame never comes
			n++
			f.Release()
			time.AfterFunc(50*time.Millisecond, cancel)
		})
		fmt.Printf("%d frames, %v\n", n, err)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestStandardInput$")
	cmd.Env = append(os.Environ(), "OCELLUS_TEST_STDIN=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	in.Write([]byte("YUV4MPEG2 W2 H2\nFRAME\n123456FRAME\n12"))
	cmd.Process.Wait()
	in.Close()
	cmd.Wait()
	if !strings.Contains(out.String(), "1 frames, context canceled") {
		t.Errorf("%s", &out)
	}
}

func FuzzY4M(f *testing.F) {
	f.Add([]byte("YUV4MPEG2 W2 H2 F50:1 Ip C420jpeg\nFRAME\n123456FRAME Ix\n123456"))
	f.Add([]byte("YUV4MPEG2 W3 H3 C444 XCOLORRANGE=FULL\nFRAME\n123456789012345678901234567"))
	f.Add([]byte("YUV4MPEG2 W3 H1 Cmono\nFRAME\n123"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		y, err := newY4M(bufio.NewReader(bytes.NewReader(b)))
		if err != nil || y.w*y.h > 1<<20 {
			return // what is refused for its size is tested apart
		}
		var pool camera.Pool
		for {
			p, err := y.frame(&pool)
			if err != nil {
				break
			}
			if p.Width != y.w || p.Height != y.h || len(p.Data) < y.w*y.h {
				t.Errorf("%dx%d in %d bytes", p.Width, p.Height, len(p.Data))
			}
			p.Release()
		}
		if pool.Out() != 0 {
			t.Errorf("%d frames held", pool.Out())
		}
	})
}
