//go:build gocv && matprofile

package gocv

import (
	"os"
	"testing"

	"gocv.io/x/gocv"
)

// TestMain runs the tests and asks that every Mat has been closed.
func TestMain(m *testing.M) {
	status := m.Run()
	if n := gocv.MatProfile.Count(); n != 0 {
		os.Stderr.WriteString("Mats were not closed\n")
		gocv.MatProfile.WriteTo(os.Stderr, 1)
		status = 1
	}
	os.Exit(status)
}
