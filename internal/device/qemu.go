package device

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// QEMU is the program that Boot runs.
const QEMU = "qemu-system-aarch64"

// Of the guest's network: its address, and ports that the host may reach.
const (
	Address = "10.0.2.15"
	Daemon  = 8320 // of ocellusd, by the settings in its package
	Relay   = 9001 // leads to ocellusd by the guest's loopback, as a browser on the device itself would come
	Control = 9002 // of the scenario
)

// Boot runs a kernel on an emulated Cortex-A72 (Raspberry Pi 4) until it powers off, and gives each line of its console to line. The guest reaches nothing outside it; the
// host reaches ports of the guest at ports of its own loopback, given by the guest's.
func Boot(ctx context.Context, kernel, initramfs string, ports map[int]int, line func(string)) error {
	network := "user,id=net,restrict=on"
	for guest, host := range ports {
		network += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%d-%s:%d", host, Address, guest)
	}
	cmd := exec.CommandContext(ctx, QEMU,
		"-machine", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1024",
		"-nodefaults", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
		"-netdev", network, "-device", "virtio-net-device,netdev=net",
		"-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyAMA0 quiet loglevel=3 panic=-1")
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewReader(out)
		for {
			text, err := lines.ReadString('\n')
			if text = strings.TrimRight(text, "\r\n"); text != "" {
				line(text)
			}
			if err != nil {
				return
			}
		}
	}()
	err := cmd.Run()
	in.Close()
	<-done
	if ctx.Err() != nil {
		return fmt.Errorf("the guest did not end in time: %w", context.Cause(ctx))
	}
	return err
}
