// Command ocellusd watches cameras on a small computer: frames in, events out, and a page to see and teach it. See docs/daemon.md.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/internal/cli"
	"github.com/ocellus-vision/ocellus/cmd/internal/version"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/config"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/teach"
)

// Exit statuses besides 0.
const (
	statusFailed = 1
	statusUsage  = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run executes one command line and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cli.Strict(root)
	cmd, err := root.ExecuteC()
	var failed *failure
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		fmt.Fprintf(stderr, "ocellusd: %v\n", err)
		return statusFailed
	}
	fmt.Fprintf(stderr, "ocellusd: %v\nRun '%s --help' for usage.\n", err, cmd.CommandPath())
	return statusUsage
}

// failure is an error of a verb; others are about the command line.
type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }

// verb makes of a function a RunE whose errors are failures.
func verb(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd, args); err != nil {
			return &failure{err}
		}
		return nil
	}
}

// place is where the daemon's settings and memory are.
type place struct{ config, data string }

func (p *place) flags(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&p.config, "config", "", "YAML `FILE` of the settings; without it a drawn street is watched")
	cmd.PersistentFlags().StringVar(&p.data, "data", "", "`FOLDER` of events, snapshots and all else that is kept (default $STATE_DIRECTORY, or ocellusd in the user's data folder)")
}

// settings reads the settings.
func (p *place) settings() (*config.Config, error) {
	if p.config == "" {
		return config.Default(), nil
	}
	return config.Load(p.config)
}

func newRoot() *cobra.Command {
	var p place
	var d daemon
	root := &cobra.Command{
		Use:   "ocellusd",
		Short: "Watch cameras: frames in, events out, and a page to see and teach it",
		Long: `Ocellusd watches cameras, keeps what happens before them, and shows it in a page.

Without settings it watches a street that it draws itself, at http://127.0.0.1:8320.
It reads its settings again when their file changes, or at SIGHUP.`,
		Example: `  ocellusd
  ocellusd --config /etc/ocellus/ocellusd.yaml --data /var/lib/ocellus`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: verb(func(cmd *cobra.Command, _ []string) error {
			d.place = p
			return d.run(cmd.Context(), cmd.ErrOrStderr())
		}),
	}
	p.flags(root)
	root.Flags().StringVar(&d.listen, "listen", "", "`ADDRESS` and port of the page and the API, in the place of that of the settings")
	root.AddCommand(newCheck(&p), newSchema(), newBackup(&p), newRestore(&p), newResetPassword(&p), newVersion(), newTeachChild())
	return root
}

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the settings",
		Args:  cobra.NoArgs,
		RunE: verb(func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.Schema())
			return err
		}),
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print what the program was built from",
		Args:  cobra.NoArgs,
		RunE: verb(func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "ocellusd "+version.Get().String())
			return err
		}),
	}
}

// newTeachChild is the process that lessons run in.
func newTeachChild() *cobra.Command {
	return &cobra.Command{
		Use:    teach.Verb,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   verb(func(cmd *cobra.Command, _ []string) error { return teach.Child(cmd.InOrStdin(), cmd.OutOrStdout()) }),
	}
}
