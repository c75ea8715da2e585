package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/cmd/internal/sources"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/model/task/embed"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// likeness is the result of embed for two pictures.
type likeness struct {
	Files      [2]string `json:"files"`
	Similarity float64   `json:"similarity"`
}

func newEmbed() *cobra.Command {
	var v vision
	var npy string
	cmd := &cobra.Command{
		Use:   "embed --model M.onnx INPUT [INPUT]",
		Short: "Turn pictures into vectors with a network of your own, and compare two",
		Long: `Embed runs a network whose only output is a vector, and divides the vector by its
length. Two pictures are compared: the cosine of the angle between their vectors,
1 for the same and around 0 for pictures with nothing in common.

` + sources.Forms + `
--json prints the vectors, one object a line; --npy writes them as the rows of a
NumPy array, in the order in which they are printed.

Unless flags, a YAML file beside the network or its metadata say otherwise, the
middle of the picture goes in as RGB from -1 to 1.`,
		Example: `  ocellus embed --model mobilefacenet.onnx a.jpg b.jpg
  ocellus embed --model net.onnx album/ --npy album.npy`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageErrorf("name a picture, a folder or a pattern")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			end, err := v.begin()
			if err != nil {
				return err
			}
			defer end()
			ctx, cancel := interruptible(cmd) // of all INPUTs
			defer cancel()
			cmd.SetContext(ctx)
			if err := v.sparing(args, npy); err != nil {
				return err
			}
			net, err := v.load(112, 112)
			if err != nil {
				return err
			}
			var files []string
			var all [][]float32
			two := len(args) == 2 && onePicture(args[0]) && onePicture(args[1]) // then their similarity is what was asked for
			v.seen = func(name string, _ *camera.Frame, r tasks.Result) bool {
				files, all = append(files, name), append(all, slices.Clone(r.(*tasks.Vector).V))
				return v.asJSON || !two
			}
			var failed error
			for i, arg := range args {
				if ctx.Err() != nil {
					failed = errors.Join(failed, fmt.Errorf("interrupted: no vectors of %s", strings.Join(args[i:], ", ")))
					break
				}
				if err := v.run(cmd, arg, "", func() ([]*tasks.Task, error) { return []*tasks.Task{tasks.Embed(net)}, nil }); err != nil {
					failed = errors.Join(failed, err)
				}
			}
			if npy != "" && len(all) > 0 {
				if err := writeRows(npy, all); err != nil {
					return err
				}
			}
			if failed == nil && len(all) == 2 && (two || files[0] != files[1]) {
				s := likeness{[2]string{files[0], files[1]}, round(embed.Similarity(all[0], all[1]), 6)}
				if v.asJSON {
					return writeJSON(cmd.OutOrStdout(), s)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "similarity %.4f  %s  %s\n", s.Similarity, s.Files[0], s.Files[1])
				return err
			}
			return failed
		},
	}
	v.flags(cmd)
	cmd.Flags().StringVar(&npy, "npy", "", "`FILE` to write the vectors to, one a row")
	return cmd
}

// sparing refuses to write a result, or none for "", over a file that is read.
func (v *vision) sparing(inputs []string, result string) error {
	read := []string{v.model, v.file, v.labels}
	for _, arg := range inputs {
		if in, err := sources.Open(arg, sources.Options{}); err == nil { // what is wrong with it shows when it is looked at
			read = append(read, in.Files...)
		}
	}
	return claim(read, result)
}

// onePicture says whether an INPUT is one picture.
func onePicture(arg string) bool {
	in, err := sources.Open(arg, sources.Options{})
	return err == nil && in.Stills && in.Total == 1
}

// writeRows writes vectors of one length as an array [len(rows), length].
func writeRows(path string, rows [][]float32) error {
	var flat []float32
	for _, r := range rows {
		flat = append(flat, r...)
	}
	var b bytes.Buffer
	if err := tensor.WriteNPY(&b, tensor.Of(flat, len(rows), len(rows[0]))); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o666)
}
