package ffmpeg

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// logs are what ffmpeg 4.4, 5.1 and 7.0 write, shortened.
var logs = []struct {
	text          string
	width, height int
	rate          float64
	duration      time.Duration
	colour        camera.Colour
}{
	{`[info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'a.mp4':
[info]   Duration: 00:01:20.50, start: 0.000000, bitrate: 54 kb/s
[info]   Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709, progressive), 320x240 [SAR 1:1 DAR 4:3], 52 kb/s, 15 fps, 15 tbr, 15360 tbn (default)
[info]   Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, stereo, fltp, 128 kb/s (default)
[info] Output #0, rawvideo, to 'pipe:1':
[info]   Stream #0:0(und): Video: rawvideo (NV12 / 0x3231564E), nv12(tv, bt709, progressive), 320x240 [SAR 1:1 DAR 4:3], q=2-31, 13824 kb/s, 15 fps, 15 tbn (default)`,
		320, 240, 15, 80500 * time.Millisecond, camera.BT709},
	{`[info] Input #0, rtsp, from 'rtsp://cam/live':
[info]   Duration: N/A, start: 0.040000, bitrate: N/A
[info]     Stream #0:0: Video: h264 (Main), yuv420p(progressive), 1920x1080, 29.97 fps, 29.97 tbr, 90k tbn, 180k tbc
[info] Output #0, rawvideo, to 'pipe:1':
[info]     Stream #0:0: Video: rawvideo (NV12 / 0x3231564E), nv12(progressive), 1920x1080, q=2-31, 745749 kb/s, 29.97 fps, 29.97 tbn`,
		1920, 1080, 29.97, 0, camera.BT709},
	{`[info] Input #0, mpegts, from 'b.ts':
[mpegts @ 0x55dde44f0240] [warning] Estimating duration from bitrate, this may be inaccurate
[info]   Duration: 00:00:02.99, start: 0.000000, bitrate: 3127 kb/s
[info]   Stream #0:0: Video: mjpeg (Baseline), yuvj422p(pc, bt470bg/unknown/unknown), 1280x720, 1k fps, 100 tbn
[info] Output #0, rawvideo, to 'pipe:1':
[info]   Stream #0:0: Video: rawvideo (NV12 / 0x3231564E), nv12(tv, bt470bg/unknown/unknown, progressive), 1280x720, q=2-31, 1k fps, 100 tbn`,
		1280, 720, 1000, 0, camera.BT601},
	{`[info] Input #0, gif, from 'c.gif':
[info]   Duration: 00:00:02.99, start: 0.000000, bitrate: 3127 kb/s
[info]   Stream #0:0: Video: gif, bgra, 1480x270, 15 fps, 15 tbr, 100 tbn
[info] Output #0, rawvideo, to 'pipe:1':
[info]   Stream #0:0: Video: rawvideo (NV12 / 0x3231564E), nv12(tv, progressive), 1480x270, q=2-31, 23328 kb/s, 15 fps, 15 tbn`,
		1480, 270, 15, 2990 * time.Millisecond, camera.BT601},
}

func TestTold(t *testing.T) {
	for _, c := range logs {
		var got told
		known := 0
		for line := range strings.Lines(c.text) {
			grave, text := level(strings.TrimSuffix(line, "\n"))
			if grave {
				t.Errorf("grave: %s", line)
			}
			if got.read(text) {
				known++
			}
		}
		v := got.output
		if known != 1 || v.width != c.width || v.height != c.height || v.rate != c.rate || got.duration != c.duration || got.colour() != c.colour {
			t.Errorf("%dx%d %g, %v, %d; want %+v", v.width, v.height, v.rate, got.duration, got.colour(), c)
		}
	}
}

func TestLevel(t *testing.T) {
	for line, want := range map[string]string{
		"[error] a.mp4: No such file or directory":                         "a.mp4: No such file or directory",
		"[mov,mp4 @ 0x55c7d7f7c940] [error] stream 0: partial file":        "stream 0: partial file",
		"[in#0 @ 0x5] [https @ 0x55c7d7f7c940] [fatal] 401 [Unauthorized]": "401 [Unauthorized]",
		"[info] Input #0, [error] in its name":                             "",
		"[error":                                                           "",
		"no level":                                                         "",
	} {
		if grave, text := level(line); grave != (want != "") || grave && text != want {
			t.Errorf("%s: %v, %q", line, grave, text)
		}
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	var got []string
	lines(strings.NewReader("a\r\nb\n\n"+long+"\nc"), func(s string) { got = append(got, s) })
	if want := []string{"a", "b", long[:64<<10], "c"}; !slices.Equal(got, want) {
		t.Errorf("%d lines: %.200q", len(got), got)
	}
	var last tail
	for _, s := range []string{"1", "2", "3", "4", "5", long} {
		last.add(s)
	}
	if got := last.String(); got != "3; 4; 5; "+long[:maxLine]+"..." {
		t.Errorf("%.40s, %d bytes", got, len(got))
	}
}

func TestRedact(t *testing.T) {
	for input, text := range map[string]string{
		"rtsp://ada:hunter2@cam/live":         "rtsp://ada:hunter2@cam/live: refused; hunter2",
		"rtsp://ada:hunter%2F2@cam/live":      "rtsp://ada:hunter%2F2@cam/live; ada:hunter/2; tcp://cam",
		"http://cam/live.m3u8?token=hunter29": "http://cam/live.m3u8?token=hunter29: 403",
	} {
		s := &Source{input: input}
		if got := s.redact(text); strings.Contains(got, "hunter") || !strings.Contains(got, "cam") {
			t.Errorf("%s: %s", text, got)
		}
		if strings.Contains(s.String(), "hunter") {
			t.Error(s)
		}
	}
}

func FuzzTold(f *testing.F) {
	for _, c := range logs {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got told
		lines(strings.NewReader(text), func(line string) {
			_, rest := level(line)
			got.read(rest)
		})
		if v := got.output; v.width < 0 || v.height < 0 || v.width >= 1e6 || v.height >= 1e6 || v.rate < 0 || got.duration < 0 {
			t.Errorf("%+v", got)
		}
	})
}
