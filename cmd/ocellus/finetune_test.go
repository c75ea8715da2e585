package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rowPictures writes pictures as those of digitsFolder, in a folder for each of n classes; what tells the pictures of a class apart is a block above it.
func rowPictures(t *testing.T, n, each int) string {
	t.Helper()
	dir := t.TempDir()
	for class := range n {
		for i := range each {
			img := image.NewGray(image.Rect(0, 0, 28, 28))
			for x := range 28 {
				img.SetGray(x, 4+2*class, color.Gray{uint8(255 - 5*i)})
			}
			for x := range 5 { // which tells it from its like
				for y := range 3 {
					img.SetGray(2*i+x, y, color.Gray{200})
				}
			}
			path := filepath.Join(dir, fmt.Sprint(class), fmt.Sprintf("%c.png", 'a'+i))
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			f, err := os.Create(path)
			if err == nil {
				err = png.Encode(f, img)
			}
			if err == nil {
				err = f.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// TestFinetune teaches a network of ten classes an eleventh from folders of pictures, publishes it in a store and takes it back.
func TestFinetune(t *testing.T) {
	digits, recipe := digitsFolder(t)
	net, store := filepath.Join(digits, "net.onnx"), filepath.Join(digits, "store")
	if status, _, stderr := call("train", recipe, "--data", digits, "-o", net); status != 0 {
		t.Fatal(stderr)
	}
	pictures := rowPictures(t, 11, 10)
	tune := []string{"finetune", "--model", net, "--store", store, "--data", pictures, "--rate", "0.02", "--epochs", "30"}
	status, stdout, stderr := call(tune...)
	if status != 0 {
		t.Fatalf("status %d\n%s%s", status, stdout, stderr)
	}
	current := func() string {
		b, err := os.ReadFile(filepath.Join(store, "current"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	if got := current(); !strings.Contains(got, "2") {
		t.Errorf("in force is %q, not the second", got)
	}
	if status, out, _ := call("classify", "--model", filepath.Join(store, "0002.onnx"), "--top", "1", "--json", filepath.Join(pictures, "10", "a.png")); status != 0 ||
		!strings.Contains(out, `"class":10`) {
		t.Errorf("the new class is seen as %q", out)
	}
	if status, _, stderr := call("finetune", "--store", store, "--rollback", "1"); status != 0 || !strings.Contains(current(), "1") {
		t.Errorf("rolled back to %q: %s", current(), stderr)
	}
	if status, _, stderr := call("finetune", "--store", store, "--rollback", "9"); status != statusFailed || !strings.Contains(stderr, "9") {
		t.Errorf("rolled back to what is not there: %d, %s", status, stderr)
	}

	tune = append(tune[:1], tune[3:]...) // a store that has a network takes no --model
	bad := filepath.Join(pictures, "3", "b.png")
	if err := os.WriteFile(bad, []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := call(tune...); status != statusFailed || !strings.Contains(stderr, bad) {
		t.Errorf("a picture that cannot be read: %d, %s", status, stderr)
	}
	if err := os.Remove(bad); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(pictures, "11")
	if err := os.Mkdir(empty, 0o777); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := call(tune...); status != statusFailed || !strings.Contains(stderr, empty) || !strings.Contains(stderr, "no pictures") {
		t.Errorf("a class without pictures: %d, %s", status, stderr)
	}
	if !strings.Contains(current(), "1") {
		t.Errorf("what failed put %q in force", current())
	}
}
