package embed_test

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/embed"
	"github.com/ocellus-vision/ocellus/model/task/tasktest"
)

// portrait is the part of the pictures of faces in which eyes, nose and mouth lie, on average over pictures of people who are not compared
// here, nearest to where a network of 112x112 was taught to expect them: a square, in shares of the picture.
var portrait = []float64{0.0666, 0.0344, 0.8743, 0.8743}

// TestFacePairs says of pairs of portraits whether they show one person, by a public network and a fixed part of the picture.
// Another runtime and cropping reached 0.974 on 1200 pairs of other people of the same collection: the least that is allowed is the lower end of
// the 95 % interval around that for as many pairs as are compared.
func TestFacePairs(t *testing.T) {
	dir := tasktest.Shared(t, "data/faces")
	g, err := onnx.ReadFile(filepath.Join(tasktest.Shared(t, "models/mobilefacenet"), "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := model.Compile(g, model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	e, err := embed.New(p, card.Card{Input: card.Input{Region: portrait}})
	if err != nil {
		t.Fatal(err)
	}
	vectors := map[string][]float32{}
	vector := func(name, number string) []float32 {
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		file := fmt.Sprintf("%s_%04d.jpg", name, n)
		if vectors[file] == nil {
			vectors[file] = make([]float32, e.Size())
			if err := e.Embed(context.Background(), vectors[file], tasktest.Load(t, filepath.Join(dir, "lfw", name, file))); err != nil {
				t.Fatal(err)
			}
		}
		return vectors[file]
	}
	f, err := os.Open(filepath.Join(dir, "pairs_val.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var same, other []float64
	every := 2 // all pairs take a while
	if os.Getenv("OCELLUS_ALL") != "" {
		every = 1
	}
	s := bufio.NewScanner(f)
	for i := 0; s.Scan(); i++ {
		if i%every != 0 {
			continue
		}
		switch v := strings.Split(s.Text(), "\t"); len(v) {
		case 3:
			same = append(same, embed.Similarity(vector(v[0], v[1]), vector(v[0], v[2])))
		case 4:
			other = append(other, embed.Similarity(vector(v[0], v[1]), vector(v[2], v[3])))
		}
	}
	// The threshold of each half is the best of the other half.
	right := 0
	for half := range 2 {
		pick := func(v []float64, half int) []float64 {
			m := len(v) / 2
			return [2][]float64{v[:m], v[m:]}[half]
		}
		threshold := best(pick(same, 1-half), pick(other, 1-half))
		right += correct(pick(same, half), pick(other, half), threshold)
	}
	accuracy := float64(right) / float64(len(same)+len(other))
	t.Logf("accuracy %.4f of %d pairs (%d pictures)", accuracy, len(same)+len(other), len(vectors))
	const anchor = 0.974
	if least := anchor - 1.96*math.Sqrt(anchor*(1-anchor)/float64(len(same)+len(other))); accuracy < least {
		t.Errorf("accuracy %.4f is under %.4f", accuracy, least)
	}
}

// correct counts the pairs that a threshold sorts rightly.
func correct(same, other []float64, threshold float64) int {
	n := 0
	for _, v := range same {
		if v >= threshold {
			n++
		}
	}
	for _, v := range other {
		if v < threshold {
			n++
		}
	}
	return n
}

// best returns the threshold, half-way between two similarities, that sorts most pairs rightly.
func best(same, other []float64) float64 {
	all := slices.Sorted(slices.Values(append(slices.Clone(same), other...)))
	top, at := -1, math.Inf(1)
	for i := 1; i < len(all); i++ {
		threshold := (all[i-1] + all[i]) / 2
		if n := correct(same, other, threshold); n > top {
			top, at = n, threshold
		}
	}
	return at
}
