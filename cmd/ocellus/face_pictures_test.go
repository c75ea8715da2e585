package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model/zoo"
)

// sideways is EXIF data that say that the picture's right side is up.
func sideways() []byte {
	b := binary.BigEndian.AppendUint32([]byte("Exif\x00\x00MM\x00\x2a"), 8)
	b = binary.BigEndian.AppendUint16(b, 1)
	b = append(b, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0)
	return slices.Concat(binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(b)+2)), b)
}

// TestFacePictures shows the program's own detector of faces the same portrait in many forms, and pictures without a face that could be found.
func TestFacePictures(t *testing.T) {
	shared := sharedFiles(t, "data/faces/lfw", "data/scene/val", "models/mobilefacenet/model.onnx")
	if _, err := zoo.Default(zoo.FaceDetector); err != nil {
		t.Skip(err)
	}
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // nobody's own networks or people
	dir := t.TempDir()
	write := func(name string, img image.Image, exif ...byte) string {
		t.Helper()
		var b bytes.Buffer
		var err error
		if filepath.Ext(name) == ".jpg" {
			err = jpeg.Encode(&b, img, nil)
		} else {
			err = png.Encode(&b, img)
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, slices.Concat(b.Bytes()[:2], exif, b.Bytes()[2:]), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	portrait := func(name string) image.Image {
		t.Helper()
		f, err := os.Open(filepath.Join(shared[0], name, name+"_0001.jpg"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		img, err := jpeg.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	// drawn is the portrait on a picture of w x h, each of its pixels k x k.
	face := portrait("Luis_Horna")
	drawn := func(dst draw.Image, x, y, k int) draw.Image {
		draw.Draw(dst, dst.Bounds(), image.NewUniform(color.Gray{90}), image.Point{}, draw.Src)
		for v := range 150 * k {
			for u := range 150 * k {
				dst.Set(x+u, y+v, face.At(u/k, v/k))
			}
		}
		return dst
	}
	clear := image.NewNRGBA(image.Rect(0, 0, 200, 200)) // transparent round the face
	draw.Draw(clear, image.Rect(20, 20, 170, 170), face, image.Point{}, draw.Src)
	turned := image.NewRGBA(image.Rect(0, 0, 150, 200))
	upright := drawn(image.NewRGBA(image.Rect(0, 0, 200, 150)), 25, 0, 1)
	for y := range 150 {
		for x := range 200 {
			turned.Set(y, 199-x, upright.At(x, y))
		}
	}
	crowd := image.NewRGBA(image.Rect(0, 0, 6*150, 4*150))
	entries, err := os.ReadDir(shared[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range 24 {
		at := image.Pt(i%6*150, i/6*150)
		draw.Draw(crowd, image.Rectangle{at, at.Add(image.Pt(150, 150))}, portrait(entries[i*40].Name()), image.Point{}, draw.Src)
	}
	street, err := filepath.Glob(filepath.Join(shared[1], "*_0*.jpg"))
	if err != nil || len(street) == 0 {
		t.Fatalf("no street: %v", err)
	}
	list := func(path string) (faces []struct {
		Box     [4]float64
		Quality struct{ Eyes float64 }
	}) {
		t.Helper()
		status, stdout, stderr := call("run", "--task", "faces", "--json", path)
		var r struct {
			Faces *[]struct {
				Box     [4]float64
				Quality struct{ Eyes float64 }
			}
		}
		if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != 0 || r.Faces == nil {
			t.Errorf("%s: status %d, %v, %q", filepath.Base(path), status, err, stderr)
			return nil
		}
		return *r.Faces
	}
	for _, c := range []struct {
		path string
		eyes float64 // distance: it says that the face was found where and as large as it is
	}{
		{write("plain.png", drawn(image.NewRGBA(image.Rect(0, 0, 300, 200)), 60, 20, 1)), 42},
		{write("grey.png", drawn(image.NewGray(image.Rect(0, 0, 300, 200)), 60, 20, 1)), 42},
		{write("deep.png", drawn(image.NewRGBA64(image.Rect(0, 0, 300, 200)), 60, 20, 1)), 42},
		{write("clear.png", clear), 42},
		{write("turned.jpg", turned, sideways()...), 42},
		{write("narrow.png", drawn(image.NewRGBA(image.Rect(0, 0, 150, 400)), 0, 200, 1)), 42},
		{write("huge.png", drawn(image.NewGray(image.Rect(0, 0, 8192, 6104)), 3000, 1000, 24)), 24 * 42}, // 50 megapixels
	} {
		faces := list(c.path)
		if len(faces) != 1 || faces[0].Quality.Eyes < 0.85*c.eyes || faces[0].Quality.Eyes > 1.15*c.eyes {
			t.Errorf("%s: %+v; one face with eyes %g pixels apart was expected", filepath.Base(c.path), faces, c.eyes)
		}
	}
	many := write("crowd.png", crowd)
	if n := len(list(many)); n < 22 || n > 26 {
		t.Errorf("of 24 people %d faces were found", n)
	}
	pixel := write("pixel.png", image.NewGray(image.Rect(0, 0, 1, 1)))
	for _, path := range []string{pixel, street[0]} {
		if n := len(list(path)); n != 0 {
			t.Errorf("%s: %d faces where there is none", filepath.Base(path), n)
		}
	}
	empty := filepath.Join(dir, "empty.png")
	if err := os.WriteFile(empty, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	small := write("small.png", drawn(image.NewRGBA(image.Rect(0, 0, 150, 150)), 0, 0, 1))
	for path, say := range map[string]string{
		empty: "empty.png: empty file", pixel: "pixel.png: no face was found", street[0]: "no face was found", many: "faces of like size were found",
		filepath.Join(dir, "gone.png"): "no such file",
	} {
		status, _, stderr := call("face", "verify", "--embedder", shared[2], "--threshold", "0.4", small, path)
		if status != 1 || !strings.Contains(stderr, say) {
			t.Errorf("verify %s: status %d, %q; %q was expected", filepath.Base(path), status, stderr, say)
		}
	}
}
