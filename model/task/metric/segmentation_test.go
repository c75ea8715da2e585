package metric

import (
	"math"
	"testing"
)

// TestSegment compares figures of two pictures with those worked out by hand.
func TestSegment(t *testing.T) {
	a, b := NewConfusion(3), NewConfusion(3)
	a.Add([]uint8{0, 0, 0, 1, 255}, []uint8{0, 0, 1, 1, 0})
	b.Add([]uint8{1, 1}, []uint8{0, 7})
	// Class 0: two right, three true, three given. Class 1: one right, three true, two given as 1; the 7 counts as 2. Class 2: never true, given once.
	s := Segment([]*Confusion{a, b})
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"IoU of 0", s.IoU[0].Value, 2. / 4}, {"IoU of 1", s.IoU[1].Value, 1. / 4}, {"IoU of 2", s.IoU[2].Value, 0},
		{"mIoU", s.MIoU.Value, (2./4 + 1./4 + 0) / 3}, {"accuracy", s.Accuracy.Value, 3. / 6}, {"average", s.Average.Value, (2./3 + 1./3) / 2},
	} {
		if math.Abs(c.got-c.want) > 1e-12 {
			t.Errorf("%s is %g, not %g", c.name, c.got, c.want)
		}
	}
	if e := s.Accuracy; e.N != 2 || e.Low != 0 || e.High != 0.75 { // of the second picture alone, of the first alone
		t.Errorf("interval of the accuracy: %+v", e)
	}
}
