package pipeline

import (
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// Gate tells frames in which something moves from those of a still scene. It keeps a background of 64x48 cells: of each the mean of four pixels' grey over the last
// frames and how much it varies, and compares new frames with it less the change that all cells share, which is the light's. Sigma-delta estimation
// of a background is from Manzanera and Richefeu, "A new motion detection algorithm based on Σ-Δ background estimation", Pattern Recognition Letters
// 2007; here the steps are proportional to the difference. It is integer arithmetic: the same on every machine.
//
// JPEG frames always pass: a Camera asks about what its Decode makes of them. Fields are set before the first frame; 0 stands for the default. A Gate belongs to one camera.
type Gate struct {
	Area      float64       // share of the cells that must change for movement; 0.005
	Threshold int           // grey levels of 256 by which a cell must differ at least; 12
	Hold      time.Duration // after movement in which all frames pass; 2 s
	Every     time.Duration // after which a frame passes whatever it shows; 10 s

	width, height int
	format        camera.Format
	mean, noise   [cellsX * cellsY]int32 // of a cell, in 1/256 grey levels
	until, next   time.Time              // when Hold ends, and when Every does
}

const (
	cellsX, cellsY = 64, 48
	learn          = 5 // a frame counts 2⁻⁵ of the background
)

// Moving says whether f is to be looked at.
func (g *Gate) Moving(f *camera.Frame) bool {
	var grey [cellsX * cellsY]int32
	if !shrink(&grey, f) {
		return true
	}
	if f.Width != g.width || f.Height != g.height || f.Format != g.format {
		g.begin(&grey, f)
	}
	if g.changed(&grey) {
		g.until = f.Time.Add(orDefault(g.Hold, 2*time.Second))
	}
	if f.Time.After(g.until) && f.Time.Before(g.next) {
		return false
	}
	g.next = f.Time.Add(orDefault(g.Every, 10*time.Second))
	return true
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func (g *Gate) threshold() int32 {
	if g.Threshold > 0 {
		return int32(min(g.Threshold, 255)) << 8
	}
	return 12 << 8
}

// begin takes a first frame for the background.
func (g *Gate) begin(grey *[cellsX * cellsY]int32, f *camera.Frame) {
	g.width, g.height, g.format = f.Width, f.Height, f.Format
	g.mean = *grey
	// One frame is a poor background: much noise is expected at first.
	for i := range g.noise {
		g.noise[i] = g.threshold() / 2
	}
	g.until = f.Time.Add(orDefault(g.Hold, 2*time.Second))
}

// changed says whether enough cells differ from the background, and lets the background follow.
func (g *Gate) changed(grey *[cellsX * cellsY]int32) bool {
	var light int32
	for i, v := range grey {
		light += v - g.mean[i]
	}
	light /= int32(len(grey))
	least, cells := g.threshold(), 0
	for i, v := range grey {
		d := v - g.mean[i] - light
		g.mean[i] += (v - g.mean[i]) >> learn
		if d < 0 {
			d = -d
		}
		limit := max(least, 4*g.noise[i])
		if d > limit {
			cells++
		}
		g.noise[i] += (min(d, limit) - g.noise[i]) >> learn
	}
	area := g.Area
	if area <= 0 {
		area = 0.005
	}
	return cells >= max(2, int(area*float64(len(grey))))
}

// shrink fills dst with the grey of cells in 1/256 levels. It returns false where f has no pixels to look at.
func shrink(dst *[cellsX * cellsY]int32, f *camera.Frame) bool {
	step, ok := 1, true // bytes from one pixel's grey to the next
	switch f.Format {
	case camera.RGB, camera.BGR:
		step = 3
	case camera.YUYV:
		step = 2
	case camera.Grey, camera.NV12:
	default:
		ok = false
	}
	if !ok || f.Width < 1 || f.Height < 1 || f.Stride < f.Width*step || len(f.Data)/f.Stride < f.Height-1 ||
		len(f.Data)-(f.Height-1)*f.Stride < f.Width*step {
		return false
	}
	for cy := range cellsY {
		rows := [2]int{(4*cy + 1) * f.Height / (4 * cellsY), (4*cy + 3) * f.Height / (4 * cellsY)}
		for cx := range cellsX {
			left, right := (4*cx+1)*f.Width/(4*cellsX), (4*cx+3)*f.Width/(4*cellsX)
			var sum int32
			for _, y := range rows {
				row := f.Data[y*f.Stride:]
				if step == 3 {
					sum += green(row[3*left:]) + green(row[3*right:])
				} else {
					sum += int32(row[step*left]) + int32(row[step*right])
				}
			}
			dst[cy*cellsX+cx] = sum << 6
		}
	}
	return true
}

// green returns (R + 2G + B) / 4 of a pixel, with the colours in either order.
func green(p []byte) int32 { return (int32(p[0]) + 2*int32(p[1]) + int32(p[2]) + 2) >> 2 }
