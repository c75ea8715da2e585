package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/teach/teachtest"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
)

// TestTaughtCard teaches a classifier with a card beside it: the first network of the store, which has none beside it, carries that.
func TestTaughtCard(t *testing.T) {
	net := filepath.Join(t.TempDir(), "net.onnx")
	if err := os.WriteFile(net, teachtest.Network(t), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(filepath.Dir(net), "net.yaml"), "labels: [shadow, person]\ninput: {mean: [127.5], std: [127.5]}\n")
	db, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	d := &daemon{store: db, log: slog.New(slog.DiscardHandler)}
	c := &config.Config{Threads: 1}
	c.Teach.Model = net
	teacher, err := d.openTeacher(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer teacher.Close()
	if got := teacher.Labels(); !slices.Equal(got, []string{"shadow", "person"}) {
		t.Errorf("%q are told apart", got)
	}
	g, err := onnx.ReadFile(filepath.Join(db.Dir(), "teach", "models", "0001.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := card.FromMeta(g.Meta); err != nil || c.Input.Mean[0] != 127.5 || c.Input.Std[0] != 127.5 || c.Window == nil {
		t.Errorf("the first network carries %+v, %v", c, err)
	}
}
