package api

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/audit"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
)

// Camera is how a camera does.
type Camera struct {
	Name     string       `json:"name"`
	URL      string       `json:"url" about:"without passwords"`
	State    string       `json:"state" about:"stopped, opening, running, frozen, waiting"`
	Since    *time.Time   `json:"since,omitempty" about:"when the state began"`
	Width    int          `json:"width" about:"of its frames; 0 before the first"`
	Height   int          `json:"height"`
	Rate     float64      `json:"rate" about:"frames a second that came lately"`
	Frames   uint64       `json:"frames"`
	Drops    uint64       `json:"drops" about:"frames that nothing was free for"`
	Restarts uint64       `json:"restarts"`
	Faults   uint64       `json:"faults"`
	Latency  Quantiles    `json:"latency_ms" about:"from capture to results"`
	Tasks    []string     `json:"tasks"`
	Runs     []TaskStatus `json:"task_status"`
	Zones    []Zone       `json:"zones"`
	Lines    []Line       `json:"lines"`
	Armed    bool         `json:"armed" about:"it makes events"`
	Error    string       `json:"error" about:"why no frames come"`
}

// Quantiles are times in milliseconds.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

// TaskStatus is how a task does on a camera.
type TaskStatus struct {
	Name   string  `json:"name"`
	Runs   uint64  `json:"runs"`
	Errors uint64  `json:"errors"`
	Rate   float64 `json:"rate"`
	Mean   float64 `json:"mean_ms"`
	Paused bool    `json:"paused" about:"because the device cannot keep up"`
}

// Zone is a part of the picture, in shares of its width and height.
type Zone struct {
	Name   string       `json:"name"`
	Points [][2]float64 `json:"points"`
}

// Line is a line across the picture, likewise.
type Line struct {
	Name string     `json:"name"`
	From [2]float64 `json:"from"`
	To   [2]float64 `json:"to"`
}

// Cameras are all of them.
type Cameras struct {
	Cameras []Camera `json:"cameras"`
}

// Shapes are the zones and lines of a camera.
type Shapes struct {
	Zones []Zone `json:"zones"`
	Lines []Line `json:"lines"`
}

// Armed says whether a camera makes events.
type Armed struct {
	Armed bool `json:"armed"`
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// shown returns a camera as it is written.
func shown(s *watch.CameraStatus) Camera {
	c := Camera{Name: s.Name, URL: s.URL, State: s.State, Width: s.Width, Height: s.Height, Rate: s.Rate, Frames: s.Frames, Drops: s.Drops, Restarts: s.Restarts, Faults: s.Faults,
		Latency: Quantiles{milliseconds(s.Ages.P50), milliseconds(s.Ages.P95), milliseconds(s.Ages.P99)}, Tasks: []string{}, Runs: []TaskStatus{}, Zones: []Zone{}, Lines: []Line{},
		Armed: s.Armed, Error: s.Error}
	if !s.Since.IsZero() {
		c.Since = &s.Since
	}
	for _, t := range s.Tasks {
		c.Tasks = append(c.Tasks, t.Name)
		c.Runs = append(c.Runs, TaskStatus{t.Name, t.Runs, t.Errors, t.Rate, milliseconds(t.Mean), t.Paused})
	}
	for _, z := range s.Zones {
		one := Zone{Name: z.Name, Points: [][2]float64{}}
		for _, p := range z.Points {
			one.Points = append(one.Points, p)
		}
		c.Zones = append(c.Zones, one)
	}
	for _, l := range s.Lines {
		c.Lines = append(c.Lines, Line{l.Name, l.From, l.To})
	}
	return c
}

func listCameras(a *API, _ *request) (any, error) {
	list := Cameras{Cameras: []Camera{}}
	s := a.Watch.Status()
	for i := range s.Cameras {
		list.Cameras = append(list.Cameras, shown(&s.Cameras[i]))
	}
	return list, nil
}

func cameraFrame(a *API, q *request) (any, error) {
	b, at, err := a.Watch.Latest(q.text("name"), q.flag("overlay"))
	if err != nil {
		return nil, err
	}
	q.w.Header().Set("X-Frame-Time", at.UTC().Format(time.RFC3339Nano))
	return raw{media: "image/jpeg", bytes: b}, nil
}

func setShapes(a *API, q *request) (any, error) {
	in := q.body.(*Shapes)
	var zones []config.Zone
	for _, z := range in.Zones {
		one := config.Zone{Name: z.Name}
		for _, p := range z.Points {
			one.Points = append(one.Points, p)
		}
		zones = append(zones, one)
	}
	var lines []config.Line
	for _, l := range in.Lines {
		lines = append(lines, config.Line{Name: l.Name, From: l.From, To: l.To})
	}
	if err := a.Watch.SetShapes(q.Context(), q.text("name"), zones, lines); err != nil {
		return nil, err
	}
	return nil, a.record(q, "camera.zones", q.text("name"), strconv.Itoa(len(zones))+" zones, "+strconv.Itoa(len(lines))+" lines")
}

func setArmed(a *API, q *request) (any, error) {
	in := q.body.(*Armed)
	if err := a.Watch.Arm(q.text("name"), in.Armed); err != nil {
		return nil, err
	}
	return nil, a.record(q, "camera.arm", q.text("name"), strconv.FormatBool(in.Armed))
}

// record notes in the audit log what was done already.
func (a *API) record(q *request, action, subject, detail string) error {
	return a.Store.Write(context.WithoutCancel(q.Context()), func(tx *sql.Tx) error { return audit.Record(tx, q.who.Name, action, subject, detail) })
}

func infer(a *API, q *request) (any, error) {
	pic, err := q.picture("picture")
	if err != nil {
		return nil, err
	}
	r, err := a.Watch.Infer(q.Context(), q.text("task"), pic)
	if err != nil {
		return nil, err
	}
	var o tasks.Object
	o.Add("width", pic.W)
	o.Add("height", pic.H)
	r.Fields(&o)
	var b bytes.Buffer
	if err := o.Write(&b); err != nil {
		return nil, err
	}
	return json.RawMessage(bytes.TrimSpace(b.Bytes())), nil
}

// find returns the endpoint of an id.
func find(id string) *endpoint {
	for i := range table {
		if table[i].id == id {
			return &table[i]
		}
	}
	panic("api: there is no endpoint " + id)
}

func health(*API, *request) (any, error) {
	return Health{OK: true}, nil
}

// Health is whether the program lives, or can do its work.
type Health struct {
	OK bool `json:"ok"`
}

func ready(a *API, q *request) (any, error) {
	if _, err := a.Store.LastEvent(q.Context()); err != nil {
		return nil, later(http.StatusServiceUnavailable, 5, "the database cannot be read")
	}
	if a.Store.Err() != nil || a.Watch.Status().Error != "" {
		return nil, later(http.StatusServiceUnavailable, 5, "events cannot be written down")
	}
	return Health{OK: true}, nil
}
