package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocellus-vision/ocellus/cmd/internal/pictures"
	"github.com/ocellus-vision/ocellus/cmd/internal/sources"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/task/face"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// people writes a card that calls class 0 of a network person.
func people(t *testing.T, net string) string {
	t.Helper()
	if err := os.WriteFile(strings.TrimSuffix(net, ".onnx")+".yaml", []byte("labels: [person, car]\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	return net
}

// street is twelve drawn frames, as fast as they are taken.
const street = "synth:street?size=64x32&fps=10&pace=free&frames=12"

// lineOf is a result of pedestrians on a clip.
type lineOf struct {
	Source        string
	Frame         int
	Time          time.Time
	Width, Height int
	Pedestrians   []struct {
		Box   [4]float64
		Score float64
		Track int
	}
}

func TestPedestriansOfAClip(t *testing.T) {
	net, dir := people(t, network(t, finder)), t.TempDir()
	out := filepath.Join(dir, "seen.gif")
	status, stdout, stderr := call("pedestrians", "--model", net, street, out, "--json")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if status != 0 || len(lines) != 12 {
		t.Fatalf("status %d, %q\n%s", status, stdout, stderr)
	}
	var last time.Time
	for i, text := range lines {
		var l lineOf
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		// What finder finds of class 0 is at 0..8 x 8..16 of the input: the left upper 16x16 of the frame.
		if l.Frame != i || l.Width != 64 || l.Height != 32 || len(l.Pedestrians) != 1 || l.Pedestrians[0].Box != [4]float64{0, 0, 16, 16} || l.Pedestrians[0].Score != 0.8 {
			t.Errorf("%s", text)
		}
		if id := l.Pedestrians[0].Track; i > 2 && id != 1 {
			t.Errorf("frame %d: track %d, want 1", i, id)
		}
		if i > 0 && l.Time.Sub(last).Round(time.Millisecond) != 100*time.Millisecond {
			t.Errorf("frame %d comes %v after the one before", i, l.Time.Sub(last))
		}
		last = l.Time
	}
	if !strings.Contains(stderr, "12 frames") || !strings.Contains(stderr, "wrote "+out) {
		t.Errorf("%q", stderr)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if g, err := gif.DecodeAll(bytes.NewReader(b)); err != nil || len(g.Image) != 12 || g.Delay[3] != 10 {
		t.Errorf("%v, %v", g, err)
	}
}

func TestRunSeveralTasks(t *testing.T) {
	net, dir := people(t, network(t, finder)), t.TempDir()
	seg := network(t, func(g *model.Graph, in *model.Value) *model.Value { return g.Add("output", &layer.Identity{}, in) })
	args := []string{"run", "--task", "pedestrians,segment", "--model", "pedestrians=" + net, "--model", "segment=" + seg}
	status, stdout, stderr := call(append(args, street, filepath.Join(dir, "out")+"/", "--frames", "5", "--json", "--map", filepath.Join(dir, "maps"))...)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if status != 0 || len(lines) != 5 {
		t.Fatalf("status %d, %q\n%s", status, stdout, stderr)
	}
	for i, text := range lines {
		var l struct {
			Frame       int
			Pedestrians []any
			Classes     []any
			Map         string
		}
		if err := json.Unmarshal([]byte(text), &l); err != nil || l.Frame != i || len(l.Pedestrians) != 1 || len(l.Classes) == 0 {
			t.Errorf("%s: %v", text, err)
		}
		if m, err := pictures.Read(l.Map); err != nil || m.W != 64 || m.H != 32 {
			t.Errorf("label map %q: %v", l.Map, err)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "out", "frame_00000?.jpg"))
	if len(files) != 5 {
		t.Errorf("%v", files)
	}
	// In real time every result is a line of its own, with its age.
	live := strings.Replace(street, "pace=free", "pace=real", 1)
	status, stdout, stderr = call(append(args, live, filepath.Join(dir, "last.png"), "--json")...)
	if status != 0 || !strings.Contains(stderr, "from capture to result: p50") || !strings.Contains(stderr, "dropped") {
		t.Fatalf("status %d\n%s", status, stderr)
	}
	counts, twice := map[string]int{}, map[string]bool{}
	for text := range strings.Lines(stdout) {
		var l map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &l); err != nil || l["age_ms"] == nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, key := range []string{"pedestrians", "classes"} {
			if l[key] != nil {
				counts[key]++
				if once := key + string(l["frame"]); twice[once] {
					t.Errorf("%s of one frame are there twice", key)
				} else {
					twice[once] = true
				}
			}
		}
	}
	if counts["pedestrians"] == 0 || counts["classes"] == 0 {
		t.Errorf("%v", counts)
	}
	if _, err := pictures.Read(filepath.Join(dir, "last.png")); err != nil {
		t.Error(err)
	}
}

func TestSceneNamesClasses(t *testing.T) {
	net := network(t, func(g *model.Graph, in *model.Value) *model.Value { return g.Add("output", &layer.Identity{}, in) })
	pic := twoHalves(t, filepath.Join(t.TempDir(), "a.png"))
	status, stdout, stderr := call("scene", "--model", net, "--mean", "0", "--std", "1", pic, "--json")
	var r struct {
		File  string
		Scene []struct {
			Label string
			Share float64
		}
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != 0 || r.File != pic || len(r.Scene) != 2 || r.Scene[0].Share != 0.5 {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
}

// sleeper is a Worker whose looks take a time that depends on the input size.
type sleeper func(size int) time.Duration

func (sleeper) New() tasks.Result { return &tasks.People{} }

func (s sleeper) Look(_ context.Context, _ kernels.Picture, _ time.Time, size int, _ tasks.Result) error {
	time.Sleep(s(size))
	return nil
}

// TestDegrades has two tasks on a camera of 20 frames a second, one of which can work on smaller inputs: the device is too slow for both, becomes slower, then fast.
func TestDegrades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var unit atomic.Int64 // what the cheapest look takes
		unit.Store(int64(40 * time.Millisecond))
		list := []*tasks.Task{
			{Name: "open", Priority: 1, MinRate: 4, Sizes: [][2]int{{320, 240}, {160, 120}}, Open: func(bool) (tasks.Worker, error) {
				return sleeper(func(size int) time.Duration { return time.Duration(unit.Load()) * 4 >> (2 * size) }), nil
			}},
			{Name: "fixed", Open: func(bool) (tasks.Worker, error) {
				return sleeper(func(int) time.Duration { return time.Duration(unit.Load()) * 10 }), nil
			}},
		}
		in, err := sources.Open("synth:bars?size=16x16&fps=20", sources.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		s := &session{w: &watching{}, in: in, stdout: io.Discard, stderr: &said}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.watch(ctx, list) }()
		time.Sleep(30 * time.Second) // 4 looks of 160 ms and one of 400 ms: 104 % of the time
		unit.Store(int64(130 * time.Millisecond))
		time.Sleep(30 * time.Second) // 4 of 130 ms and one of 1300 ms
		unit.Store(int64(time.Millisecond))
		time.Sleep(60 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		var steps []string
		for line := range strings.Lines(said.String()) {
			_, step, _ := strings.Cut(strings.TrimSpace(line), " of the time there is: ")
			steps = append(steps, step)
			if step == "" {
				steps[len(steps)-1] = strings.TrimSpace(line)
			}
		}
		want := []string{
			"they run less often",
			"they run less often, on smaller inputs (open 160x120)",
			"they run less often, on smaller inputs, without fixed (open 160x120)",
			"they run less often, on smaller inputs (open 160x120)",
			"they run less often",
			"ocellus: tasks run as often as asked",
		}
		if !slices.Equal(steps, want) {
			t.Errorf("it said\n%s", said.String())
		}
	})
}

// TestInterrupt stops the program as a user does, while it looks at a camera.
func TestInterrupt(t *testing.T) {
	net := people(t, network(t, finder))
	cmd, stdout, stderr := program("pedestrians", "--model", net, "synth:street?size=64x32&fps=50", "--json")
	begin(t, cmd)
	time.Sleep(time.Second)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, stderr)
	}
	if !strings.Contains(stderr.String(), "a second") || !strings.Contains(stderr.String(), "p99") {
		t.Errorf("no summary: %q", stderr)
	}
	if text := stdout.String(); text == "" || !strings.HasSuffix(text, "}\n") {
		t.Errorf("the last line is not whole: %q", text[max(len(text)-100, 0):])
	}
}

// TestInterruptTwice stops a program that cannot end because nobody reads what it prints.
func TestInterruptTwice(t *testing.T) {
	net := people(t, network(t, finder))
	cmd, _, stderr := program("pedestrians", "--model", net, "synth:street?size=64x32&pace=free", "--json")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil { // a few frames fill it
		t.Fatal(err)
	}
	cmd.Stdout = w
	begin(t, cmd)
	w.Close()
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	for range 2 {
		time.Sleep(2 * time.Second) // until the pipe is full; until the first interrupt was taken
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Wait()
	if s := cmd.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() || s.Signal() != syscall.SIGINT {
		t.Errorf("%v\n%s", cmd.ProcessState, stderr)
	}
}

// TestInterruptedDemo stops a demo in its first part.
func TestInterruptedDemo(t *testing.T) {
	net, dir := people(t, network(t, finder)), t.TempDir()
	cmd, stdout, stderr := program("demo", dir, "--frames", "1000000", "--model", "pedestrians="+net, "--model", "face_detector="+net)
	begin(t, cmd)
	defer cmd.Process.Kill()
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(100 * time.Millisecond) {
		if info, err := os.Stat(filepath.Join(dir, "street.jsonl")); err == nil && info.Size() > 0 {
			break
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "holds a part of the street only") {
		t.Errorf("status %d, %q\n%s", status, stdout, stderr)
	}
	if begun, _ := filepath.Glob(filepath.Join(dir, "portraits.*")); len(begun) > 0 {
		t.Errorf("it went on to %v", begun)
	}
}

// TestInterruptedEmbed stops embed at the first of three INPUTs.
func TestInterruptedEmbed(t *testing.T) {
	net := network(t, means)
	pic := twoHalves(t, filepath.Join(t.TempDir(), "a.png"))
	cmd, _, stderr := program("embed", "--model", net, "--json", "synth:street?size=64x32&fps=50", pic, "none.png")
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begin(t, cmd)
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 1 || bytes.Contains(rest, []byte(pic)) || !strings.Contains(stderr.String(), "interrupted: no vectors of "+pic+", none.png\n") {
		t.Errorf("status %d, %q\n%s", status, rest, stderr)
	}
}

// clip writes an animation of three frames of 64x32.
func clip(t *testing.T, path string) []byte {
	t.Helper()
	var b bytes.Buffer
	img := image.NewPaletted(image.Rect(0, 0, 64, 32), color.Palette{color.White, color.Black})
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{img, img, img}, Delay: []int{5, 5, 5}}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBrokenGIF(t *testing.T) {
	net, path := people(t, network(t, finder)), filepath.Join(t.TempDir(), "a.gif")
	whole := clip(t, path)
	for _, c := range []struct {
		name   string
		bytes  []byte
		status int
		lines  int
		stderr string
	}{
		{"whole", whole, 0, 3, "3 frames"}, {"cut off", whole[:len(whole)-10], 1, 2, "frame 3: the file is cut off"}, {"empty", nil, 1, 0, "empty file"},
		{"broken", []byte("GIF89a"), 1, 0, "broken picture"},
	} {
		if err := os.WriteFile(path, c.bytes, 0o666); err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := call("pedestrians", "--model", net, path, "--json")
		if status != c.status || strings.Count(stdout, "\n") != c.lines || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%s: status %d, %q, %q", c.name, status, stdout, stderr)
		}
		if summed := strings.Contains(stderr, "2 frames"); summed != (c.lines == 2) {
			t.Errorf("%s: %q", c.name, stderr)
		}
	}
}

// TestOutputSparesInput lets results go where the INPUT lies.
func TestOutputSparesInput(t *testing.T) {
	net, dir := people(t, network(t, finder)), t.TempDir()
	t.Chdir(dir)
	before := map[string][]byte{"clip.gif": clip(t, "clip.gif")}
	if err := os.Mkdir("mix", 0o777); err != nil {
		t.Fatal(err)
	}
	twoHalves(t, "mix/a.png")
	before["mix/a.png"] = must(os.ReadFile("mix/a.png"))
	before["mix/a.bmp"] = before["mix/a.png"] // what a file is shows in its bytes
	if err := os.WriteFile("mix/a.bmp", before["mix/a.bmp"], 0o666); err != nil {
		t.Fatal(err)
	}
	runs := []string{"clip.gif clip.gif", "clip.gif ./mix/../clip.gif", "mix mix"}
	if _, err := exec.LookPath("ffmpeg"); err == nil {
		if status, _, stderr := call("pedestrians", "--model", net, "clip.gif", "clip.mp4"); status != 0 {
			t.Fatal(stderr)
		}
		before["clip.mp4"] = must(os.ReadFile("clip.mp4"))
		runs = append(runs, "clip.mp4 clip.mp4", "ffmpeg:clip.mp4 clip.mp4")
	}
	for _, args := range runs {
		status, _, stderr := call(append([]string{"pedestrians", "--model", net}, strings.Fields(args)...)...)
		if status != 1 || !strings.Contains(stderr, "would be written over a file that this run reads") {
			t.Errorf("%s: status %d, %q", args, status, stderr)
		}
	}
	for path, b := range before {
		if !bytes.Equal(must(os.ReadFile(path)), b) {
			t.Errorf("%s is another file now", path)
		}
	}
}

// TestFlagsOfOtherTasks gives run flags that none of its tasks reads: each is refused and says which task has it, and nothing is written.
func TestFlagsOfOtherTasks(t *testing.T) {
	net := people(t, network(t, finder))
	t.Chdir(t.TempDir())
	twoHalves(t, "x.png")
	for args, want := range map[string]string{
		"--map map.png":                    "--map is of scene, segment, not of pedestrians",
		"--store people.json":              "--store is of faces, not of pedestrians",
		"--threshold 0":                    "--threshold is of faces, not of pedestrians",
		"--model segment=seg.onnx":         "--model segment=seg.onnx is of segment, not of pedestrians",
		"--model face_detector=yunet.onnx": "--model face_detector=yunet.onnx is of faces, not of pedestrians",
	} {
		status, stdout, stderr := call(append([]string{"run", "--task", "pedestrians", "--model", "pedestrians=" + net, "x.png", "out/"}, strings.Fields(args)...)...)
		if status != 2 || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d, %q, %q", args, status, stdout, stderr)
		}
	}
	if left := must(os.ReadDir(".")); len(left) != 1 {
		t.Errorf("refused runs left %v", left)
	}
	seg := network(t, scorer)
	status, _, stderr := call("run", "--task", "pedestrians,segment", "--model", "pedestrians="+net, "--model", "segment="+seg, "x.png", "--map", "map.png")
	if _, err := os.Stat("map.png"); status != 0 || err != nil {
		t.Errorf("of two tasks one reads --map: status %d, %v, %s", status, err, stderr)
	}
}

// TestMapsBesideOutput writes label maps and what is drawn to one place.
func TestMapsBesideOutput(t *testing.T) {
	net := network(t, scorer)
	t.Chdir(t.TempDir())
	twoHalves(t, "x.png")
	status, stdout, stderr := call("scene", "--model", net, "x.png", "out/", "--map", "out", "--json")
	if status != 0 || !strings.Contains(stdout, `"map":"out/x_2.png"`) {
		t.Fatalf("status %d, %q, %q", status, stdout, stderr)
	}
	for name, paletted := range map[string]bool{"out/x.png": false, "out/x_2.png": true} {
		img, err := png.Decode(bytes.NewReader(must(os.ReadFile(name))))
		if _, is := img.(*image.Paletted); err != nil || is != paletted {
			t.Errorf("%s is a %T, %v", name, img, err)
		}
	}
	status, _, stderr = call("scene", "--model", net, "x.png", "same.png", "--map", "./same.png")
	if status != 2 || !strings.Contains(stderr, "same.png: two kinds of results") {
		t.Errorf("status %d, %q", status, stderr)
	}
}

// TestFailedOutput asks that what could not be written is not said to be there.
func TestFailedOutput(t *testing.T) {
	net := people(t, network(t, finder))
	t.Chdir(t.TempDir())
	for _, out := range []string{"no/dir/x.png", "no/dir/x.gif", "no/dir/x.mp4"} {
		status, _, stderr := call("pedestrians", "--model", net, street, out)
		if status != 1 || strings.Contains(stderr, "wrote") || !strings.Contains(stderr, out) {
			t.Errorf("%s: status %d, %q", out, status, stderr)
		}
	}
}

func TestWatchRefuses(t *testing.T) {
	net, dir := people(t, network(t, finder)), t.TempDir()
	cars := network(t, means)
	for _, c := range []struct {
		args   string
		status int
		stderr string
	}{
		{"pedestrians", 2, "the INPUT"},
		{"pedestrians A B C", 2, `"C" is too much`},
		{"pedestrians --model N --frames -1 " + street, 2, "--frames -1"},
		{"pedestrians --model N --view " + street, 2, "--view needs a terminal"},
		{"pedestrians --model N synth:moon", 1, "moon"},
		{"pedestrians --model M " + street, 1, "outputs"},
		{"run --task jump " + street, 2, "the tasks are pedestrians"},
		{"run --task scene,scene " + street, 2, "scene is there twice"},
		{"run --task classify,segment " + street, 2, "take one"},
		{"run --task scene,segment --map m.png " + street, 2, "--map: scene and segment"},
		{"pedestrians --model N " + street + " -", 2, "not written to standard output"},
		{"run --task detect " + street, 2, "--model detect=M.onnx"},
		{"run --model N " + street, 2, "write NAME=FILE"},
		{"run --model jump=N " + street, 2, `there is no "jump"`},
		{"run --model faces=N " + street, 2, "face_detector"},
		{"sources now", 2, "unknown command"},
		{"demo --model jump=N", 2, `there is no "jump"`},
	} {
		args := strings.Fields(strings.NewReplacer("=N", "="+net).Replace(c.args))
		for i, a := range args {
			switch a {
			case "N":
				args[i] = net
			case "M":
				args[i] = cars
			}
		}
		t.Chdir(dir)
		status, _, stderr := call(args...)
		if status != c.status || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%s: status %d, %q; want %d, %q", c.args, status, stderr, c.status, c.stderr)
		}
	}
}

// TestWithoutNetworks asks each verb whose network is not in the build what to do.
func TestWithoutNetworks(t *testing.T) {
	t.Chdir(t.TempDir())
	for verb, name := range map[string]string{"pedestrians": zoo.Pedestrian, "scene": zoo.Scene, "face identify": zoo.FaceDetector} {
		if _, err := zoo.Default(name); err == nil {
			continue
		}
		status, _, stderr := call(append(strings.Fields(verb), street)...)
		if status != 1 || !strings.Contains(stderr, "this build holds no "+strings.ReplaceAll(name, "_", " ")+" network: ") || !strings.Contains(stderr, "name one of your own with --") {
			t.Errorf("%s: status %d, %q", verb, status, stderr)
		}
	}
}

func TestSources(t *testing.T) {
	status, stdout, stderr := call("sources")
	if status != 0 || stdout == "" || stderr != "" {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
	status, stdout, _ = call("sources", "--json")
	for line := range strings.Lines(stdout) {
		var r sourceRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Source == "" || r.Modes == nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if status != 0 {
		t.Errorf("status %d", status)
	}
}

func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("drawing takes a while where it is emulated")
	}
	net, dir := people(t, network(t, finder)), filepath.Join(t.TempDir(), "new")
	status, stdout, stderr := call("demo", dir, "--frames", "3", "--model", "pedestrians="+net)
	if status != 0 || !strings.Contains(stdout, "pedestrians: ") {
		t.Fatalf("status %d, %q, %q", status, stdout, stderr)
	}
	if p, err := pictures.Read(filepath.Join(dir, "street.jpg")); err != nil || p.W != 640 || p.H < 480 {
		t.Errorf("%dx%d, %v", p.W, p.H, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "street.jsonl"))
	if err != nil || bytes.Count(b, []byte("\n")) != 3 {
		t.Errorf("%q, %v", b, err)
	}
	clips, _ := filepath.Glob(filepath.Join(dir, "street.[gm][ip][f4]"))
	if len(clips) != 1 {
		t.Errorf("clips: %v", clips)
	}
}

// TestDemoFaces lets public networks that the user chose name the drawn people.
func TestDemoFaces(t *testing.T) {
	if testing.Short() {
		t.Skip("drawing takes a while where it is emulated")
	}
	shared := sharedFiles(t, "models/yunet_n_dynamic/model.onnx", "models/mobilefacenet/model.onnx")
	dir := t.TempDir()
	t.Setenv("XDG_DATA_HOME", dir)
	folder := filepath.Join(dir, "ocellus", "models")
	if err := os.MkdirAll(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{zoo.FaceDetector, zoo.FaceEmbedder} {
		b, err := os.ReadFile(shared[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "my-"+name+".onnx"), b, 0o666); err != nil {
			t.Fatal(err)
		}
		if status, _, stderr := call("models", "use", name, "my-"+name); status != 0 {
			t.Fatal(stderr)
		}
	}
	// A threshold that was measured for the network counts, the people of the user do not.
	digest := sha256.Sum256(must(os.ReadFile(shared[1])))
	gallery := face.NewGallery(hex.EncodeToString(digest[:]), 128)
	gallery.Calibration = &face.Calibration{Threshold: 0.3, Target: 0.01, Confidence: 0.95, Pairs: 5000, High: 0.01, Accepted: 90, Genuine: 100, People: 110, Pictures: 200}
	if err := gallery.Enrol("Somebody", time.Now(), append(face.Vector{1}, make(face.Vector, 127)...)); err != nil {
		t.Fatal(err)
	}
	store := face.Store{Path: filepath.Join(dir, "ocellus", "faces.json")}
	if err := store.Change(func(*face.Gallery) (*face.Gallery, error) { return gallery, nil }); err != nil {
		t.Fatal(err)
	}
	net, out := people(t, network(t, finder)), filepath.Join(dir, "out")
	status, said, stderr := call("demo", out, "--frames", "1", "--model", "pedestrians="+net, "--model", "scene="+network(t, scorer))
	if status != 0 || !strings.Contains(said, "faces: 96 of 96 found, 0 found that were not drawn") {
		t.Fatalf("status %d, %q, %q", status, said, stderr)
	}
	_, names, _ := strings.Cut(said, "names: ")
	var right, wrong, unknown int
	if _, err := fmt.Sscanf(names, "%d right, %d wrong, %d unknown", &right, &wrong, &unknown); err != nil || right < 90 || wrong > 0 {
		t.Errorf("%v, %q", err, said)
	}
	if p, err := pictures.Read(filepath.Join(out, "portraits.jpg")); err != nil || p.W != 480 {
		t.Errorf("%d pixels wide, %v", p.W, err)
	}
}

func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

// scorer is a network that gives each pixel's colours as scores of three classes.
func scorer(g *model.Graph, in *model.Value) *model.Value {
	return g.Add("output", &layer.Identity{}, in)
}

func TestMatch(t *testing.T) {
	a, b, c := [4]float64{0, 0, 10, 10}, [4]float64{100, 0, 10, 10}, [4]float64{200, 0, 10, 10}
	m := truth{}
	m.match([][4]float64{a, {0, 1, 10, 10}, c, {300, 0, 9, 9}}, [][4]float64{a, b}, [][4]float64{c})
	if m.there != 2 || m.found != 1 || m.wrong != 2 { // what finds a again is wrong, and what is nowhere; what is neither counts not
		t.Errorf("%+v", m)
	}
}
