package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model/task/face"
)

// sharedFiles returns files of the networks and pictures that tests use and that are no part of the project, or skips the test.
func sharedFiles(t *testing.T, names ...string) []string {
	t.Helper()
	if testing.Short() {
		t.Skip("real networks take a while")
	}
	base := os.Getenv("OCELLUS_SHARED")
	if base == "" {
		base = filepath.Join("..", "..", "..", "shared")
	}
	var all []string
	for _, name := range names {
		path := filepath.Join(base, name)
		if _, err := os.Stat(path); err != nil {
			t.Skipf("no %s: set OCELLUS_SHARED to the folder that holds it", path)
		}
		all = append(all, path)
	}
	return all
}

// TestFaces goes the way of a user: calibrate, enrol, verify, identify, list, forget.
func TestFaces(t *testing.T) {
	shared := sharedFiles(t, "models/yunet_n_dynamic/model.onnx", "models/mobilefacenet/model.onnx", "data/faces/lfw", "data/scene/val")
	lfw, dir := shared[2], t.TempDir()
	flags := []string{"--detector", shared[0], "--embedder", shared[1], "--store", filepath.Join(dir, "faces.json")}
	verb := func(args ...string) (int, string, string) {
		t.Helper()
		return call(append(append([]string{"face"}, args...), flags...)...)
	}
	pic := func(name string, n int) string { return filepath.Join(lfw, name, fmt.Sprintf("%s_%04d.jpg", name, n)) }
	entries, err := os.ReadDir(lfw)
	if err != nil {
		t.Fatal(err)
	}
	// Twenty people make 190 pairs, which show a rate of 2 % (1 - 0.025^(1/190)), and not one of 1 %.
	people, n := filepath.Join(dir, "people"), 0
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "A") && n < 20 {
			if err := os.MkdirAll(people, 0o777); err != nil {
				t.Fatal(err)
			}
			path, err := filepath.Abs(filepath.Join(lfw, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(path, filepath.Join(people, e.Name())); err != nil {
				t.Skip(err)
			}
			n++
		}
	}
	if status, _, stderr := verb("verify", pic("Serena_Williams", 1), pic("Serena_Williams", 2)); status != 1 || !strings.Contains(stderr, "face calibrate") {
		t.Errorf("without a threshold: status %d, %q", status, stderr)
	}
	if status, _, stderr := verb("calibrate", "--far", "0.01", people); status != 1 || !strings.Contains(stderr, "cannot show a false accept rate of 1 %") || !strings.Contains(stderr, "takes 368") {
		t.Errorf("status %d, %q", status, stderr)
	}
	status, stdout, stderr := verb("calibrate", "--far", "0.05", people, "--json")
	var c face.Calibration
	if err := json.Unmarshal([]byte(stdout), &c); err != nil || status != 0 || c.High > 0.05 || c.Pairs < 150 || c.Target != 0.05 || c.People > 20 {
		t.Fatalf("status %d, %v, %+v, %q", status, err, c, stderr)
	}
	for _, p := range []struct {
		a, b   string
		status int
		want   string
	}{
		{pic("Serena_Williams", 1), pic("Serena_Williams", 2), 0, "the same person"},
		{pic("Serena_Williams", 1), pic("Luis_Horna", 4), 3, "different persons"},
	} {
		status, stdout, stderr := verb("verify", p.a, p.b)
		if status != p.status || !strings.HasPrefix(stdout, p.want) || !strings.Contains(stdout, fmt.Sprintf("of %d pairs", c.Pairs)) || stderr != "" {
			t.Errorf("%s: status %d, %q, %q", p.want, status, stdout, stderr)
		}
	}
	street, err := filepath.Glob(filepath.Join(shared[3], "*.[jp][pn]g"))
	if err != nil || len(street) == 0 {
		t.Fatal(err)
	}
	if status, _, stderr := verb("verify", street[0], pic("Luis_Horna", 4)); status != 1 || !strings.Contains(stderr, filepath.Base(street[0])) {
		t.Errorf("no face: status %d, %q", status, stderr)
	}
	status, stdout, stderr = verb("enrol", "--name", "Serena", pic("Serena_Williams", 1), pic("Serena_Williams", 2), pic("Serena_Williams", 3), pic("Luis_Horna", 4))
	if status != 0 || !strings.Contains(stdout, "Serena is known by 3 pictures") || !strings.Contains(stderr, "Luis_Horna_0004.jpg: this face is unlike") {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
	if status, _, stderr = verb("enrol", "--name", "unknown", pic("Luis_Horna", 4)); status != 2 {
		t.Errorf("a stranger's name: status %d, %q", status, stderr)
	}
	for file, want := range map[string]string{pic("Serena_Williams", 10): "Serena", pic("Luis_Horna", 4): "unknown"} {
		status, stdout, stderr := verb("identify", file, filepath.Join(dir, "named.png"), "--json")
		var r struct{ Faces []struct{ Name string } }
		if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != 0 || len(r.Faces) == 0 || r.Faces[0].Name != want {
			t.Errorf("%s: status %d, %q, %q", want, status, stdout, stderr)
		}
	}
	store := flags[4:]
	if status, stdout, _ := call(append([]string{"face", "list"}, store...)...); status != 0 || !hasFields(stdout, "Serena", "3", "pictures") || !strings.Contains(stdout, "a stranger") {
		t.Errorf("status %d, %q", status, stdout)
	}
	for want := range 2 { // the second time nobody is called so
		if status, _, _ := call(append([]string{"face", "forget", "Serena"}, store...)...); status != want {
			t.Errorf("forget: status %d, want %d", status, want)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "faces.json"))
	if err != nil || strings.Contains(string(b), "Serena") {
		t.Errorf("the file still names her: %v", err)
	}
}

func TestPercent(t *testing.T) {
	for v, want := range map[string]float64{"1 %": 0.01, "0.0086 %": 8.6e-5, "0.0000012 %": 1.2e-8, "100 %": 1, "0 %": 0} {
		if got := percent(want); got != v {
			t.Errorf("%g: %q, want %q", want, got, v)
		}
	}
}
