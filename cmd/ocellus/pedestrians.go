package main

import (
	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

func newPedestrians() *cobra.Command {
	v := vision{standard: zoo.Pedestrian, detect: true, shrinks: true}
	cmd := &cobra.Command{
		Use:   "pedestrians INPUT [OUTPUT]",
		Short: "Find people on a camera, in clips and pictures, and follow them",
		Long: `Pedestrians prints where people are: score, and box as x, y, width and height in
pixels. In clips and on cameras each person keeps a number from frame to frame.

` + forms + `

Any detector that knows people can take the place of the program's own network:
--model names it, and docs/detect.md says how it is described.`,
		Example: `  ocellus pedestrians /dev/video0 --view
  ocellus pedestrians street.mp4 seen.mp4
  ocellus pedestrians 'rtsp://user:password@camera/stream' --json`,
		Args: inputArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return v.look(cmd, args, 480, 360, tasks.Pedestrians) },
	}
	v.flags(cmd)
	f := cmd.Flags()
	f.Var(share{&v.card.Score}, "score", "least score (default that of the network)")
	f.StringVar(&v.card.Head, "head", "", "family of the network's outputs, where they do not show it")
	return cmd
}

func newScene() *cobra.Command {
	v := vision{standard: zoo.Scene, shrinks: true}
	cmd := &cobra.Command{
		Use:   "scene INPUT [OUTPUT]",
		Short: "Say what each part of a street is: road, building, sky, ...",
		Long: `Scene gives each pixel a class and prints which share of the picture each takes.

` + forms + `
--map writes the label map itself: a PNG of the picture's size whose palette
indices are the classes.

Any network that scores pixels can take the place of the program's own: --model.`,
		Example: `  ocellus scene street.jpg seen.png --map labels.png
  ocellus scene drive.mp4 seen.gif`,
		Args: inputArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return v.look(cmd, args, 480, 360, tasks.Scene) },
	}
	v.flags(cmd)
	cmd.Flags().StringVar(&v.maps, "map", "", "PNG `FILE`, or folder, for the label map")
	return cmd
}
