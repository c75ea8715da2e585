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
	return beside(path, b, err)
}

// beside is Beside of what reading the file gave.
func beside(path string, b []byte, err error) (card.Card, error) {
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

// File is the file of a model with that of the card beside it, each read once.
type File struct {
	Bytes []byte // of the model
	path  string
	side  []byte
	err   error // of reading side
}

// ReadFile reads the file of a model and that of the card beside it, where there is one.
func ReadFile(path string) (*File, error) {
	f := &File{path: path}
	var err error
	if f.Bytes, err = os.ReadFile(path); err != nil {
		return nil, err
	}
	f.side, f.err = read(Name(path))
	return f, nil
}

// Model returns the bytes of the model. Where a card lies beside it, what it says comes with it in the metadata, so that the model can do without.
func (f *File) Model() ([]byte, error) {
	side, err := beside(Name(f.path), f.side, f.err)
	if err != nil || reflect.DeepEqual(side, card.Card{}) {
		return f.Bytes, err
	}
	g, err := onnx.Read(f.Bytes)
	if err == nil {
		err = describe(g, side)
	}
	var b []byte
	if err == nil {
		b, err = onnx.Write(g)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return b, nil
}

// Sum returns the SHA-256 of the file of the model and of the card beside it, of one that is too large of its beginning.
func (f *File) Sum() (string, error) {
	if f.err != nil && !errors.Is(f.err, os.ErrNotExist) && len(f.side) <= maxBytes {
		return "", f.err
	}
	h := sha256.New()
	h.Write(f.Bytes)
	h.Write(f.side)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ReadModel returns the Model of a File.
func ReadModel(path string) ([]byte, error) {
	f, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	return f.Model()
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
