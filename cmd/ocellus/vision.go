package main

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/cards"
	"github.com/ocellus-vision/ocellus/cmd/internal/models"
	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// vision is what the verbs that look with one network have in common.
type vision struct {
	watching
	model, file, labels string
	card                card.Card // of the flags
	standard            string    // name in model/zoo of the network that stands for none; "": there is none
	detect              bool      // objects are found: a classifier of windows is moved over pictures
	shrinks             bool      // the task can work on smaller inputs
}

func (v *vision) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&v.model, "model", "", "the network, an .onnx `FILE`, or the name of one of 'ocellus models'")
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
	v.watching.flags(cmd)
}

// load reads, describes and compiles the network. w and h stand for a size that neither it nor its card gives.
func (v *vision) load(w, h int) (*nets.Net, error) {
	if v.model == "" && v.standard == "" {
		return nil, usageErrorf("--model M.onnx is missing")
	}
	if err := v.card.Check(); err != nil {
		return nil, usageErrorf("--%s", strings.TrimPrefix(err.Error(), "input."))
	}
	c := v.card
	if v.labels != "" {
		labels, err := cards.ReadLabels(v.labels)
		if err != nil {
			return nil, err
		}
		c.Labels = labels
	}
	if v.file != "" {
		side, err := cards.Read(v.file)
		if err != nil {
			return nil, err
		}
		c = c.Over(side)
	}
	return loadNet(nets.Request{Default: v.standard, File: v.model, Card: c, Width: w, Height: h, Threads: v.threads,
		Smaller: v.shrinks && v.live, Detect: v.detect}, "--model M.onnx")
}

// loadNet is nets.Load; where the program has no such network it says how to get one, and that the flag names another.
func loadNet(r nets.Request, flag string) (*nets.Net, error) {
	n, err := nets.Load(r)
	var missing *zoo.MissingError
	if errors.As(err, &missing) {
		public := ""
		if e, ok := models.For(missing.Name); ok {
			public = fmt.Sprintf("get a public one with 'ocellus models get %s' and 'ocellus models use %s %[1]s', or ", e.Name, missing.Name)
		}
		return nil, fmt.Errorf("%w: %sname one of your own with %s", err, public, flag)
	}
	return n, err
}

// look runs one task with the network of the flags on the INPUT and the OUTPUT in args. w and h are as in load.
func (v *vision) look(cmd *cobra.Command, args []string, w, h int, task func(*nets.Net) *tasks.Task) error {
	end, err := v.begin()
	if err != nil {
		return err
	}
	defer end()
	if v.model == "" && v.standard == "" {
		return usageErrorf("--model M.onnx is missing")
	}
	return v.run(cmd, args[0], strings.Join(args[1:], ""), func() ([]*tasks.Task, error) {
		n, err := v.load(w, h)
		if err != nil {
			return nil, err
		}
		return []*tasks.Task{task(n)}, nil
	})
}

// round cuts a number to this many decimals, for people and JSON.
func round(v float64, decimals int) float64 {
	p := math.Pow10(decimals)
	return math.Round(v*p) / p
}
