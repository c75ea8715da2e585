// Command facelabels writes where faces and their landmarks are in the pictures that the detector of faces learns from, as another network finds them:
//
//	go run ./cmd/internal/facelabels -data DATA -model yunet.onnx -o model/zoo/recipes/face_landmarks.csv.gz
package main

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"

	"github.com/ocellus-vision/ocellus/cmd/internal/faceref"
	"github.com/ocellus-vision/ocellus/cmd/internal/pictures"
)

// folders are the pictures, and the sides of the squares in which they are seen.
var folders = []struct {
	pattern string
	sides   []int
}{
	{"faces/lfw/*/*.jpg", []int{160, 192, 224, 256, 320}},
	{"pedestrian/cutouts/*.jpg", []int{320, 480, 640}},
	{"pedestrian/frames/*.jpg", []int{480, 640, 960}},
	{"pedestrian/windows_negative/*.jpg", []int{160, 320}},
	{"scene/*/*.jpg", []int{480, 640, 960}},
}

func main() {
	dir, file, out := flag.String("data", "", "`folder` of the data"), flag.String("model", "", "`file` of the network"), flag.String("o", "", "`file` to write, .csv.gz")
	flag.Parse()
	if err := label(*dir, *file, *out); err != nil {
		log.Fatal(err)
	}
}

func label(dir, file, out string) (err error) {
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := csv.NewWriter(z)
	if err := w.Write([]string{"picture", "score", "x", "y", "width", "height", "left_eye_x", "left_eye_y", "right_eye_x", "right_eye_y", "nose_x", "nose_y",
		"mouth_left_x", "mouth_left_y", "mouth_right_x", "mouth_right_y"}); err != nil {
		return err
	}
	for _, of := range folders {
		files, err := filepath.Glob(filepath.Join(dir, of.pattern))
		if err != nil {
			return err
		}
		r, err := faceref.Open(file, 1, of.sides...)
		if err != nil {
			return err
		}
		for _, name := range files {
			if err := write(w, r, dir, name); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		log.Printf("%s: %d pictures", of.pattern, len(files))
	}
	w.Flush()
	return errors.Join(w.Error(), z.Close())
}

// write writes a line for each face in a picture.
func write(w *csv.Writer, r *faceref.Reference, dir, name string) error {
	pic, err := pictures.Read(name)
	if err != nil {
		return err
	}
	faces, err := r.Look(context.Background(), pic)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(dir, name)
	if err != nil {
		return err
	}
	for _, f := range faces {
		row := []string{filepath.ToSlash(rel), strconv.FormatFloat(f.Score, 'f', 2, 64)}
		numbers := f.Box[:]
		for _, m := range f.Marks {
			numbers = append(numbers, m[:]...)
		}
		for _, v := range numbers {
			row = append(row, strconv.FormatFloat(v, 'f', 1, 64))
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	return nil
}
