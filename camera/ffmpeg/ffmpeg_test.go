package ffmpeg

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
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// need skips a test where there is no ffmpeg.
func need(t *testing.T) string {
	t.Helper()
	path, err := find()
	if err != nil {
		t.Skip(err)
	}
	return path
}

// ffmpeg runs ffmpeg and returns what it wrote to its standard output.
func ffmpeg(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(need(t), append([]string{"-v", "error", "-nostdin", "-y"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg %v: %v: %s", args, err, &stderr)
	}
	return out
}

// pattern makes a clip of ffmpeg's test pattern.
func pattern(t *testing.T, name string, size string, seconds int, more ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args := append([]string{"-f", "lavfi", "-i", fmt.Sprintf("testsrc=size=%s:rate=10:duration=%d", size, seconds), "-pix_fmt", "yuv420p"}, more...)
	ffmpeg(t, append(args, path)...)
	return path
}

// open opens a source, or ends the test.
func open(t *testing.T, input string, o Options) *Source {
	t.Helper()
	s, err := Open(input, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// endless is a camera that gives 25 frames of 64x48 a second.
func endless(t *testing.T) *Source {
	t.Helper()
	need(t)
	return open(t, "testsrc=size=64x48:rate=25", Options{Format: "lavfi", Args: []string{"-re"}, Live: true})
}

// gone waits until a process has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	for range 500 {
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d is still there", pid)
	syscall.Kill(pid, syscall.SIGKILL)
}

// TestClip compares frames with those that ffmpeg writes to a file, for even and odd sizes.
func TestClip(t *testing.T) {
	for _, size := range []string{"64x48", "63x47"} {
		path := pattern(t, "a.mkv", size, 2, "-c:v", "ffv1")
		want := ffmpeg(t, "-i", path, "-f", "rawvideo", "-pix_fmt", "nv12", "-")
		s := open(t, path, Options{})
		for range 2 {
			rest := want
			var first time.Time
			n := 0
			err := s.Run(context.Background(), func(f *camera.Frame) {
				if f.Seq == 0 {
					first = f.Time
				}
				if at := f.Time.Sub(first).Round(time.Millisecond); f.Seq != uint64(n) || at != time.Duration(n)*100*time.Millisecond || f.Format != camera.NV12 || f.Colour != camera.BT601 {
					t.Errorf("%s: frame %d: number %d at %v, %v", size, n, f.Seq, at, f.Format)
				}
				pairs := (f.Width + 1) / 2 * 2
				for y := range f.Height + (f.Height+1)/2 {
					row := f.Width
					if y >= f.Height {
						row = pairs
					}
					if len(rest) < row || !bytes.Equal(f.Data[y*f.Stride:][:row], rest[:row]) {
						t.Fatalf("%s: frame %d, row %d differs", size, n, y)
					}
					rest = rest[row:]
				}
				n++
				f.Release()
			})
			if err != io.EOF || n != 20 || len(rest) > 0 || s.pool.Out() != 0 {
				t.Errorf("%s: %d frames, %v, %d bytes left", size, n, err, len(rest))
			}
		}
	}
}

func TestPlaylist(t *testing.T) {
	path := pattern(t, "a.m3u8", "64x48", 3, "-hls_time", "1", "-hls_list_size", "0")
	n := 0
	if err := open(t, path, Options{RealTime: true}).Run(context.Background(), func(f *camera.Frame) {
		if time.Until(f.Time) > 0 {
			t.Errorf("frame %d is early", f.Seq)
		}
		n++
		f.Release()
	}); err != io.EOF || n != 30 {
		t.Errorf("%d frames, %v", n, err)
	}
}

// TestCutOff reads clips whose second half is missing.
func TestCutOff(t *testing.T) {
	for name, more := range map[string][]string{"a.mkv": nil, "a.mp4": {"-movflags", "+faststart"}} {
		path := pattern(t, name, "160x120", 10, more...)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b[:len(b)/2], 0o666); err != nil {
			t.Fatal(err)
		}
		n := 0
		err = open(t, path, Options{}).Run(context.Background(), func(f *camera.Frame) { n++; f.Release() })
		if n < 10 || n > 90 || err == nil || !strings.Contains(err.Error(), "cut off after") || !strings.Contains(err.Error(), "of 10.0 s") {
			t.Errorf("%s: %d frames, %v", name, n, err)
		}
		t.Log(err)
	}
}

func TestCannotOpen(t *testing.T) {
	need(t)
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.mp4")
	if err := os.WriteFile(empty, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		input string
		o     Options
		want  string
	}{
		{filepath.Join(dir, "none.mp4"), Options{}, "No such file or directory"},
		{empty, Options{}, "Invalid data"},
		{"rtsp://ada:hunter2@127.0.0.1:1/live", Options{}, "Connection refused"},
		{"-i", Options{}, "No such file or directory"},
		{"x", Options{Command: []string{"sh", "-c", "echo no camera here >&2; exit 3"}, Format: "mjpeg"}, "no camera here"},
		{"", Options{Command: []string{"ocellus-no-such-program"}}, "executable file not found"},
		{"", Options{Command: []string{"sleep", "60"}, Timeout: 300 * time.Millisecond}, "no frame for 300ms"},
	} {
		s := open(t, c.input, c.o)
		err := s.Run(context.Background(), func(f *camera.Frame) { t.Error("a frame came"); f.Release() })
		if err == nil || err == io.EOF || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v; want %q", s, err, c.want)
		}
	}
	for _, c := range []struct {
		input string
		o     Options
	}{{"", Options{}}, {"x", Options{Width: -1, Height: 5}}, {"x", Options{Width: 5}}, {"x", Options{Rate: -1}}, {"x", Options{Width: 1 << 20, Height: 1 << 20}}} {
		if _, err := Open(c.input, c.o); err == nil {
			t.Errorf("%q %+v is taken", c.input, c.o)
		}
	}
}

// TestStops asks that ffmpeg ends with the context, whatever it is doing.
func TestStops(t *testing.T) {
	s := endless(t)
	ctx, cancel := context.WithCancel(context.Background())
	pid := 0
	err := s.Run(ctx, func(f *camera.Frame) {
		pid = int(s.pid.Load())
		if f.Seq == 3 {
			cancel()
		}
		f.Release()
	})
	if !errors.Is(err, context.Canceled) || pid == 0 || s.pool.Out() != 0 {
		t.Errorf("%v, process %d, %d frames held", err, pid, s.pool.Out())
	}
	gone(t, pid)

	// A sink that is slow lets the pipe run full, in which ffmpeg hangs then.
	s = open(t, "testsrc=size=640x480:rate=25", Options{Format: "lavfi"})
	ctx, cancel = context.WithCancel(context.Background())
	err = s.Run(ctx, func(f *camera.Frame) {
		pid = int(s.pid.Load())
		f.Release()
		time.Sleep(200 * time.Millisecond)
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	gone(t, pid)
	if err := s.Run(ctx, func(f *camera.Frame) { f.Release() }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// supervised runs a source under a supervisor and calls check with how many frames came, until it says that it is done. It returns the faults.
func supervised(t *testing.T, source camera.Source, freeze time.Duration, check func(frames int, f *camera.Frame) (done bool)) []string {
	t.Helper()
	var faults []string
	v := &camera.Supervisor{Source: source, Open: 20 * time.Second, Freeze: freeze, MinWait: 20 * time.Millisecond, MaxWait: 200 * time.Millisecond,
		Report: func(f camera.Fault) { faults = append(faults, f.Err.Error()) }}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	n := 0
	if err := v.Run(ctx, func(f *camera.Frame) {
		n++
		if check(n, f) {
			cancel()
		}
		f.Release()
	}); err != nil {
		t.Error(err)
	}
	if context.Cause(ctx) == context.DeadlineExceeded {
		t.Errorf("after a minute %d frames had come; faults: %q", n, faults)
	}
	return faults
}

// TestKilled kills ffmpeg, and stops it in its tracks, in the middle of a stream.
func TestKilled(t *testing.T) {
	for signal, want := range map[syscall.Signal]string{syscall.SIGKILL: "ffmpeg ended (signal: killed)", syscall.SIGSTOP: "no frame came in time"} {
		s := endless(t)
		killed := 0
		faults := supervised(t, s, time.Second, func(n int, f *camera.Frame) bool {
			if n == 5 {
				killed = int(s.pid.Load())
				syscall.Kill(killed, signal)
			}
			return killed != 0 && int(s.pid.Load()) != killed
		})
		if len(faults) == 0 || !strings.Contains(strings.Join(faults, "\n"), want) {
			t.Errorf("%v: faults %q, want %q", signal, faults, want)
		}
		gone(t, killed)
		if s.pool.Out() != 0 {
			t.Errorf("%d frames held", s.pool.Out())
		}
	}
}

// TestOtherSize asks for frames of another size than those that come.
func TestOtherSize(t *testing.T) {
	program := need(t)
	command := []string{program, "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25", "-f", "mjpeg", "-"}
	s := open(t, "", Options{Command: command, Format: "mjpeg", Width: 640, Height: 480})
	faults := supervised(t, s, 5*time.Second, func(n int, f *camera.Frame) bool {
		if f.Width != 320 || f.Height != 240 {
			t.Errorf("a frame of %dx%d", f.Width, f.Height)
		}
		return n == 5
	})
	if len(faults) != 1 || !strings.Contains(faults[0], "640x480 pixels were asked for, 320x240 come") {
		t.Errorf("faults: %q", faults)
	}
}

// TestCommandEnds asks that the end of the command is a failure of the camera, told with its words.
func TestCommandEnds(t *testing.T) {
	clip := pattern(t, "a.mjpeg", "64x48", 1)
	s := open(t, "", Options{Command: []string{"sh", "-c", "cat " + clip + "; echo sensor lost >&2; exit 7"}, Format: "mjpeg"})
	n := 0
	err := s.Run(context.Background(), func(f *camera.Frame) { n++; f.Release() })
	if n < 5 || err == nil || !strings.Contains(err.Error(), "sensor lost") || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("%d frames, %v", n, err)
	}
}

// TestNoOrphans kills a process that reads a camera, and asks that ffmpeg and the command that feeds it end too.
func TestNoOrphans(t *testing.T) {
	if os.Getenv("OCELLUS_TEST_ORPHANS") != "" {
		program := need(t)
		s := open(t, "", Options{Command: []string{program, "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=25", "-f", "mjpeg", "-"}, Format: "mjpeg"})
		s.Run(context.Background(), func(f *camera.Frame) {
			if f.Seq == 0 {
				children, _ := filepath.Glob("/proc/[0-9]*/stat")
				for _, path := range children {
					b, _ := os.ReadFile(path)
					if fields := strings.Fields(string(b)); len(fields) > 3 && fields[3] == strconv.Itoa(os.Getpid()) {
						fmt.Println("child", fields[0])
					}
				}
				fmt.Println("ready")
			}
			f.Release()
		})
		return
	}
	need(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestNoOrphans$")
	cmd.Env = append(os.Environ(), "OCELLUS_TEST_ORPHANS=1")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	var children []int
	lines(out, func(line string) {
		if pid, found := strings.CutPrefix(line, "child "); found {
			n, _ := strconv.Atoi(pid)
			children = append(children, n)
		}
		if line == "ready" {
			cmd.Process.Kill()
		}
	})
	cmd.Wait()
	if len(children) != 2 {
		t.Fatalf("children: %d", children)
	}
	for _, pid := range children {
		gone(t, pid)
	}
}

// rtspServer is a server of GStreamer's that sends a test pattern as JPEGs.
const rtspServer = `
import gi, sys
gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0')
from gi.repository import Gst, GstRtspServer, GLib
Gst.init(None)
server = GstRtspServer.RTSPServer.new()
server.set_address('127.0.0.1'); server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory.new()
factory.set_launch('( videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=15/1 ! jpegenc ! rtpjpegpay name=pay0 pt=26 )')
factory.set_shared(True)
if len(sys.argv) > 2:
    auth = GstRtspServer.RTSPAuth.new()
    token = GstRtspServer.RTSPToken.new(); token.set_string('media.factory.role', 'user')
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic('ada', sys.argv[2]), token)
    server.set_auth(auth)
    factory.add_role_from_structure(Gst.Structure.new_from_string('user,media.factory.access=true,media.factory.construct=true'))
server.get_mount_points().add_factory('/live', factory)
if server.attach(None) == 0: sys.exit('cannot listen')
print('listening', server.get_bound_port(), flush=True)
GLib.MainLoop().run()
`

// serveRTSP starts a server at a port ("0": any) and returns its port.
func serveRTSP(t *testing.T, port string, password ...string) (*exec.Cmd, string) {
	t.Helper()
	python := "/usr/bin/python3"
	probe := "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; Gst.init(None); assert Gst.ElementFactory.find('rtpjpegpay') and Gst.ElementFactory.find('jpegenc')"
	if out, err := exec.Command(python, "-c", probe).CombinedOutput(); err != nil {
		t.Skipf("no RTSP server (Debian: sudo apt install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good): %s", bytes.TrimSpace(out))
	}
	cmd := exec.Command(python, append([]string{"-c", rtspServer, port}, password...)...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, _ := bufio.NewReader(out).ReadString('\n')
	fields := strings.Fields(line)
	if len(fields) != 2 {
		t.Fatalf("the RTSP server says %q", line)
	}
	return cmd, fields[1]
}

// heard is a Source that tells why Run came back.
type heard struct {
	camera.Source
	tell func(error)
}

func (s heard) Run(ctx context.Context, sink camera.Sink) error {
	err := s.Source.Run(ctx, sink)
	if err != nil {
		s.tell(err)
	}
	return err
}

// TestRTSP reads from a server, which is stopped and started, and freezes.
func TestRTSP(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a quarter of a minute")
	}
	need(t)
	server, port := serveRTSP(t, "0", "hunter2")
	s := open(t, "rtsp://ada:hunter2@127.0.0.1:"+port+"/live", Options{})
	stage := 0
	var again atomic.Bool
	refused := make(chan struct{})
	once := sync.OnceFunc(func() { close(refused) })
	source := heard{s, func(err error) {
		if strings.Contains(err.Error(), "Connection refused") {
			once()
		}
	}}
	faults := supervised(t, source, 2*time.Second, func(n int, f *camera.Frame) bool {
		if f.Width != 320 || f.Height != 240 || time.Since(f.Time) > time.Second || time.Since(f.Time) < 0 {
			t.Errorf("frame %d: %dx%d, %v old", n, f.Width, f.Height, time.Since(f.Time))
		}
		switch {
		case stage == 0 && n >= 5: // the server dies, and comes back once it was missed
			stage = 1
			server.Process.Kill()
			server.Wait()
			go func() {
				select {
				case <-refused:
				case <-t.Context().Done():
					return
				}
				server, _ = serveRTSP(t, port, "hunter2")
				again.Store(true)
			}()
		case stage == 1 && again.Load(): // frames come from the new one, which freezes
			stage = 2
			server.Process.Signal(syscall.SIGSTOP)
			time.AfterFunc(4*time.Second, func() { again.Store(false); server.Process.Signal(syscall.SIGCONT) })
		case stage == 2 && !again.Load():
			return true
		}
		return false
	})
	all := strings.Join(faults, "\n")
	if stage != 2 || !strings.Contains(all, "Connection refused") || !strings.Contains(all, "no frame came in time") || strings.Contains(all, "hunter2") {
		t.Errorf("stage %d, faults:\n%s", stage, all)
	}
	t.Logf("faults:\n%s", all)
	if s.pool.Out() != 0 {
		t.Errorf("%d frames held", s.pool.Out())
	}
	if err := open(t, "rtsp://ada:wrong@127.0.0.1:"+port+"/live", Options{}).Run(context.Background(), func(f *camera.Frame) { f.Release() }); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a wrong password: %v", err)
	}
}
