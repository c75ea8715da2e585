// Package synth is a camera that every machine has: it draws a street, portraits or a test pattern, and knows what is in each picture.
//
// A seed gives the same pictures, bit for bit, on every processor.
package synth

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// Options say what is drawn. The zero value of a field stands for its default, in brackets.
type Options struct {
	Scene   string  // street, portrait or bars [street]
	Seed    uint64  // of everything that is drawn by chance [0]
	Width   int     // pixels, 16..4096 [640]
	Height  int     // pixels, 16..4096 [480]
	FPS     float64 // pictures a second, 0.1..1000 [15]
	People  int     // persons in the street, or faces that take turns, 1..64; None for none [6]
	Cars    int     // cars and bicycles that drive, 1..16; None for none [3]
	Weather string  // sun, overcast, rain, fog, or any: chosen by the seed [sun]
	Light   string  // day, dusk, night, or any: chosen by the seed [day]
	Noise   float64 // of the sensor, in units of a good camera's, up to 16; None for none [1]
	Blur    float64 // of the lens, deviation in pixels, up to 4; None for none [0.5]
	EV      float64 // exposure, in stops, -4..4 [0]
	Shake   float64 // of the camera, deviation in thousandths of the width, up to 20 [0]
	Frames  int     // after which the source ends [0: never]
	Pace    string  // real: as time goes by; free: as fast as they are taken, frames being 1/FPS apart [real]
}

// None is a number of People or Cars, an amount of Noise or Blur, that the zero value would not say.
const None = -1

// The names that Options take.
var (
	scenes   = []string{"street", "portrait", "bars"}
	weathers = []string{"sun", "overcast", "rain", "fog", "any"}
	lights   = []string{"day", "dusk", "night", "any"}
	paces    = []string{"real", "free"}
)

// Parse reads a URI such as
//
//	synth:street?seed=7&fps=15&size=640x480&people=6&weather=rain&light=night
//
// Its keys are seed, size, fps, people, cars, weather, light, noise, blur, ev, shake, frames and pace.
func Parse(uri string) (Options, error) {
	var o Options
	rest, ok := strings.CutPrefix(uri, "synth:")
	if !ok {
		return o, fmt.Errorf("synth: %q lacks synth: at its beginning", uri)
	}
	scene, query, _ := strings.Cut(rest, "?")
	o.Scene = scene
	values, err := url.ParseQuery(query)
	if err != nil {
		return o, fmt.Errorf("synth: %q: the part after the question mark: %w", uri, err)
	}
	keys := make([]string, 0, len(values))
	for k := range values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		v := values[k]
		if len(v) > 1 {
			return o, fmt.Errorf("synth: %q: %s stands there %d times", uri, k, len(v))
		}
		if err := o.set(k, v[0]); err != nil {
			return o, fmt.Errorf("synth: %q: %w", uri, err)
		}
	}
	if err := o.complete(); err != nil {
		return o, fmt.Errorf("synth: %q: %w", uri, err)
	}
	return o, nil
}

// set gives the option of one key its value.
func (o *Options) set(key, v string) error {
	count := func(p *int) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return fmt.Errorf("%s=%s: not a whole number from 0 on", key, v)
		}
		if *p = n; n == 0 && key != "frames" {
			*p = None
		}
		return nil
	}
	amount := func(p *float64, none bool) error {
		x, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return fmt.Errorf("%s=%s: not a number", key, v)
		}
		if *p = x; none && x == 0 {
			*p = None
		} else if none && x < 0 {
			return fmt.Errorf("%s=%s: less than 0", key, v)
		}
		return nil
	}
	switch key {
	case "seed":
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return fmt.Errorf("seed=%s: not a whole number from 0 to 2^64-1", v)
		}
		o.Seed = n
	case "size":
		w, h, ok := strings.Cut(v, "x")
		nw, err1 := strconv.Atoi(w)
		nh, err2 := strconv.Atoi(h)
		if !ok || err1 != nil || err2 != nil || nw <= 0 || nh <= 0 {
			return fmt.Errorf("size=%s: not WIDTHxHEIGHT such as 640x480", v)
		}
		o.Width, o.Height = nw, nh
	case "fps":
		if err := amount(&o.FPS, false); err != nil {
			return err
		}
		if o.FPS == 0 {
			return fmt.Errorf("fps=%s: not in 0.1..1000", v)
		}
	case "people":
		return count(&o.People)
	case "cars":
		return count(&o.Cars)
	case "frames":
		return count(&o.Frames)
	case "noise":
		return amount(&o.Noise, true)
	case "blur":
		return amount(&o.Blur, true)
	case "ev":
		return amount(&o.EV, false)
	case "shake":
		return amount(&o.Shake, false)
	case "weather":
		o.Weather = v
	case "light":
		o.Light = v
	case "pace":
		o.Pace = v
	default:
		return fmt.Errorf("unknown key %s: there are seed, size, fps, people, cars, weather, light, noise, blur, ev, shake, frames and pace", key)
	}
	return nil
}

// complete fills in defaults and says what is out of range.
func (o *Options) complete() error {
	word := func(key string, p *string, list []string) error {
		if *p == "" {
			*p = list[0]
		}
		if !slices.Contains(list, *p) {
			return fmt.Errorf("%s=%s: not one of %s", key, *p, strings.Join(list, ", "))
		}
		return nil
	}
	whole := func(key string, p *int, def, lo, hi int) error {
		if *p == 0 {
			*p = def
		}
		if none := *p == None && def > 0 && lo == 1; !none && (*p < lo || *p > hi) {
			return fmt.Errorf("%s=%d: not in %d..%d", key, *p, lo, hi)
		}
		return nil
	}
	amount := func(key string, p *float64, def, lo, hi float64) error {
		if *p == 0 {
			*p = def
		}
		if none := *p == None && def > 0 && lo == 0; !none && !(*p >= lo && *p <= hi) {
			return fmt.Errorf("%s=%g: not in %g..%g", key, *p, lo, hi)
		}
		return nil
	}
	for _, err := range []error{
		word("scene", &o.Scene, scenes), word("weather", &o.Weather, weathers), word("light", &o.Light, lights), word("pace", &o.Pace, paces),
		whole("width", &o.Width, 640, 16, 4096), whole("height", &o.Height, 480, 16, 4096),
		whole("people", &o.People, 6, 1, 64), whole("cars", &o.Cars, 3, 1, 16), whole("frames", &o.Frames, 0, 0, math.MaxInt),
		amount("fps", &o.FPS, 15, 0.1, 1000), amount("noise", &o.Noise, 1, 0, 16), amount("blur", &o.Blur, 0.5, 0, 4),
		amount("ev", &o.EV, 0, -4, 4), amount("shake", &o.Shake, 0, 0, 20),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Source is a camera.Source of drawn frames in RGB, whose Truth is a *Truth.
type Source struct {
	o    Options
	pool camera.Pool
}

// New returns the source that Options describe.
func New(o Options) (*Source, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("synth: %w", err)
	}
	return &Source{o: o}, nil
}

// Options returns the options in force.
func (s *Source) Options() Options { return s.o }

// Pool returns the pool of the source's frames.
func (s *Source) Pool() *camera.Pool { return &s.pool }

func (s *Source) String() string {
	return fmt.Sprintf("synth:%s?seed=%d&size=%dx%d&fps=%g", s.o.Scene, s.o.Seed, s.o.Width, s.o.Height, s.o.FPS)
}

// Run draws frame after frame and ends with io.EOF after Options.Frames. In real pace a frame that comes too late is left out, and its
// number with it. A frame's Truth is valid until the frame's last Release.
func (s *Source) Run(ctx context.Context, sink camera.Sink) error {
	d := newDrawer(s.o, s.o.Seed)
	start := time.Now()
	at := func(n uint64) time.Duration { return time.Duration(float64(n) / s.o.FPS * float64(time.Second)) }
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := uint64(0); s.o.Frames == 0 || n < uint64(s.o.Frames); n++ {
		when := start.Add(at(n))
		if s.o.Pace == "real" {
			if late := time.Since(when); late > at(1) {
				n = uint64(time.Since(start).Seconds() * s.o.FPS)
				if s.o.Frames > 0 {
					n = min(n, uint64(s.o.Frames)-1)
				}
				when = start.Add(at(n))
			}
			timer.Reset(time.Until(when))
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-timer.C:
			}
		} else if ctx.Err() != nil {
			return ctx.Err()
		}
		f := s.pool.Get(frameBytes(s.o))
		t := new(Truth) // kept from frame to frame it would hold frames that their pool has let go
		d.frame(float64(n)/s.o.FPS, n, f.Data, t)
		f.Data = f.Data[:3*s.o.Width*s.o.Height]
		f.Seq, f.Time, f.Width, f.Height, f.Stride, f.Format, f.Truth = n, when, s.o.Width, s.o.Height, 3*s.o.Width, camera.RGB, t
		sink(f)
	}
	return io.EOF
}

// frameBytes is the memory of a frame: RGB, then the label map and the object map of its Truth.
func frameBytes(o Options) int { return 5 * o.Width * o.Height }

// Picture is a still.
type Picture struct {
	Width, Height int
	Pix           []byte // RGB, [Height, Width, 3]
	Truth         Truth
}

// Still draws scene n of the options' seed: another street or another head for each n.
func Still(o Options, n uint64) (*Picture, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("synth: %w", err)
	}
	seed := mix64(o.Seed, n)
	p := &Picture{Width: o.Width, Height: o.Height, Pix: make([]byte, frameBytes(o))}
	newDrawer(o, seed).frame(float64(seed>>32%100000)/100, n, p.Pix, &p.Truth)
	p.Pix = p.Pix[:3*o.Width*o.Height]
	return p, nil
}

// drawer draws the frames of one scene. One goroutine uses it at a time.
type drawer interface {
	// frame draws the picture at t seconds. buf is frameBytes long; what truth refers to lies in it.
	frame(t float64, n uint64, buf []byte, truth *Truth)
}

func newDrawer(o Options, seed uint64) drawer {
	switch o.Scene {
	case "portrait":
		return newPortrait(o, seed)
	case "bars":
		return newBars(o)
	}
	return newStreet(o, seed)
}
