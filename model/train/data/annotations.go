package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Box is x, y, width, height in pixels of a picture.
type Box = [4]float64

// Object is something in a picture. Ignore marks what counts neither as found nor as missed: crowds, things hardly seen.
type Object struct {
	Label  string `json:"label"`
	Box    Box    `json:"box"`
	Ignore bool   `json:"ignore"`
}

// Annotated is a picture file and what is in it.
type Annotated struct {
	File    string
	Objects []Object
}

// maxAnnotations bounds a file of annotations, in bytes.
const maxAnnotations = 1 << 30

// ReadAnnotations reads what is in pictures: a folder of PASCAL VOC's XML files, a COCO file (.json), or a file of JSON lines (.jsonl), each
// {"image": NAME, "boxes": [{"label": L, "box": [x, y, width, height]}]}. Pictures are looked for in images, and without it beside the annotations.
func ReadAnnotations(name, images string) ([]Annotated, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if images == "" {
		if images = name; !info.IsDir() {
			images = filepath.Dir(name)
		}
	}
	var all []Annotated
	switch {
	case info.IsDir():
		all, err = readVOC(name)
	case info.Size() > maxAnnotations:
		err = fmt.Errorf("%s: it has more than %d bytes", name, maxAnnotations)
	case strings.HasSuffix(name, ".jsonl"):
		all, err = readLines(name)
	default:
		all, err = readCOCO(name)
	}
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no picture is annotated there", name)
	}
	for i := range all {
		a := &all[i]
		if !filepath.IsLocal(a.File) {
			return nil, fmt.Errorf("%s: the picture %q lies outside of the folder", name, a.File)
		}
		for _, o := range a.Objects {
			b := o.Box
			if !(b[2] > 0 && b[3] > 0 && b[0] > -1e6 && b[1] > -1e6 && b[0]+b[2] < 1e6 && b[1]+b[3] < 1e6) {
				return nil, fmt.Errorf("%s: picture %q: %v is no box; it is x, y, width, height in pixels", name, a.File, b)
			}
		}
		a.File = filepath.Join(images, a.File)
	}
	return all, nil
}

func readLines(name string) ([]Annotated, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []Annotated
	s := bufio.NewScanner(f)
	s.Buffer(nil, 16<<20)
	for line := 1; s.Scan(); line++ {
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		var a struct {
			Image string   `json:"image"`
			Boxes []Object `json:"boxes"`
		}
		if err := json.Unmarshal(s.Bytes(), &a); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		if a.Image == "" {
			return nil, fmt.Errorf("%s:%d: it names no image", name, line)
		}
		all = append(all, Annotated{a.Image, a.Boxes})
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return all, nil
}

// readVOC reads the XML files of a folder (Everingham et al., The PASCAL Visual Object Classes challenge, IJCV 2010). Corners count from pixel 1, and
// belong to the box. Objects that are difficult are to be ignored.
func readVOC(dir string) ([]Annotated, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.xml"))
	if err != nil {
		return nil, err
	}
	sort.Strings(files)
	var all []Annotated
	for _, name := range files {
		b, err := readBounded(name)
		if err != nil {
			return nil, err
		}
		var v struct {
			File    string `xml:"filename"`
			Objects []struct {
				Name      string `xml:"name"`
				Difficult int    `xml:"difficult"`
				Box       struct {
					XMin float64 `xml:"xmin"`
					YMin float64 `xml:"ymin"`
					XMax float64 `xml:"xmax"`
					YMax float64 `xml:"ymax"`
				} `xml:"bndbox"`
			} `xml:"object"`
		}
		if err := xml.Unmarshal(b, &v); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if v.File == "" {
			return nil, fmt.Errorf("%s: it names no picture", name)
		}
		a := Annotated{File: v.File}
		for _, o := range v.Objects {
			c := o.Box
			a.Objects = append(a.Objects, Object{o.Name, Box{c.XMin - 1, c.YMin - 1, c.XMax - c.XMin + 1, c.YMax - c.YMin + 1}, o.Difficult != 0})
		}
		all = append(all, a)
	}
	return all, nil
}

// readCOCO reads a file of instances (Lin et al., Microsoft COCO, ECCV 2014). Crowds are to be ignored.
func readCOCO(name string) ([]Annotated, error) {
	b, err := readBounded(name)
	if err != nil {
		return nil, err
	}
	var c struct {
		Images []struct {
			ID   int64  `json:"id"`
			File string `json:"file_name"`
		} `json:"images"`
		Annotations []struct {
			Image    int64 `json:"image_id"`
			Category int64 `json:"category_id"`
			Box      Box   `json:"bbox"`
			Crowd    int   `json:"iscrowd"`
		} `json:"annotations"`
		Categories []struct {
			ID   int64  `json:"id"`
			Name string `json:"name"`
		} `json:"categories"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	names, at := map[int64]string{}, map[int64]int{}
	for _, k := range c.Categories {
		names[k.ID] = k.Name
	}
	var all []Annotated
	for _, i := range c.Images {
		at[i.ID] = len(all)
		all = append(all, Annotated{File: i.File})
	}
	for k, a := range c.Annotations {
		i, ok := at[a.Image]
		label, known := names[a.Category]
		if !ok || !known {
			return nil, fmt.Errorf("%s: annotation %d is of image %d and category %d, which are not both listed", name, k, a.Image, a.Category)
		}
		all[i].Objects = append(all[i].Objects, Object{label, a.Box, a.Crowd != 0})
	}
	return all, nil
}

// readBounded reads a file of at most maxAnnotations bytes.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxAnnotations+1))
	if err == nil && len(b) > maxAnnotations {
		err = errors.New("it is too long")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}
