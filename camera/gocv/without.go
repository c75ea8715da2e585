//go:build !gocv

package gocv

import (
	"errors"

	"github.com/ocellus-vision/ocellus/camera"
)

// Built says whether this program was built with OpenCV.
const Built = false

var errWithout = errors.New("this program was built without OpenCV: make gocv builds one with it")

// Open returns an error: this program was built without OpenCV.
func Open(input string, o Options) (camera.Source, error) {
	if err := o.check(input); err != nil {
		return nil, err
	}
	return nil, errWithout
}

// Create returns an error: this program was built without OpenCV.
func Create(string, int, int, float64) (Writer, error) { return nil, errWithout }
