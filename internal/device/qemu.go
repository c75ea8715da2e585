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

// Boot runs a kernel on an emulated Cortex-A72 (Raspberry Pi 4) until it powers off, and gives each line of its console to line.
func Boot(ctx context.Context, kernel, initramfs string, line func(string)) error {
	cmd := exec.CommandContext(ctx, QEMU,
		"-machine", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "512",
		"-nodefaults", "-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none", "-no-reboot",
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
