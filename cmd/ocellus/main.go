// Command ocellus runs convolutional networks on pictures and cameras. See docs/README.md.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/cli"
)

// verbs holds the constructor of every verb. A verb is one file: its constructor, its flags, and a RunE that writes results to
// cmd.OutOrStdout and everything else to cmd.ErrOrStderr.
var verbs = []func() *cobra.Command{
	newDemo,
	newRun,
	newEval,
	newPedestrians,
	newScene,
	newFace,
	newSources,
	newDoctor,
	newInfer,
	newInspect,
	newBench,
	newClassify,
	newDetect,
	newSegment,
	newEmbed,
	newTrain,
	newFinetune,
	newQuantize,
	newModels,
	newVersion,
}

// Exit statuses besides 0.
const (
	statusFailed    = 1
	statusUsage     = 2
	statusDifferent = 3 // verify: different persons
)

// exitError is an error that ends the program with a status of its own, without a word where err is nil. Other errors of a verb end it with statusFailed.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string { return fmt.Sprint(e.err) }
func (e *exitError) Unwrap() error { return e.err }

// usageErrorf returns an error that means the command line was wrong.
func usageErrorf(format string, args ...any) error {
	return &exitError{statusUsage, fmt.Errorf(format, args...)}
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run executes one command line and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cli.Strict(root)
	began := false // whether the command line was understood
	for _, c := range root.Commands() {
		onBegin(c, func() { began = true })
	}
	cmd, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	status := statusFailed
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		status = exit.status
	case !began:
		status = statusUsage
	}
	if exit == nil || exit.err != nil {
		fmt.Fprintf(stderr, "ocellus: %v\n", err)
	}
	if status == statusUsage {
		fmt.Fprintf(stderr, "Run '%s --help' for usage.\n", cmd.CommandPath())
	}
	return status
}

// onBegin calls do when a verb, or one below it, begins to run.
func onBegin(c *cobra.Command, do func()) {
	if inner := c.RunE; inner != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			do()
			return inner(c, args)
		}
	}
	for _, below := range c.Commands() {
		onBegin(below, do)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "ocellus",
		Short:         "Eyes for small computers: convolutional networks on the CPU, in one file",
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	for _, verb := range verbs {
		root.AddCommand(verb())
	}
	return root
}

// writeJSON writes v as one JSON object on one line.
func writeJSON(w io.Writer, v any) error {
	return json.NewEncoder(w).Encode(v)
}
