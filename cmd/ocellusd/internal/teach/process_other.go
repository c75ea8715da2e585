//go:build !linux

package teach

import "os/exec"

func kin(*exec.Cmd) {}

func humble() error { return nil }

// halt does nothing here: lessons go on while cameras fall behind.
func halt(*exec.Cmd, bool) error { return nil }
