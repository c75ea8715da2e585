package v4l2

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ocellus-vision/ocellus/camera"
)

// What is chosen where the URI does not say.
const (
	defaultWidth, defaultHeight = 640, 480
	defaultFPS                  = 30.0
	enoughFPS                   = 15.0 // a format that needs no decoding is taken if it reaches this
)

// choose picks what to ask a camera for: the nearest size; of the formats that have it, the first in the order of formatsRead that is fast
// enough, or else the fastest; of its rates, the slowest that is no less than was asked.
func choose(sizes []Size, o options) (Mode, error) {
	w, h := o.width, o.height
	if w == 0 {
		w, h = defaultWidth, defaultHeight
	}
	want, enough := o.fps, o.fps
	if want == 0 {
		want, enough = defaultFPS, enoughFPS
	}
	type candidate struct {
		Mode
		distance float64 // of its size from the one that was asked for
		reaches  float64 // its rate, as far as it is of use
		rank     int
	}
	var all []candidate
	for _, s := range sizes {
		if !o.anyFormat && s.Format != o.format {
			continue
		}
		cw, ch := s.nearest(w, h)
		c := candidate{Mode: Mode{s.Format, cw, ch, nearestRate(s.FPS, want)}}
		c.distance = math.Abs(math.Log(float64(cw)/float64(w))) + math.Abs(math.Log(float64(ch)/float64(h)))
		if c.reaches = enough; len(s.FPS) > 0 {
			c.reaches = min(c.FPS*1.01, enough) // 29.97 is 30
		}
		c.rank = slices.Index(formatsRead[:], s.Format)
		all = append(all, c)
	}
	if len(all) == 0 {
		return Mode{}, fmt.Errorf("it does not give %s, only %s", formatName(o.format), formatList(sizes))
	}
	best := slices.MinFunc(all, func(a, b candidate) int {
		switch {
		case a.distance != b.distance:
			return sign(a.distance - b.distance)
		case a.reaches != b.reaches:
			return sign(b.reaches - a.reaches)
		}
		return a.rank - b.rank
	})
	return best.Mode, nil
}

func sign(x float64) int {
	if x < 0 {
		return -1
	}
	return 1
}

// nearest returns the size of a range that is nearest to w x h.
func (s Size) nearest(w, h int) (int, int) {
	fit := func(x, least, most, step int) int {
		x = min(max(x, least), most)
		if step > 1 {
			x = least + (x-least+step/2)/step*step
			if x > most {
				x -= step
			}
		}
		return x
	}
	return fit(w, s.MinWidth, s.Width, s.StepX), fit(h, s.MinHeight, s.Height, s.StepY)
}

// nearestRate returns the slowest of the rates that is no less than want, or the fastest, or want where none is known.
func nearestRate(rates []float64, want float64) float64 {
	if len(rates) == 0 {
		return want
	}
	best := slices.Max(rates)
	for _, r := range rates {
		if r*1.01 >= want && r < best {
			best = r
		}
	}
	return best
}

// formatList names the formats that occur, for people.
func formatList(sizes []Size) string {
	var names []string
	for _, f := range formatsRead {
		if slices.ContainsFunc(sizes, func(s Size) bool { return s.Format == f }) {
			names = append(names, formatName(f))
		}
	}
	return strings.Join(names, ", ")
}

// fourCC is a pixel format's name in the kernel.
type fourCC uint32

func (c fourCC) String() string {
	b := []byte{byte(c), byte(c >> 8), byte(c >> 16), byte(c>>24) & 0x7f}
	for i := range b {
		if b[i] < ' ' || b[i] > '~' {
			b[i] = '?'
		}
	}
	return strings.TrimRight(string(b), " ")
}

// cc returns the code that four characters stand for.
func cc(s string) fourCC {
	return fourCC(s[0]) | fourCC(s[1])<<8 | fourCC(s[2])<<16 | fourCC(s[3])<<24
}

// codes pairs the kernel's formats with ours.
var codes = []struct {
	code   fourCC
	format camera.Format
}{
	{cc("NV12"), camera.NV12},
	{cc("YUYV"), camera.YUYV},
	{cc("MJPG"), camera.JPEG},
	{cc("JPEG"), camera.JPEG},
	{cc("GREY"), camera.Grey},
}

// formatOf returns our name of a kernel's format.
func formatOf(c fourCC) (camera.Format, bool) {
	for _, p := range codes {
		if p.code == c {
			return p.format, true
		}
	}
	return 0, false
}
