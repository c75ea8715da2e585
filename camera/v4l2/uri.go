package v4l2

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// options is what a URI says.
type options struct {
	uri, path     string
	width, height int     // 0: not asked
	fps           float64 // 0: not asked
	format        camera.Format
	anyFormat     bool
	luma          lumaRange
	timeout       time.Duration
}

// lumaRange is what the URI says of black and white.
type lumaRange uint8

const (
	asDriverSays lumaRange = iota
	full
	limited
)

const (
	defaultTimeout = 5 * time.Second
	maxSide        = 1 << 14 // pixels
	maxFPS         = 1000
)

// formatsRead are the formats that Run reads, in order of preference: colour before grey, and what needs no decoding first.
var formatsRead = [...]camera.Format{camera.NV12, camera.YUYV, camera.JPEG, camera.Grey}

func parse(uri string) (options, error) {
	o := options{uri: uri, anyFormat: true, timeout: defaultTimeout}
	rest := strings.TrimPrefix(uri, "v4l2:")
	path, query, _ := strings.Cut(rest, "?")
	if path == "" || strings.ContainsRune(path, 0) {
		return o, fmt.Errorf("it names no device; /dev/video0 is the usual one")
	}
	o.path = path
	values, err := url.ParseQuery(query)
	if err != nil {
		return o, fmt.Errorf("the part behind ? is not of the form size=640x480&fps=15: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		set, ok := setters[key]
		if !ok {
			return o, fmt.Errorf("unknown option %q; there are format, fps, range, size and timeout", key)
		}
		if len(values[key]) > 1 {
			return o, fmt.Errorf("option %s is given %d times", key, len(values[key]))
		}
		if err := set(&o, values[key][0]); err != nil {
			return o, fmt.Errorf("%s=%s: %w", key, values[key][0], err)
		}
	}
	return o, nil
}

var setters = map[string]func(o *options, v string) error{
	"size": func(o *options, v string) error {
		w, h, _ := strings.Cut(v, "x")
		var errW, errH error
		o.width, errW = strconv.Atoi(w)
		o.height, errH = strconv.Atoi(h)
		if errW != nil || errH != nil || o.width < 1 || o.height < 1 || o.width > maxSide || o.height > maxSide {
			return fmt.Errorf("not a size such as 640x480")
		}
		return nil
	},
	"fps": func(o *options, v string) (err error) {
		o.fps, err = strconv.ParseFloat(v, 64)
		if err != nil || math.IsNaN(o.fps) || o.fps < 0.01 || o.fps > maxFPS {
			return fmt.Errorf("not a rate from 0.01 to %d frames a second", maxFPS)
		}
		return nil
	},
	"format": func(o *options, v string) error {
		for _, f := range formatsRead {
			if v == formatName(f) {
				o.format, o.anyFormat = f, false
				return nil
			}
		}
		return fmt.Errorf("not one of yuyv, nv12, grey and mjpeg")
	},
	"range": func(o *options, v string) error {
		switch v {
		case "full":
			o.luma = full
		case "limited":
			o.luma = limited
		default:
			return fmt.Errorf("neither full nor limited")
		}
		return nil
	},
	"timeout": func(o *options, v string) (err error) {
		o.timeout, err = time.ParseDuration(v)
		if err != nil || o.timeout < 10*time.Millisecond || o.timeout > time.Hour {
			return fmt.Errorf("not a time such as 5s, from 10ms to 1h")
		}
		return nil
	},
}
