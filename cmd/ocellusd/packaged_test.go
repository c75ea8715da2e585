package main

import (
	"path/filepath"
	"testing"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
)

// TestPackagedSettings reads what a package puts into /etc/ocellus.
func TestPackagedSettings(t *testing.T) {
	c, err := config.Load(filepath.Join("..", "..", "packaging", "ocellusd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Cameras) != 1 || !encrypts(c) {
		t.Errorf("%d cameras, listening on %s, encrypted: %v; one camera that every machine has is to be watched, with TLS from elsewhere", len(c.Cameras), c.Listen, encrypts(c))
	}
}
