package ffmpeg

import (
	"os/exec"
	"syscall"
)

// grouped makes a command the head of a group of processes of its own, which the kernel kills when the thread that started it ends: with
// our process, however that ends.
func grouped(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// kill ends a command that was started and not yet waited for, and all that it started: kindly, or at once.
func kill(cmd *exec.Cmd, kindly bool) {
	signal := syscall.SIGKILL
	if kindly {
		signal = syscall.SIGTERM
	}
	syscall.Kill(-cmd.Process.Pid, signal)
}
