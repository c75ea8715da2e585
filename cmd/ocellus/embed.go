package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/embed"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// vectorOf is the result of embed for one picture.
type vectorOf struct {
	File   string    `json:"file"`
	Vector []float32 `json:"vector"`
}

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

Each INPUT is a picture (JPEG, PNG, WebP, BMP, GIF), a folder or a pattern in quotes.
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
			var list []string
			for _, arg := range args {
				more, err := inputs(arg)
				if err != nil {
					return err
				}
				list = append(list, more...)
			}
			p, c, err := v.load(112, 112)
			if err != nil {
				return err
			}
			net, err := embed.New(p, c)
			if err != nil {
				return fmt.Errorf("%s: %w", v.model, err)
			}
			ctx, cancel := interruptible(cmd)
			defer cancel()
			var files []string
			var all [][]float32
			failed := each(ctx, cmd.ErrOrStderr(), list, func(path string, pic kernels.Picture) error {
				vector := make([]float32, net.Size())
				if err := net.Embed(ctx, vector, pic); err != nil {
					return err
				}
				files, all = append(files, path), append(all, vector)
				if v.asJSON {
					return writeJSON(cmd.OutOrStdout(), vectorOf{path, vector})
				}
				if len(args) == 2 && len(list) == 2 { // their similarity is what was asked for
					return nil
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", path, glance(vector))
				return err
			})
			if failed != nil && ctx.Err() != nil {
				return failed
			}
			if npy != "" && len(all) > 0 {
				if err := writeRows(npy, all); err != nil {
					return err
				}
			}
			if failed == nil && len(list) == 2 {
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

// glance shows how a vector begins.
func glance(v []float32) string {
	var b strings.Builder
	for _, x := range v[:min(len(v), 4)] {
		fmt.Fprintf(&b, "%+.4f ", x)
	}
	fmt.Fprintf(&b, "... (%d)", len(v))
	return b.String()
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
