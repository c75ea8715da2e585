package main

import (
	"fmt"
	"image"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/draw"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/detect"
)

// foundIn is the result of detect for one picture.
type foundIn struct {
	File       string             `json:"file"`
	Width      int                `json:"width"`
	Height     int                `json:"height"`
	Head       string             `json:"head"`
	Detections []detect.Detection `json:"detections"`
}

func newDetect() *cobra.Command {
	var v vision
	cmd := &cobra.Command{
		Use:   "detect --model M.onnx INPUT [OUTPUT]",
		Short: "Find objects in pictures with a detector of your own",
		Long: `Detect runs a detector on pictures and prints what it finds: label, score, and
box as x, y, width and height in pixels of the picture.

INPUT is a picture (JPEG, PNG, WebP, BMP, GIF), a folder or a pattern in quotes.
OUTPUT is a picture, or a folder, for the pictures with the boxes drawn in.

The family of the detector shows in its outputs, or --head names it:
` + breakLines(strings.Join(detect.Heads(), ", "), 78) + `.
What the network expects comes from the flags, else from a YAML file beside it or
named by --card, else from its metadata, else it is what its family is used to.
docs/detect.md describes all of it.`,
		Example: `  ocellus detect --model yolox_nano.onnx street.jpg found.png
  ocellus detect --model net.onnx --head yolov5 --labels coco.names 'in/*.jpg' out --json`,
		Args: pictureArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
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
			p, c, err := v.load(640, 640)
			if err != nil {
				return err
			}
			d, err := detect.New(p, c)
			if err != nil {
				return fmt.Errorf("%s: %w", v.model, err)
			}
			ctx, cancel := interruptible(cmd)
			defer cancel()
			return each(ctx, cmd.ErrOrStderr(), list, func(path string, pic kernels.Picture) error {
				found, err := d.Detect(ctx, pic)
				if err != nil {
					return err
				}
				if err := out.write(path, pic, func(img *image.RGBA) image.Image { return drawFound(img, found) }); err != nil {
					return err
				}
				for i := range found {
					tidy(&found[i])
				}
				if v.asJSON {
					return writeJSON(cmd.OutOrStdout(), foundIn{path, pic.W, pic.H, d.Family(), append([]detect.Detection{}, found...)})
				}
				var b strings.Builder
				fmt.Fprintf(&b, "%s  %dx%d  %d found\n", path, pic.W, pic.H, len(found))
				if len(found) > 0 {
					fmt.Fprintf(&b, "  %-16s %6s %8s %8s %8s %8s\n", "LABEL", "SCORE", "X", "Y", "WIDTH", "HEIGHT")
				}
				for _, f := range found {
					fmt.Fprintf(&b, "  %-16s %6.3f %8.1f %8.1f %8.1f %8.1f\n", f.Label, f.Score, f.Box[0], f.Box[1], f.Box[2], f.Box[3])
				}
				_, err = fmt.Fprint(cmd.OutOrStdout(), b.String())
				return err
			})
		},
	}
	v.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&v.card.Head, "head", "", "family of the network's outputs, where they do not show it")
	f.Float64Var(&v.card.Score, "score", 0, "least score (default that of the family)")
	f.Float64Var(&v.card.IoU, "iou", 0, "overlap above which the lesser of two boxes of a class goes (default that of the family)")
	f.IntVar(&v.card.Max, "max", 0, "most objects in a picture (default 200)")
	f.StringVar(&v.card.Units, "units", "", "of boxes that the network has decoded itself: pixels or unit")
	return cmd
}

// tidy rounds a detection for printing.
func tidy(d *detect.Detection) {
	for i, v := range d.Box {
		d.Box[i] = round(v, 2)
	}
	d.Score = round(d.Score, 5)
	for i := range d.Landmarks {
		d.Landmarks[i] = [2]float64{round(d.Landmarks[i][0], 2), round(d.Landmarks[i][1], 2)}
	}
}

func drawFound(img *image.RGBA, found []detect.Detection) image.Image {
	boxes := make([]draw.Box, len(found))
	for i, f := range found {
		boxes[i] = draw.Box{Rect: f.Box, Class: f.Class, Text: fmt.Sprintf("%s %.2f", f.Label, f.Score), Points: f.Landmarks}
	}
	draw.On(img).Boxes(boxes)
	return img
}

// breakLines breaks text at spaces into lines of at most width characters.
func breakLines(text string, width int) string {
	var b strings.Builder
	line := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i > 0 && line+1+len(word) > width:
			b.WriteByte('\n')
			line = 0
		case i > 0:
			b.WriteByte(' ')
			line++
		}
		b.WriteString(word)
		line += len(word)
	}
	return b.String()
}
