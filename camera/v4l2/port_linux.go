package v4l2

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// port is an open device, as the kernel shows it.
type port interface {
	ioctl(request uint32, argument unsafe.Pointer) error
	mmap(offset uint32, length int) ([]byte, error)
	munmap(b []byte) error
	// wait returns what poll says of the device when a frame is there, something is wrong, wake was called or the time is over.
	wait(d time.Duration) (events int16, err error)
	wake()
	close() error
}

// device is the port of a real one.
type device struct {
	fd    int
	alarm int // an eventfd; readable after wake
	fds   [2]unix.PollFd
}

func openDevice(path string) (port, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	alarm, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	d := &device{fd: fd, alarm: alarm}
	d.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	d.fds[1] = unix.PollFd{Fd: int32(alarm), Events: unix.POLLIN}
	return d, nil
}

func (d *device) ioctl(request uint32, argument unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d.fd), uintptr(request), uintptr(argument))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

func (d *device) mmap(offset uint32, length int) ([]byte, error) {
	return unix.Mmap(d.fd, int64(offset), length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func (d *device) munmap(b []byte) error { return unix.Munmap(b) }

func (d *device) wait(limit time.Duration) (int16, error) {
	d.fds[0].Revents = 0
	_, err := unix.Poll(d.fds[:], int((limit+time.Millisecond-1)/time.Millisecond))
	if err == unix.EINTR {
		err = nil
	}
	return d.fds[0].Revents, err
}

func (d *device) wake() {
	unix.Write(d.alarm, []byte{7: 1}) // 1 in either byte order is not 0
}

func (d *device) close() error {
	unix.Close(d.alarm)
	return unix.Close(d.fd)
}
