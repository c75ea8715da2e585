package main

import (
	"cmp"
	"fmt"
	"image"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/draw"
	"github.com/ocellus-vision/ocellus/cmd/internal/pictures"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/segment"
)

// sharesOf is the result of segment for one picture.
type sharesOf struct {
	File    string          `json:"file"`
	Width   int             `json:"width"`
	Height  int             `json:"height"`
	Classes []segment.Share `json:"classes"`
	Map     string          `json:"map,omitempty"` // file of the label map
}

func newSegment() *cobra.Command {
	var v vision
	var maps string
	cmd := &cobra.Command{
		Use:   "segment --model M.onnx INPUT [OUTPUT]",
		Short: "Give each pixel of pictures a class with a segmenter of your own",
		Long: `Segment runs a network that scores each pixel's classes, and prints the share of
the picture that each class takes.

INPUT is a picture (JPEG, PNG, WebP, BMP, GIF), a folder or a pattern in quotes.
OUTPUT is a picture, or a folder, for the pictures with the classes laid over them
and a legend. --map writes the label map itself: a PNG of the picture's size whose
palette indices are the classes.

A class that is named background or void is not coloured. Without names, a network
of two classes has background and foreground.`,
		Example: `  ocellus segment --model deeplab.onnx street.jpg seen.png --map labels.png`,
		Args:    pictureArgs,
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
			mapOut, err := newOutput(maps, list, ".png")
			if err != nil {
				return err
			}
			p, c, err := v.load(512, 512)
			if err != nil {
				return err
			}
			net, err := segment.New(p, c)
			if err != nil {
				return fmt.Errorf("%s: %w", v.model, err)
			}
			ctx, cancel := interruptible(cmd)
			defer cancel()
			var labels []uint8
			return each(ctx, cmd.ErrOrStderr(), list, func(path string, pic kernels.Picture) error {
				if err := net.Segment(ctx, pic); err != nil {
					return err
				}
				labels = slices.Grow(labels[:0], pic.W*pic.H)[:pic.W*pic.H]
				if err := net.Labels(labels); err != nil {
					return err
				}
				shares := slices.Clone(net.Shares(labels))
				slices.SortStableFunc(shares, func(a, b segment.Share) int { return cmp.Compare(b.Share, a.Share) })
				result := sharesOf{File: path, Width: pic.W, Height: pic.H, Classes: shares}
				if mapOut != nil {
					if result.Map, err = mapOut.file(path, ".png"); err != nil {
						return err
					}
					if err := pictures.Write(result.Map, draw.Map(labels, pic.W, pic.H)); err != nil {
						return err
					}
				}
				err = out.write(path, pic, func(img *image.RGBA) image.Image {
					var legend []draw.Legend
					for _, s := range shares {
						clear := s.Label == "background" || s.Label == "void"
						legend = append(legend, draw.Legend{Class: s.Class, Text: fmt.Sprintf("%s %.0f %%", s.Label, 100*s.Share), Clear: clear})
					}
					return draw.Labels(img, labels, legend)
				})
				if err != nil {
					return err
				}
				for i := range shares {
					shares[i].Share = round(shares[i].Share, 5)
				}
				if v.asJSON {
					return writeJSON(cmd.OutOrStdout(), result)
				}
				var b strings.Builder
				fmt.Fprintf(&b, "%s  %dx%d\n", path, pic.W, pic.H)
				for _, s := range shares {
					fmt.Fprintf(&b, "  %6.2f %%  %s\n", 100*s.Share, s.Label)
				}
				_, err = fmt.Fprint(cmd.OutOrStdout(), b.String())
				return err
			})
		},
	}
	v.flags(cmd)
	cmd.Flags().StringVar(&maps, "map", "", "PNG `FILE`, or folder, for the label map")
	return cmd
}
