package main

import (
	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
)

func newClassify() *cobra.Command {
	var v vision
	var top int
	cmd := &cobra.Command{
		Use:   "classify --model M.onnx INPUT [OUTPUT]",
		Short: "Say what pictures show with a classifier of your own",
		Long: `Classify runs a network with one output, the scores of its classes, and prints
the most probable ones. Scores that are not probabilities go through a softmax.

` + forms + `

Unless flags, a YAML file beside the network or its metadata say otherwise, the
picture goes in as networks trained on ImageNet are used to: seven eighths of its
middle, RGB, normalised. A network of one channel sees all of it, 0..1.`,
		Example: `  ocellus classify --model resnet18.onnx --labels imagenet.txt cat.jpg
  ocellus classify --model digits.onnx --top 1 scans/ --json`,
		Args: inputArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if top < 1 {
				return usageErrorf("--top %d: a number from 1 on is meant", top)
			}
			return v.look(cmd, args, 224, 224, func(n *nets.Net) *tasks.Task { return tasks.Classify(n, top) })
		},
	}
	v.flags(cmd)
	cmd.Flags().IntVar(&top, "top", 5, "how many classes to print")
	return cmd
}
