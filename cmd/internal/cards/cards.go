// Package cards reads the YAML files that describe networks.
package cards

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/ocellus-vision/ocellus/model/task/card"
)

// maxBytes is the largest file that is read.
const maxBytes = 1 << 20

// Read reads a card. An unknown key or a wrong value is an error that shows the line.
func Read(path string) (card.Card, error) {
	f, err := os.Open(path)
	if err != nil {
		return card.Card{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	switch {
	case err != nil:
		return card.Card{}, err
	case len(b) > maxBytes:
		return card.Card{}, fmt.Errorf("%s: larger than %d KiB", path, maxBytes>>10)
	}
	c, err := Parse(b)
	if err != nil {
		return card.Card{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Parse reads a card from YAML.
func Parse(b []byte) (c card.Card, err error) {
	defer func() {
		if r := recover(); r != nil {
			c, err = card.Card{}, fmt.Errorf("no YAML: %v", r)
		}
	}()
	err = yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(&c)
	if err != nil && !errors.Is(err, io.EOF) {
		return card.Card{}, errors.New(strings.TrimRight(yaml.FormatError(err, false, true), "\n"))
	}
	return c, c.Check()
}

// Beside returns the card beside a model, M.yaml for M.onnx; an empty one where there is none.
func Beside(model string) (card.Card, error) {
	c, err := Read(strings.TrimSuffix(model, filepath.Ext(model)) + ".yaml")
	if errors.Is(err, os.ErrNotExist) {
		return card.Card{}, nil
	}
	return c, err
}

// ReadLabels reads a file of one label a line.
func ReadLabels(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, err
	}
	list := card.ParseLabels(string(b))
	if len(b) > maxBytes || len(list) == 0 {
		return nil, fmt.Errorf("%s: no labels; one name a line is meant", path)
	}
	return list, nil
}
