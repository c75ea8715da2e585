package dataset

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model/task/metric"
)

// write writes a file in a new folder or one below it.
func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadBoxes(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "lines", "boxes.jsonl"), `{"image": "a.jpg", "width": 9, "boxes": [{"label": "person", "box": [1, 2, 3, 4]}, {"label": "car", "box": [5, 6, 7, 8]}]}

{"image": "b.jpg", "boxes": []}
`)
	write(t, filepath.Join(dir, "voc", "Annotations", "a.xml"), `<annotation><filename>a.jpg</filename>
<object><name>person</name><difficult>0</difficult><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>4</xmax><ymax>6</ymax></bndbox></object>
<object><name>person</name><difficult>1</difficult><bndbox><xmin>11</xmin><ymin>11</ymin><xmax>20</xmax><ymax>20</ymax></bndbox></object>
<object><name>dog</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></object></annotation>`)
	coco := write(t, filepath.Join(dir, "coco", "val.json"), `{"images": [{"id": 7, "file_name": "img/a.jpg"}, {"id": 9, "file_name": "b.jpg"}],
"categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "bicycle"}],
"annotations": [{"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0}, {"image_id": 7, "category_id": 2, "bbox": [5, 6, 7, 8]},
{"image_id": 7, "category_id": 1, "bbox": [10, 10, 10, 10], "iscrowd": 1}]}`)
	one, crowd := []metric.Box{{1, 2, 3, 4}}, []metric.Box{{10, 10, 10, 10}}
	for _, c := range []struct {
		path string
		want []Boxes
	}{
		{filepath.Join(dir, "lines"), []Boxes{{filepath.Join(dir, "lines", "a.jpg"), one, nil}, {File: filepath.Join(dir, "lines", "b.jpg")}}},
		{filepath.Join(dir, "voc"), []Boxes{{filepath.Join(dir, "voc", "JPEGImages", "a.jpg"), one, crowd}}},
		{coco, []Boxes{{filepath.Join(dir, "coco", "img", "a.jpg"), one, crowd}, {File: filepath.Join(dir, "coco", "b.jpg")}}},
	} {
		if got, err := ReadBoxes(c.path); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", c.path, got, err, c.want)
		}
	}
	for path, text := range map[string]string{
		"a/boxes.jsonl": "{", "b/boxes.jsonl": `{"image": "../x.jpg"}`, "c/boxes.jsonl": `{"boxes": []}`, "d/Annotations/a.xml": "<annotation>", "e/Annotations/a.xml": "<a><filename>/x</filename></a>", "f/none": "",
	} {
		write(t, filepath.Join(dir, path), text)
		if _, err := ReadBoxes(filepath.Join(dir, path[:1])); err == nil {
			t.Errorf("%s: is read", path)
		}
	}
	for _, text := range []string{"", `{"images": [{"id": 1, "file_name": "../a.jpg"}]}`} {
		if _, err := ReadBoxes(write(t, filepath.Join(dir, "x.json"), text)); err == nil {
			t.Errorf("%q: is read", text)
		}
	}
}

func TestReadLabelled(t *testing.T) {
	dir := t.TempDir()
	save := func(name string, img image.Image) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := png.Encode(f, img); err != nil {
			t.Fatal(err)
		}
	}
	grey := image.NewGray(image.Rect(0, 0, 3, 1))
	copy(grey.Pix, []uint8{3, 11, 0})
	palette := image.NewPaletted(grey.Rect, color.Palette{color.Black, color.White, color.White, color.White, color.White, color.White, color.White, color.White, color.White, color.White, color.White, color.White})
	copy(palette.Pix, grey.Pix)
	save("a_label.png", grey)
	save("b_label.png", palette)
	save("c_label.png", image.NewRGBA(grey.Rect))
	for _, name := range []string{"a.jpg", "b.png", "c.jpg", "alone.jpg"} {
		write(t, filepath.Join(dir, name), "")
	}
	all, err := ReadLabelled(dir)
	if err != nil || len(all) != 3 || all[0] != (Labelled{filepath.Join(dir, "a.jpg"), filepath.Join(dir, "a_label.png")}) {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, x := range all[:2] {
		if m, err := ReadMap(x.Labels, 3, 1); err != nil || !slices.Equal(m, []uint8{3, 11, 0}) {
			t.Errorf("%s: %v, %v", x.Labels, m, err)
		}
	}
	if _, err := ReadMap(all[0].Labels, 3, 2); err == nil {
		t.Error("a map of another size is read")
	}
	if _, err := ReadMap(all[2].Labels, 3, 1); err == nil {
		t.Error("a map in colours is read")
	}
	if _, err := ReadLabelled(t.TempDir()); err == nil {
		t.Error("an empty folder is read")
	}
}

func TestReadPairs(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "pairs.txt"), "10\t300\nAda_L\t1\t12\nAda_L\t2\tGrace_H\t3\n")
	want := []Pair{
		{"Ada_L", "Ada_L", filepath.Join("lfw", "Ada_L", "Ada_L_0001.jpg"), filepath.Join("lfw", "Ada_L", "Ada_L_0012.jpg")},
		{"Ada_L", "Grace_H", filepath.Join("lfw", "Ada_L", "Ada_L_0002.jpg"), filepath.Join("lfw", "Grace_H", "Grace_H_0003.jpg")},
	}
	if got, err := ReadPairs(path, "lfw"); err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "Ada\tx\t1\n", "Ada\t1\t-1\n", "../Ada\t1\t2\n"} {
		if _, err := ReadPairs(write(t, path, text), "lfw"); err == nil {
			t.Errorf("%q: is read", strings.TrimSpace(text))
		}
	}
}
