// Package zoo holds the default networks: ONNX files that are part of the program.
package zoo

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

// Names of the default networks, one for each thing that a task needs.
const (
	Pedestrian       = "pedestrian"
	PedestrianWindow = "pedestrian_window" // a classifier of windows, background or person, to be taught more
	Scene            = "scene"
	FaceDetector     = "face_detector"
	FaceLandmarks    = "face_landmarks" // of faces that are found
	FaceEmbedder     = "face_embedder"
	Digit            = "digit"
)

// Names lists the names in the order of the tasks.
var Names = []string{Pedestrian, PedestrianWindow, Scene, FaceDetector, FaceLandmarks, FaceEmbedder, Digit}

//go:embed nets
var nets embed.FS

// MissingError says that this build holds no network of a name.
type MissingError struct{ Name string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("this build holds no %s network", strings.ReplaceAll(e.Name, "_", " "))
}

// Default returns the ONNX file of a default network, or a MissingError. It panics on a name that is not in Names. The bytes must not be changed.
func Default(name string) ([]byte, error) {
	if !slices.Contains(Names, name) {
		panic("zoo: Default: no such name")
	}
	b, err := nets.ReadFile("nets/" + name + ".onnx")
	if err != nil {
		return nil, &MissingError{name}
	}
	return b, nil
}
