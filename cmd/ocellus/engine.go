package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/cli"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// engine holds the flags that verbs which run a network share.
type engine struct {
	threads int
	isa     string
}

func (e *engine) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&e.threads, "threads", 0, "most threads to use; 0 means one per CPU")
	cmd.Flags().StringVar(&e.isa, "isa", "", "instruction set to use: generic, neon, avx2 or avx512 (default the best, see doctor)")
}

// begin checks the flags and puts the instruction set in force until the returned function is called.
func (e *engine) begin() (end func(), err error) {
	if e.threads < 0 || e.threads > 1<<10 {
		return nil, usageErrorf("--threads %d: a number from 0 to %d is meant", e.threads, 1<<10)
	}
	if e.isa == "" {
		return func() {}, nil
	}
	isa, err := kernels.ParseISA(e.isa)
	if err != nil {
		return nil, usageErrorf("--isa: %s", strings.TrimPrefix(err.Error(), "kernels: "))
	}
	if end, err = kernels.Force(isa); err != nil {
		return nil, fmt.Errorf("--isa: %s", strings.TrimPrefix(err.Error(), "kernels: "))
	}
	return end, nil
}

// team is the number of threads that a session uses.
func (e *engine) team() int {
	if e.threads > 0 {
		return e.threads
	}
	return runtime.GOMAXPROCS(0)
}

// activeISA names the instruction set that multiplies: the one in force, or what the self-test left of it.
func activeISA() string { return kernels.Active(kernels.OpGemm).String() }

// interruptible returns the command's context; see cli.Interruptible.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return cli.Interruptible(cmd.Context())
}

// splitInput cuts NAME=VALUE. NAME may be left out where the network has one input; it may itself hold an equals sign.
func splitInput(g *model.Graph, arg string) (name, value string, err error) {
	for i := range arg {
		if arg[i] == '=' && inputOf(g, arg[:i]) != nil {
			return arg[:i], arg[i+1:], nil
		}
	}
	if len(g.Inputs) == 1 && !strings.Contains(arg, "=") {
		return g.Inputs[0].Name, arg, nil
	}
	name, _, named := strings.Cut(arg, "=")
	if !named {
		return "", "", usageErrorf("--input %s: write name=%s; %s", arg, arg, theInputs(g))
	}
	return "", "", usageErrorf("--input %s: there is no input %q; %s", arg, name, theInputs(g))
}

func inputOf(g *model.Graph, name string) *model.Value {
	for _, v := range g.Inputs {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// theInputs tells a user what inputs there are.
func theInputs(g *model.Graph) string {
	if len(g.Inputs) == 0 {
		return "the network has no inputs"
	}
	list := make([]string, len(g.Inputs))
	for i, v := range g.Inputs {
		list[i] = fmt.Sprintf("%s (%s)", v.Name, declared(v))
	}
	if len(list) == 1 {
		return "the input is " + list[0]
	}
	return "the inputs are " + strings.Join(list, ", ")
}

// declared writes what a file says of a value: "float32 batch×3×224×224".
func declared(v *model.Value) string { return v.DType.String() + " " + dims(v.Shape) }

// dims writes a declared shape, open dimensions by name.
func dims(shape []model.Dim) string {
	if shape == nil {
		return "of any shape"
	}
	list := make([]string, len(shape))
	for i, d := range shape {
		switch {
		case d.Size >= 0:
			list[i] = strconv.Itoa(d.Size)
		case d.Name != "":
			list[i] = d.Name
		default:
			list[i] = "?"
		}
	}
	return times(list)
}

// shapeText writes a shape: "1×3×224×224".
func shapeText(shape []int) string {
	list := make([]string, len(shape))
	for i, n := range shape {
		list[i] = strconv.Itoa(n)
	}
	return times(list)
}

func times(list []string) string {
	if len(list) == 0 {
		return "scalar"
	}
	return strings.Join(list, "×")
}

// inputShapes reads the --input NAME=1,3,224,224 flags.
func inputShapes(g *model.Graph, args []string) (map[string][]int, error) {
	shapes := map[string][]int{}
	for _, arg := range args {
		name, value, err := splitInput(g, arg)
		if err != nil {
			return nil, err
		}
		if shapes[name] != nil {
			return nil, usageErrorf("--input %s: the input %q is there twice", arg, name)
		}
		shape := []int{}
		for _, f := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == 'x' || r == '×' }) {
			n, err := strconv.Atoi(strings.TrimSpace(f))
			if err != nil || n < 0 {
				return nil, usageErrorf("--input %s: %q is no size; write a shape as 1,3,224,224", arg, f)
			}
			shape = append(shape, n)
		}
		shapes[name] = shape
	}
	return shapes, nil
}

// compile makes a Program, and says which flag gives the shapes that are missing.
func (e *engine) compile(g *model.Graph, shapes map[string][]int) (*model.Program, error) {
	for _, v := range g.Inputs {
		if _, ok := shapes[v.Name]; ok {
			continue
		}
		open := v.Shape == nil
		example := make([]string, len(v.Shape))
		for i, d := range v.Shape {
			example[i] = strconv.Itoa(max(d.Size, 1))
			if d.Size < 0 && i > 0 {
				open = open || !bound(g, shapes, d.Name)
				example[i] = "224"
			}
		}
		if open {
			return nil, usageErrorf("the file leaves sizes of input %s open (%s): give them, like --input %s=%s",
				v.Name, declared(v), v.Name, strings.Join(example, ","))
		}
	}
	p, err := model.Compile(g, model.Options{Inputs: shapes, Threads: e.threads, Consume: true})
	// What was only needed for compiling goes now, and not during the first runs.
	runtime.GC()
	return p, err
}

// bound says whether a named dimension is part of an input whose shape is given.
func bound(g *model.Graph, shapes map[string][]int, name string) bool {
	for _, v := range g.Inputs {
		if s := shapes[v.Name]; s != nil && len(s) == len(v.Shape) && name != "" {
			for _, d := range v.Shape {
				if d.Size < 0 && d.Name == name {
					return true
				}
			}
		}
	}
	return false
}

// madeUp returns tensors for all inputs, the same in every run: element i of a float tensor is lo + (hi-lo)·((i·2654435761 mod 2³²) >> 8)/2²⁴ with
// lo = -1, hi = 1; 8-bit integers take the upper byte of the same number, other integers and booleans its upper bit.
func madeUp(ports []model.Port) (model.Tensors, error) {
	in := model.Tensors{}
	for _, p := range ports {
		if p.DType == tensor.String {
			return nil, errors.New("the input " + p.Name + " is made of strings; only infer can run this network")
		}
		n, _ := tensor.Count(p.Shape)
		t := tensor.New(p.DType, p.Shape...)
		switch {
		case p.DType.IsFloat():
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(float64(uint32(i)*2654435761>>8)/(1<<24)*2 - 1)
			}
			if err := tensor.Convert(t, tensor.Of(x, p.Shape...), true); err != nil {
				return nil, err
			}
		default:
			x, shift := make([]int64, n), 31
			if p.DType == tensor.Uint8 || p.DType == tensor.Int8 {
				shift = 24
			}
			for i := range x {
				x[i] = int64(uint32(i) * 2654435761 >> shift)
				if p.DType == tensor.Int8 {
					x[i] -= 128
				}
			}
			if err := tensor.Convert(t, tensor.Of(x, p.Shape...), false); err != nil {
				return nil, err
			}
		}
		in[p.Name] = t
	}
	return in, nil
}
