package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// kind is a task that run knows.
type kind struct {
	name     string
	standard string // its network in model/zoo; "": it needs one of the user's
	w, h     int    // of the input where nothing says
	shrinks  bool   // it can work on smaller ones
	task     func(*nets.Net) *tasks.Task
}

var kinds = []kind{
	{"pedestrians", zoo.Pedestrian, 480, 360, true, tasks.Pedestrians},
	{"scene", zoo.Scene, 480, 360, true, tasks.Scene},
	{"faces", "", 0, 0, false, nil}, // needs two networks
	{"digit", zoo.Digit, 28, 28, false, tasks.Digit},
	{"detect", "", 640, 640, true, tasks.Detect},
	{"classify", "", 224, 224, false, func(n *nets.Net) *tasks.Task { return tasks.Classify(n, 5) }},
	{"segment", "", 512, 512, true, tasks.Segment},
	{"embed", "", 112, 112, false, tasks.Embed},
}

func kindNames() []string {
	var all []string
	for _, k := range kinds {
		all = append(all, k.name)
	}
	return all
}

// runner is the verb run.
type runner struct {
	watching
	faces  faceNets
	tasks  []string
	models []string
	stderr io.Writer
}

func newRun() *cobra.Command {
	var r runner
	cmd := &cobra.Command{
		Use:   "run [--task T,T...] INPUT [OUTPUT]",
		Short: "Look at a camera, clips or pictures with several tasks at once",
		Long: `Run lets one or more tasks look at the same frames. The tasks are
` + breakLines(strings.Join(kindNames(), ", "), 78) + `.

` + forms + `

Without --model a task uses the network in the program; detect, classify, segment
and embed have none. Faces are named after the people of 'ocellus face enrol'.
What is only of tasks that do not look is refused: --map, --store, --threshold and
the --model of another.

On a camera every task takes the newest frame whenever it is free: nothing waits,
frames that nobody had time for are dropped and counted, and each result is a
line of its own. In clips and folders every task sees every frame.`,
		Example: `  ocellus run /dev/video0 --view
  ocellus run --task pedestrians,scene clip.mp4 seen.mp4
  ocellus run --task detect --model detect=yolox_nano.onnx 'synth:street?frames=100' out/`,
		Args: inputArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			end, err := r.begin()
			if err != nil {
				return err
			}
			defer end()
			r.stderr = cmd.ErrOrStderr()
			files, err := r.files()
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("task") {
				r.possible(files)
			}
			if err := r.wanted(cmd, files); err != nil {
				return err
			}
			return r.run(cmd, args[0], strings.Join(args[1:], ""), func() ([]*tasks.Task, error) { return r.load(files) })
		},
	}
	r.flags(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&r.tasks, "task", []string{"pedestrians", "scene", "faces"}, "`TASKS`, separated by commas")
	f.StringArrayVar(&r.models, "model", nil, "`NAME=FILE`: the network of a task, or face_detector, face_embedder")
	f.StringVar(&r.maps, "map", "", "PNG `FILE`, or folder, for the label map of scene or segment")
	r.faces.flags(cmd)
	return cmd
}

// files returns the networks that --model names, by task.
func (r *runner) files() (map[string]string, error) {
	known := append(kindNames(), zoo.FaceDetector, zoo.FaceEmbedder)
	known = slices.DeleteFunc(known, func(s string) bool { return s == "faces" })
	files := map[string]string{}
	for _, m := range r.models {
		name, file, ok := strings.Cut(m, "=")
		switch {
		case !ok || file == "":
			return nil, usageErrorf("--model %s: write NAME=FILE, NAME one of %s", m, strings.Join(known, ", "))
		case !slices.Contains(known, name):
			return nil, usageErrorf("--model %s: there is no %q; the names are %s", m, name, strings.Join(known, ", "))
		}
		files[name] = file
	}
	seen := map[string]bool{}
	for _, t := range r.tasks {
		switch {
		case !slices.Contains(kindNames(), t):
			return nil, usageErrorf("--task %s: the tasks are %s", t, strings.Join(kindNames(), ", "))
		case seen[t]:
			return nil, usageErrorf("--task: %s is there twice", t)
		}
		seen[t] = true
	}
	if seen["classify"] && seen["segment"] {
		return nil, usageErrorf("--task: classify and segment would both print their classes; take one")
	}
	if r.maps != "" && seen["scene"] && seen["segment"] {
		return nil, usageErrorf("--map: scene and segment would both write their label maps there; take one, or leave --map out")
	}
	if len(seen) == 0 {
		return nil, usageErrorf("--task: name one of %s", strings.Join(kindNames(), ", "))
	}
	return files, nil
}

// possible leaves out the tasks for which there is no network, and says so.
func (r *runner) possible(files map[string]string) {
	r.tasks = slices.DeleteFunc(r.tasks, func(task string) bool {
		name := task
		if task == "faces" {
			name = zoo.FaceDetector
		}
		if has(files, name) {
			return false
		}
		fmt.Fprintf(r.stderr, "ocellus: without %s: there is no network for it; --task %[1]s says what to do\n", task)
		return true
	})
}

// readers says which tasks read a flag that not all do.
var readers = map[string][]string{"map": {"scene", "segment"}, "store": {"faces"}, "threshold": {"faces"}}

// wanted refuses flags and networks of tasks that are not among those that look.
func (r *runner) wanted(cmd *cobra.Command, files map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		task := name
		if name == zoo.FaceDetector || name == zoo.FaceEmbedder {
			task = "faces"
		}
		if !slices.Contains(r.tasks, task) {
			return usageErrorf("--model %s=%s is of %s, not of %s", name, files[name], task, strings.Join(r.tasks, ", "))
		}
	}
	return wanted(cmd, readers, r.tasks...)
}

// load opens the tasks.
func (r *runner) load(files map[string]string) ([]*tasks.Task, error) {
	var list []*tasks.Task
	for _, name := range r.tasks {
		k := kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })]
		if name == "faces" {
			f, err := r.openFaces(files)
			if err != nil {
				return nil, err
			}
			list = append(list, f.Task())
			continue
		}
		if files[name] == "" && k.standard == "" {
			return nil, usageErrorf("--task %s needs a network of your own: --model %s=M.onnx", name, name)
		}
		n, err := loadNet(nets.Request{Default: k.standard, File: files[name], Width: k.w, Height: k.h, Threads: r.threads,
			Smaller: k.shrinks && r.live, Detect: name == "pedestrians" || name == "detect"},
			fmt.Sprintf("--model %s=M.onnx, or leave %s out of --task", name, name))
		if err != nil {
			return nil, err
		}
		list = append(list, k.task(n))
	}
	return list, nil
}

// openFaces opens the networks of the task faces.
func (r *runner) openFaces(files map[string]string) (*tasks.Faces, error) {
	r.faces.detector, r.faces.embedder, r.faces.threads = files[zoo.FaceDetector], files[zoo.FaceEmbedder], r.threads
	f, why, err := r.faces.open()
	if why != "" {
		fmt.Fprintf(r.stderr, "ocellus: faces are found but not named: %s\n", why)
	}
	return f, err
}
