package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/camera/still"
	"github.com/ocellus-vision/ocellus/cmd/internal/cards"
	"github.com/ocellus-vision/ocellus/cmd/internal/pictures"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/picture"
)

// vision is what the verbs that run a network of the user's own on pictures have in common.
type vision struct {
	engine
	model, file, labels string
	card                card.Card // of the flags
	asJSON              bool
}

func (v *vision) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&v.model, "model", "", "the network, an .onnx `FILE`")
	f.StringVar(&v.file, "card", "", "YAML `FILE` that describes the network (default the one beside it, M.yaml for M.onnx)")
	f.StringVar(&v.labels, "labels", "", "`FILE` of the classes' names, one a line")
	in := &v.card.Input
	f.StringVar(&in.Size, "size", "", "`SIZE` of the input where the network leaves it open, as 640x480")
	f.StringVar(&in.Order, "order", "", "channels of the input: rgb, bgr or grey")
	f.StringVar(&in.Fit, "fit", "", "how a picture fills the input: stretch, letterbox or crop")
	f.Float64SliceVar(&in.Mean, "mean", nil, "`MEAN`, one number or one a channel: the network sees (v-mean)/std of v in 0..255")
	f.Float64SliceVar(&in.Std, "std", nil, "`DEVIATION`, one number or one a channel")
	f.Float64SliceVar(&in.Pad, "pad", nil, "`COLOUR` that a letterbox is filled with, 0..255")
	f.Float64SliceVar(&in.Region, "region", nil, "part of the picture to take, as `X,Y,WIDTH,HEIGHT` in shares of it")
	f.StringVar(&in.Resample, "resample", "", "how pictures are resized: bilinear or area")
	for _, name := range []string{"mean", "std", "pad", "region"} {
		f.Lookup(name).DefValue = "" // else the help would show []
	}
	f.BoolVar(&v.asJSON, "json", false, "print one JSON object a line")
	v.engine.flags(cmd)
}

// load reads, describes and compiles the network. w and h stand for a size that neither it nor its card gives.
func (v *vision) load(w, h int) (*model.Program, card.Card, error) {
	none := card.Card{}
	if v.model == "" {
		return nil, none, usageErrorf("--model M.onnx is missing")
	}
	if err := v.card.Check(); err != nil {
		return nil, none, usageErrorf("--%s", strings.TrimPrefix(err.Error(), "input."))
	}
	if v.labels != "" {
		labels, err := cards.ReadLabels(v.labels)
		if err != nil {
			return nil, none, err
		}
		v.card.Labels = labels
	}
	var side card.Card
	var err error
	if v.file != "" {
		side, err = cards.Read(v.file)
	} else {
		side, err = cards.Beside(v.model)
	}
	if err != nil {
		return nil, none, err
	}
	g, err := onnx.ReadFile(v.model)
	if err != nil {
		return nil, none, err
	}
	meta, err := card.FromMeta(g.Meta)
	if err != nil {
		return nil, none, fmt.Errorf("%s: %w", v.model, err)
	}
	c := v.card.Over(side).Over(meta)
	if c.Input.Size != "" {
		if w, h, err = card.ParseSize(c.Input.Size); err != nil {
			return nil, none, err
		}
	}
	if len(g.Inputs) != 1 {
		return nil, none, fmt.Errorf("%s: the network has %d inputs; pictures go to networks of one", v.model, len(g.Inputs))
	}
	shape, err := picture.Shape(g.Inputs[0].Shape, w, h)
	if err != nil {
		return nil, none, fmt.Errorf("%s: %w", v.model, err)
	}
	p, err := v.compile(g, map[string][]int{g.Inputs[0].Name: shape})
	if err != nil {
		return nil, none, err
	}
	switch gotW, gotH, err := picture.InputSize(p); {
	case err != nil:
		return nil, none, fmt.Errorf("%s: %w", v.model, err)
	case c.Input.Size != "" && (gotW != w || gotH != h):
		return nil, none, fmt.Errorf("%s: the network takes pictures of %dx%d, not %s", v.model, gotW, gotH, c.Input.Size)
	}
	return p, c, nil
}

// pictureArgs asks for an input and at most one output.
func pictureArgs(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return usageErrorf("name a picture, a folder or a pattern")
	case len(args) > 2:
		return usageErrorf("one INPUT and one OUTPUT; put a pattern in quotes; %q is too much", args[2])
	}
	return nil
}

// inputs lists the pictures that an argument names.
func inputs(arg string) ([]string, error) {
	list, err := still.List(arg)
	if errors.Is(err, os.ErrNotExist) && (strings.Contains(arg, "://") || strings.HasPrefix(arg, "/dev/") || arg == "-") {
		return nil, fmt.Errorf("%s: pictures, folders of them and patterns are read here", arg)
	}
	return list, err
}

// output says where pictures of results go.
type output struct {
	path   string
	folder bool
	taken  map[string]bool
}

// newOutput prepares an OUTPUT for the pictures in list; path may be empty, which is none. only is the extension that files must have, or "".
func newOutput(path string, list []string, only string) (*output, error) {
	if path == "" {
		return nil, nil
	}
	o := &output{path: path, taken: map[string]bool{}}
	info, err := os.Stat(path)
	ext := strings.ToLower(filepath.Ext(path))
	switch {
	case err == nil && info.IsDir(), strings.HasSuffix(path, "/"), ext == "":
		o.folder = true
	case len(list) > 1:
		return nil, usageErrorf("%s: %d pictures need a folder", path, len(list))
	case only != "" && ext != only:
		return nil, usageErrorf("%s: it is written as %s", path, only)
	case !pictures.Writable(path):
		return nil, usageErrorf("%s: pictures are written as .png or .jpg", path)
	}
	if o.folder {
		return o, os.MkdirAll(path, 0o777)
	}
	return o, nil
}

// file returns the file for the results of a picture, with an extension where that is not given.
func (o *output) file(source, ext string) (string, error) {
	path := o.path
	if o.folder {
		stem := strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))
		name := stem + ext
		for i := 2; o.taken[name]; i++ {
			name = fmt.Sprintf("%s_%d%s", stem, i, ext)
		}
		o.taken[name] = true
		path = filepath.Join(o.path, name)
	}
	if a, err := os.Stat(path); err == nil {
		if b, err := os.Stat(source); err == nil && os.SameFile(a, b) {
			return "", fmt.Errorf("%s: the result would be written over the picture", path)
		}
	}
	return path, nil
}

// write draws the result on a picture and writes it; a nil output is none.
func (o *output) write(source string, pic kernels.Picture, draw func(*image.RGBA) image.Image) error {
	if o == nil {
		return nil
	}
	ext := ".png"
	if e := strings.ToLower(filepath.Ext(source)); e == ".jpg" || e == ".jpeg" {
		ext = ".jpg"
	}
	path, err := o.file(source, ext)
	if err != nil {
		return err
	}
	return pictures.Write(path, draw(pictures.RGBA(pic)))
}

// each reads pictures and gives them to do. What fails is reported and passed over; in the end it is an error.
func each(ctx context.Context, stderr io.Writer, list []string, do func(path string, pic kernels.Picture) error) error {
	failed := 0
	for _, path := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		pic, err := pictures.Read(path)
		if err == nil {
			if err = do(path, pic); err != nil {
				err = fmt.Errorf("%s: %w", path, err)
			}
		}
		switch {
		case err == nil:
		case len(list) == 1 || ctx.Err() != nil:
			return err
		default:
			fmt.Fprintf(stderr, "ocellus: %v\n", err)
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d pictures failed", failed, len(list))
	}
	return nil
}

// round cuts a number to this many decimals, for people and JSON.
func round(v float64, decimals int) float64 {
	p := math.Pow10(decimals)
	return math.Round(v*p) / p
}
