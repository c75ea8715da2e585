package teach

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// kin makes a command a group of its own, which the kernel kills when the thread that started it ends.
func kin(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// humble gives all threads of this process, which heads a group, the lowest priority.
func humble() error {
	if unix.Getpgrp() != unix.Getpid() {
		return nil
	}
	return unix.Setpriority(unix.PRIO_PGRP, 0, 19)
}

// halt stops a process for a while, or lets it go on.
func halt(cmd *exec.Cmd, stop bool) error {
	if stop {
		return cmd.Process.Signal(syscall.SIGSTOP)
	}
	return cmd.Process.Signal(syscall.SIGCONT)
}
