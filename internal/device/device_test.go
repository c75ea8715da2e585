package device_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/internal/device"
	"github.com/ocellus-vision/ocellus/internal/device/eye"
)

// Time bounds of TestDevice.
const (
	fetching = 4 * time.Minute
	running  = 15 * time.Minute // it took 12 on two cores with eleven other programs on them
)

// TestDevice runs the scenarios of package guest in the emulated device; each is a subtest. OCELLUS_DEVICE=all runs all of them, other values those that
// have it in their name, such as "arm/usb".
func TestDevice(t *testing.T) {
	only := os.Getenv("OCELLUS_DEVICE")
	switch only {
	case "":
		t.Skip("it takes minutes: make test-device runs it")
	case "all":
		only = ""
	}
	for program, where := range map[string]string{device.QEMU: "sudo apt install qemu-system-arm", "dpkg-deb": "dpkg"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%v (Debian: %s)", err, where)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), fetching)
	defer cancel()
	kernel, err := device.DebianKernel(ctx)
	if missing := (*device.MissingError)(nil); errors.As(err, &missing) {
		t.Skip(missing)
	} else if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "initramfs")
	if err := os.WriteFile(image, initramfs(t, kernel, only), 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), running)
	defer cancel()
	ports, err := freePorts(device.Daemon, device.Relay, device.Control)
	if err != nil {
		t.Fatal(err)
	}
	visited := make(chan error, 1)
	visits := 0
	var console []string
	booted := time.Now()
	results := map[string]string{} // by scenario
	err = device.Boot(ctx, kernel.Image, image, ports, func(line string) {
		console = append(console, line)
		word, rest, _ := strings.Cut(line, " ")
		name, text, _ := strings.Cut(rest, " ")
		switch word {
		case "@daemon":
			visits++
			go func() {
				err := visit(ctx, ports, name)
				t.Logf("%3.0f s: the visit of the daemon ended: %v", time.Since(booted).Seconds(), err)
				visited <- err
			}()
		case "@pass":
			results[name] = ""
			t.Logf("%3.0f s: %s", time.Since(booted).Seconds(), rest)
		case "@fail":
			results[strings.TrimSuffix(name, ":")] = strings.ReplaceAll(text, "\t", "\n")
			t.Logf("%3.0f s: FAILED %s", time.Since(booted).Seconds(), rest)
		case "@end":
			results["guest"] = ""
			t.Logf("%3.0f s: end, %s by the guest's clock", time.Since(booted).Seconds(), rest)
		}
	})
	if _, ended := results["guest"]; err != nil || !ended {
		t.Errorf("the guest did not end as it should: %v; its console:\n%s", err, strings.Join(console[max(0, len(console)-60):], "\n"))
	}
	if visits > 0 {
		results["arm64/ocellusd-visit"] = ""
		if err := <-visited; err != nil {
			results["arm64/ocellusd-visit"] = err.Error()
		}
	}
	if only == "" && len(results) < 47 {
		t.Errorf("only %d scenarios", len(results))
	}
	for _, name := range slices.Sorted(maps.Keys(results)) {
		t.Run(name, func(t *testing.T) {
			if results[name] != "" {
				t.Error(results[name])
			}
		})
	}
}

// vivid makes one camera with one input.
const vivid = "n_devs=1 node_types=0x1 num_inputs=1 input_types=0 multiplanar=1"

// initramfs returns the guest's file system; only is part of the names of the scenarios that are to run.
func initramfs(t *testing.T, kernel *device.Kernel, only string) []byte {
	t.Helper()
	fs := new(device.Initramfs)
	add := func(name string, data []byte) {
		fs.File(name, data, strings.HasPrefix(name, "bin/") || strings.HasPrefix(name, "usr/bin/") || name == "init")
	}
	dir := programs(t, add)
	add("only", []byte(only))
	order, err := kernel.LoadOrder("vivid", "uvcvideo", "vhci_hcd", "virtio_mmio", "virtio_net")
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, name := range order {
		data, err := os.ReadFile(kernel.Modules[name])
		if err != nil {
			t.Fatal(err)
		}
		add("modules/"+name+".ko", data)
		if name == "vivid" {
			name += " " + vivid
		}
		fmt.Fprintln(&list, name)
	}
	add("modules/order", []byte(list.String()))
	network, err := eye.Network()
	if err != nil {
		t.Fatal(err)
	}
	add("network.onnx", network)
	all := pictures(t, network)
	for name, data := range all {
		add(name, data)
	}
	add("pictures/scenes", scenes(t, filepath.Join(dir, "programs", "ocellus-linux-"+runtime.GOARCH), all["pictures/320x240-0.jpg"], all["pictures/320x240-1.jpg"],
		all["pictures/320x240-2.jpg"], all["pictures/320x240-3.jpg"]))
	return fs.Bytes()
}

// programs builds what runs in the guest, and returns the folder of the programs.
func programs(t *testing.T, add func(name string, data []byte)) (dir string) {
	t.Helper()
	dir = t.TempDir()
	build := func(name, arch, pkg string) {
		cmd := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(dir, name), pkg)
		cmd.Dir = "../.."
		if cmd.Env = os.Environ(); arch != runtime.GOARCH {
			cmd.Env = append(cmd.Env, "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOARM=7")
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", pkg, err, out)
		}
	}
	for _, arch := range []string{runtime.GOARCH, "arm64"} { // of the package, and of this machine, which helps to make it
		for _, program := range []string{"ocellus", "ocellusd"} {
			build("programs/"+program+"-linux-"+arch, arch, "./cmd/"+program)
		}
	}
	build("init", "arm64", "./internal/device/guest")
	build("bin/ocellus-arm", "arm", "./cmd/ocellus")
	for _, arch := range []string{"arm64", "arm"} {
		build("bin/probe-"+arch, arch, "./internal/device/probe")
	}
	debianPackage(t, filepath.Join(dir, "programs"), add)
	paths, err := filepath.Glob(filepath.Join(dir, "bin", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, filepath.Join(dir, "init")) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		add(name, data)
	}
	return dir
}

// debianPackage makes the package for arm64 of programs and adds its files but for the documentation.
func debianPackage(t *testing.T, programs string, add func(name string, data []byte)) {
	t.Helper()
	var stderr bytes.Buffer
	run := func(args ...string) []byte {
		t.Helper()
		stderr.Reset()
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "DPKG_DEB_COMPRESSOR_TYPE=none", "DEB_VERSION=0+test")
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%q: %v\n%s", args, err, stderr.String())
		}
		return out
	}
	lines := strings.Split(strings.TrimSpace(string(run("../../packaging/deb.sh", "arm64", programs, t.TempDir()))), "\n")
	files := tar.NewReader(bytes.NewReader(run("dpkg-deb", "--fsys-tarfile", lines[len(lines)-1])))
	for {
		h, err := files.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := path.Clean(h.Name)
		if h.Typeflag != tar.TypeReg || strings.HasPrefix(name, "usr/share/doc/") {
			continue
		}
		data, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		add(name, data)
	}
}

// scenes returns, one a line, what the host's program sees in pictures.
func scenes(t *testing.T, program string, jpegs ...[]byte) []byte {
	t.Helper()
	clip := filepath.Join(t.TempDir(), "clip.mjpg")
	if err := os.WriteFile(clip, bytes.Join(jpegs, nil), 0o666); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(program, "scene", "--size=32x32", "--json", clip)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var all []byte
	for line := range bytes.Lines(out) {
		var seen struct{ Scene json.RawMessage }
		if err := json.Unmarshal(line, &seen); err != nil || seen.Scene == nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(append(all, seen.Scene...), '\n')
	}
	return all
}

// pictures draws what the USB camera shows, and computes what a probe has to say of each.
func pictures(t *testing.T, network []byte) map[string][]byte {
	t.Helper()
	look, err := eye.New(network)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	var expected strings.Builder
	expect := func(name string, f *camera.Frame) {
		result, err := look.Look(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&expected, "%s %.8x %s\n", name, sha256.Sum256(f.Data), result)
	}
	for _, size := range [][2]int{{640, 480}, {320, 240}} {
		w, h := size[0], size[1]
		for n := range 4 {
			m := draw(w, h, n)
			var b bytes.Buffer
			if err := jpeg.Encode(&b, m, nil); err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%dx%d-%d", w, h, n)
			all["pictures/"+name+".jpg"], all["bare/"+name+".jpg"] = b.Bytes(), withoutTables(b.Bytes())
			expect(name+".jpg", &camera.Frame{Format: camera.JPEG, Width: w, Height: h, Data: b.Bytes()})
			raw := make([]byte, 0, 2*w*h)
			for i := 0; i < w*h; i += 2 {
				raw = append(raw, m.Y[i], m.Cb[i/2], m.Y[i+1], m.Cr[i/2])
			}
			all["pictures/"+name+".yuyv"] = raw
			expect(name+".yuyv", &camera.Frame{Format: camera.YUYV, Width: w, Height: h, Stride: 2 * w, Data: raw})
		}
	}
	all["pictures/expected"] = []byte(expected.String())
	return all
}

// draw returns a disc that walks over a slope of colours.
func draw(w, h, n int) *image.YCbCr {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio422)
	for y := range h {
		for x := range w {
			c := color.YCbCr{Y: uint8(x * 255 / w), Cb: uint8(y * 255 / h), Cr: uint8((x + y) * 255 / (w + h))}
			if dx, dy := x-w*(n+1)/5, y-h/2; dx*dx+dy*dy < h*h/16 {
				c = color.YCbCr{Y: 220, Cb: 100, Cr: 160}
			}
			m.Y[m.YOffset(x, y)], m.Cb[m.COffset(x, y)], m.Cr[m.COffset(x, y)] = c.Y, c.Cb, c.Cr
		}
	}
	return m
}

// withoutTables takes the segment of Huffman tables out of a JPEG of Go's encoder.
func withoutTables(b []byte) []byte {
	i := bytes.Index(b, []byte{0xff, 0xc4})
	return slices.Delete(bytes.Clone(b), i, i+2+int(b[i+2])<<8+int(b[i+3]))
}
