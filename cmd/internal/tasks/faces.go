package tasks

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/internal/draw"
	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/face"
)

// Faces finds faces and, with an embedder and a gallery of people, says whose they are.
type Faces struct {
	Detector  *nets.Net
	Embedder  *nets.Net     // nil: faces are only found
	Gallery   *face.Gallery // of Embedder
	Threshold float64
	// Of Threshold, where it is not one that the user chose.
	Calibration *face.Calibration
}

// FaceDetector returns what works a network that finds faces, and the one that refines it.
func FaceDetector(n *nets.Net) (*face.Detector, error) {
	d, err := face.NewDetector(n.Program, n.Card)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	if n.Refine != nil {
		if err := d.Refine(n.Refine.Program, n.Refine.Card); err != nil {
			return nil, fmt.Errorf("%s: %w", n.Refine.Name, err)
		}
	}
	return d, nil
}

// Recogniser returns what works the networks.
func (f *Faces) Recogniser() (*face.Recogniser, error) {
	d, err := FaceDetector(f.Detector)
	if err != nil {
		return nil, err
	}
	r := &face.Recogniser{Detector: d, Gallery: f.Gallery, Threshold: f.Threshold, Calibration: f.Calibration, Gate: face.Live}
	if f.Embedder != nil {
		if r.Embedder, err = face.NewEmbedder(f.Embedder.Program, f.Embedder.Card); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Embedder.Name, err)
		}
	}
	return r, nil
}

// Task returns the task.
func (f *Faces) Task() *Task {
	recogniser := &shared[*face.Recogniser]{open: f.Recogniser}
	return &Task{Name: "faces", Open: func(bool) (Worker, error) {
		_, err := recogniser.get()
		return &faces{recogniser}, err
	}}
}

type faces struct{ *shared[*face.Recogniser] }

// FaceList is the Result of Faces.
type FaceList struct {
	List  []face.Identity
	named bool // faces were compared with people
}

func (f *faces) New() Result { return &FaceList{named: f.nets.Embedder != nil} }

func (f *faces) Look(ctx context.Context, pic kernels.Picture, _ time.Time, _ int, result Result) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := result.(*FaceList)
	r.List = r.List[:0]
	if r.named {
		list, err := f.nets.Identify(ctx, pic)
		r.List = append(r.List, list...)
		return err
	}
	list, err := f.nets.Detector.Detect(ctx, pic)
	for _, x := range list {
		r.List = append(r.List, face.Identity{Face: x})
	}
	return err
}

// Draw implements Result. People have colours of their own, strangers that of the last class.
func (r *FaceList) Draw(l *draw.Layers, _ bool) {
	for i := range r.List {
		x := &r.List[i]
		b := draw.Box{Rect: x.Box, Class: 7, Text: fmt.Sprintf("%.2f", x.Score), Points: x.Landmarks[:]}
		switch {
		case !r.named:
		case x.Reason != "":
			b.Text = "?"
		case x.Name == face.Unknown:
			b.Text = face.Unknown
		default:
			b.Class, b.Text = int(hash(x.Name)%7), fmt.Sprintf("%s %.2f", x.Name, x.Similarity)
		}
		l.Boxes = append(l.Boxes, b)
	}
}

// hash is FNV-1a, so that a name has one colour everywhere.
func hash(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}

// record is a face in JSON.
type record struct {
	Box        [4]float64     `json:"box"`
	Score      float64        `json:"score"`
	Landmarks  face.Landmarks `json:"landmarks"`
	Quality    face.Quality   `json:"quality"`
	Name       string         `json:"name,omitempty"`
	Similarity *float64       `json:"similarity,omitempty"`
	Reason     string         `json:"reason,omitempty"`
}

// Fields implements Result.
func (r *FaceList) Fields(o *Object) {
	list := make([]record, len(r.List))
	for i, x := range r.List {
		list[i] = record{Box: roundBox(x.Box), Score: round(x.Score, 5), Quality: RoundQuality(x.Quality), Name: x.Name, Reason: x.Reason}
		for j, p := range x.Landmarks {
			list[i].Landmarks[j] = [2]float64{round(p[0], 2), round(p[1], 2)}
		}
		if r.named && x.Reason == "" {
			s := round(x.Similarity, 4)
			list[i].Similarity = &s
		}
	}
	o.Add("faces", list)
}

// RoundQuality cuts the figures of a face for printing.
func RoundQuality(q face.Quality) face.Quality {
	return face.Quality{Eyes: round(q.Eyes, 1), Sharpness: round(q.Sharpness, 5), Contrast: round(q.Contrast, 1),
		Turn: round(q.Turn, 3), Nod: round(q.Nod, 3), Inside: round(q.Inside, 3)}
}

// Line implements Result.
func (r *FaceList) Line() string {
	line := count(len(r.List), "face")
	var names []string
	for _, x := range r.List {
		if x.Name != "" && x.Name != face.Unknown {
			names = append(names, x.Name)
		}
	}
	if len(names) > 0 {
		line += " (" + strings.Join(names, ", ") + ")"
	}
	return line
}

// Rows implements Result.
func (r *FaceList) Rows(b *strings.Builder) {
	if len(r.List) > 0 {
		fmt.Fprintf(b, "  %-16s %10s %6s %8s %8s %8s %8s\n", "FACE", "SIMILARITY", "SCORE", "X", "Y", "WIDTH", "HEIGHT")
	}
	for i, x := range r.List {
		name, similarity := fmt.Sprint(i+1), "-"
		if r.named {
			name = x.Name
			if x.Reason == "" {
				similarity = fmt.Sprintf("%.3f", x.Similarity)
			}
		}
		fmt.Fprintf(b, "  %-16s %10s %6.3f %8.1f %8.1f %8.1f %8.1f", name, similarity, x.Score, x.Box[0], x.Box[1], x.Box[2], x.Box[3])
		if x.Reason != "" {
			fmt.Fprintf(b, "  %s", x.Reason)
		}
		b.WriteByte('\n')
	}
}
