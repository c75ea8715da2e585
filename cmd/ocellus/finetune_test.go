package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/cmd/internal/cards"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
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

// TestFinetuneCard teaches a network whose metadata are wrong and whose card beside it is right.
func TestFinetuneCard(t *testing.T) {
	digits, recipe := digitsFolder(t)
	net, side := filepath.Join(digits, "net.onnx"), filepath.Join(digits, "net.yaml")
	b, err := os.ReadFile(recipe)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b) + "card: {labels: [wrong], input: {mean: [200], std: [10]}}\n"
	if err := os.WriteFile(recipe, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := call("train", recipe, "--data", digits, "-o", net); status != 0 {
		t.Fatal(stderr)
	}
	right := card.Input{Mean: []float64{0}, Std: []float64{255}}
	if err := os.WriteFile(side, []byte("labels: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']\ninput: {mean: [0], std: [255]}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	pictures, store := rowPictures(t, 11, 10), filepath.Join(digits, "store")
	tune := []string{"finetune", "--model", net, "--data", pictures, "--rate", "0.02", "--epochs", "30"}
	for _, path := range append(must(filepath.Glob(filepath.Join(pictures, "7", "*.png"))), net) {
		was := must(os.ReadFile(path))
		if status, _, stderr := call(append(tune, "-o", path)...); status != statusFailed || !strings.Contains(stderr, "over a file that this run reads") {
			t.Errorf("-o %s: status %d, %s", path, status, stderr)
		}
		if !bytes.Equal(must(os.ReadFile(path)), was) {
			t.Errorf("%s is another file now", path)
		}
	}
	next := filepath.Join(digits, "next.onnx")
	if err := os.Link(side, cards.Name(next)); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := call(append(tune, "-o", next)...)
	if want := cards.Name(next) + " would go before what is written into " + next; status != statusFailed || !strings.Contains(stderr, want) || strings.Contains(stderr, "step") {
		t.Errorf("a card would hide the new class: status %d, %s", status, stderr)
	}
	if _, err := os.Stat(next); err == nil {
		t.Error("the network was written")
	}
	if status, out, stderr := call(append(tune, "--store", store)...); status != 0 {
		t.Fatalf("status %d\n%s%s", status, out, stderr)
	}
	for n, classes := range map[int]int{1: 10, 2: 11} {
		g, err := onnx.ReadFile(filepath.Join(store, fmt.Sprintf("%04d.onnx", n)))
		if err != nil {
			t.Fatal(err)
		}
		c, err := card.FromMeta(g.Meta)
		if err != nil || len(c.Labels) != classes || c.Labels[9] != "9" || !slices.Equal(c.Input.Mean, right.Mean) || !slices.Equal(c.Input.Std, right.Std) {
			t.Errorf("network %d carries %+v, %v", n, c, err)
		}
	}
	classify := func(model string) string {
		status, out, stderr := call("classify", "--model", model, "--json", filepath.Join(pictures, "7", "c.png"))
		if status != 0 {
			t.Fatal(stderr)
		}
		return out
	}
	if first, alone := classify(net), classify(filepath.Join(store, "0001.onnx")); first != alone || !strings.Contains(first, `"label":"7"`) {
		t.Errorf("the first of the store says %s, what it was made of %s", alone, first)
	}
}

// TestFinetuneRefusals asks for what is refused before anything is learnt.
func TestFinetuneRefusals(t *testing.T) {
	dir := t.TempDir()
	net, typo, folder := filepath.Join(dir, "net.onnx"), filepath.Join(dir, "typo"), filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(folder, "out.replay.zip"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status int
		want   string
		args   []string
	}{
		{statusUsage, "--keep 4: keep 5 of each class or more", []string{"--model", net, "--data", dir, "-o", filepath.Join(dir, "out.onnx"), "--keep", "4"}},
		{statusFailed, "there is no store to go back in", []string{"--store", typo, "--rollback", "1"}},
		{statusFailed, "there is no store; name one", []string{"--store", typo, "--data", dir}},
		{statusFailed, "is a folder; name a file", []string{"--model", net, "--data", dir, "-o", folder}},
		{statusFailed, "out.replay.zip is a folder", []string{"--model", net, "--data", dir, "-o", filepath.Join(folder, "out.onnx")}},
		{statusFailed, "no such file or directory; make the folder", []string{"--model", net, "--data", dir, "-o", filepath.Join(typo, "out.onnx")}},
	} {
		if status, out, stderr := call(append([]string{"finetune"}, c.args...)...); status != c.status || out != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: status %d, %q, %q; it should say %q", c.args, status, out, stderr, c.want)
		}
	}
	if _, err := os.Stat(typo); err == nil {
		t.Error("a store was made of a name that is none")
	}
}

// TestOverridden lays cards beside the file that is to be written.
func TestOverridden(t *testing.T) {
	c := &tuning{out: filepath.Join(t.TempDir(), "out.onnx")}
	published := card.Card{Labels: []string{"cat", "dog", "new"}, Score: new(0.5), Input: card.Input{Order: "bgr", Mean: []float64{1, 2, 3}}}
	for text, want := range map[string]string{
		"": "",
		"labels: [cat, dog, new]\ninput: {order: bgr, mean: [1, 2, 3]}\n": "",
		"labels: [cat, dog]\n":       "of the labels",
		"input: {order: rgb}\n":      "of the input or outputs",
		"input: {mean: [3, 2, 1]}\n": "of the input or outputs",
		"net: scene\nloss: [a]\n":    "",
	} {
		if err := os.WriteFile(strings.Replace(c.out, ".onnx", ".yaml", 1), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := c.overridden(published); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %q", text, err, want)
		}
	}
}
