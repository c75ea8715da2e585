package v4l2

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// explain turns an error of the kernel into a sentence: which device, what happened, what to do. doing is what was tried: open, query, ...
func explain(path, doing string, err error) error {
	var advice string
	switch err {
	case unix.ENOENT:
		advice = "there is no such device; " + whatIsThere()
	case unix.EACCES, unix.EPERM:
		advice = "no permission: sudo usermod -aG video $USER, then log in again"
	case unix.EBUSY:
		advice = holders(path)
	case unix.ENODEV, unix.ENXIO:
		advice = "the camera is gone: unplugged, reset or without power"
	case unix.ENOTTY, unix.ENOSYS:
		advice = "this is not a camera; " + whatIsThere()
	case unix.ENOSPC:
		advice = "the USB bus has no room left: ask for a smaller size, fewer fps or format=mjpeg, or use another port"
	case unix.EIO:
		advice = "the driver gave up; if it stays so, check the cable and the power of the USB port"
	case unix.EINVAL:
		advice = "the driver refused"
	default:
		return fmt.Errorf("v4l2: cannot %s %s: %w", doing, path, err)
	}
	return fmt.Errorf("v4l2: cannot %s %s: %s (%w)", doing, path, advice, err)
}

// whatIsThere lists the cameras for an error message.
func whatIsThere() string {
	devices, _ := Devices()
	var names []string
	for _, d := range devices {
		name := d.Path
		if d.Name != "" {
			name += " (" + d.Name + ")"
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return "no camera is connected"
	}
	return "there is " + strings.Join(names, ", ")
}

// holders says which programs have a device open, as far as this user may know.
func holders(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	var found []string
	for _, link := range links {
		to, err := os.Readlink(link)
		if err != nil || to != path {
			continue
		}
		pid := strings.Split(link, "/")[2]
		if pid == fmt.Sprint(os.Getpid()) {
			continue
		}
		name, _ := os.ReadFile("/proc/" + pid + "/comm")
		who := fmt.Sprintf("%s (process %s)", text([]byte(strings.TrimSpace(string(name)))), pid)
		if len(found) == 0 || found[len(found)-1] != who {
			found = append(found, who)
		}
	}
	if len(found) == 0 {
		return "another program uses it; sudo fuser -v " + path + " names it"
	}
	return "it is in use by " + strings.Join(found, ", ")
}
