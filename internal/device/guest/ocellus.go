//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/internal/device/eye"
	"github.com/ocellus-vision/ocellus/internal/device/usbcam"
)

// ocellus starts the program itself, for arm64 that of the package.
func (b *bench) ocellus(args ...string) (*probe, error) {
	if b.arch == "arm64" {
		return start("/usr/bin/ocellus", args...)
	}
	return start("/bin/ocellus-"+b.arch, args...)
}

// small is the size of networks' inputs: without vector instructions an emulated processor is through with one in some seconds.
const small = "--size=32x32"

// result is a line of results of the program.
type result struct {
	Source  string
	Frame   int
	Width   int
	Time    time.Time // when it was taken
	members map[string]json.RawMessage
}

// parse reads a line; ok is false for one that is no result.
func parse(line string) (r result, ok bool) {
	ok = json.Unmarshal([]byte(line), &r) == nil && json.Unmarshal([]byte(line), &r.members) == nil && r.Source != ""
	return r, ok
}

// results reads lines up to the n-th result from now on of a frame that was taken after now: what is on its way does not count.
func (p *probe) results(n int) (r result, err error) {
	for now := time.Now(); n > 0; n-- {
		_, err = p.find("a result of a new frame", func(line string) (ok bool) { r, ok = parse(line); return ok && r.Time.After(now) })
		if err != nil {
			break
		}
	}
	return r, err
}

// contains returns what looks for lines with one of some words.
func contains(words ...string) func(line string) bool {
	return func(line string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) })
	}
}

// says reads lines up to one that contains some words.
func (p *probe) says(words string) error {
	_, err := p.find(fmt.Sprintf("%q", words), contains(words))
	return err
}

// vanished looks for lines that say that the camera is gone: while it was read, or at an attempt to open it again.
var vanished = contains("(no such device)", "there is no such device")

// summed interrupts the program and asks for its summary.
func (p *probe) summed() error {
	said, err := p.interrupt()
	if err != nil {
		return err
	}
	text := strings.Join(said[max(0, len(said)-10):], "\n")
	for _, words := range []string{" looked at, ", "from capture to result: p50 "} {
		if !strings.Contains(text, words) {
			return fmt.Errorf("no summary in\n%s", text)
		}
	}
	return nil
}

// doctor examines the machine, sources lists its cameras.
func (b *bench) doctor() error  { return b.names("doctor") }
func (b *bench) sources() error { return b.names("sources") }

// names runs a verb that names both cameras.
func (b *bench) names(verb string) error {
	p, err := b.ocellus(verb)
	if err != nil {
		return err
	}
	said, err := p.end()
	if err != nil {
		return err
	}
	text := strings.Join(strings.Fields(strings.Join(said, " ")), " ")
	for _, want := range []string{usbcam.Name, vivid} {
		if !strings.Contains(text, want) {
			return fmt.Errorf("no %s in: %s", want, text)
		}
	}
	return nil
}

// seePattern compares the last picture that the program has looked at, as it writes it, with the test pattern.
func (b *bench) seePattern() error {
	const out = "/tmp/seen.png"
	path, err := find(vivid)
	if err != nil {
		return err
	}
	for _, query := range []string{"?format=yuyv&size=640x480&fps=25", "?format=nv12&size=640x360&fps=25"} {
		p, err := b.ocellus("pedestrians", small, "--score=0.99", "--frames=5", "--json", path+query, out)
		if err != nil {
			return err
		}
		said, err := p.end()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(said, func(line string) bool {
			r, ok := parse(line)
			return ok && r.Width == 640 && r.members["pedestrians"] != nil
		}) {
			return fmt.Errorf("%s: %q", query, said)
		}
		f, err := os.Open(out)
		if err != nil {
			return fmt.Errorf("%w; it said %q", err, said)
		}
		img, err := png.Decode(f)
		f.Close()
		os.Remove(out)
		if err != nil {
			return err
		}
		if err := eye.Bars(frameOf(img)); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
	}
	return nil
}

// frameOf returns a picture as a frame.
func frameOf(img image.Image) *camera.Frame {
	size := img.Bounds().Size()
	f := &camera.Frame{Format: camera.RGB, Width: size.X, Height: size.Y, Stride: 3 * size.X}
	for y := range size.Y {
		for x := range size.X {
			r, g, b, _ := img.At(x, y).RGBA()
			f.Data = append(f.Data, uint8(r>>8), uint8(g>>8), uint8(b>>8))
		}
	}
	return f
}

// seeScenes asks that the program's own network gives for each picture, to the last digit, what the host's gave.
func (b *bench) seeScenes() error {
	want, err := os.ReadFile("/pictures/scenes")
	if err != nil {
		return err
	}
	path, err := find(usb)
	if err != nil {
		return err
	}
	p, err := b.ocellus("scene", small, "--json", path+"?format=mjpeg&size=320x240&fps=5")
	if err != nil {
		return err
	}
	defer p.stop()
	different := map[string]bool{}
	for n := 0; n < 8 && len(different) < 2; n++ {
		r, err := p.results(1)
		if err != nil {
			return err
		}
		scene := string(r.members["scene"])
		if scene == "" || !strings.Contains(string(want), scene+"\n") {
			return fmt.Errorf("%s is none of:\n%s", scene, want)
		}
		different[scene] = true
	}
	if len(different) < 2 {
		return fmt.Errorf("only one picture, and always the same result")
	}
	return p.summed()
}

// people lets the program look for people on a camera and waits for its first results.
func (b *bench) people(camera, query string) (p *probe, path string, err error) {
	if path, err = find(camera); err != nil {
		return nil, "", err
	}
	if p, err = b.ocellus("pedestrians", small, "--json", path+query); err != nil {
		return nil, "", err
	}
	if _, err := p.results(2); err != nil {
		p.stop()
		return nil, "", err
	}
	return p, path, nil
}

// surviveVivid lets a driver fail for good, and takes the device from it and gives it back, under one run of the program.
func (b *bench) surviveVivid() error {
	p, path, err := b.people(vivid, "?format=yuyv&size=320x180&fps=25&timeout=10s")
	if err != nil {
		return err
	}
	defer p.stop()
	err = p.insist(func() error { return setControl(path, "Inject Fatal Streaming Error", 1) }, "EIO", contains("(input/output error)"))
	if err != nil {
		return err
	}
	if _, err := p.results(2); err != nil {
		return fmt.Errorf("after EIO: %w", err)
	}
	if err := os.WriteFile(driver+"unbind", []byte("vivid.0"), 0); err != nil {
		return err
	}
	_, err = p.find("that the device is gone", vanished)
	if bindErr := os.WriteFile(driver+"bind", []byte("vivid.0"), 0); err == nil {
		err = bindErr
	}
	if err != nil {
		return err
	}
	if _, err := p.results(2); err != nil {
		return fmt.Errorf("after the device came back: %w", err)
	}
	return p.summed()
}

// surviveUSB sends halves of pictures, freezes, pulls the cable and plugs it in again, under one run of the program.
func (b *bench) surviveUSB() error {
	p, path, err := b.people(usb, "?format=mjpeg&size=320x240&fps=15&timeout=4s")
	if err != nil {
		return err
	}
	defer p.stop()
	b.usb.Cut(3)
	if err := p.says("a damaged JPEG picture was dropped"); err != nil {
		return err
	}
	if _, err := p.results(2); err != nil {
		return fmt.Errorf("after halves of pictures: %w", err)
	}
	b.usb.Freeze(true)
	err = p.says(path + ": no picture for 4s: the camera is frozen")
	b.usb.Freeze(false)
	if err != nil {
		return err
	}
	if _, err := p.results(2); err != nil {
		return fmt.Errorf("after the camera froze: %w", err)
	}
	b.usb.Unplug()
	_, err = p.find("that the camera is gone", vanished)
	if err == nil {
		err = gone(path)
	}
	if plugErr := plugAgain(b.usb); err == nil {
		err = plugErr
	}
	if err != nil {
		return err
	}
	if _, err := p.results(2); err != nil {
		return fmt.Errorf("after the cable was plugged in again: %w", err)
	}
	return p.summed()
}

// thousand lets the program look at a thousand frames more than it had seen, and asks that it holds no more after them.
func (b *bench) thousand() error {
	const first, last = 200, 1200
	p, _, err := b.people(usb, "?format=mjpeg&size=320x240&fps=60")
	if err != nil {
		return err
	}
	defer p.stop()
	at := func(frame int) (h holdings, err error) {
		for r := (result{}); r.Frame < frame; {
			if r, err = p.results(1); err != nil {
				return h, err
			}
		}
		return holds(p.cmd.Process.Pid)
	}
	before, err := at(first)
	if err != nil {
		return err
	}
	after, err := at(last)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %d frames: %+v; %d frames: %+v\n", b.arch, first, before, last, after)
	// A frame that were kept is 150 kB, or 10 kB of JPEG.
	if after.descriptors != before.descriptors || after.mappings != before.mappings || after.kB-before.kB > 8<<10 {
		return fmt.Errorf("%+v, then %+v", before, after)
	}
	return p.summed()
}

// holdings are the file descriptors, mappings of cameras and kB of memory of its own that a process has.
type holdings struct{ descriptors, mappings, kB int }

func holds(pid int) (h holdings, err error) {
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return h, err
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return h, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return h, err
	}
	h.descriptors, h.mappings = len(fds), strings.Count(string(maps), "/dev/video")
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	_, err = fmt.Sscan(rest, &h.kB)
	return h, err
}
