package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
)

// shapes are zones and lines that were drawn for a camera in the place of those in the file.
type shapes struct {
	Zones  []config.Zone            `json:"zones"`
	Lines  []config.Line            `json:"lines"`
	Loiter map[string]time.Duration `json:"loiter"`
	// File is what the file said then: when it says something else, it is the file that was changed last.
	FileZones  []config.Zone            `json:"file_zones"`
	FileLines  []config.Line            `json:"file_lines"`
	FileLoiter map[string]time.Duration `json:"file_loiter"` // of FileZones, whose JSON lacks it; nil where an earlier version did not note it
}

// shapesSetting is where a camera's shapes are remembered.
func shapesSetting(camera string) string { return "shapes/" + camera }

// ShapeError says what is wrong with zones or lines.
type ShapeError struct{ Where, Why string }

func (e *ShapeError) Error() string { return e.Where + " " + e.Why }

// SetShapes gives a camera other zones and lines. They hold until others are set, or the settings change those of this camera. The time after which somebody
// loiters in a zone stays that of the zone of the same name. Errors are a *ShapeError, ErrNoCamera, or the store's.
func (w *Watch) SetShapes(ctx context.Context, name string, zones []config.Zone, lines []config.Line) error {
	if why, where := config.CheckShapes(zones, lines); why != "" {
		return &ShapeError{where, why}
	}
	w.applying.Lock()
	defer w.applying.Unlock()
	y := w.eye(name)
	if y == nil {
		return ErrNoCamera
	}
	w.mu.Lock()
	file, c := w.file, *w.cfg
	w.mu.Unlock()
	c.Cameras = slices.Clone(c.Cameras)
	i := slices.IndexFunc(c.Cameras, func(x config.Camera) bool { return x.Name == name })
	cam := &c.Cameras[i]
	s := shapes{Zones: slices.Clone(zones), Lines: slices.Clone(lines), Loiter: loiters(cam.Zones), FileZones: file.Cameras[i].Zones, FileLines: file.Cameras[i].Lines,
		FileLoiter: loiters(file.Cameras[i].Zones)}
	s.set(cam)
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := w.o.Store.SetSetting(ctx, shapesSetting(name), string(b)); err != nil {
		return err
	}
	w.mu.Lock()
	w.cfg = &c
	w.mu.Unlock()
	y.change(*cam, c.Tasks)
	return nil
}

func (s *shapes) set(c *config.Camera) {
	c.Zones, c.Lines = slices.Clone(s.Zones), s.Lines
	for i := range c.Zones {
		c.Zones[i].Loiter = s.Loiter[c.Zones[i].Name]
	}
}

// loiters returns the times of zones by their names.
func loiters(zones []config.Zone) map[string]time.Duration {
	m := map[string]time.Duration{}
	for _, z := range zones {
		m[z.Name] = z.Loiter
	}
	return m
}

// holds says whether the shapes were drawn for a camera of which the file says the same now.
func (s *shapes) holds(c *config.Camera) bool {
	return same(s.FileZones, c.Zones) && same(s.FileLines, c.Lines) && (s.FileLoiter == nil || maps.Equal(s.FileLoiter, loiters(c.Zones)))
}

// drawn returns the settings with the shapes that were drawn in the place of those in the file, where that has not changed since. What is to be noted of them once
// these settings are in force are values of the store by name; "" forgets shapes of which the file says something else.
func (w *Watch) drawn(file *config.Config) (c *config.Config, notes map[string]string, err error) {
	x := *file
	c, notes = &x, map[string]string{}
	c.Cameras = slices.Clone(file.Cameras)
	for i := range c.Cameras {
		cam := &c.Cameras[i]
		name := shapesSetting(cam.Name)
		text, err := w.o.Store.Setting(context.Background(), name)
		if err != nil {
			return nil, nil, err
		}
		if text == "" {
			continue
		}
		var s shapes
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return nil, nil, fmt.Errorf("camera %q: the zones that were drawn cannot be read: %w", cam.Name, err)
		}
		if why, _ := config.CheckShapes(s.Zones, s.Lines); why != "" {
			continue
		}
		if !s.holds(cam) {
			notes[name] = ""
			continue
		}
		if s.FileLoiter == nil {
			s.FileLoiter = loiters(cam.Zones)
			b, err := json.Marshal(s)
			if err != nil {
				return nil, nil, err
			}
			notes[name] = string(b)
		}
		s.set(cam)
	}
	return c, notes, nil
}

// same says whether two lists are written the same.
func same[T any](a, b []T) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(plain(a), plain(b))
}

// plain returns a list as it is after being written and read, which drops what is not written.
func plain[T any](list []T) []T {
	var out []T
	b, err := json.Marshal(list)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		return list
	}
	return out
}
