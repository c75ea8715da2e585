package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/ocellus/internal/tensorfile"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

func newInfer() *cobra.Command {
	var (
		eng    engine
		files  []string
		dir    string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "infer MODEL.onnx --input NAME=FILE ... --output-dir DIR",
		Short: "Run a network on tensors from files and write its outputs as .npy files",
		Long: `Infer reads one file for each input of the network, NumPy's .npy (C order,
little-endian) or ONNX's TensorProto (.pb), runs the network once, and writes each
output to DIR/NAME.npy, in the axis order of the ONNX file.

The files must have the types that the network declares; nothing is converted,
but for types that NumPy lacks (bfloat16, 8-bit floats and 4-bit integers are read
from and written as float32, int8 or uint8). Sizes that the network leaves open
are those of the files.

In file names slashes, backslashes, what cannot be printed and a leading dot become
"_"; where two names come out alike the later one gets "_2". The table on standard
output says which output is in which file.`,
		Example: `  ocellus infer net.onnx --input image=x.npy --output-dir out
  ocellus infer net.onnx --input x.npy --output-dir out      (a network with one input)`,
		Args: modelArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return usageErrorf("--output-dir DIR is missing")
			}
			end, err := eng.begin()
			if err != nil {
				return err
			}
			defer end()
			g, err := readNet(args[0])
			if err != nil {
				return err
			}
			in, read, err := readInputs(g, files)
			if err != nil {
				return err
			}
			shapes := map[string][]int{}
			for name, t := range in {
				shapes[name] = t.Shape()
			}
			prog, err := eng.compile(g, shapes)
			if err != nil {
				return err
			}
			paths := outputPaths(dir, prog.Outputs())
			if err := claim(append(read, args[0]), paths...); err != nil {
				return err
			}
			ctx, cancel := interruptible(cmd)
			defer cancel()
			out := model.Tensors{}
			if err := prog.NewSession().Run(ctx, in, out); err != nil {
				return err
			}
			written, err := writeOutputs(dir, paths, prog.Outputs(), out)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), struct {
					Outputs []outputFile `json:"outputs"`
				}{written})
			}
			return writtenTable(cmd.OutOrStdout(), written)
		},
	}
	eng.flags(cmd)
	cmd.Flags().StringArrayVar(&files, "input", nil, "tensor file of an input, as name=FILE; once for each input")
	cmd.Flags().StringVar(&dir, "output-dir", "", "folder to write the outputs to; made where it is missing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// modelArg asks for exactly one argument, the model.
func modelArg(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 1:
		return nil
	case 0:
		return usageErrorf("name the model: an .onnx file")
	}
	return usageErrorf("one model at a time; %q is too much", args[1])
}

// readInputs reads the files of the --input flags, and returns their names too.
func readInputs(g *model.Graph, files []string) (in model.Tensors, paths []string, err error) {
	in = model.Tensors{}
	for _, arg := range files {
		name, path, err := splitInput(g, arg)
		if err != nil {
			return nil, nil, err
		}
		if in[name] != nil {
			return nil, nil, usageErrorf("--input %s: the input %q is there twice", arg, name)
		}
		t, err := tensorfile.Read(path)
		if err != nil {
			return nil, nil, fmt.Errorf("input %q: %w", name, err)
		}
		if in[name], err = asDeclared(t, inputOf(g, name)); err != nil {
			return nil, nil, fmt.Errorf("input %q: %s: %w", name, path, err)
		}
		paths = append(paths, path)
	}
	for _, v := range g.Inputs {
		if in[v.Name] == nil {
			return nil, nil, usageErrorf("no file for input %s (%s): add --input %s=FILE", v.Name, declared(v), v.Name)
		}
	}
	return in, paths, nil
}

// carrier gives the type in which .npy files hold elements that NumPy has no type for.
var carrier = map[tensor.DType]tensor.DType{
	tensor.BFloat16: tensor.Float32, tensor.Float8E4M3: tensor.Float32, tensor.Float8E4M3UZ: tensor.Float32,
	tensor.Float8E5M2: tensor.Float32, tensor.Float8E5M2UZ: tensor.Float32, tensor.Int4: tensor.Int8, tensor.Uint4: tensor.Uint8,
}

// asDeclared checks a tensor against what the network declares, and converts one that came in a carrier type.
func asDeclared(t *tensor.Tensor, v *model.Value) (*tensor.Tensor, error) {
	fits := len(v.Shape) == t.Rank() || v.Shape == nil
	for i := 0; fits && i < len(v.Shape); i++ {
		fits = v.Shape[i].Size < 0 || v.Shape[i].Size == t.Dim(i)
	}
	if !fits {
		return nil, fmt.Errorf("the file holds %s, the network takes %s", shapeText(t.Shape()), dims(v.Shape))
	}
	if t.DType() == v.DType {
		return t, nil
	}
	if c, ok := carrier[v.DType]; ok && c == t.DType() {
		u := tensor.New(v.DType, t.Shape()...)
		return u, tensor.Convert(u, t, true)
	}
	want := v.DType
	if c, ok := carrier[want]; ok {
		want = c
	}
	return nil, fmt.Errorf("the file holds %v, the network takes %v: save it with numpy's astype(%q)", t.DType(), v.DType, want)
}

// outputFile says where an output went.
type outputFile struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
	File  string `json:"file"`
}

// outputPaths returns the file of each output.
func outputPaths(dir string, ports []model.Port) []string {
	names := make([]string, len(ports))
	for i, p := range ports {
		names[i] = p.Name
	}
	paths := tensorfile.Names(names)
	for i, file := range paths {
		paths[i] = filepath.Join(dir, file+".npy")
	}
	return paths
}

// writeOutputs writes each output to its file in a folder.
func writeOutputs(dir string, paths []string, ports []model.Port, out model.Tensors) ([]outputFile, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	written := make([]outputFile, len(ports))
	for i, p := range ports {
		t := out[p.Name]
		if err := tensorfile.Write(paths[i], t); err != nil {
			return nil, fmt.Errorf("output %q: %w", p.Name, err)
		}
		written[i] = outputFile{p.Name, t.DType().String(), append([]int{}, t.Shape()...), paths[i]}
	}
	return written, nil
}

func writtenTable(w io.Writer, list []outputFile) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, o := range list {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", o.Name, o.DType, shapeText(o.Shape), o.File)
	}
	return tw.Flush()
}
