package main

import (
	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
)

func newSegment() *cobra.Command {
	v := vision{shrinks: true}
	cmd := &cobra.Command{
		Use:   "segment --model M.onnx INPUT [OUTPUT]",
		Short: "Give each pixel of pictures a class with a segmenter of your own",
		Long: `Segment runs a network that scores each pixel's classes, and prints the share of
the picture that each class takes.

` + forms + `
--map writes the label map itself: a PNG of the picture's size whose palette
indices are the classes.

A class that is named background or void is not coloured. Without names, a network
of two classes has background and foreground.`,
		Example: `  ocellus segment --model deeplab.onnx street.jpg seen.png --map labels.png`,
		Args:    inputArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return v.look(cmd, args, 512, 512, tasks.Segment) },
	}
	v.flags(cmd)
	cmd.Flags().StringVar(&v.maps, "map", "", "PNG `FILE`, or folder, for the label map")
	return cmd
}
