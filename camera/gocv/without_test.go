//go:build !gocv

package gocv

import (
	"strings"
	"testing"
)

func TestWithout(t *testing.T) {
	_, err := Open("0", Options{})
	_, err2 := Create("a.avi", 4, 4, 25)
	for _, err := range []error{err, err2} {
		if err == nil || !strings.Contains(err.Error(), "make gocv") || Built {
			t.Error(err)
		}
	}
}
