package v4l2

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"
)

// facts states of each structure its size and where its members are, and of each ioctl its number, as this build has them.
func facts() []string {
	var (
		c capability
		d fmtdesc
		s frmsizeenum
		v frmivalenum
		f format
		p streamparm
		r requestbuffers
		b buffer
	)
	at := func(base, member uintptr) uintptr { return member + base }
	facts := []string{}
	size := func(name string, n uintptr) {
		facts = append(facts, fmt.Sprintf("sizeof(struct v4l2_%s) == %d", name, n))
	}
	offset := func(name, member string, n uintptr) {
		facts = append(facts, fmt.Sprintf("offsetof(struct v4l2_%s, %s) == %d", name, member, n))
	}
	size("capability", unsafe.Sizeof(c))
	offset("capability", "card", unsafe.Offsetof(c.card))
	offset("capability", "bus_info", unsafe.Offsetof(c.bus))
	offset("capability", "capabilities", unsafe.Offsetof(c.capabilities))
	offset("capability", "device_caps", unsafe.Offsetof(c.deviceCap))
	size("fmtdesc", unsafe.Sizeof(d))
	offset("fmtdesc", "type", unsafe.Offsetof(d.typ))
	offset("fmtdesc", "pixelformat", unsafe.Offsetof(d.pixelFormat))
	size("frmsizeenum", unsafe.Sizeof(s))
	offset("frmsizeenum", "pixel_format", unsafe.Offsetof(s.pixelFormat))
	offset("frmsizeenum", "type", unsafe.Offsetof(s.typ))
	offset("frmsizeenum", "stepwise.max_width", at(unsafe.Offsetof(s.size), 4))
	offset("frmsizeenum", "stepwise.min_height", at(unsafe.Offsetof(s.size), 12))
	offset("frmsizeenum", "discrete.height", at(unsafe.Offsetof(s.size), 4))
	size("frmivalenum", unsafe.Sizeof(v))
	offset("frmivalenum", "height", unsafe.Offsetof(v.height))
	offset("frmivalenum", "type", unsafe.Offsetof(v.typ))
	offset("frmivalenum", "discrete.denominator", at(unsafe.Offsetof(v.interval), unsafe.Offsetof(v.interval[0].den)))
	offset("frmivalenum", "stepwise.max", at(unsafe.Offsetof(v.interval), 8))
	size("format", unsafe.Sizeof(f))
	size("pix_format", unsafe.Sizeof(f.pix))
	offset("format", "fmt.pix", unsafe.Offsetof(f.pix))
	offset("format", "fmt.pix.pixelformat", at(unsafe.Offsetof(f.pix), unsafe.Offsetof(f.pix.pixelFormat)))
	offset("format", "fmt.pix.bytesperline", at(unsafe.Offsetof(f.pix), unsafe.Offsetof(f.pix.bytesPerLine)))
	offset("format", "fmt.pix.sizeimage", at(unsafe.Offsetof(f.pix), unsafe.Offsetof(f.pix.sizeImage)))
	offset("format", "fmt.pix.colorspace", at(unsafe.Offsetof(f.pix), unsafe.Offsetof(f.pix.colorspace)))
	offset("format", "fmt.pix.ycbcr_enc", at(unsafe.Offsetof(f.pix), unsafe.Offsetof(f.pix.ycbcrEnc)))
	offset("format", "fmt.pix.quantization", at(unsafe.Offsetof(f.pix), unsafe.Offsetof(f.pix.quantization)))
	size("streamparm", unsafe.Sizeof(p))
	offset("streamparm", "parm.capture.capability", unsafe.Offsetof(p.capability))
	offset("streamparm", "parm.capture.timeperframe", unsafe.Offsetof(p.timePerFrame))
	size("requestbuffers", unsafe.Sizeof(r))
	offset("requestbuffers", "memory", unsafe.Offsetof(r.memory))
	size("buffer", unsafe.Sizeof(b))
	offset("buffer", "bytesused", unsafe.Offsetof(b.bytesUsed))
	offset("buffer", "flags", unsafe.Offsetof(b.flags))
	offset("buffer", "timestamp.tv_sec", unsafe.Offsetof(b.seconds))
	offset("buffer", "timestamp.tv_usec", unsafe.Offsetof(b.microseconds))
	offset("buffer", "sequence", unsafe.Offsetof(b.sequence))
	offset("buffer", "memory", unsafe.Offsetof(b.memory))
	offset("buffer", "m.offset", unsafe.Offsetof(b.offset))
	offset("buffer", "length", unsafe.Offsetof(b.length))
	for _, n := range []struct {
		name   string
		number uint32
	}{
		{"VIDIOC_QUERYCAP", queryCap}, {"VIDIOC_ENUM_FMT", enumFmt}, {"VIDIOC_S_FMT", setFmt},
		{"VIDIOC_REQBUFS", reqBufs}, {"VIDIOC_QUERYBUF", queryBuf}, {"VIDIOC_QBUF", qBuf}, {"VIDIOC_DQBUF", dqBuf},
		{"VIDIOC_STREAMON", streamOn}, {"VIDIOC_STREAMOFF", streamOff}, {"VIDIOC_G_PARM", getParm}, {"VIDIOC_S_PARM", setParm},
		{"VIDIOC_ENUM_FRAMESIZES", enumFrameSizes}, {"VIDIOC_ENUM_FRAMEINTERVALS", enumFrameIntervals},
	} {
		facts = append(facts, fmt.Sprintf("%s == %#x", n.name, n.number))
	}
	for _, n := range []struct {
		name  string
		value uint32
	}{
		{"V4L2_CAP_VIDEO_CAPTURE", capVideoCapture}, {"V4L2_CAP_VIDEO_CAPTURE_MPLANE", capVideoCaptureMPlane}, {"V4L2_CAP_STREAMING", capStreaming},
		{"V4L2_CAP_DEVICE_CAPS", capDeviceCaps}, {"V4L2_CAP_TIMEPERFRAME", capTimePerFrame}, {"V4L2_BUF_TYPE_VIDEO_CAPTURE", bufTypeVideoCapture},
		{"V4L2_MEMORY_MMAP", memoryMMAP}, {"V4L2_FIELD_NONE", fieldNone}, {"V4L2_FRMSIZE_TYPE_DISCRETE", kindDiscrete},
		{"V4L2_FRMIVAL_TYPE_DISCRETE", kindDiscrete}, {"V4L2_COLORSPACE_REC709", colorspaceREC709}, {"V4L2_COLORSPACE_JPEG", colorspaceJPEG},
		{"V4L2_COLORSPACE_BT2020", colorspaceBT2020}, {"V4L2_COLORSPACE_DCI_P3", colorspaceDCIP3}, {"V4L2_YCBCR_ENC_DEFAULT", ycbcrDefault},
		{"V4L2_YCBCR_ENC_709", ycbcr709}, {"V4L2_YCBCR_ENC_XV709", ycbcrXV709}, {"V4L2_QUANTIZATION_DEFAULT", quantizationDefault},
		{"V4L2_QUANTIZATION_FULL_RANGE", quantizationFull}, {"V4L2_BUF_FLAG_ERROR", bufFlagError},
		{"V4L2_BUF_FLAG_TIMESTAMP_MASK", bufFlagTimestampMask}, {"V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC", bufFlagTimestampMonotonic},
		{"V4L2_PIX_FMT_YUYV", uint32(codes[1].code)}, {"V4L2_PIX_FMT_NV12", uint32(codes[0].code)}, {"V4L2_PIX_FMT_MJPEG", uint32(codes[2].code)},
		{"V4L2_PIX_FMT_JPEG", uint32(codes[3].code)}, {"V4L2_PIX_FMT_GREY", uint32(codes[4].code)},
	} {
		facts = append(facts, fmt.Sprintf("(unsigned)%s == %du", n.name, n.value))
	}
	return facts
}

// TestStructsAgainstC lets a C compiler hold the structures and numbers of this build against the kernel's header.
func TestStructsAgainstC(t *testing.T) {
	cc := map[string]string{"amd64": "x86_64-linux-gnu-gcc", "arm64": "aarch64-linux-gnu-gcc", "arm": "arm-linux-gnueabihf-gcc", "riscv64": "riscv64-linux-gnu-gcc"}[runtime.GOARCH]
	if _, err := exec.LookPath(cc); err != nil {
		t.Skipf("no C compiler for %s: %v (Debian: sudo apt install gcc-arm-linux-gnueabihf libc6-dev-armhf-cross, or gcc-aarch64-linux-gnu libc6-dev-arm64-cross, or gcc)", runtime.GOARCH, err)
	}
	dir := t.TempDir()
	compile := func(facts []string) (string, error) {
		var src strings.Builder
		src.WriteString("#include <stddef.h>\n#include <sys/time.h>\n#include <linux/videodev2.h>\n")
		for _, f := range facts {
			fmt.Fprintf(&src, "_Static_assert(%s, %q);\n", f, f)
		}
		path := filepath.Join(dir, "facts.c")
		if err := os.WriteFile(path, []byte(src.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(cc, "-std=gnu11", "-fsyntax-only", path).CombinedOutput()
		return string(out), err
	}
	if out, err := compile(nil); err != nil {
		t.Skipf("%s has no linux/videodev2.h: %s", cc, out)
	}
	if _, err := compile([]string{"sizeof(time_t) == sizeof(long)"}); err != nil {
		t.Skipf("%s has times of 64 bits, for which the kernel has other numbers", cc)
	}
	if out, err := compile(facts()); err != nil {
		t.Errorf("%s", out)
	}
	if _, err := compile([]string{"sizeof(struct v4l2_buffer) == 1"}); err == nil {
		t.Error("the compiler agrees to anything")
	}
}
