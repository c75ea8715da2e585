package model

import "testing"

// TestTurnBytes transposes matrices of all small sizes.
func TestTurnBytes(t *testing.T) {
	for rows := range 20 {
		for cols := range 27 {
			src, dst := make([]byte, rows*cols), make([]byte, rows*cols)
			for i := range src {
				src[i] = byte(i*31 + i/7)
			}
			turnBytes(dst, src, rows, cols)
			for i := range src {
				if dst[i%cols*rows+i/cols] != src[i] {
					t.Fatalf("%dx%d: element %d is elsewhere", rows, cols, i)
				}
			}
		}
	}
}
