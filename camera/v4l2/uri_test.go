package v4l2

import (
	"strings"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

func TestParse(t *testing.T) {
	for uri, want := range map[string]options{
		"/dev/video0":      {path: "/dev/video0", anyFormat: true, timeout: 5 * time.Second},
		"v4l2:/dev/video3": {path: "/dev/video3", anyFormat: true, timeout: 5 * time.Second},
		"v4l2:/dev/video0?size=640x480&fps=15&format=mjpeg": {path: "/dev/video0", width: 640, height: 480, fps: 15, format: camera.JPEG, timeout: 5 * time.Second},
		"/dev/video0?timeout=250ms&range=full&fps=29.97":    {path: "/dev/video0", fps: 29.97, luma: full, anyFormat: true, timeout: 250 * time.Millisecond},
		"v4l2:/dev/v4l/by-id/usb-A_B-video-index0":          {path: "/dev/v4l/by-id/usb-A_B-video-index0", anyFormat: true, timeout: 5 * time.Second},
	} {
		want.uri = uri
		if got, err := parse(uri); err != nil || got != want {
			t.Errorf("%s: %+v, %v", uri, got, err)
		}
	}
	for uri, want := range map[string]string{
		"v4l2:":                                 "names no device",
		"/dev/video0?sise=640x480":              `unknown option "sise"`,
		"/dev/video0?size=640":                  "not a size",
		"/dev/video0?size=0x480":                "not a size",
		"/dev/video0?size=99999x480":            "not a size",
		"/dev/video0?size=640x480x2":            "not a size",
		"/dev/video0?fps=0":                     "not a rate",
		"/dev/video0?fps=NaN":                   "not a rate",
		"/dev/video0?format=h264":               "not one of yuyv, nv12, grey and mjpeg",
		"/dev/video0?timeout=5":                 "not a time",
		"/dev/video0?range=wide":                "neither full nor limited",
		"/dev/video0?fps=15&fps=30":             "given 2 times",
		"/dev/video0?fps=%zz":                   "not of the form",
		"v4l2:/dev/video0?size=640x480;fps=30":  "not of the form",
		"/dev/video0?size=640x480&format=MJPEG": "not one of",
	} {
		if _, err := New(uri); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "v4l2: ") {
			t.Errorf("%s: %v, want %q", uri, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("v4l2:/dev/video0?size=640x480&fps=15&format=mjpeg")
	f.Add("/dev/video0?timeout=5s&range=limited")
	f.Fuzz(func(t *testing.T, uri string) {
		o, err := parse(uri)
		if err != nil {
			return
		}
		if o.path == "" || o.width < 0 || o.width > maxSide || o.height > maxSide || (o.width == 0) != (o.height == 0) || o.timeout <= 0 || !(o.fps >= 0 && o.fps <= maxFPS) {
			t.Fatalf("%q: %+v", uri, o)
		}
	})
}

// webcam is what a common USB camera offers.
func webcam() []Size {
	discrete := func(f camera.Format, w, h int, fps ...float64) Size { return Size{f, w, h, w, h, 0, 0, fps} }
	return []Size{
		discrete(camera.YUYV, 640, 480, 30, 15), discrete(camera.YUYV, 320, 240, 30), discrete(camera.YUYV, 1280, 720, 10, 5), discrete(camera.YUYV, 1920, 1080, 5),
		discrete(camera.JPEG, 640, 480, 60, 30, 15), discrete(camera.JPEG, 1280, 720, 30, 15), discrete(camera.JPEG, 1920, 1080, 30),
	}
}

func TestChoose(t *testing.T) {
	ranged := []Size{{camera.Grey, 1920, 1080, 32, 32, 16, 8, []float64{60, 30, 5}}}
	for _, c := range []struct {
		query string
		sizes []Size
		want  Mode
	}{
		{"", webcam(), Mode{camera.YUYV, 640, 480, 30}},
		{"?format=mjpeg", webcam(), Mode{camera.JPEG, 640, 480, 30}},
		{"?size=1280x720", webcam(), Mode{camera.JPEG, 1280, 720, 30}},        // YUYV has 10 fps only
		{"?size=1280x720&fps=10", webcam(), Mode{camera.YUYV, 1280, 720, 10}}, // which is enough here
		{"?size=1280x720&fps=20", webcam(), Mode{camera.JPEG, 1280, 720, 30}},
		{"?fps=60", webcam(), Mode{camera.JPEG, 640, 480, 60}},
		{"?fps=500", webcam(), Mode{camera.JPEG, 640, 480, 60}},
		{"?fps=12", webcam(), Mode{camera.YUYV, 640, 480, 15}},
		{"?size=1300x700&format=yuyv", webcam(), Mode{camera.YUYV, 1280, 720, 10}},
		{"?size=9000x9000", webcam(), Mode{camera.JPEG, 1920, 1080, 30}},
		{"?size=100x100", ranged, Mode{camera.Grey, 96, 104, 30}},
		{"?size=4000x10&fps=40", ranged, Mode{camera.Grey, 1920, 32, 60}},
		{"?fps=25", []Size{{camera.NV12, maxSide, maxSide, 1, 1, 0, 0, nil}}, Mode{camera.NV12, 640, 480, 25}},
	} {
		o, err := parse("/dev/video0" + c.query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := choose(c.sizes, o); err != nil || got != c.want {
			t.Errorf("%s: %v, %v, want %v", c.query, got, err, c.want)
		}
	}
	o, _ := parse("/dev/video0?format=nv12")
	if _, err := choose(webcam(), o); err == nil || err.Error() != "it does not give nv12, only yuyv, mjpeg" {
		t.Errorf("a format that it has not: %v", err)
	}
}
