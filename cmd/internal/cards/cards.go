// Package cards reads the YAML files that describe networks.
package cards

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
)

// maxBytes is the largest file that is read.
const maxBytes = 1 << 20

// Read reads a card. An unknown key or a wrong value is an error that shows the line.
func Read(path string) (card.Card, error) {
	b, err := read(path)
	if err != nil {
		return card.Card{}, err
	}
	return parse(path, b)
}

// read reads a file of bounded size.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(b) > maxBytes {
		err = fmt.Errorf("%s: larger than %d KiB", path, maxBytes>>10)
	}
	return b, err
}

func parse(path string, b []byte) (card.Card, error) {
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

// Name returns the file of the card beside a model: M.yaml for M.onnx.
func Name(onnx string) string { return strings.TrimSuffix(onnx, filepath.Ext(onnx)) + ".yaml" }

// Beside returns the card beside a model; an empty one where there is none, or a recipe in its place: what that says of the network is in its metadata.
func Beside(model string) (card.Card, error) {
	path := Name(model)
	b, err := read(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && isRecipe(b) {
		return card.Card{}, nil
	}
	if err != nil {
		return card.Card{}, err
	}
	return parse(path, b)
}

// isRecipe says whether a file is one to train a network by: it has the keys net and loss, which every recipe needs and no card knows.
func isRecipe(b []byte) (is bool) {
	defer func() {
		if recover() != nil { // of the YAML parser, on what it does not know
			is = false
		}
	}()
	var r struct {
		Net  any `yaml:"net"`
		Loss any `yaml:"loss"`
	}
	err := yaml.Unmarshal(b, &r)
	return err == nil && r.Net != nil && r.Loss != nil
}

// ReadModel reads the file of a model. Where a card lies beside it, what it says comes with it in the metadata, so that the model can do without.
func ReadModel(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	side, err := Beside(path)
	if err != nil || reflect.DeepEqual(side, card.Card{}) {
		return b, err
	}
	g, err := onnx.Read(b)
	if err == nil {
		err = describe(g, side)
	}
	if err == nil {
		b, err = onnx.Write(g)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// Sum returns the SHA-256 of the file of a model and of the card beside it.
func Sum(path string) (string, error) {
	h := sha256.New()
	for _, name := range []string{path, Name(path)} {
		b, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) && name != path {
			break
		}
		if err != nil {
			return "", err
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// describe lays a card over that in the metadata of a network.
func describe(g *model.Graph, c card.Card) error {
	under, err := card.FromMeta(g.Meta)
	if err != nil {
		return err
	}
	text, err := json.Marshal(c.Over(under))
	if err != nil {
		return err
	}
	if g.Meta == nil {
		g.Meta = map[string]string{}
	}
	g.Meta[card.MetaKey] = string(text)
	return nil
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
