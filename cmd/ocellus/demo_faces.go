package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/synth"
	"github.com/ocellus-vision/ocellus/cmd/internal/frames"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/model/task/face"
)

// The drawn people of demo, by the order in which they appear.
var drawnNames = []string{"Ada", "Alan", "Grace", "Kurt"}

// drawnHeads are portraits of them, fps a second, over the 24 seconds in which each has had a turn.
func drawnHeads(fps float64) synth.Options {
	return synth.Options{Scene: "portrait", Seed: 7, Width: 480, Height: 360, People: len(drawnNames), FPS: fps, Frames: int(24 * fps), Pace: "free"}
}

// portraits is the part of demo with faces: people are enrolled from a few pictures and named in others.
func (r *runner) portraits(cmd *cobra.Command, folder string, files map[string]string) error {
	people := map[uint64]string{}
	named := false
	load := func() ([]*tasks.Task, error) {
		r.faces.strangers = true
		f, err := r.openFaces(files)
		if err != nil {
			return nil, err
		}
		if named = f.Embedder != nil; named {
			if err := meet(cmd.Context(), f, people); err != nil {
				return nil, err
			}
		}
		return []*tasks.Task{f.Task()}, nil
	}
	var t truth
	var right, wrong, unknown int
	seen := func(_ string, f *camera.Frame, r tasks.Result) bool {
		drawn := f.Truth.(*synth.Truth).Faces
		list := r.(*tasks.FaceList).List
		var boxes, faces [][4]float64
		for _, x := range list {
			boxes = append(boxes, x.Box)
		}
		for _, d := range drawn {
			faces = append(faces, d.Box)
			for _, x := range list {
				if !named || x.Reason != "" || overlap(x.Box, d.Box) < 0.5 {
					continue
				}
				switch x.Name {
				case people[d.Identity]:
					right++
				case face.Unknown:
					unknown++
				default:
					wrong++
				}
			}
		}
		t.match(boxes, faces, nil)
		return true
	}
	o := drawnHeads(4)
	source := fmt.Sprintf("synth:portrait?seed=%d&size=%dx%d&people=%d&fps=%g&frames=%d&pace=free", o.Seed, o.Width, o.Height, o.People, o.FPS, o.Frames)
	if err := r.part(cmd, folder, "portraits", source, load, seen); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	t.print(out, []string{"faces"})
	if named {
		fmt.Fprintf(out, "names: %d right, %d wrong, %d unknown\n", right, wrong, unknown)
	}
	return nil
}

// meet enrols the drawn people, from pictures at other times than those that demo shows, and notes their names.
func meet(ctx context.Context, f *tasks.Faces, names map[uint64]string) error {
	r, err := f.Recogniser()
	if err != nil {
		return err
	}
	r.Gate = face.Enrolling
	s, err := synth.New(drawnHeads(0.7))
	if err != nil {
		return err
	}
	vectors := map[uint64][]face.Vector{}
	err = s.Run(ctx, func(frame *camera.Frame) {
		defer frame.Release()
		id := frame.Truth.(*synth.Truth).Faces[0].Identity
		if names[id] == "" && len(names) < len(drawnNames) {
			names[id] = drawnNames[len(names)]
		}
		pic, err := frames.Picture(frame)
		if err != nil {
			return
		}
		if _, v, err := r.Portrait(ctx, pic); err == nil {
			vectors[id] = append(vectors[id], v)
		}
	})
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for id, v := range vectors {
		if err := f.Gallery.Enrol(names[id], time.Now(), v...); err != nil {
			return err
		}
	}
	return nil
}
