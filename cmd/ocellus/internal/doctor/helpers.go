package doctor

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// libraryDirs are where Linux systems keep shared libraries.
var libraryDirs = []string{"/usr/lib/*-linux-gnu*", "/lib/*-linux-gnu*", "/usr/lib64", "/usr/lib", "/lib64", "/lib", "/usr/local/lib", "/usr/local/lib/*-linux-gnu*", "/opt/*/lib"}

func helpers() []Helper {
	ffmpeg := Helper{Name: "ffmpeg", Needed: "RTSP, HTTP and video files", Hint: "sudo apt install ffmpeg"}
	if path, err := exec.LookPath("ffmpeg"); err == nil {
		ffmpeg.Found, ffmpeg.Detail = true, join(path, ffmpegVersion(path))
	}
	opencv := Helper{Name: "opencv", Needed: "OpenCV capture (build tag gocv)", Hint: "sudo apt install libopencv-dev"}
	if path := findLibrary("libopencv_videoio.so*"); path != "" {
		opencv.Found, opencv.Detail = true, path
	}
	opencl := Helper{Name: "opencl", Needed: "OpenCL devices (build tag opencl)", Hint: "sudo apt install ocl-icd-libopencl1, and the driver of the device (pocl-opencl-icd: the CPU)"}
	loader := findLibrary("libOpenCL.so*")
	drivers, _ := filepath.Glob("/etc/OpenCL/vendors/*.icd")
	for i := range drivers {
		drivers[i] = filepath.Base(drivers[i])
	}
	switch {
	case loader != "" && len(drivers) > 0:
		opencl.Found, opencl.Detail = true, join(loader, "drivers: "+strings.Join(drivers, " "))
	case loader != "":
		opencl.Detail = loader + " has no driver"
		opencl.Hint = "sudo apt install the driver of the device (pocl-opencl-icd: the CPU)"
	}
	all := []Helper{ffmpeg, opencv, opencl}
	for i := range all {
		if all[i].Found {
			all[i].Hint = ""
		}
	}
	return all
}

// ffmpegVersion returns what ffmpeg says of itself in a few words, or "".
func ffmpegVersion(path string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "-version").Output()
	if err != nil {
		return ""
	}
	// ffmpeg version 5.1.6-0+deb12u1 Copyright ...
	if f := strings.Fields(string(out)); len(f) > 2 && f[1] == "version" {
		return "version " + f[2]
	}
	return ""
}

// findLibrary returns the path of the newest shared library that matches, or "".
func findLibrary(pattern string) string {
	var found []string
	for _, dir := range libraryDirs {
		paths, _ := filepath.Glob(filepath.Join(dir, pattern))
		found = append(found, paths...)
	}
	if len(found) == 0 {
		return ""
	}
	return slices.MaxFunc(found, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}
