package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/model/task/detect"
)

func newDetect() *cobra.Command {
	v := vision{detect: true, shrinks: true}
	cmd := &cobra.Command{
		Use:   "detect --model M.onnx INPUT [OUTPUT]",
		Short: "Find objects with a detector of your own",
		Long: `Detect runs a detector and prints what it finds: label, score, and box as x, y,
width and height in pixels of the picture.

` + forms + `

The family of the detector shows in its outputs, or --head names it:
` + breakLines(strings.Join(detect.Heads(), ", "), 78) + `.
What the network expects comes from the flags, else from a YAML file beside it or
named by --card, else from its metadata, else it is what its family is used to.
docs/detect.md describes all of it.`,
		Example: `  ocellus detect --model yolox_nano.onnx street.jpg found.png
  ocellus detect --model net.onnx --head yolov5 --labels coco.names 'in/*.jpg' out --json`,
		Args: inputArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return v.look(cmd, args, 640, 640, tasks.Detect) },
	}
	v.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&v.card.Head, "head", "", "family of the network's outputs, where they do not show it")
	f.Var(share{&v.card.Score}, "score", "least score (default that of the family)")
	f.Var(share{&v.card.IoU}, "iou", "overlap above which the lesser of two boxes of a class goes (default that of the family)")
	f.Var(positive{&v.card.Max}, "max", "most objects in a picture (default 200)")
	f.StringVar(&v.card.Units, "units", "", "of boxes that the network has decoded itself: pixels or unit")
	return cmd
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
