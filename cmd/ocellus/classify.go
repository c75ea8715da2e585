package main

import (
	"fmt"
	"image"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/draw"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/classify"
)

// classesOf is the result of classify for one picture.
type classesOf struct {
	File    string           `json:"file"`
	Classes []classify.Class `json:"classes"`
}

func newClassify() *cobra.Command {
	var v vision
	var top int
	cmd := &cobra.Command{
		Use:   "classify --model M.onnx INPUT [OUTPUT]",
		Short: "Say what pictures show with a classifier of your own",
		Long: `Classify runs a network with one output, the scores of its classes, and prints
the most probable ones. Scores that are not probabilities go through a softmax.

INPUT is a picture (JPEG, PNG, WebP, BMP, GIF), a folder or a pattern in quotes.
OUTPUT is a picture, or a folder, for the pictures with the classes written in.

Unless flags, a YAML file beside the network or its metadata say otherwise, the
picture goes in as networks trained on ImageNet are used to: seven eighths of its
middle, RGB, normalised. A network of one channel sees all of it, 0..1.`,
		Example: `  ocellus classify --model resnet18.onnx --labels imagenet.txt cat.jpg
  ocellus classify --model digits.onnx --top 1 scans/ --json`,
		Args: pictureArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if top < 1 {
				return usageErrorf("--top %d: a number from 1 on is meant", top)
			}
			end, err := v.begin()
			if err != nil {
				return err
			}
			defer end()
			list, err := inputs(args[0])
			if err != nil {
				return err
			}
			out, err := newOutput(strings.Join(args[1:], ""), list, "")
			if err != nil {
				return err
			}
			p, c, err := v.load(224, 224)
			if err != nil {
				return err
			}
			net, err := classify.New(p, c)
			if err != nil {
				return fmt.Errorf("%s: %w", v.model, err)
			}
			ctx, cancel := interruptible(cmd)
			defer cancel()
			return each(ctx, cmd.ErrOrStderr(), list, func(path string, pic kernels.Picture) error {
				classes, err := net.Classify(ctx, pic, top)
				if err != nil {
					return err
				}
				for i := range classes {
					classes[i].Score = round(classes[i].Score, 5)
				}
				err = out.write(path, pic, func(img *image.RGBA) image.Image {
					var lines []string
					var colours []int
					for _, c := range classes {
						lines, colours = append(lines, fmt.Sprintf("%s %.2f", c.Label, c.Score)), append(colours, c.Class)
					}
					draw.On(img).Lines(lines, colours)
					return img
				})
				if err != nil {
					return err
				}
				if v.asJSON {
					return writeJSON(cmd.OutOrStdout(), classesOf{path, classes})
				}
				var b strings.Builder
				fmt.Fprintf(&b, "%s\n", path)
				for _, c := range classes {
					fmt.Fprintf(&b, "  %6.3f  %s\n", c.Score, c.Label)
				}
				_, err = fmt.Fprint(cmd.OutOrStdout(), b.String())
				return err
			})
		},
	}
	v.flags(cmd)
	cmd.Flags().IntVar(&top, "top", 5, "how many classes to print")
	return cmd
}
