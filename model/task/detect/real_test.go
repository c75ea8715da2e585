package detect_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/detect"
	"github.com/ocellus-vision/ocellus/model/task/tasktest"
)

// detector loads a network of the shared models.
func detector(t *testing.T, name string, c card.Card, inputs map[string][]int) *detect.Detector {
	t.Helper()
	g, err := onnx.ReadFile(filepath.Join(tasktest.Shared(t, "models"), name, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := model.Compile(g, model.Options{Inputs: inputs, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	d, err := detect.New(p, c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// iou returns the intersection over union of boxes x, y, w, h.
func iou(a, b [4]float64) float64 {
	w := math.Min(a[0]+a[2], b[0]+b[2]) - math.Max(a[0], b[0])
	h := math.Min(a[1]+a[3], b[1]+b[3]) - math.Max(a[1], b[1])
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h / (a[2]*a[3] + b[2]*b[3] - w*h)
}

// averagePrecision returns the area under the precision-recall curve, precision made monotonic, of detections in pictures with true boxes.
// A detection is right if it has at least this overlap with a true box that no better one has taken.
func averagePrecision(found [][]detect.Detection, truth [][][4]float64, overlap float64) float64 {
	type hit struct {
		score float64
		right bool
	}
	var hits []hit
	all := 0
	for i, boxes := range truth {
		all += len(boxes)
		taken := make([]bool, len(boxes))
		for _, d := range found[i] { // best first
			at, most := -1, overlap
			for j, b := range boxes {
				if o := iou(d.Box, b); !taken[j] && o >= most {
					at, most = j, o
				}
			}
			if at >= 0 {
				taken[at] = true
			}
			hits = append(hits, hit{d.Score, at >= 0})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(b.score, a.score) })
	precision, recall := make([]float64, len(hits)), make([]float64, len(hits))
	right := 0
	for i, h := range hits {
		if h.right {
			right++
		}
		precision[i], recall[i] = float64(right)/float64(i+1), float64(right)/float64(all)
	}
	var ap, last float64
	for i := range hits {
		ap += (recall[i] - last) * slices.Max(precision[i:])
		last = recall[i]
	}
	return ap
}

func TestAveragePrecision(t *testing.T) {
	truth := [][][4]float64{{{0, 0, 10, 10}, {50, 50, 10, 10}}, {{0, 0, 10, 10}}}
	found := [][]detect.Detection{
		{{Box: [4]float64{0, 0, 10, 10}, Score: 0.9}, {Box: [4]float64{0, 1, 10, 10}, Score: 0.8}}, // the second finds what is taken
		{{Box: [4]float64{0, 0, 10, 8}, Score: 0.7}},
	}
	// Right, wrong, right of three: precision 1, 1/2, 2/3, recall 1/3, 1/3, 2/3. Area: 1/3·1 + 1/3·2/3.
	if got, want := averagePrecision(found, truth, 0.5), 1.0/3+2.0/9; math.Abs(got-want) > 1e-12 {
		t.Errorf("%g, want %g", got, want)
	}
}

// frames reads the street photographs: every step-th one, and the persons in it.
func frames(t *testing.T, step int) (pics []kernels.Picture, truth [][][4]float64) {
	t.Helper()
	dir := tasktest.Shared(t, "data/pedestrian/frames")
	f, err := os.Open(filepath.Join(dir, "boxes.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for i := 0; s.Scan(); i++ {
		if i%step != 0 {
			continue
		}
		var line struct {
			Image string
			Boxes []struct{ Box [4]float64 }
		}
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		var boxes [][4]float64
		for _, b := range line.Boxes {
			boxes = append(boxes, b.Box)
		}
		pics, truth = append(pics, tasktest.Load(t, filepath.Join(dir, line.Image))), append(truth, boxes)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return pics, truth
}

// TestPedestrians measures AP50 of persons on street photographs with public networks. The least values are the lower ends of the 95 %
// intervals that were measured with another runtime and decoder on other photographs of the same collection.
func TestPedestrians(t *testing.T) {
	step := 2 // all pictures take a while
	if os.Getenv("OCELLUS_ALL") != "" {
		step = 1
	}
	pics, truth := frames(t, step)
	persons := 0
	for _, b := range truth {
		persons += len(b)
	}
	for _, c := range []struct {
		model  string
		family string
		least  float64
	}{
		{"person_yolox_192", "yolox", 0.911},
		{"yolox_nano", "yolox", 0.932},
		{"nanodet_m_320", "nanodet", 0.882},
		{"fastestdet", "fastestdet", 0.885},
	} {
		t.Run(c.model, func(t *testing.T) {
			d := detector(t, c.model, card.Card{Score: new(0.02)}, nil)
			if d.Family() != c.family {
				t.Fatalf("taken for %s", d.Family())
			}
			found := make([][]detect.Detection, len(pics))
			for i, p := range pics {
				list, err := d.Detect(context.Background(), p)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range list {
					if f.Class == 0 {
						f.Landmarks = nil
						found[i] = append(found[i], f)
					}
				}
			}
			ap50, ap75 := averagePrecision(found, truth, 0.5), averagePrecision(found, truth, 0.75)
			t.Logf("AP50 %.3f, AP75 %.3f of %d persons in %d pictures", ap50, ap75, persons, len(pics))
			if ap50 < c.least {
				t.Errorf("AP50 %.3f is under %.3f", ap50, c.least)
			}
		})
	}
}

// offsets are the priors of UltraFace at 320x240, for exports that leave out decoding them.
var offsets = &card.Anchors{Maps: []card.AnchorMap{
	{Stride: 8, Sizes: [][2]float64{{10, 10}, {16, 16}, {24, 24}}},
	{Stride: 16, Sizes: [][2]float64{{32, 32}, {48, 48}}},
	{Stride: 32, Sizes: [][2]float64{{64, 64}, {96, 96}}},
	{Stride: 64, Sizes: [][2]float64{{128, 128}, {192, 192}, {256, 256}}},
}}

// TestFaces looks for the face in the middle of portraits of 150x150, framed to the 250x250 of which they were cut.
func TestFaces(t *testing.T) {
	all, err := filepath.Glob(filepath.Join(tasktest.Shared(t, "data/faces/lfw"), "*", "*_0001.jpg"))
	if err != nil || len(all) < 1000 {
		t.Fatalf("%d pictures, %v", len(all), err)
	}
	const pictures = 200
	var pics []kernels.Picture
	for i := range pictures {
		pics = append(pics, framed(tasktest.Load(t, all[i*len(all)/pictures]), 50))
	}
	for _, c := range []struct {
		model, family string
		card          card.Card
		inputs        map[string][]int
		landmarks     int
	}{
		{"yunet_n_320", "yunet", card.Card{}, nil, 5},
		{"yunet_n_dynamic", "yunet", card.Card{}, map[string][]int{"input": {1, 3, 256, 256}}, 5},
		{"scrfd_500m_kps", "scrfd", card.Card{}, nil, 5},
		{"ultraface_rfb_320", "ultraface", card.Card{}, nil, 0},
		{"ultraface_slim_320_simplified", "ultraface", card.Card{Anchors: offsets}, nil, 0},
		{"blazeface", "blazeface", card.Card{}, nil, 6},
	} {
		t.Run(c.model, func(t *testing.T) {
			d := detector(t, c.model, c.card, c.inputs)
			if d.Family() != c.family {
				t.Fatalf("taken for %s", d.Family())
			}
			right, faces := 0, 0
			for _, p := range pics {
				list, err := d.Detect(context.Background(), p)
				if err != nil {
					t.Fatal(err)
				}
				faces += len(list)
				if slices.ContainsFunc(list, func(f detect.Detection) bool { return centred(t, &f, c.landmarks) }) {
					right++
				}
			}
			t.Logf("found in %d of %d, %d faces in all", right, len(pics), faces)
			if right*100 < 99*len(pics) {
				t.Errorf("found in %d of %d", right, len(pics))
			}
		})
	}
}

// framed returns a picture with n pixels of grey around it.
func framed(p kernels.Picture, n int) kernels.Picture {
	q := kernels.Picture{Format: p.Format, W: p.W + 2*n, H: p.H + 2*n, Stride: 3 * (p.W + 2*n)}
	q.Pix = bytes.Repeat([]byte{110}, q.Stride*q.H)
	for y := range p.H {
		copy(q.Pix[(y+n)*q.Stride+3*n:], p.Pix[y*p.Stride:][:3*p.W])
	}
	return q
}

// centred says whether a face is the one in the middle of a picture of 250x250: the middle lies in its box, which is 50 to 150 wide and high
// to 200, and the eyes, of which the first is the left one in the picture, are above the nose.
func centred(t *testing.T, f *detect.Detection, landmarks int) bool {
	t.Helper()
	if len(f.Landmarks) != landmarks {
		t.Fatalf("%d landmarks, not %d", len(f.Landmarks), landmarks)
	}
	const middle = 125
	x, y, w, h := f.Box[0], f.Box[1], f.Box[2], f.Box[3]
	if x > middle || x+w < middle || y > middle || y+h < middle || w < 50 || w > 150 || h < 50 || h > 200 {
		return false
	}
	if landmarks == 0 {
		return true
	}
	l := f.Landmarks
	return l[0][0] < l[1][0] && l[0][1] < l[2][1] && l[1][1] < l[2][1]
}
