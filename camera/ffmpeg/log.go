package ffmpeg

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// video is what ffmpeg says of a stream of pictures.
type video struct {
	width, height int
	rate          float64 // frames a second; 0 where it does not say
	tags          string  // of the pixel format: range, matrix
	coloured      bool    // the pixel format holds luma and chroma, not red, green and blue
}

// told is what ffmpeg's log tells, line by line, before the first frame.
type told struct {
	duration time.Duration // of the input; 0 where it is not known
	input    video         // of the first stream with pictures
	output   video
	guessed  bool   // ffmpeg warned that it guesses the duration
	section  string // "Input" or "Output": whose streams are being listed
}

var (
	durationLine = regexp.MustCompile(`^\s*Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)`)
	sizeField    = regexp.MustCompile(`^(\d{1,6})x(\d{1,6})\b`)
	rateField    = regexp.MustCompile(`^(\d+(?:\.\d+)?)(k?) fps$`)
	levelField   = regexp.MustCompile(`^((?:\[[^\]]* @ 0x[0-9a-f]+\] )*)\[(panic|fatal|error|warning|info|verbose|debug)\] ?`)
)

// level splits a line of a log into how grave it is and its text, without the addresses of what wrote it.
func level(line string) (grave bool, text string) {
	m := levelField.FindStringSubmatch(line)
	if m == nil {
		return false, line
	}
	grave = m[2] == "panic" || m[2] == "fatal" || m[2] == "error"
	return grave, line[len(m[0]):]
}

// read takes in one line and says whether the output is known now.
func (t *told) read(text string) bool {
	switch {
	case strings.HasPrefix(text, "Input #"):
		t.section = "Input"
	case strings.HasPrefix(text, "Output #"):
		t.section = "Output"
	}
	t.guessed = t.guessed || strings.Contains(text, "Estimating duration")
	if m := durationLine.FindStringSubmatch(text); m != nil && t.section == "Input" && !t.guessed {
		h, _ := strconv.ParseFloat(m[1], 64)
		min, _ := strconv.ParseFloat(m[2], 64)
		s, _ := strconv.ParseFloat(m[3], 64)
		if s += float64(60*min) + float64(3600*h); s < 1e8 {
			t.duration = time.Duration(s * float64(time.Second))
		}
	}
	trimmed := strings.TrimSpace(text)
	if !strings.HasPrefix(trimmed, "Stream #") {
		return false
	}
	_, fields, found := strings.Cut(trimmed, ": Video: ")
	if !found {
		return false
	}
	switch v := parseVideo(fields); {
	case t.section == "Input" && t.input.width == 0:
		t.input = v
	case t.section == "Output":
		t.output = v
		return v.width > 0
	}
	return false
}

// parseVideo reads the description of a stream: codec, pixel format with its tags in brackets, size, rate, and others, with commas between.
func parseVideo(s string) video {
	var v video
	for i, field := range splitFields(s) {
		if i == 1 {
			name, tags, _ := strings.Cut(field, "(")
			v.tags = strings.TrimSuffix(tags, ")")
			v.coloured = strings.HasPrefix(name, "yuv") || strings.HasPrefix(name, "nv") || strings.HasPrefix(name, "uyvy") || strings.HasPrefix(name, "yv") || strings.HasPrefix(name, "p0") || strings.HasPrefix(name, "gray")
		}
		if m := sizeField.FindStringSubmatch(field); m != nil && v.width == 0 && i > 0 {
			v.width, _ = strconv.Atoi(m[1])
			v.height, _ = strconv.Atoi(m[2])
		}
		if m := rateField.FindStringSubmatch(field); m != nil {
			v.rate, _ = strconv.ParseFloat(m[1], 64)
			if m[2] == "k" {
				v.rate *= 1000
			}
		}
	}
	return v
}

// splitFields cuts at commas that stand outside of brackets.
func splitFields(s string) []string {
	var fields []string
	depth, begin := 0, 0
	for i, c := range s {
		switch {
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth = max(depth-1, 0)
		case c == ',' && depth == 0:
			fields = append(fields, strings.TrimSpace(s[begin:i]))
			begin = i + 1
		}
	}
	return append(fields, strings.TrimSpace(s[begin:]))
}

// colour returns the standard of the output, whose range is limited: that of the input. Where it does not name one it is guessed by the
// size, as players do; pictures in red, green and blue are converted by BT.601.
func (t *told) colour() camera.Colour {
	switch tags := t.input.tags; {
	case strings.Contains(tags, "bt709"), strings.Contains(tags, "bt2020"):
		return camera.BT709
	case strings.Contains(tags, "bt470bg"), strings.Contains(tags, "smpte170m"), strings.Contains(tags, "fcc"):
		return camera.BT601
	case t.input.coloured && (t.output.width >= 1280 || t.output.height > 576):
		return camera.BT709
	}
	return camera.BT601
}
