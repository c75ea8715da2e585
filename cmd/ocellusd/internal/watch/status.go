package watch

import (
	"time"

	"github.com/ocellus-vision/ocellus/camera/pipeline"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
)

// CameraStatus is how a camera does.
type CameraStatus struct {
	Name          string
	URL           string    // without passwords
	State         string    // stopped, opening, running, frozen, waiting
	Since         time.Time // when State began
	Width, Height int       // of its frames; 0 before the first
	Rate          float64   // frames a second that came lately
	Frames        uint64    // that came
	Drops         uint64    // frames that no task was free for, or that the source lost
	Restarts      uint64    // how often the source was opened again
	Faults        uint64
	Error         string        // why the source stopped last; "" while frames come
	Armed         bool          // it makes events
	Ages          pipeline.Ages // from capture to results, since the camera was opened
	Tasks         []TaskStatus
	Zones         []config.Zone
	Lines         []config.Line
}

// TaskStatus is how a task does on a camera.
type TaskStatus struct {
	Name   string
	Runs   uint64
	Errors uint64
	Rate   float64       // runs a second since the camera was opened
	Mean   time.Duration // of a run
	Paused bool          // because the device cannot keep up
}

// Status is how all do.
type Status struct {
	Cameras []CameraStatus
	Load    pipeline.Load // how far tasks step back because the device cannot keep up
	Events  uint64        // that were added to the store
	Lost    uint64        // that could not be: the store failed for too long
	Error   string        // why the store failed last; "" while it does not
	Viewers int           // of streams
}

// Model is a network in use.
type Model struct {
	Task   string            // pedestrians, scene, face_detector, face_embedder
	Name   string            // for people
	SHA256 string            // of the file
	Meta   map[string]string // of the file
}
