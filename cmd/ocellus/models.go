package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/models"
	"github.com/ocellus-vision/ocellus/cmd/internal/view"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// readNet reads the network of a file, or of a name in the user's data folder.
func readNet(word string) (*model.Graph, error) {
	file, err := models.Resolve(word)
	if err != nil {
		return nil, err
	}
	return onnx.ReadFile(file)
}

func newModels() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "Networks in the program and public ones: list, get, verify, use",
		Long: `Models brings public networks into your data folder, where every verb finds them by
name (--model yunet), and says which of them a task uses in the place of the
network in the program.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageErrorf("unknown verb %q", "models "+args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newModelsList(), newModelsGet(), newModelsVerify(), newModelsUse())
	return cmd
}

// modelRecord is a network in a list.
type modelRecord struct {
	Name    string `json:"name"`
	About   string `json:"about,omitempty"`
	Task    string `json:"task,omitempty"` // the default network whose place it can take
	Verb    string `json:"verb,omitempty"`
	Decoder string `json:"decoder,omitempty"`
	Licence string `json:"licence,omitempty"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256,omitempty"`
	URL     string `json:"url,omitempty"`
	File    string `json:"file,omitempty"` // where it lies
	State   string `json:"state"`          // built_in, missing from the build, here, available
	InUse   bool   `json:"in_use"`
}

func modelRecords(s models.Store) ([]modelRecord, error) {
	used, err := s.Choices()
	if err != nil {
		return nil, err
	}
	var list []modelRecord
	for _, name := range zoo.Names {
		r := modelRecord{Name: name, About: "the program's own", Task: name, State: "built_in"}
		b, err := zoo.Default(name)
		if err != nil {
			r.State = "not_in_this_build"
		}
		_, other := used[name]
		r.Bytes, r.InUse = int64(len(b)), err == nil && !other
		list = append(list, r)
	}
	held, err := s.Names()
	if err != nil {
		return nil, err
	}
	add := func(r modelRecord) {
		r.State = "available"
		if slices.Contains(held, r.Name) {
			r.State, r.File = "here", s.Path(r.Name)
		}
		for _, c := range used {
			r.InUse = r.InUse || c.Model == r.Name
		}
		list = append(list, r)
	}
	for _, e := range models.Catalogue {
		add(modelRecord{Name: e.Name, About: e.About, Task: e.Task, Verb: e.Verb, Decoder: e.Card.Head, Licence: e.Licence, Bytes: e.Bytes,
			SHA256: e.SHA256, URL: models.Origin + e.Path})
	}
	for _, name := range held {
		if _, ok := models.Find(name); ok {
			continue
		}
		r := modelRecord{Name: name, About: "your own"}
		if info, err := os.Stat(s.Path(name)); err == nil {
			r.Bytes = info.Size()
		}
		add(r)
	}
	return list, nil
}

// storeFlag adds --dir; the function that it returns opens the store.
func storeFlag(cmd *cobra.Command) func() (models.Store, error) {
	dir := cmd.Flags().String("dir", "", "`FOLDER` of the networks (default ocellus/models in your data folder, where other verbs look)")
	return func() (models.Store, error) {
		if *dir != "" {
			return models.Store{Dir: *dir}, nil
		}
		s, err := models.Open()
		if err != nil {
			err = fmt.Errorf("%w: name one with --dir", err)
		}
		return s, err
	}
}

func newModelsList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "list", Short: "List the networks in the program, those that you have, and those to be had", Args: cobra.NoArgs}
	open := storeFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := open()
		if err != nil {
			return err
		}
		list, err := modelRecords(s)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		if !asJSON {
			fmt.Fprintln(w, "NAME\tSTATE\tSIZE\tLICENCE\tFOR\tWHAT")
		}
		for _, r := range list {
			if asJSON {
				if err := writeJSON(cmd.OutOrStdout(), r); err != nil {
					return err
				}
				continue
			}
			state := strings.ReplaceAll(r.State, "_", " ")
			if r.InUse {
				state += ", in use"
			}
			purpose := r.Task
			if purpose == "" {
				purpose = r.Verb
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, state, bytesText(r.Bytes), r.Licence, purpose, r.About)
		}
		return w.Flush()
	}
	return cmd
}

func newModelsGet() *cobra.Command {
	var f models.Fetcher
	cmd := &cobra.Command{
		Use:   "get NAME...",
		Short: "Fetch networks of the catalogue",
		Long: `Get downloads networks of the catalogue, or copies them with --from, and keeps those
whose size and SHA-256 are the catalogue's. A download that was interrupted goes on
where it ended.`,
		Example: `  ocellus models get yunet sface
  ocellus models get yunet --from /media/usb`,
		Args: cobra.MinimumNArgs(1),
	}
	open := storeFlag(cmd)
	cmd.Flags().StringVar(&f.Mirror, "mirror", "", "`URL` below which a copy of the catalogue's files lies")
	cmd.Flags().StringVar(&f.From, "from", "", "`FILE`, or folder of files, to copy instead of downloading")
	cmd.MarkFlagsMutuallyExclusive("mirror", "from")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, name := range args {
			if _, ok := models.Find(name); !ok {
				return usageErrorf("%q is not in the catalogue: 'ocellus models list' shows it", name)
			}
		}
		var err error
		if f.Store, err = open(); err != nil {
			return err
		}
		ctx, cancel := interruptible(cmd)
		defer cancel()
		for _, name := range args {
			e, _ := models.Find(name)
			progress := byteProgress(cmd, e.Bytes)
			f.Progress = func(done, _ int64) { progress.StepBytes(done, name) }
			had, err := f.Get(ctx, e)
			progress.Close()
			if err != nil {
				return err
			}
			how := "fetched"
			if had {
				how = "already here"
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s, %s, licence %s\n", name, how, f.Store.Path(name), e.Licence)
		}
		return nil
	}
	return cmd
}

// byteProgress returns a line on standard error; nil where that is no terminal.
func byteProgress(cmd *cobra.Command, total int64) *view.Progress {
	if f, ok := cmd.ErrOrStderr().(*os.File); ok {
		if t, ok := view.Open(f); ok {
			return t.NewByteProgress(total)
		}
	}
	return nil
}

func newModelsVerify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [NAME...]",
		Short: "Compare the networks that you have with the catalogue's SHA-256",
		Long: `Verify compares networks in your data folder, all without NAME, with the SHA-256 of the
catalogue; of your own it prints it. The exit status is 1 where one differs.`,
	}
	open := storeFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := open()
		if err != nil {
			return err
		}
		if len(args) == 0 {
			if args, err = s.Names(); err != nil {
				return err
			}
		}
		wrong := 0
		for _, name := range args {
			if !models.Named(name) {
				return usageErrorf("%q is no name of a network", name)
			}
			sum, err := s.Digest(name)
			e, known := models.Find(name)
			verdict := "your own"
			switch {
			case errors.Is(err, os.ErrNotExist):
				return fmt.Errorf("%s: it is not there", s.Path(name))
			case err != nil:
				return err
			case known && sum == e.SHA256:
				verdict = "as in the catalogue"
			case known:
				wrong++
				verdict = "differs from the catalogue; 'ocellus models get " + name + "' fetches it again"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %s\n", sum, name, verdict)
		}
		if wrong > 0 {
			return fmt.Errorf("%d of %d networks differ from the catalogue", wrong, len(args))
		}
		return nil
	}
	return cmd
}

func newModelsUse() *cobra.Command {
	var standard bool
	cmd := &cobra.Command{
		Use:   "use TASK NAME | use TASK --default",
		Short: "Let a task use a network in the place of the program's own",
		Long: `Use makes a network of your data folder the one that a task uses without --model;
--default goes back to the program's own. The tasks are
` + breakLines(strings.Join(zoo.Names, ", "), 78) + `.`,
		Example: `  ocellus models use face_detector yunet
  ocellus models use face_detector --default`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			task := args[0]
			switch {
			case !slices.Contains(zoo.Names, task):
				return usageErrorf("there is no task %q; the tasks are %s", task, strings.Join(zoo.Names, ", "))
			case standard != (len(args) == 1):
				return usageErrorf("name one network, or give --default")
			}
			s, err := models.Open()
			if err != nil {
				return err
			}
			if standard {
				return s.Forget(task)
			}
			name := args[1]
			if !models.Named(name) {
				return usageErrorf("%q is no name of a network", name)
			}
			if !s.Has(name) {
				return fmt.Errorf("%s: it is not on this machine: 'ocellus models get %s', or put a file there", s.Path(name), name)
			}
			return s.Use(task, name)
		},
	}
	cmd.Flags().BoolVar(&standard, "default", false, "go back to the network in the program")
	return cmd
}
