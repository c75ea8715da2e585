//go:build unix && !solaris && !aix && !illumos

package models

import (
	"os"
	"syscall"
)

// lock waits until no other program holds the lock of a file, and takes it until the file is closed.
func lock(f *os.File) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			return err
		}
	}
}
