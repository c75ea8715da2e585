//go:build linux

// Command guest is the first process of the emulated device: it loads the drivers, runs the scenarios, each with the probe built for arm64 and for
// 32-bit arm, and powers off. For each scenario it writes one line, which begins with "@pass" or "@fail", to the console.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ocellus-vision/ocellus/internal/device/usbcam"
)

func main() {
	begin := time.Now()
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: this is the first process of an emulated device, and nothing else")
		os.Exit(2)
	}
	if err := guest(); err != nil {
		fmt.Println("@fail guest:", err)
	}
	fmt.Println("@end", time.Since(begin).Round(time.Second))
	unix.Sync()
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func guest() error {
	for _, m := range [][2]string{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/tmp"}} {
		if err := unix.Mount(m[0], m[1], m[0], 0, ""); err != nil && err != unix.EBUSY {
			return fmt.Errorf("mount %s: %w", m[1], err)
		}
	}
	order, err := os.ReadFile("/modules/order")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(order)) {
		name, parameters, _ := strings.Cut(strings.TrimSpace(line), " ")
		if err := load("/modules/"+name+".ko", parameters); err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
	}
	whole, err := pictures("/pictures")
	if err != nil {
		return err
	}
	bare, err := pictures("/bare")
	if err != nil {
		return err
	}
	b := &bench{usb: usbcam.New(whole), whole: whole, bare: bare}
	if err := b.usb.Plug(); err != nil {
		return err
	}
	only, err := os.ReadFile("/only")
	if err != nil {
		return err
	}
	for _, arch := range []string{"arm64", "arm"} {
		b.arch = arch
		for _, s := range scenarios {
			if strings.Contains(arch+"/"+s.name, string(only)) {
				b.scenario(s)
			}
		}
	}
	return nil
}

func load(path, parameters string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), parameters, 0)
}

// pictures reads what the USB camera shows: DIR/640x480-*.jpg and so on.
func pictures(dir string) ([]usbcam.Pictures, error) {
	var all []usbcam.Pictures
	for _, size := range usbcam.Sizes {
		var p usbcam.Pictures
		for _, to := range []struct {
			kind string
			all  *[][]byte
		}{{"jpg", &p.MJPEG}, {"yuyv", &p.YUYV}} {
			paths, err := filepath.Glob(fmt.Sprintf("%s/%dx%d-*.%s", dir, size[0], size[1], to.kind))
			if err != nil {
				return nil, err
			}
			for _, path := range paths {
				data, err := os.ReadFile(path)
				if err != nil {
					return nil, err
				}
				*to.all = append(*to.all, data)
			}
		}
		all = append(all, p)
	}
	return all, nil
}

// probe is a running probe.
type probe struct {
	cmd    *exec.Cmd
	lines  chan string
	said   []string
	killer *time.Timer
}

// hang is after how long a probe is taken to hang.
const hang = 100 * time.Second

func (b *bench) probe(args ...string) (*probe, error) {
	return start("/bin/probe-"+b.arch, args...)
}

func start(program string, args ...string) (*probe, error) {
	p := &probe{cmd: exec.Command(program, args...), lines: make(chan string, 10000)}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.killer = time.AfterFunc(hang, func() { p.cmd.Process.Kill() })
	go func() {
		defer close(p.lines)
		var line []byte
		buf := make([]byte, 4096)
		for {
			n, err := out.Read(buf)
			line = append(line, buf[:n]...)
			for i := bytes.IndexByte(line, '\n'); i >= 0; i = bytes.IndexByte(line, '\n') {
				p.lines <- string(line[:i])
				line = line[i+1:]
			}
			if err != nil {
				return
			}
		}
	}()
	return p, nil
}

// until reads lines up to one that begins with a word, and returns it.
func (p *probe) until(word string) (string, error) {
	return p.find(word, func(line string) bool { return strings.HasPrefix(line, word+" ") })
}

// find reads lines up to one that is looked for, and returns it.
func (p *probe) find(what string, is func(line string) bool) (string, error) {
	for line := range p.lines {
		p.said = append(p.said, line)
		if is(line) {
			return line, nil
		}
	}
	return "", fmt.Errorf("no line %q; it said:\n  %s", what, strings.Join(p.said[max(0, len(p.said)-8):], "\n  "))
}

// frames reads n lines of frames.
func (p *probe) frames(n int) error {
	for range n {
		if _, err := p.until("frame"); err != nil {
			return err
		}
	}
	return nil
}

// end waits for the probe and returns its lines.
func (p *probe) end() ([]string, error) {
	for line := range p.lines {
		p.said = append(p.said, line)
	}
	err := p.cmd.Wait()
	if !p.killer.Stop() {
		err = fmt.Errorf("it hung for %v", hang)
	}
	if err != nil {
		return p.said, fmt.Errorf("%w; it said:\n  %s", err, strings.Join(p.said[max(0, len(p.said)-8):], "\n  "))
	}
	return p.said, nil
}

// stop ends a probe that is of no more use.
func (p *probe) stop() {
	p.cmd.Process.Kill()
	p.end()
}
