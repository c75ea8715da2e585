// Package dataset reads pictures with the truth about them, in the forms in which such data lie about.
package dataset

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ocellus-vision/ocellus/camera/still"
	"github.com/ocellus-vision/ocellus/model/task/metric"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// Boxes is a picture and the people in it.
type Boxes struct {
	File   string
	Truth  []metric.Box
	Ignore []metric.Box // crowds and what is marked as difficult
}

// people are the labels of boxes that count.
var people = []string{"person", "pedestrian", "people"}

// ReadBoxes reads the people in pictures: of a folder with boxes.jsonl, of one with Annotations/*.xml and JPEGImages (PASCAL VOC), or of a file of COCO's
// JSON, in whose folder the pictures lie.
func ReadBoxes(path string) ([]Boxes, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	file, images := path, ""
	if lines, voc := filepath.Join(path, "boxes.jsonl"), filepath.Join(path, "Annotations"); info.IsDir() {
		if _, err := os.Stat(lines); err == nil {
			file = lines
		} else if xmls, _ := filepath.Glob(filepath.Join(voc, "*.xml")); len(xmls) > 0 {
			file, images = voc, filepath.Join(path, "JPEGImages")
		} else {
			return nil, fmt.Errorf("%s: neither boxes.jsonl nor Annotations/*.xml is in this folder", path)
		}
	}
	pictures, err := data.ReadAnnotations(file, images)
	if err != nil {
		return nil, err
	}
	var all []Boxes
	for _, p := range pictures {
		b := Boxes{File: p.File}
		for _, o := range p.Objects {
			switch {
			case !slices.Contains(people, o.Label):
			case o.Ignore:
				b.Ignore = append(b.Ignore, o.Box)
			default:
				b.Truth = append(b.Truth, o.Box)
			}
		}
		all = append(all, b)
	}
	return all, nil
}

// Labelled is a picture and its label map.
type Labelled struct{ File, Labels string }

// suffix ends the names of label maps.
const suffix = "_label.png"

// ReadLabelled lists the pictures of a folder that have a label map, NAME_label.png, beside them.
func ReadLabelled(dir string) ([]Labelled, error) {
	files, err := still.List(dir)
	if err != nil {
		return nil, err
	}
	var all []Labelled
	for _, f := range files {
		labels := strings.TrimSuffix(f, filepath.Ext(f)) + suffix
		if _, err := os.Stat(labels); err == nil && !strings.HasSuffix(f, suffix) {
			all = append(all, Labelled{f, labels})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no picture of this folder has a label map NAME%s", dir, suffix)
	}
	return all, nil
}

// ReadMap reads a label map of w x h: the palette index or the grey of each pixel of a PNG.
func ReadMap(path string, w, h int) ([]uint8, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, err := png.DecodeConfig(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if c.Width != w || c.Height != h {
		return nil, fmt.Errorf("%s: %dx%d pixels; the picture has %dx%d", path, c.Width, c.Height, w, h)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	img, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var pix []uint8
	stride := 0
	switch img := img.(type) {
	case *image.Paletted:
		pix, stride = img.Pix, img.Stride
	case *image.Gray:
		pix, stride = img.Pix, img.Stride
	default:
		return nil, fmt.Errorf("%s: a label map is grey or has a palette", path)
	}
	labels := make([]uint8, 0, w*h)
	for y := range h {
		labels = append(labels, pix[y*stride:][:w]...)
	}
	return labels, nil
}

// Pair is two pictures of faces.
type Pair struct {
	A, B         string // people
	FileA, FileB string
}

// ReadPairs reads pairs in the form of LFW: a line "NAME i j" for two pictures of one person, "NAME i NAME j" for two people, between tabs; others, such as the
// count in the first line, are passed over. Picture i of NAME is NAME/NAME_000i.jpg in dir.
func ReadPairs(path, dir string) ([]Pair, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	file := func(name, number string) (string, error) {
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || !filepath.IsLocal(name) {
			return "", errors.New("no pair: write NAME, a number and a number, or NAME, a number, NAME and a number, between tabs")
		}
		return filepath.Join(dir, name, fmt.Sprintf("%s_%04d.jpg", name, n)), nil
	}
	var all []Pair
	s := bufio.NewScanner(f)
	for n := 1; s.Scan(); n++ {
		v := strings.Split(strings.TrimSpace(s.Text()), "\t")
		switch len(v) {
		case 3:
			v = []string{v[0], v[1], v[0], v[2]}
		case 4:
		default:
			continue
		}
		p := Pair{A: v[0], B: v[2]}
		var err1, err2 error
		p.FileA, err1 = file(v[0], v[1])
		p.FileB, err2 = file(v[2], v[3])
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		all = append(all, p)
	}
	if len(all) == 0 && s.Err() == nil {
		return nil, fmt.Errorf("%s: no pairs", path)
	}
	return all, s.Err()
}
