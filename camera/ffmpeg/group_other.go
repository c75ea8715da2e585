//go:build !linux

package ffmpeg

import "os/exec"

func grouped(*exec.Cmd) {}

func kill(cmd *exec.Cmd, kindly bool) {
	if !kindly {
		cmd.Process.Kill()
	}
}
