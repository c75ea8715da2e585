//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocellus-vision/ocellus/camera/v4l2"
	"github.com/ocellus-vision/ocellus/internal/device/usbcam"
)

// bench is what the scenarios use.
type bench struct {
	arch        string // of the probe
	usb         *usbcam.Camera
	whole, bare []usbcam.Pictures // with and without Huffman tables
}

// scenario is one of the things that are tried.
type scenario struct {
	name string
	run  func(b *bench) error
}

// scenarios run in this order, for each architecture; each leaves both cameras as it found them.
var scenarios = []scenario{
	{"devices", (*bench).devices},
	{"vivid-pattern", (*bench).pattern},
	{"vivid-dropped", (*bench).dropped},
	{"vivid-flagged", (*bench).flagged},
	{"vivid-busy", (*bench).busy},
	{"vivid-refuses", (*bench).refuses},
	{"vivid-eio", (*bench).eio},
	{"vivid-unbind", (*bench).unbind},
	{"usb-inference", (*bench).inference},
	{"usb-no-tables", (*bench).noTables},
	{"usb-yuyv", (*bench).yuyv},
	{"usb-truncated", (*bench).truncated},
	{"usb-freeze", (*bench).freeze},
	{"usb-unplug", (*bench).unplug},
	{"usb-openings", (*bench).openings},
	{"ocellus-doctor", (*bench).doctor},
	{"ocellus-sources", (*bench).sources},
	{"ocellus-pattern", (*bench).seePattern},
	{"ocellus-inference", (*bench).seeScenes},
	{"ocellus-vivid-faults", (*bench).surviveVivid},
	{"ocellus-usb-faults", (*bench).surviveUSB},
	{"ocellus-1000-frames", (*bench).thousand},
}

func (b *bench) scenario(s scenario) {
	begin := time.Now()
	err := s.run(b)
	if err != nil {
		fmt.Printf("@fail %s/%s: %s\n", b.arch, s.name, strings.ReplaceAll(err.Error(), "\n", "\t"))
		b.mend()
		return
	}
	fmt.Printf("@pass %s/%s %v\n", b.arch, s.name, time.Since(begin).Round(100*time.Millisecond))
}

// mend tells of what the kernel said last and plugs the USB camera in again, so that one failure is not that of all that follow.
func (b *bench) mend() {
	log := make([]byte, 1<<18)
	n, _ := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, log)
	lines := strings.Split(strings.TrimSpace(string(log[:max(n, 0)])), "\n")
	for _, line := range lines[max(0, len(lines)-12):] {
		fmt.Println("  kernel:", line)
	}
	b.usb.Unplug()
	b.usb.Freeze(false)
	if err := plugAgain(b.usb); err != nil {
		fmt.Println("  the USB camera cannot be plugged in again:", err)
	}
}

// find waits for a camera whose name contains a word and returns its path.
func find(word string) (string, error) {
	var seen []v4l2.Device
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		seen, _ = v4l2.Devices()
		for _, d := range seen {
			if strings.Contains(d.Name, word) && d.Err == nil && len(d.Sizes) > 0 {
				return d.Path, nil
			}
		}
	}
	var names []string
	for _, d := range seen {
		names = append(names, fmt.Sprintf("%s %s (%d sizes, %v)", d.Path, d.Name, len(d.Sizes), d.Err))
	}
	return "", fmt.Errorf("no camera named %q among %q", word, names)
}

// Names of the cameras, or parts of them.
const (
	vivid = "vivid"
	usb   = "Emulated"
)

// watch runs the probe on a camera to its end and returns its lines.
func (b *bench) watch(camera, query string, args ...string) ([]string, error) {
	path, err := find(camera)
	if err != nil {
		return nil, err
	}
	p, err := b.probe(append(args, path+query)...)
	if err != nil {
		return nil, err
	}
	return p.end()
}

// expect asks that the last line of a probe is this; parts of want may be left open by *.
func expect(said []string, want string) error {
	if len(said) == 0 {
		return fmt.Errorf("nothing, want %q", want)
	}
	rest := said[len(said)-1]
	for part := range strings.SplitSeq(want, "*") {
		i := strings.Index(rest, part)
		if i < 0 {
			return fmt.Errorf("%q, want %q; before that:\n  %s", said[len(said)-1], want, strings.Join(said[max(0, len(said)-8):], "\n  "))
		}
		rest = rest[i+len(part):]
	}
	return nil
}

// counted reads a count, such as "missed", from the last line of a probe.
func counted(said []string, what string) (n int) {
	fields := strings.Fields(said[len(said)-1])
	if i := slices.IndexFunc(fields, func(f string) bool { return strings.TrimRight(f, ",") == what }); i > 0 {
		fmt.Sscan(fields[i-1], &n)
	}
	return n
}

// devices compares what is listed with what the drivers are known to have. A camera's metadata device is not listed.
func (b *bench) devices() error {
	if _, err := find(usb); err != nil {
		return err
	}
	all, err := v4l2.Devices()
	if err != nil || len(all) != 2 {
		return fmt.Errorf("%d devices, %v: %v", len(all), err, all)
	}
	for _, d := range all {
		var sizes []string
		for _, s := range d.Sizes {
			sizes = append(sizes, s.String())
		}
		want := []string{"mjpeg 640x480 at 60 30 15 5", "mjpeg 320x240 at 60 30 15 5", "yuyv 640x480 at 60 30 15 5", "yuyv 320x240 at 60 30 15 5"}
		if strings.Contains(d.Name, usb) && (!slices.Equal(sizes, want) || d.Driver != "uvcvideo") {
			return fmt.Errorf("%s: %q, want %q", d.Name, sizes, want)
		}
		if d.Driver == vivid && !slices.ContainsFunc(sizes, func(s string) bool { return strings.HasPrefix(s, "nv12 1280x720 at ") }) {
			return fmt.Errorf("%s: %q", d.Name, sizes)
		}
	}
	return nil
}

func (b *bench) pattern() error {
	for _, query := range []string{"?format=yuyv&size=640x480&fps=25", "?format=nv12&size=640x360&fps=25", "?format=grey&size=320x180&fps=25", "?format=yuyv&size=1280x720&fps=10"} {
		said, err := b.watch(vivid, query, "-frames=5", "-bars")
		if err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		if err := expect(said, "end 5 frames, * missed, 0 flagged, 0 short, 0 damaged, 0 repaired, 0 held"); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
		size := query[strings.Index(query, "size=")+5:]
		size, _, _ = strings.Cut(size, "&")
		if !strings.HasPrefix(said[0], "mode "+size+" ") {
			return fmt.Errorf("%s: %q", query, said[0])
		}
	}
	return nil
}

// set sets a control of vivid.
func set(name string, value int32) error {
	path, err := find(vivid)
	if err != nil {
		return err
	}
	return setControl(path, name, value)
}

func (b *bench) dropped() error {
	if err := set("Percentage of Dropped Buffers", 50); err != nil {
		return err
	}
	defer set("Percentage of Dropped Buffers", 0)
	said, err := b.watch(vivid, "?format=yuyv&size=320x180&fps=25", "-frames=30")
	if err != nil {
		return err
	}
	if missed := counted(said, "missed"); missed < 5 {
		return fmt.Errorf("%d pictures missed of which half were dropped", missed)
	}
	return expect(said, "end 30 frames, * missed, 0 flagged, 0 short, 0 damaged, 0 repaired, 0 held")
}

// during starts a probe on vivid, does something, again and again where need be, until the probe says what follows from it, and ends the probe after some
// more frames.
func (b *bench) during(change func(path string) error, what string, is func(line string) bool) ([]string, error) {
	path, err := find(vivid)
	if err != nil {
		return nil, err
	}
	p, err := b.probe("-frames=0", path+"?format=yuyv&size=320x180&fps=25&timeout=10s")
	if err != nil {
		return nil, err
	}
	defer p.stop()
	if err := p.frames(5); err != nil {
		return nil, err
	}
	if err := p.insist(func() error { return change(path) }, what, is); err != nil {
		return nil, err
	}
	if err := p.frames(5); err != nil {
		return nil, fmt.Errorf("after %s: %w", what, err)
	}
	return p.interrupt()
}

func (b *bench) flagged() error {
	said, err := b.during(func(path string) error { return setControl(path, "Inject V4L2_BUF_FLAG_ERROR", 1) }, "a warning of a damaged picture",
		contains("a picture that the driver marked as damaged"))
	if err != nil {
		return err
	}
	if counted(said, "flagged") < 1 {
		return fmt.Errorf("none was counted: %q", said[len(said)-1])
	}
	return expect(said, "end * flagged, 0 short, 0 damaged, 0 repaired, 0 held")
}

// busy opens a camera that another process reads, and asks that the message names that one.
func (b *bench) busy() error {
	path, err := find(vivid)
	if err != nil {
		return err
	}
	first, err := b.probe("-frames=1000000", path+"?format=yuyv&size=320x180&fps=25")
	if err != nil {
		return err
	}
	defer first.stop()
	if err := first.frames(5); err != nil {
		return err
	}
	second, err := b.probe("-frames=1", path)
	if err != nil {
		return err
	}
	defer second.stop()
	line, err := second.until("failed")
	if err == nil && !strings.Contains(line, path+": it is in use by probe-"+b.arch+" (process ") {
		err = fmt.Errorf("%q", line)
	}
	if err != nil {
		return err
	}
	return first.frames(5)
}

// refuses lets the driver refuse to give memory, to take a buffer, and to begin.
func (b *bench) refuses() error {
	for _, name := range []string{"Inject VIDIOC_REQBUFS Error", "Inject VIDIOC_STREAMON Error"} {
		if err := set(name, 1); err != nil {
			return err
		}
		said, err := b.watch(vivid, "?format=yuyv&size=320x180&fps=25", "-frames=5")
		if err != nil {
			return err
		}
		if !strings.HasPrefix(said[0], "failed v4l2: cannot ") || !strings.Contains(said[0], "/dev/video") {
			return fmt.Errorf("%s: %q", name, said[0])
		}
		if err := expect(said, "end 5 frames, "); err != nil {
			return err
		}
	}
	said, err := b.during(func(path string) error { return setControl(path, "Inject VIDIOC_QBUF Error", 1) }, "a refused buffer",
		contains("failed v4l2: cannot give a buffer to /dev/video"))
	if err != nil {
		return err
	}
	return expect(said, "end * 0 held")
}

func (b *bench) eio() error {
	said, err := b.during(func(path string) error { return setControl(path, "Inject Fatal Streaming Error", 1) }, "EIO", func(line string) bool {
		return strings.HasPrefix(line, "failed v4l2: cannot ") && strings.HasSuffix(line, "(input/output error)") // in reading or in giving a buffer back
	})
	if err != nil {
		return err
	}
	return expect(said, "end * 0 held")
}

// driver is where devices are taken from vivid and given back.
const driver = "/sys/bus/platform/drivers/vivid/"

// unbind takes the device from its driver while it is read, and gives it back.
func (b *bench) unbind() error {
	said, err := b.during(func(path string) error {
		if err := os.WriteFile(driver+"unbind", []byte("vivid.0"), 0); err != nil {
			return err
		}
		if err := gone(path); err != nil {
			return err
		}
		return os.WriteFile(driver+"bind", []byte("vivid.0"), 0)
	}, "ENODEV", func(line string) bool {
		return strings.HasPrefix(line, "failed ") && strings.HasSuffix(line, "(no such device)")
	})
	if err != nil {
		return err
	}
	return expect(said, "end * 0 held")
}

// gone waits for a device's file to vanish.
func gone(path string) error {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); os.IsNotExist(err) {
			return nil
		}
	}
	return fmt.Errorf("%s is still there", path)
}

// inference compares the bytes of each picture, and what the network makes of them, with what the host computed.
func (b *bench) inference() error { return b.compare("?format=mjpeg&size=320x240&fps=15", ".jpg", 0) }

// noTables does the same with pictures that lack their Huffman tables: repaired, they are the same bytes.
func (b *bench) noTables() error {
	b.usb.Show(b.bare)
	defer b.usb.Show(b.whole)
	return b.compare("?format=mjpeg&size=320x240&fps=15", ".jpg", 12)
}

func (b *bench) yuyv() error { return b.compare("?format=yuyv&size=320x240&fps=15", ".yuyv", 0) }

func (b *bench) compare(query, kind string, repaired int) error {
	want, err := os.ReadFile("/pictures/expected")
	if err != nil {
		return err
	}
	said, err := b.watch(usb, query, "-frames=12", "-network=/network.onnx")
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, line := range said {
		if fields := strings.Fields(line); fields[0] == "frame" {
			is := strings.Join(fields[len(fields)-2:], " ")
			if !strings.Contains(string(want), kind+" "+is+"\n") {
				return fmt.Errorf("%q is none of:\n%s", line, want)
			}
			seen[is] = true
		}
	}
	if len(seen) < 2 {
		return fmt.Errorf("%d different pictures", len(seen))
	}
	return expect(said, fmt.Sprintf("end 12 frames, * missed, 0 flagged, 0 short, 0 damaged, %d repaired, 0 held", repaired))
}

// truncated sends halves of pictures, and pictures that are marked as damaged, which the driver keeps back.
func (b *bench) truncated() error {
	path, err := find(usb)
	if err != nil {
		return err
	}
	p, err := b.probe("-frames=0", path+"?format=mjpeg&size=320x240&fps=15&timeout=30s")
	if err != nil {
		return err
	}
	defer p.stop()
	if err := p.frames(5); err != nil {
		return err
	}
	b.usb.Cut(3)
	if err := p.says("a damaged JPEG picture was dropped"); err != nil {
		return err
	}
	if err := p.frames(10); err != nil { // the other two came before them
		return err
	}
	b.usb.Flag(2)
	if err := p.frames(10); err != nil {
		return err
	}
	said, err := p.interrupt()
	if err != nil {
		return err
	}
	if missed := counted(said, "missed"); missed < 2 {
		return fmt.Errorf("%d missed, want the 2 that the driver keeps back", missed)
	}
	return expect(said, "end * 0 flagged, 0 short, 3 damaged, 0 repaired, 0 held")
}

func (b *bench) freeze() error {
	path, err := find(usb)
	if err != nil {
		return err
	}
	p, err := b.probe("-frames=0", path+"?format=mjpeg&size=320x240&fps=15&timeout=2s")
	if err != nil {
		return err
	}
	defer p.stop()
	if err := p.frames(5); err != nil {
		return err
	}
	b.usb.Freeze(true)
	_, err = p.find("that the camera is frozen", func(line string) bool {
		return strings.HasPrefix(line, "failed ") && strings.Contains(line, path+": no picture for 2s: the camera is frozen")
	})
	b.usb.Freeze(false)
	if err != nil {
		return err
	}
	if err := p.frames(5); err != nil {
		return fmt.Errorf("after it froze: %w", err)
	}
	said, err := p.interrupt()
	if err != nil {
		return err
	}
	return expect(said, "end * 0 held")
}

func (b *bench) unplug() error {
	path, err := find(usb)
	if err != nil {
		return err
	}
	p, err := b.probe("-frames=0", path+"?format=mjpeg&size=640x480&fps=15&timeout=30s")
	if err != nil {
		return err
	}
	defer p.stop()
	if err := p.frames(5); err != nil {
		return err
	}
	b.usb.Unplug()
	_, err = p.find("that the camera is gone", func(line string) bool {
		return strings.HasPrefix(line, "failed ") && strings.Contains(line, path+": the camera is gone")
	})
	if err == nil {
		err = gone(path)
	}
	if err == nil {
		_, err = p.find("which camera is there", func(line string) bool {
			return strings.HasPrefix(line, "failed ") && strings.Contains(line, "there is no such device; there is /dev/video")
		})
	}
	if plugErr := plugAgain(b.usb); err == nil {
		err = plugErr
	}
	if err != nil {
		return err
	}
	if err := p.frames(5); err != nil {
		return fmt.Errorf("after it was plugged in again: %w", err)
	}
	said, err := p.interrupt()
	if err != nil {
		return err
	}
	return expect(said, "end * 0 held")
}

// plugAgain waits until the port has noticed that it is free.
func plugAgain(c *usbcam.Camera) (err error) {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = c.Plug(); err == nil {
			return nil
		}
	}
	return err
}

// openings opens the camera six times for 40 frames and asks that the last opening left no more behind than the second.
func (b *bench) openings() error {
	said, err := b.watch(usb, "?format=mjpeg&size=320x240&fps=60", "-frames=40", "-times=6")
	if err != nil {
		return err
	}
	if err := expect(said, "end 240 frames, * 0 held"); err != nil {
		return err
	}
	held := func(n int) (descriptors, mappings, goroutines, heap int, err error) {
		for _, line := range said {
			if rest, ok := strings.CutPrefix(line, fmt.Sprintf("opened %d ", n)); ok {
				_, err = fmt.Sscanf(rest, "%d descriptors, %d mappings, %d goroutines, %d bytes", &descriptors, &mappings, &goroutines, &heap)
				return
			}
		}
		return 0, 0, 0, 0, fmt.Errorf("no line of opening %d", n)
	}
	d1, m1, g1, h1, err := held(1)
	if err != nil {
		return err
	}
	d2, m2, g2, h2, err := held(5)
	if err != nil {
		return err
	}
	// A buffer that were kept at each opening would be 4 times 150 kB.
	if d1 != d2 || m1 != 0 || m2 != 0 || g1 != g2 || h2-h1 > 512<<10 {
		return fmt.Errorf("descriptors %d then %d, mappings %d then %d, goroutines %d then %d, heap %d then %d bytes", d1, d2, m1, m2, g1, g2, h1, h2)
	}
	return nil
}
