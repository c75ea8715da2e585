// Package cli holds what the command lines of the programs have in common.
package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// listens is the key of a context that ends when the user interrupts the program.
type listens struct{}

// Interruptible returns a context that also ends when the user interrupts the program. The second interrupt ends the program at once. Of contexts that are made of
// one another the outermost listens: when an inner one has ended, so has it.
func Interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx.Value(listens{}) != nil {
		return context.WithCancel(ctx)
	}
	ctx, stop := signal.NotifyContext(context.WithValue(ctx, listens{}, true), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// Strict has root refuse verbs that it does not have, and gives it the verbs help and completion, which refuse what there is no help and no completion for.
func Strict(root *cobra.Command) {
	root.SuggestionsMinimumDistance = 2
	root.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return unknownVerb(cmd, args[0])
	}
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				found, rest, err := root.Find(args)
				if err == nil && len(rest) > 0 {
					err = unknownVerb(found, rest[0])
				}
				return err
			}
		case "completion":
			c.Args = func(c *cobra.Command, args []string) error {
				if len(args) == 0 {
					return nil
				}
				var shells []string
				for _, shell := range c.Commands() {
					shells = append(shells, shell.Name())
				}
				return fmt.Errorf("there are no completions for %q; the shells are %s", args[0], strings.Join(shells, ", "))
			}
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
}

// unknownVerb is the error for a verb that cmd does not have.
func unknownVerb(cmd *cobra.Command, name string) error {
	if like := cmd.SuggestionsFor(name); len(like) > 0 {
		return fmt.Errorf("unknown verb %q; did you mean %q?", name, like[0])
	}
	return fmt.Errorf("unknown verb %q", name)
}
