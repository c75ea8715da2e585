package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/auth"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
)

func newResetPassword(p *place) *cobra.Command {
	return &cobra.Command{
		Use:   "reset-password USER",
		Short: "Give a user a new password, or make the first user",
		Long: `Reset-password makes up a password for a user, prints it, and ends the user's sessions.
Where there is no user of the name, an administrator is made. It works while the daemon
runs, for who may write to its data folder.`,
		Args: cobra.ExactArgs(1),
		RunE: verb(func(cmd *cobra.Command, args []string) (err error) {
			dir, err := p.folder()
			if err != nil {
				return err
			}
			db, err := store.Open(dir)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			a, err := auth.New(cmd.Context(), db, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)), nil)
			if err != nil {
				return err
			}
			password := rand.Text()
			err = a.SetPassword(cmd.Context(), "console", args[0], password)
			if errors.Is(err, auth.ErrNoUser) {
				err = a.AddUser(cmd.Context(), "console", args[0], password, auth.Admin)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), password)
			return err
		}),
	}
}
