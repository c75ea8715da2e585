package face

import (
	"fmt"
	"math"

	"github.com/ocellus-vision/ocellus/kernels"
)

// Quality says how well a face can be seen.
type Quality struct {
	Eyes      float64 `json:"eyes"`      // distance between the eyes in pixels of the picture
	Sharpness float64 `json:"sharpness"` // see Gate
	Contrast  float64 `json:"contrast"`  // standard deviation of the brightness, 0..127
	Turn      float64 `json:"turn"`      // how far the nose is from the middle of eyes and mouth, in distances between the eyes: 0 seen from the front
	Nod       float64 `json:"nod"`       // how far the nose is from where it is in a face that looks straight, downwards, likewise
	Inside    float64 `json:"inside"`    // part of the face that is inside the picture, 0..1
}

// Gate is what faces must be like. The zero Gate lets all pass.
type Gate struct {
	Eyes      float64 // least distance between the eyes in pixels
	Sharpness float64 // least energy of the Laplacian of the aligned face, in variances of its brightness; blur takes it away
	Contrast  float64 // least standard deviation of the brightness
	Turn      float64 // most turn to a side
	Nod       float64 // most nod up or down
	Inside    float64 // least part inside the picture
}

// Enrolling is the Gate for pictures of people who are to be known, Live the one for faces that are compared with them.
var (
	Enrolling = Gate{Eyes: 24, Sharpness: 0.02, Contrast: 16, Turn: 0.3, Nod: 0.25, Inside: 0.95}
	Live      = Gate{Eyes: 12, Sharpness: 0.01, Contrast: 10, Turn: 0.45, Nod: 0.35, Inside: 0.85}
)

// Refuse says why a face does not pass, or "".
func (g *Gate) Refuse(f *Face) string {
	q := &f.Quality
	switch {
	case !(q.Eyes >= g.Eyes):
		return fmt.Sprintf("the face is too small: %.0f pixels between the eyes, %.0f are needed", q.Eyes, g.Eyes)
	case !(q.Inside >= g.Inside):
		return fmt.Sprintf("the face is cut off: %.0f %% of it is in the picture, %.0f %% is needed", 100*q.Inside, 100*g.Inside)
	case g.Turn > 0 && !(math.Abs(q.Turn) <= g.Turn):
		return fmt.Sprintf("the face is turned to a side: %.2f, at most %.2f is allowed", math.Abs(q.Turn), g.Turn)
	case g.Nod > 0 && !(math.Abs(q.Nod) <= g.Nod):
		return fmt.Sprintf("the face looks up or down: %.2f, at most %.2f is allowed", math.Abs(q.Nod), g.Nod)
	case !(q.Contrast >= g.Contrast):
		return fmt.Sprintf("the face is too dark, too bright or flat: contrast %.1f, %.1f is needed", q.Contrast, g.Contrast)
	case !(q.Sharpness >= g.Sharpness):
		return fmt.Sprintf("the face is blurred: sharpness %.4f, %.4f is needed", q.Sharpness, g.Sharpness)
	}
	return ""
}

// straight is where along the way from the eyes to the mouth the nose is in template.
var straight = (template[2][1] - float64((template[0][1]+template[1][1])/2)) / (float64((template[3][1]+template[4][1])/2) - float64((template[0][1]+template[1][1])/2))

// judge measures a face. A face that cannot be aligned has no quality: all zero.
func (a *aligner) judge(pic kernels.Picture, l *Landmarks) Quality {
	var q Quality
	chip, err := a.run(pic, l)
	if err != nil {
		return q
	}
	q.Eyes = math.Hypot(l[1][0]-l[0][0], l[1][1]-l[0][1])
	q.Sharpness, q.Contrast = focus(chip)
	q.Turn, q.Nod = pose(l)
	s, _ := kernels.FitSimilarity(l[:], a.target[:])
	q.Inside = inside(s.Inverse(), a.w, a.h, pic.W, pic.H)
	return q
}

// pose returns Turn and Nod: the nose against the line from the middle of the eyes to the middle of the mouth.
func pose(l *Landmarks) (turn, nod float64) {
	ex, ey := float64((l[0][0]+l[1][0])/2), float64((l[0][1]+l[1][1])/2)
	mx, my := float64((l[3][0]+l[4][0])/2), float64((l[3][1]+l[4][1])/2)
	dx, dy := mx-ex, my-ey
	down := math.Hypot(dx, dy)
	eyes := math.Hypot(l[1][0]-l[0][0], l[1][1]-l[0][1])
	if !(down > 0 && eyes > 0) {
		return math.Inf(1), math.Inf(1)
	}
	nx, ny := l[2][0]-ex, l[2][1]-ey
	along := (float64(nx*dx) + float64(ny*dy)) / down
	turn = (float64(nx*dy) - float64(ny*dx)) / down / eyes
	return turn, (along - float64(straight*down)) / eyes
}

// focus returns the mean square of the Laplacian in variances of the brightness, and the standard deviation of the brightness, of the middle half
// of a grey picture, where there is face and no background.
func focus(p kernels.Picture) (sharpness, contrast float64) {
	x0, y0, x1, y1 := p.W/4, p.H/4, p.W-p.W/4, p.H-p.H/4
	var n, sum, squares, energy int64
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			at := y*p.Stride + x
			v := int64(p.Pix[at])
			lap := 4*v - int64(p.Pix[at-1]) - int64(p.Pix[at+1]) - int64(p.Pix[at-p.Stride]) - int64(p.Pix[at+p.Stride])
			n, sum, squares, energy = n+1, sum+v, squares+v*v, energy+lap*lap
		}
	}
	mean := float64(sum) / float64(n)
	variance := float64(squares)/float64(n) - float64(mean*mean)
	if !(variance > 0) {
		return 0, 0
	}
	return float64(energy) / float64(n) / variance, math.Sqrt(variance)
}

// inside returns which part of a face of w x h lies inside a picture, by 16x16 points.
func inside(back kernels.Similarity, w, h, picW, picH int) float64 {
	const grid = 16
	n := 0
	for i := range grid * grid {
		x, y := back.Map((float64(i%grid)+0.5)/grid*float64(w), (float64(i/grid)+0.5)/grid*float64(h))
		if x >= 0 && y >= 0 && x <= float64(picW) && y <= float64(picH) {
			n++
		}
	}
	return float64(n) / (grid * grid)
}
