package metric

import (
	"math"
	"testing"
)

func TestFaces(t *testing.T) {
	// Eyes 10 pixels apart.
	face := func(x, height float64) MarkedFace {
		return MarkedFace{Box{x, 0, 20, height}, [5][2]float64{{x + 5, 10}, {x + 15, 10}, {x + 10, 15}, {x + 6, 20}, {x + 14, 20}}}
	}
	off := face(0, 30)
	for i := range off.Marks { // a third and a fourth of the distance between the eyes: 5 pixels each
		off.Marks[i][0] += 3
		off.Marks[i][1] -= 4
	}
	scenes := []FaceScene{
		{face(0, 30), []MarkedFace{face(50, 30), off}},
		{face(0, 60), []MarkedFace{face(0, 60)}},
		{face(0, 60), []MarkedFace{face(15, 60)}}, // IoU 1/7
		{face(0, 60), nil},
	}
	got := Faces(scenes, []int{0, 3})
	for name, c := range map[string]struct {
		Estimate
		want float64
		n    int
	}{"found": {got.Found, 0.5, 4}, "small": {got.Small, 1, 1}, "landmarks": {got.Landmarks, 0.25, 2}, "false": {got.False, 1.5, 2}} {
		if !near(c.Value, c.want) || c.N != c.n || !(c.Low <= c.Value && c.Value <= c.High) {
			t.Errorf("%s: %+v, want %g of %d", name, c.Estimate, c.want, c.n)
		}
	}
	if none := Faces(nil, nil); !math.IsNaN(none.Found.Value) || none.Landmarks.N != 0 {
		t.Errorf("of nothing: %+v", none)
	}
}
