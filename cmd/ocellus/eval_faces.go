package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/camera/still"
	"github.com/ocellus-vision/ocellus/cmd/internal/faceref"
	"github.com/ocellus-vision/ocellus/cmd/internal/models"
	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/cmd/internal/pictures"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/face"
	"github.com/ocellus-vision/ocellus/model/task/metric"
	"github.com/ocellus-vision/ocellus/model/train/data"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// faceNetworks says how the networks of faces are named.
const faceNetworks = "--detector FILE and --embedder FILE"

// loadDetector loads the network that finds faces.
func (e *evaluation) loadDetector() (*nets.Net, error) {
	return loadNet(nets.Request{Default: zoo.FaceDetector, File: e.faces.detector, Width: 320, Height: 320, Threads: e.threads}, faceNetworks)
}

// loadFaces loads the networks that tell faces apart. Every picture counts, whatever its quality.
func (e *evaluation) loadFaces() (*face.Recogniser, *tasks.Faces, error) {
	f := &tasks.Faces{}
	var err error
	if f.Detector, err = e.loadDetector(); err != nil {
		return nil, nil, err
	}
	if f.Embedder, err = loadNet(nets.Request{Default: zoo.FaceEmbedder, File: e.faces.embedder, Width: 112, Height: 112, Threads: e.threads}, faceNetworks); err != nil {
		return nil, nil, err
	}
	r, err := f.Recogniser()
	if err != nil {
		return nil, nil, err
	}
	r.Gate = face.Gate{}
	e.spent = newCost(e.team(), f.Detector, f.Embedder)
	return r, f, nil
}

// album is the pictures of a person.
type album struct {
	person string
	files  []string
}

// albums lists the pictures of people, a folder each, of those in --list.
func (e *evaluation) albums() ([]album, error) {
	names, err := e.only()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(e.data)
	if err != nil {
		return nil, err
	}
	var all []album
	for _, x := range entries {
		dir := filepath.Join(e.data, x.Name())
		if info, err := os.Stat(dir); err != nil || !info.IsDir() || strings.HasPrefix(x.Name(), ".") || names != nil && !slices.Contains(names, x.Name()) {
			continue
		}
		if files, err := still.List(dir); err == nil {
			all = append(all, album{x.Name(), files})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: a folder with pictures for each person is meant", e.data)
	}
	return all, nil
}

type detectionFigures struct {
	metric.FaceDetection
	Unknown int   `json:"unknown"` // portraits in which the reference finds no face
	Cost    *cost `json:"cost"`
}

func (f detectionFigures) price() *cost { return f.Cost }

func (f detectionFigures) rows() []row {
	return []row{{"found", f.Found}, {"found below 48", f.Small}, {"landmark error", f.Landmarks}, {"false a frame", f.False}}
}

// Sides of the squares in which the reference sees portraits and frames, and the heights in pixels of the faces that are pasted.
var (
	portraitSides = []int{160, 192, 224, 256, 320}
	frameSides    = []int{480, 640, 960}
)

const lowestFace, highestFace = 24, 200

func (e *evaluation) faceDetection(ctx context.Context) (figures, error) {
	if e.frames == "" || e.reference == "" {
		return nil, usageErrorf("--frames and --reference are needed: pictures to paste faces on, and a network that says where faces and landmarks are, such as YuNet")
	}
	people, err := e.albums()
	if err != nil {
		return nil, err
	}
	file, err := models.Resolve(e.reference)
	if err != nil {
		return nil, err
	}
	n, err := e.loadDetector()
	if err != nil {
		return nil, err
	}
	d, err := tasks.FaceDetector(n)
	if err != nil {
		return nil, err
	}
	frames, mistaken, err := e.streets(ctx, d, file)
	if err != nil {
		return nil, err
	}
	reference, err := faceref.Open(file, e.team(), portraitSides...)
	if err != nil {
		return nil, err
	}
	out := detectionFigures{Cost: newCost(e.team(), n)}
	var scenes []metric.FaceScene
	number := 0
	for _, p := range people {
		for _, path := range p.files {
			if err := e.step(ctx); err != nil {
				return nil, err
			}
			pic, err := pictures.Read(path)
			if err != nil {
				return nil, named(path, err)
			}
			faces, err := reference.Look(ctx, pic)
			if err != nil {
				return nil, named(path, err)
			}
			if len(faces) == 0 || faces[0].Score < data.Sure {
				out.Unknown++
				continue
			}
			portrait := pixels(pic)
			seen, truth := data.Scene(&portrait, faces, &frames[number%len(frames)], nil, uint64(number), lowestFace, highestFace)
			number++
			s := metric.FaceScene{Truth: metric.MarkedFace{Box: truth[0].Box, Marks: truth[0].Marks}}
			begin := time.Now()
			found, err := d.Detect(ctx, kernels.Picture{Format: kernels.RGB, W: seen.W, H: seen.H, Stride: 3 * seen.W, Pix: seen.Pix})
			if err != nil {
				return nil, named(path, err)
			}
			out.Cost.since(begin)
			for _, f := range found {
				s.Found = append(s.Found, metric.MarkedFace{Box: f.Box, Marks: f.Landmarks})
			}
			scenes = append(scenes, s)
		}
	}
	out.FaceDetection = metric.Faces(scenes, mistaken)
	return out, e.some(len(scenes))
}

// streets returns the frames, and of each how many faces are found in it where the reference knows of none.
func (e *evaluation) streets(ctx context.Context, d *face.Detector, file string) (frames []data.Pixels, mistaken []int, err error) {
	reference, err := faceref.Open(file, e.team(), frameSides...)
	if err != nil {
		return nil, nil, err
	}
	files, err := still.List(e.frames)
	if err != nil {
		return nil, nil, err
	}
	for _, path := range files {
		if name := strings.TrimSuffix(path, filepath.Ext(path)); strings.HasSuffix(name, "_label") || strings.HasSuffix(name, "_mask") {
			continue
		}
		if err := e.step(ctx); err != nil {
			return nil, nil, err
		}
		pic, err := pictures.Read(path)
		if err != nil {
			return nil, nil, named(path, err)
		}
		faces, err := reference.Look(ctx, pic)
		if err != nil {
			return nil, nil, named(path, err)
		}
		found, err := d.Detect(ctx, pic)
		if err != nil {
			return nil, nil, named(path, err)
		}
		wrong := 0
		for _, f := range found {
			if !slices.ContainsFunc(faces, func(o data.Face) bool { return metric.IoU(o.Box, f.Box) > 0.2 }) {
				wrong++
			}
		}
		frames, mistaken = append(frames, pixels(pic)), append(mistaken, wrong)
	}
	if len(frames) == 0 {
		return nil, nil, fmt.Errorf("%s: no picture to paste faces on; names that end in _label or _mask are left out", e.frames)
	}
	return frames, mistaken, nil
}

// pixels returns a picture of RGB as training takes it.
func pixels(p kernels.Picture) data.Pixels {
	out := data.Pixels{W: p.W, H: p.H, C: 3, Pix: make([]byte, 0, 3*p.W*p.H)}
	for y := range p.H {
		out.Pix = append(out.Pix, p.Pix[y*p.Stride:][:3*p.W]...)
	}
	return out
}

type identificationFigures struct {
	metric.Identification
	People    int     `json:"people"`    // who are enrolled
	Missed    int     `json:"missed"`    // pictures without a face that was found
	Threshold float64 `json:"threshold"` // least similarity at which somebody is one of them
}

func (f identificationFigures) rows() []row {
	return []row{{fmt.Sprintf("rank 1 of %d", f.People), f.Rank1}, {"identified", f.Identified}, {"false accepts", f.FalseAccept}}
}

// mostTemplates is how many pictures of a person are enrolled at the most.
const mostTemplates = 3

// identify enrols every other person who has two pictures or more, by half of them, and asks who is on the other half, and on all pictures of the
// others: strangers.
func (e *evaluation) identify(ctx context.Context) (figures, error) {
	people, err := e.albums()
	if err != nil {
		return nil, err
	}
	r, f, err := e.loadFaces()
	if err != nil {
		return nil, err
	}
	var c *face.Calibration
	if !e.threshold.given {
		if c, err = face.FromMeta(f.Embedder.Meta); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Embedder.Name, err)
		}
		if c == nil {
			return nil, usageErrorf("no threshold is known for %s: give --threshold", f.Embedder.Name)
		}
	}
	out := identificationFigures{}
	gallery := face.NewGallery(f.Embedder.SHA256, r.Embedder.Size())
	type asked struct {
		metric.Probe
		vector []float32
	}
	var probes []asked
	several := 0
	for _, p := range people {
		enrolled := 0
		if len(p.files) > 1 {
			if several++; several%2 == 1 {
				enrolled = min(len(p.files)/2, mostTemplates)
			}
		}
		var templates []face.Vector
		for i, path := range p.files {
			if err := e.step(ctx); err != nil {
				return nil, err
			}
			v, err := e.vector(ctx, r, path)
			switch {
			case err != nil:
				return nil, err
			case v == nil:
				out.Missed++
			}
			switch {
			case i >= enrolled:
				probes = append(probes, asked{metric.Probe{Person: p.person, Known: enrolled > 0}, v})
			case v != nil:
				templates = append(templates, v)
			}
		}
		if len(templates) > 0 {
			if err := gallery.Enrol(p.person, time.Time{}, templates...); err != nil {
				return nil, err
			}
		}
	}
	out.People = len(gallery.People)
	if out.Threshold = e.threshold.value; c != nil {
		out.Threshold = c.Among(out.People)
	}
	var list []metric.Probe
	for _, p := range probes {
		p.Similarity = -1 // a face that was not found is like nobody's
		if p.vector != nil {
			p.Best, p.Similarity = gallery.Nearest(p.vector)
		}
		list = append(list, p.Probe)
	}
	out.Identification = metric.Identify(list, out.Threshold)
	return out, e.some(len(list))
}

// vector returns the vector of the face in the middle of a picture; nil where none was found.
func (e *evaluation) vector(ctx context.Context, r *face.Recogniser, path string) ([]float32, error) {
	pic, err := pictures.Read(path)
	if err != nil {
		return nil, named(path, err)
	}
	begin := time.Now()
	_, v, err := r.Central(ctx, pic)
	e.spent.since(begin)
	if errors.Is(err, face.ErrNoFace) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}
