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
	run := func(s scenario) {
		if strings.Contains(b.arch+"/"+s.name, string(only)) {
			b.scenario(s)
		}
	}
	b.arch = "arm64"
	run(scenario{"ocellusd", (*bench).daemon}) // a computer has one package of it
	for _, arch := range []string{"arm64", "arm"} {
		b.arch = arch
		for _, s := range scenarios {
			run(s)
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

// probe is a running program.
type probe struct {
	cmd   *exec.Cmd
	lines chan string
	said  []string
}

// limit is how long a program may take from one thing that is waited for to the next. It ends tests of programs that hang: an emulated computer on a busy
// machine is slow, and nothing here depends on how fast it is.
const limit = 2 * time.Minute

func (b *bench) probe(args ...string) (*probe, error) {
	return start("/bin/probe-"+b.arch, args...)
}

func start(program string, args ...string) (*probe, error) {
	return startCommand(exec.Command(program, args...))
}

func startCommand(cmd *exec.Cmd) (*probe, error) {
	p := &probe{cmd: cmd, lines: make(chan string, 10000)}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
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
	line, found, ended := p.within(limit, is)
	switch {
	case found:
		return line, nil
	case ended:
		return "", fmt.Errorf("it ended without %s; %s", what, p.tail())
	}
	return "", fmt.Errorf("%v without %s; %s", limit, what, p.tail())
}

// within reads lines for some time. ended says that the program has no more to say.
func (p *probe) within(d time.Duration, is func(line string) bool) (line string, found, ended bool) {
	late := time.After(d)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return "", false, true
			}
			p.said = append(p.said, line)
			if is(line) {
				return line, true, false
			}
		case <-late:
			return "", false, false
		}
	}
}

// insist does something, again and again where need be, until the program says what follows from it: a fault that is injected while a camera is not
// open has no effect.
func (p *probe) insist(do func() error, what string, is func(line string) bool) error {
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if err := do(); err != nil {
			return err
		}
		if _, found, ended := p.within(10*time.Second, is); found {
			return nil
		} else if ended {
			return fmt.Errorf("it ended without %s; %s", what, p.tail())
		}
	}
	return fmt.Errorf("%v without %s; %s", limit, what, p.tail())
}

// tail is what the program said last.
func (p *probe) tail() string {
	return "it said:\n  " + strings.Join(p.said[max(0, len(p.said)-8):], "\n  ")
}

// frames reads lines up to the n-th frame from now on that was taken after now: what is on its way does not count.
func (p *probe) frames(n int) error {
	for now := time.Now().UnixMicro(); n > 0; n-- {
		_, err := p.find("a new frame", func(line string) bool {
			var seq, taken int64
			_, err := fmt.Sscanf(line, "frame %d %d ", &seq, &taken)
			return err == nil && taken > now
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// interrupt ends the program as Ctrl-C does and returns its lines.
func (p *probe) interrupt() ([]string, error) {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return p.said, err
	}
	return p.end()
}

// end waits for the program to end, however long it has something to say, and returns its lines.
func (p *probe) end() ([]string, error) {
	for found, ended := true, false; !ended; {
		if _, found, ended = p.within(limit, func(string) bool { return true }); !found && !ended {
			p.stop()
			return p.said, fmt.Errorf("%v without a line, and it has not ended; %s", limit, p.tail())
		}
	}
	if err := p.cmd.Wait(); err != nil {
		return p.said, fmt.Errorf("%w; %s", err, p.tail())
	}
	return p.said, nil
}

// stop ends a program that is of no more use.
func (p *probe) stop() {
	p.cmd.Process.Kill()
	for range p.lines {
	}
	p.cmd.Wait()
}
