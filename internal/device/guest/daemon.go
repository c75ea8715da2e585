//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ocellus-vision/ocellus/internal/device"
)

// Of the package, which stands unpacked in the guest.
const (
	unit     = "/lib/systemd/system/ocellusd.service"
	settings = "/etc/ocellus/ocellusd.yaml"
	state    = "/var/lib/ocellus"
	user     = 990 // that the daemon runs as, and its group
)

// daemon starts the daemon as the package's unit does, as a user without rights, on the test pattern. "@daemon TOKEN" on the console tells the host of the one-time
// link; then the host visits the page and says what is to happen to the camera, until it is done. The daemon has to end well at SIGTERM.
func (b *bench) daemon() error {
	path, err := find(vivid)
	if err != nil {
		return err
	}
	if err := ready(path); err != nil {
		return err
	}
	command, err := execStart()
	if err != nil {
		return err
	}
	if err := network(); err != nil {
		return err
	}
	relay, err := net.Listen("tcp", fmt.Sprintf("%s:%d", device.Address, device.Relay))
	if err != nil {
		return err
	}
	defer relay.Close()
	go forward(relay)
	control, err := net.Listen("tcp", fmt.Sprintf("%s:%d", device.Address, device.Control))
	if err != nil {
		return err
	}
	defer control.Close()

	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{"STATE_DIRECTORY=" + state}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	p, err := startCommand(cmd)
	if err != nil {
		return err
	}
	defer p.stop()
	line, err := p.find("the one-time link", contains("#setup="))
	if err != nil {
		return err
	}
	_, token, _ := strings.Cut(line, "#setup=")
	token, _, _ = strings.Cut(token, `"`)
	fmt.Println("@daemon", strings.Fields(token)[0])
	if err := obey(control); err != nil {
		p.within(0, func(string) bool { return false })
		return fmt.Errorf("%w; %s", err, p.tail())
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	_, err = p.end()
	return err
}

// ready does what the package's script, systemd and udev do for the daemon's user, and puts a camera into the settings.
func ready(path string) error {
	if err := os.MkdirAll(state, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", state, "tmpfs", 0, fmt.Sprintf("uid=%d,gid=%d,mode=700", user, user)); err != nil {
		return fmt.Errorf("mount %s: %w", state, err)
	}
	text, err := os.ReadFile(settings)
	if err != nil {
		return err
	}
	const street, desk = "  - name: street\n    url: synth:street?seed=7\n", "  # - name: desk\n  #   url: /dev/video0\n"
	if !strings.Contains(string(text), street) || !strings.Contains(string(text), desk) {
		return fmt.Errorf("%s has no cameras street and desk:\n%s", settings, text)
	}
	camera := fmt.Sprintf("  - name: desk\n    url: %s?format=yuyv&size=640x480&fps=5\n    tasks: [pedestrians]\n    lost_after: 3s\n", path)
	changed := strings.NewReplacer(street, "", desk, camera).Replace(string(text)) + "\nkeep: {reserve: 1MB}\n"
	if err := os.WriteFile(settings, []byte(changed), 0o640); err != nil {
		return err
	}
	for _, file := range []string{settings, path} {
		if err := os.Chown(file, 0, user); err != nil {
			return err
		}
	}
	return os.Chmod(path, 0o660)
}

// execStart returns the command of the package's unit.
func execStart() ([]string, error) {
	text, err := os.ReadFile(unit)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(line, "ExecStart="); ok {
			return strings.Fields(command), nil
		}
	}
	return nil, fmt.Errorf("%s starts nothing", unit)
}

// obey does what the host says, a line each, until it is done.
func obey(control net.Listener) error {
	for {
		control.(*net.TCPListener).SetDeadline(time.Now().Add(2 * limit))
		c, err := control.Accept()
		if err != nil {
			return fmt.Errorf("the host has nothing to say: %w", err)
		}
		c.SetDeadline(time.Now().Add(limit))
		order, err := bufio.NewReader(c).ReadString('\n')
		switch strings.TrimSpace(order) {
		case "unbind":
			err = os.WriteFile(driver+"unbind", []byte("vivid.0"), 0)
		case "bind":
			if err = os.WriteFile(driver+"bind", []byte("vivid.0"), 0); err == nil {
				var path string
				if path, err = find(vivid); err == nil {
					err = os.Chmod(path, 0o666)
				}
			}
		}
		if err == nil {
			fmt.Fprintln(c, "ok")
		}
		c.Close()
		if err != nil || strings.TrimSpace(order) == "done" {
			return err
		}
	}
}

// forward hands connections on to the daemon's port on the guest's loopback, as "ssh -L" does for whoever has an account on a device.
func forward(l net.Listener) {
	for {
		from, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer from.Close()
			to, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", device.Daemon))
			if err != nil {
				return
			}
			defer to.Close()
			go func() {
				io.Copy(to, from)
				to.(*net.TCPConn).CloseWrite()
			}()
			io.Copy(from, to)
		}()
	}
}

// network gives the loopback and the emulated card their addresses.
func network() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	for _, card := range []struct{ name, address string }{{"lo", "127.0.0.1"}, {"eth0", device.Address}} {
		request, err := unix.NewIfreq(card.name)
		if err != nil {
			return err
		}
		if card.name != "lo" {
			if err := request.SetInet4Addr(net.ParseIP(card.address).To4()); err != nil {
				return err
			}
			if err := control4(s, unix.SIOCSIFADDR, request); err != nil {
				return fmt.Errorf("address of %s: %w", card.name, err)
			}
			request.SetInet4Addr(net.IPv4(255, 255, 255, 0).To4())
			if err := control4(s, unix.SIOCSIFNETMASK, request); err != nil {
				return fmt.Errorf("netmask of %s: %w", card.name, err)
			}
		}
		request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		if err := control4(s, unix.SIOCSIFFLAGS, request); err != nil {
			return fmt.Errorf("start of %s: %w", card.name, err)
		}
	}
	return nil
}

// control4 is an ioctl of a socket.
func control4(s int, what uintptr, request *unix.Ifreq) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s), what, uintptr(unsafe.Pointer(request))); errno != 0 {
		return errno
	}
	return nil
}
