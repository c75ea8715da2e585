package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/camera/still"
	"github.com/ocellus-vision/ocellus/cmd/internal/nets"
	"github.com/ocellus-vision/ocellus/cmd/internal/pictures"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/cmd/internal/view"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/embed"
	"github.com/ocellus-vision/ocellus/model/task/face"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// faceNets is the networks and the people that face verbs use.
type faceNets struct {
	detector, embedder string
	store              string
	threshold          optional
	threads            int
	strangers          bool // of the store only the calibration counts, not the people
}

// flags adds those that run has too.
func (n *faceNets) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&n.store, "store", "", "`FILE` of the people that are known (default faces.json in the user's data folder)")
	f.Var(&n.threshold, "threshold", "least similarity of pictures of one person (default the calibrated one)")
}

// netFlags adds those that name the networks.
func (n *faceNets) netFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&n.detector, "detector", "", "`FILE` of a network that finds faces with five landmarks, such as YuNet or SCRFD")
	f.StringVar(&n.embedder, "embedder", "", "`FILE` of a network that makes a vector of an aligned face")
}

// path returns the file of the people that are known.
func (n *faceNets) path() (face.Store, error) {
	if n.store != "" {
		return face.Store{Path: n.store}, nil
	}
	dir := os.Getenv("XDG_DATA_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return face.Store{}, fmt.Errorf("name the file of people with --store: %w", err)
		}
		dir = filepath.Join(home, ".local", "share")
	}
	return face.Store{Path: filepath.Join(dir, "ocellus", "faces.json")}, nil
}

// open loads what naming faces takes. Where something is missing only faces are found, and why says what.
func (n *faceNets) open() (f *tasks.Faces, why string, err error) {
	f = &tasks.Faces{}
	if f.Detector, err = loadNet(nets.Request{Default: zoo.FaceDetector, File: n.detector, Width: 320, Height: 320, Threads: n.threads},
		"--detector FILE (of run: --model face_detector=FILE)"); err != nil {
		return nil, "", err
	}
	embedder, err := loadNet(nets.Request{Default: zoo.FaceEmbedder, File: n.embedder, Width: 112, Height: 112, Threads: n.threads},
		"--embedder FILE (of run: --model face_embedder=FILE)")
	var missing *zoo.MissingError
	if errors.As(err, &missing) {
		return f, err.Error(), nil
	}
	if err != nil {
		return nil, "", err
	}
	store, err := n.path()
	if err != nil {
		return nil, "", err
	}
	gallery, err := store.Load()
	if err != nil {
		return nil, "", err
	}
	if gallery != nil && n.strangers {
		gallery.People = nil
	}
	if gallery == nil {
		gallery = face.NewGallery(embedder.SHA256, 0)
	}
	if gallery.Network != embedder.SHA256 {
		if len(gallery.People) > 0 {
			return nil, "", fmt.Errorf("%s: its people were enrolled with another network than %s: enrol them again, or name that network with --embedder",
				store.Path, embedder.Name)
		}
		gallery = face.NewGallery(embedder.SHA256, 0)
	}
	f.Embedder, f.Gallery = embedder, gallery
	r, err := f.Recogniser()
	if err != nil {
		return nil, "", err
	}
	gallery.Size = r.Embedder.Size()
	if gallery.Calibration == nil {
		if gallery.Calibration, err = face.FromMeta(embedder.Meta); err != nil {
			return nil, "", fmt.Errorf("%s: %w", embedder.Name, err)
		}
	}
	switch {
	case n.threshold.given:
		f.Threshold = n.threshold.value
	case gallery.Calibration != nil:
		f.Threshold, f.Calibration = gallery.Calibration.Threshold, gallery.Calibration
	default:
		f.Embedder = nil
		return f, "no threshold is known for this network: calibrate one with 'ocellus face calibrate DIR', or give --threshold", nil
	}
	return f, "", nil
}

// faceVerb is what the verbs below face share.
type faceVerb struct {
	engine
	faceNets
	asJSON bool
}

func (v *faceVerb) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&v.asJSON, "json", false, "print one JSON object a line")
	v.faceNets.flags(cmd)
	v.netFlags(cmd)
	v.engine.flags(cmd)
}

// recogniser loads the networks. needed says that faces cannot be compared without a threshold.
func (v *faceVerb) recogniser(needed bool) (*face.Recogniser, *tasks.Faces, error) {
	v.faceNets.threads = v.engine.threads
	f, why, err := v.open()
	if err != nil {
		return nil, nil, err
	}
	if f.Gallery == nil || why != "" && needed {
		return nil, nil, errors.New(why)
	}
	if f.Embedder == nil { // without a threshold
		if f.Embedder, err = loadNet(nets.Request{Default: zoo.FaceEmbedder, File: v.embedder, Width: 112, Height: 112, Threads: v.faceNets.threads}, ""); err != nil {
			return nil, nil, err
		}
	}
	r, err := f.Recogniser()
	return r, f, err
}

func newFace() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "face",
		Short: "Tell people apart by their faces: verify, enrol, identify, calibrate, ...",
		Long: `Face finds faces, aligns them by eyes, nose and mouth, refuses those that are too
small, blurred, turned or cut off, and compares the rest.

People are enrolled by name; their templates, not their pictures, lie in a file that
only its owner can read. Whoever is less similar to all of them than the threshold
is unknown. 'calibrate' measures the threshold on pictures of your own.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageErrorf("unknown verb %q", "face "+args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newFaceVerify(), newFaceEnrol(), newFaceIdentify(), newFaceList(), newFaceForget(), newFaceCalibrate())
	return cmd
}

// verification is the result of verify.
type verification struct {
	Files       [2]string         `json:"files"`
	Same        bool              `json:"same"`
	Similarity  float64           `json:"similarity"`
	Threshold   float64           `json:"threshold"`
	Calibration *face.Calibration `json:"calibration,omitempty"` // what was measured at the threshold
}

func newFaceVerify() *cobra.Command {
	var v faceVerb
	cmd := &cobra.Command{
		Use:   "verify A.jpg B.jpg",
		Short: "Say whether two pictures show the same person",
		Long: `Verify prints whether the faces in two pictures are one person's, how similar they
are, the threshold, and how often that threshold takes strangers for one another.
Exit status: 0 the same, 3 different persons, 1 where no answer is possible.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			end, err := v.begin()
			if err != nil {
				return err
			}
			defer end()
			r, f, err := v.recogniser(true)
			if err != nil {
				return err
			}
			var vectors [2][]float32
			for i, path := range args {
				if _, vectors[i], err = portrait(cmd.Context(), r, path); err != nil {
					return err
				}
			}
			out := verification{Files: [2]string(args), Threshold: f.Threshold}
			s := similarity(vectors[0], vectors[1])
			out.Similarity, out.Same = round(s, 4), s >= f.Threshold
			if c := f.Gallery.Calibration; c != nil && c.Threshold == f.Threshold {
				out.Calibration = c
			}
			if v.asJSON {
				err = writeJSON(cmd.OutOrStdout(), out)
			} else {
				_, err = fmt.Fprint(cmd.OutOrStdout(), out.text())
			}
			if err == nil && !out.Same {
				err = &exitError{statusDifferent, nil}
			}
			return err
		},
	}
	v.flags(cmd)
	return cmd
}

func (v *verification) text() string {
	answer := "different persons"
	if v.Same {
		answer = "the same person"
	}
	text := fmt.Sprintf("%s: similarity %.4f, threshold %.4f\n", answer, v.Similarity, v.Threshold)
	if v.Calibration == nil {
		return text + "false accept rate: not measured at this threshold\n"
	}
	return text + "false accept rate: " + rateText(v.Calibration) + "\n"
}

// rateText says what was measured.
func rateText(c *face.Calibration) string {
	return fmt.Sprintf("%s (%s to %s with %.0f %% confidence; %d of %d pairs of %d people)", percent(float64(c.FalseAccepts)/float64(c.Pairs)),
		percent(c.Low), percent(c.High), 100*c.Confidence, c.FalseAccepts, c.Pairs, c.People)
}

// percent writes a rate with two digits that count.
func percent(v float64) string {
	short, _ := strconv.ParseFloat(strconv.FormatFloat(100*v, 'g', 2, 64), 64)
	return strconv.FormatFloat(short, 'f', -1, 64) + " %"
}

// similarity is the cosine of two vectors of length 1.
func similarity(a, b []float32) float64 { return embed.Similarity(a, b) }

// portrait reads a picture and returns the vector of its face.
func portrait(ctx context.Context, r *face.Recogniser, path string) (face.Face, []float32, error) {
	pic, err := pictures.Read(path)
	if err != nil {
		return face.Face{}, nil, named(path, err)
	}
	f, v, err := r.Portrait(ctx, pic)
	if err != nil {
		return f, nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, v, nil
}

// named puts a path before an error that lacks it.
func named(path string, err error) error {
	if strings.Contains(err.Error(), path) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// enrolment is the result of enrol for one picture.
type enrolment struct {
	File     string       `json:"file"`
	Name     string       `json:"name"`
	Enrolled bool         `json:"enrolled"`
	Reason   string       `json:"reason,omitempty"` // why not
	Quality  face.Quality `json:"quality"`
}

func newFaceEnrol() *cobra.Command {
	var v faceVerb
	var name string
	cmd := &cobra.Command{
		Use:   "enrol --name NAME A.jpg...",
		Short: "Make a person known from pictures",
		Long: `Enrol adds the faces in pictures to a person, who may be new. Several pictures, on
different days and in different light, make better templates than one. A picture
that shows no face, several, or one that cannot be seen well is refused, and so is
one that is unlike the person's others. Folders and patterns may stand for pictures.`,
		Example: `  ocellus face enrol --name Ada ada1.jpg ada2.jpg ada3.jpg`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			end, err := v.begin()
			if err != nil {
				return err
			}
			defer end()
			if name == "" {
				return usageErrorf("say whose pictures they are: --name NAME")
			}
			if err := face.CheckName(name); err != nil {
				return usageErrorf("--name: %v", err)
			}
			var files []string
			for _, arg := range args {
				more, err := still.List(arg)
				if err != nil {
					return err
				}
				files = append(files, more...)
			}
			r, f, err := v.recogniser(false)
			if err != nil {
				return err
			}
			r.Gate = face.Enrolling
			store, err := v.path()
			if err != nil {
				return err
			}
			var vectors []face.Vector
			err = store.Change(func(g *face.Gallery) (*face.Gallery, error) {
				if g == nil || len(g.People) == 0 && g.Network != f.Gallery.Network {
					g = face.NewGallery(f.Gallery.Network, f.Gallery.Size)
				}
				if g.Network != f.Gallery.Network {
					return nil, fmt.Errorf("%s was changed meanwhile, by another network", store.Path)
				}
				if p := g.Person(name); p != nil {
					vectors = append(vectors, p.Templates...)
				}
				had := len(vectors)
				for _, path := range files {
					e := enrolment{File: path, Name: name}
					x, vector, err := portrait(cmd.Context(), r, path)
					if err == nil {
						err = unlike(vectors, vector, f.Threshold, path, name)
					}
					e.Quality = tasks.RoundQuality(x.Quality)
					if e.Enrolled = err == nil; !e.Enrolled {
						e.Reason = err.Error()
					} else {
						vectors = append(vectors, vector)
					}
					if err := v.tell(cmd, &e); err != nil {
						return nil, err
					}
				}
				if len(vectors) == had {
					return nil, fmt.Errorf("%s: none of %s could be enrolled", name, plural(int64(len(files)), "picture"))
				}
				return g, g.Enrol(name, time.Now().UTC().Truncate(time.Second), vectors[had:]...)
			})
			if err != nil {
				return err
			}
			if !v.asJSON {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is known by %s\n", name, plural(int64(len(vectors)), "picture"))
			}
			return err
		},
	}
	v.flags(cmd)
	cmd.Flags().StringVar(&name, "name", "", "the person's `NAME`")
	return cmd
}

// unlike says that a vector is not of the person whose others there are: it is below the threshold with the most similar of them.
func unlike(others []face.Vector, v face.Vector, threshold float64, path, name string) error {
	if len(others) == 0 || threshold == 0 {
		return nil
	}
	best := -1.0
	for _, o := range others {
		best = max(best, similarity(o, v))
	}
	if best < threshold {
		return fmt.Errorf("%s: this face is unlike the other pictures of %s: similarity %.3f, threshold %.3f", path, name, best, threshold)
	}
	return nil
}

func (v *faceVerb) tell(cmd *cobra.Command, e *enrolment) error {
	switch {
	case v.asJSON:
		return writeJSON(cmd.OutOrStdout(), e)
	case e.Enrolled:
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: enrolled\n", e.File)
		return err
	}
	_, err := fmt.Fprintf(cmd.ErrOrStderr(), "ocellus: %s\n", e.Reason)
	return err
}

func newFaceIdentify() *cobra.Command {
	var w watching
	var n faceNets
	cmd := &cobra.Command{
		Use:   "identify INPUT [OUTPUT]",
		Short: "Say whose the faces on a camera, in clips or pictures are",
		Long: `Identify names each face after the person that it is most similar to, or unknown
where that similarity is below the threshold. A face that cannot be seen well is
unknown too, and the result says why.

` + forms,
		Example: `  ocellus face identify /dev/video0 --view
  ocellus face identify party.jpg named.jpg`,
		Args: inputArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			end, err := w.begin()
			if err != nil {
				return err
			}
			defer end()
			return w.run(cmd, args[0], strings.Join(args[1:], ""), func() ([]*tasks.Task, error) {
				n.threads = w.threads
				f, why, err := n.open()
				if err != nil {
					return nil, err
				}
				if why != "" {
					return nil, errors.New(why)
				}
				if len(f.Gallery.People) == 0 {
					fmt.Fprintln(cmd.ErrOrStderr(), "ocellus: nobody is enrolled, so everybody is unknown: 'ocellus face enrol' makes people known")
				}
				return []*tasks.Task{f.Task()}, nil
			})
		},
	}
	w.flags(cmd)
	n.flags(cmd)
	n.netFlags(cmd)
	return cmd
}

// personRecord is the result of list for one person.
type personRecord struct {
	Name     string    `json:"name"`
	Pictures int       `json:"pictures"`
	Enrolled time.Time `json:"enrolled"`
}

func newFaceList() *cobra.Command {
	var n faceNets
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the people that are known",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := n.path()
			if err != nil {
				return err
			}
			g, err := store.Load()
			if err != nil {
				return err
			}
			if g == nil {
				g = &face.Gallery{}
			}
			for _, p := range g.People {
				if asJSON {
					err = writeJSON(cmd.OutOrStdout(), personRecord{p.Name, len(p.Templates), p.Enrolled})
				} else {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%-24s %-12s since %s\n", p.Name, plural(int64(len(p.Templates)), "picture"), p.Enrolled.Format(time.DateOnly))
				}
				if err != nil {
					return err
				}
			}
			if asJSON {
				return nil
			}
			out := fmt.Sprintf("%d people in %s\n", len(g.People), store.Path)
			if c := g.Calibration; c != nil && len(g.People) > 0 {
				out += fmt.Sprintf("threshold %.4f; a stranger is taken for one of them at most %s of the time\n", c.Threshold, percent(c.Strangers(len(g.People))))
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), out)
			return err
		},
	}
	cmd.Flags().StringVar(&n.store, "store", "", "`FILE` of the people that are known (default faces.json in the user's data folder)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func newFaceForget() *cobra.Command {
	var n faceNets
	cmd := &cobra.Command{
		Use:   "forget NAME",
		Short: "Remove a person and all templates",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := n.path()
			if err != nil {
				return err
			}
			err = store.Change(func(g *face.Gallery) (*face.Gallery, error) {
				if g == nil || !g.Forget(args[0]) {
					return nil, fmt.Errorf("nobody is called %q in %s", args[0], store.Path)
				}
				return g, nil
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is forgotten\n", args[0])
			return err
		},
	}
	cmd.Flags().StringVar(&n.store, "store", "", "`FILE` of the people that are known (default faces.json in the user's data folder)")
	return cmd
}

func newFaceCalibrate() *cobra.Command {
	var v faceVerb
	var far float64
	cmd := &cobra.Command{
		Use:   "calibrate DIR",
		Short: "Measure the threshold for a chosen false accept rate",
		Long: `Calibrate compares pictures of people who are like those that the camera will see,
and keeps the least threshold that takes different people for the same at most as
often as --far says: with 97.5 % certainty, not only on these pictures. Where there
are too few pictures to show that, it says how many are needed and keeps nothing.

DIR holds a folder for each person. Any two people give one pair, so that 90 people
can show a rate of 0.1 %. Pictures in which no face is fit to be compared are left
out. People who look alike, relatives above all, are confused more often.`,
		Example: `  ocellus face calibrate --far 0.001 people/`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			end, err := v.begin()
			if err != nil {
				return err
			}
			defer end()
			if !(far > 0 && far < 1) {
				return usageErrorf("--far %g: a rate between 0 and 1 is meant, such as 0.001", far)
			}
			ctx, cancel := interruptible(cmd)
			defer cancel()
			r, f, err := v.recogniser(false)
			if err != nil {
				return err
			}
			people, used, err := v.people(ctx, cmd, r, args[0])
			if err != nil {
				return err
			}
			same, other := face.Pairs(people)
			c, err := face.Calibrate(same, other, far)
			if err != nil {
				return err
			}
			c.People, c.Pictures, c.Made = len(people), used, time.Now().UTC().Truncate(time.Second)
			store, err := v.path()
			if err != nil {
				return err
			}
			err = store.Change(func(g *face.Gallery) (*face.Gallery, error) {
				if g == nil || len(g.People) == 0 && g.Network != f.Gallery.Network {
					g = face.NewGallery(f.Gallery.Network, f.Gallery.Size)
				}
				if g.Network != f.Gallery.Network {
					return nil, fmt.Errorf("%s was changed meanwhile, by another network", store.Path)
				}
				g.Calibration = &c
				return g, nil
			})
			if err != nil {
				return err
			}
			if v.asJSON {
				return writeJSON(cmd.OutOrStdout(), c)
			}
			text := fmt.Sprintf("threshold %.4f\nfalse accept rate: %s\n", c.Threshold, rateText(&c))
			if c.Genuine > 0 {
				text += fmt.Sprintf("pairs of one person accepted: %s (%d of %d)\n", percent(float64(c.Accepted)/float64(c.Genuine)), c.Accepted, c.Genuine)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	v.flags(cmd)
	cmd.Flags().Float64Var(&far, "far", 0.001, "false accept `RATE` that is not to be exceeded")
	return cmd
}

// people returns the vectors of the faces in the folders of a folder, and of how many pictures.
func (v *faceVerb) people(ctx context.Context, cmd *cobra.Command, r *face.Recogniser, dir string) (people [][]face.Vector, used int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, 0, err
	}
	var folders [][]string
	total := 0
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err != nil || !info.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if files, err := still.List(filepath.Join(dir, e.Name())); err == nil {
			folders = append(folders, files)
			total += len(files)
		}
	}
	if len(folders) < 2 {
		return nil, 0, fmt.Errorf("%s: a folder with pictures for each of at least two people is meant", dir)
	}
	var progress *view.Progress
	if errOut, ok := cmd.ErrOrStderr().(*os.File); ok {
		if t, ok := view.Open(errOut); ok {
			progress = t.NewProgress(total)
		}
	}
	defer progress.Close()
	done := 0
	for _, files := range folders {
		var vectors []face.Vector
		for _, path := range files {
			if err := ctx.Err(); err != nil {
				return nil, 0, errors.New("interrupted; nothing was kept")
			}
			done++
			progress.Step(done, "")
			var pic kernels.Picture
			if pic, err = pictures.Read(path); err == nil {
				var vector []float32
				if _, vector, err = r.Central(ctx, pic); err == nil {
					vectors = append(vectors, vector)
					used++
				}
			}
		}
		if len(vectors) > 0 {
			people = append(people, vectors)
		}
	}
	if used < total {
		progress.Close()
		fmt.Fprintf(cmd.ErrOrStderr(), "ocellus: %d of %d pictures were left out: no face, or none that can be seen well\n", total-used, total)
	}
	return people, used, nil
}
