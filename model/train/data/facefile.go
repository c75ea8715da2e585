package data

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ReadFaces reads a file of faces, .csv or .csv.gz: a head, then lines of a picture's name below the data's folder, how sure it is that there is a face,
// the box's x, y, width and height, and x and y of five landmarks, all in pixels. The first face of a picture is its surest.
func ReadFaces(name string) (map[string][]Face, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := io.Reader(bufio.NewReader(f))
	if strings.HasSuffix(name, ".gz") {
		if in, err = gzip.NewReader(in); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	const numbers = 15
	r := csv.NewReader(io.LimitReader(in, maxAnnotations))
	r.FieldsPerRecord, r.ReuseRecord = 1+numbers, true
	if _, err := r.Read(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	all := map[string][]Face{}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		var v [numbers]float64
		for i := range v {
			if v[i], err = strconv.ParseFloat(row[1+i], 64); err != nil || !(math.Abs(v[i]) < 1e6) {
				line, _ := r.FieldPos(1 + i)
				return nil, fmt.Errorf("%s:%d: %q is no number of pixels", name, line, row[1+i])
			}
		}
		face := Face{Score: v[0], Box: Box(v[1:5])}
		if !(face.Box[2] > 0 && face.Box[3] > 0) {
			line, _ := r.FieldPos(0)
			return nil, fmt.Errorf("%s:%d: a box of %g x %g pixels", name, line, face.Box[2], face.Box[3])
		}
		for i := range face.Marks {
			face.Marks[i] = [2]float64(v[5+2*i:])
		}
		picture := strings.Clone(row[0])
		all[picture] = append(all[picture], face)
	}
}

// portraits returns the pictures of people, a folder each, with their faces: only those of some, if there is a file that names them, and without those of
// others, likewise.
func portraits(dir string, f Files, faces map[string][]Face) ([]Portrait, error) {
	only, err := namesIn(dir, f.People)
	if err != nil {
		return nil, err
	}
	without, err := namesIn(dir, f.Without)
	if err != nil {
		return nil, err
	}
	people, err := os.ReadDir(filepath.Join(dir, f.Pictures))
	if err != nil {
		return nil, err
	}
	var all []Portrait
	for _, p := range people {
		if !p.IsDir() || without[p.Name()] || f.People != "" && !only[p.Name()] {
			continue
		}
		list, err := pictured(dir, filepath.Join(f.Pictures, p.Name()), faces)
		if errors.Is(err, errNoPictures) {
			continue
		} else if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// namesIn reads a file of names below a folder; "" stands for none.
func namesIn(dir, file string) (map[string]bool, error) {
	if file != "" {
		file = filepath.Join(dir, file)
	}
	return readNames(file)
}

// pictured returns the pictures of a folder, but for maps of labels and masks, with their faces.
func pictured(dir, folder string, faces map[string][]Face) ([]Portrait, error) {
	files, err := pictureFiles(filepath.Join(dir, folder), "_label", "_mask")
	if err != nil {
		return nil, err
	}
	var all []Portrait
	for _, f := range files {
		name, err := filepath.Rel(dir, f)
		if err != nil {
			return nil, err
		}
		all = append(all, Portrait{f, faces[filepath.ToSlash(name)]})
	}
	return all, nil
}
