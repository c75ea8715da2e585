package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/synth"
	"github.com/ocellus-vision/ocellus/cmd/internal/models"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

func newDemo() *cobra.Command {
	var r runner
	cmd := &cobra.Command{
		Use:   "demo [FOLDER]",
		Short: "Show what the program sees, on a drawn street and drawn portraits",
		Long: `Demo lets the networks in the program look at a street and at portraits that the
program draws itself, and compares what they see with what was drawn. Pictures, clips
and results go to FOLDER (out). Clips are .mp4 where ffmpeg is installed, else .gif.

What is drawn only looks like the world: it shows that everything works, not how well.
'ocellus run' does the same with a camera or pictures of your own.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			end, err := r.begin()
			if err != nil {
				return err
			}
			defer end()
			ctx, cancel := interruptible(cmd) // of all parts
			defer cancel()
			cmd.SetContext(ctx)
			r.stderr = cmd.ErrOrStderr()
			r.tasks = []string{"pedestrians"}
			files, err := r.files()
			if err != nil {
				return err
			}
			folder := "out"
			if len(args) > 0 {
				folder = args[0]
			}
			if err := os.MkdirAll(folder, 0o777); err != nil {
				return err
			}
			return r.demo(cmd, folder, files)
		},
	}
	r.engine.flags(cmd)
	f := cmd.Flags()
	f.IntVar(&r.frames, "frames", 60, "how many frames of the street")
	f.StringArrayVar(&r.models, "model", nil, "`NAME=FILE`: a network of your own for pedestrians, scene, face_detector or face_embedder")
	return cmd
}

// demo runs the parts for which there are networks.
func (r *runner) demo(cmd *cobra.Command, folder string, files map[string]string) error {
	begun := time.Now()
	var street []string
	for _, t := range []string{"pedestrians", "scene"} {
		if has(files, t) {
			street = append(street, t)
		}
	}
	portraits := has(files, zoo.FaceDetector)
	if len(street) == 0 && !portraits {
		return errors.New("this build holds no networks: try 'ocellus detect --model M.onnx synth:street' with a network of your own, " +
			"or give demo some with --model pedestrians=M.onnx")
	}
	out := cmd.OutOrStdout()
	if len(street) > 0 {
		t := truth{}
		source := fmt.Sprintf("synth:street?seed=7&size=640x480&pace=free&frames=%d", max(r.frames, 1))
		if err := r.part(cmd, folder, "street", source, func() ([]*tasks.Task, error) { r.tasks = street; return r.load(files) }, t.street); err != nil {
			return err
		}
		t.print(out, street)
	}
	if portraits {
		if err := r.portraits(cmd, folder, files); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%s holds the pictures, clips and results; all took %.1f s\n", folder, time.Since(begun).Seconds())
	return err
}

// has says whether there is a network for a task or a default of the zoo.
func has(files map[string]string, name string) bool {
	if files[name] != "" {
		return true
	}
	standard := name
	if i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name }); i >= 0 {
		standard = kinds[i].standard
	}
	if file, _, err := models.Chosen(standard); err != nil || file != "" {
		return true // what is wrong with the choice shows when it is loaded
	}
	_, err := zoo.Default(standard)
	return err == nil
}

// part lets tasks look at a drawn source and writes NAME.jsonl, NAME.jpg and NAME.mp4 or NAME.gif.
func (r *runner) part(cmd *cobra.Command, folder, name, source string, load func() ([]*tasks.Task, error),
	seen func(string, *camera.Frame, tasks.Result) bool) error {
	path := func(ext string) string { return filepath.Join(folder, name+ext) }
	lines, err := os.Create(path(".jsonl"))
	if err != nil {
		return err
	}
	defer lines.Close()
	clip := ".gif"
	if _, err := exec.LookPath("ffmpeg"); err == nil {
		clip = ".mp4"
	}
	part := *r
	part.frames, part.stdout, part.asJSON, part.seen, part.also = 0, lines, true, seen, []string{path(clip)}
	err = part.run(cmd, source, path(".jpg"), load)
	if cmd.Context().Err() != nil {
		return fmt.Errorf("interrupted: %s holds a part of the %s only, and nothing was compared with what was drawn there", folder, name)
	}
	return errors.Join(err, lines.Close())
}

// truth counts what was seen of what was drawn.
type truth struct {
	there, found, wrong int // people or faces
	right, pixels       int
}

// least is how much of a person must be visible, and how many pixels high, to count.
const (
	leastVisible = 0.5
	leastHeight  = 40
)

func (t *truth) street(_ string, f *camera.Frame, r tasks.Result) bool {
	drawn, ok := f.Truth.(*synth.Truth)
	if !ok {
		return true
	}
	switch r := r.(type) {
	case *tasks.People:
		var people, others [][4]float64 // others neither count nor are wrong
		for _, o := range drawn.Objects {
			switch {
			case o.Class == synth.Pedestrian && o.Visibility >= leastVisible && o.Box[3] >= leastHeight:
				people = append(people, o.Box)
			case o.Class == synth.Pedestrian || o.Class == synth.Bicyclist:
				others = append(others, o.Box)
			}
		}
		var boxes [][4]float64
		for _, p := range r.List {
			boxes = append(boxes, p.Box)
		}
		t.match(boxes, people, others)
	case *tasks.Areas:
		for i, class := range r.Labels {
			if drawn.Labels[i] == synth.Void {
				continue
			}
			t.pixels++
			if class == drawn.Labels[i] {
				t.right++
			}
		}
	}
	return true
}

// match counts boxes that overlap what was drawn by half, best first, each thing once.
func (t *truth) match(found, drawn, others [][4]float64) {
	taken := make([]bool, len(drawn))
	for _, b := range found {
		at, most := -1, 0.5
		for i, d := range drawn {
			if o := overlap(b, d); !taken[i] && o >= most {
				at, most = i, o
			}
		}
		switch {
		case at >= 0:
			taken[at] = true
			t.found++
		case !slices.ContainsFunc(others, func(o [4]float64) bool { return overlap(b, o) >= 0.5 }):
			t.wrong++
		}
	}
	t.there += len(drawn)
}

// overlap is the intersection over union of two boxes x, y, width, height.
func overlap(a, b [4]float64) float64 {
	w := min(a[0]+a[2], b[0]+b[2]) - max(a[0], b[0])
	h := min(a[1]+a[3], b[1]+b[3]) - max(a[1], b[1])
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h / (a[2]*a[3] + b[2]*b[3] - w*h)
}

func (t *truth) print(out io.Writer, names []string) {
	for _, name := range names {
		switch {
		case name == "scene" && t.pixels > 0:
			fmt.Fprintf(out, "scene: %.1f %% of the pixels named as they were drawn\n", 100*float64(t.right)/float64(t.pixels))
		case name != "scene":
			fmt.Fprintf(out, "%s: %d of %d found, %d found that were not drawn\n", name, t.found, t.there, t.wrong)
		}
	}
}
