package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
)

func newCheck(p *place) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Read the settings and open every camera once",
		Long: `Check reads the settings, loads the networks and waits for one frame of every camera.
Exit status: 0 where all is well, 1 where something is not.`,
		Args: cobra.NoArgs,
		RunE: verb(func(cmd *cobra.Command, _ []string) error {
			c, err := p.settings()
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if err := watch.CheckNetworks(c); err != nil {
				return err
			}
			failed := 0
			for i := range c.Cameras {
				w, h, err := watch.Check(cmd.Context(), &c.Cameras[i])
				if err != nil {
					failed++
					fmt.Fprintf(out, "%v\n", err)
					continue
				}
				fmt.Fprintf(out, "camera %q: %dx%d from %s\n", c.Cameras[i].Name, w, h, c.Cameras[i].URL)
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d cameras failed", failed, len(c.Cameras))
			}
			_, err = fmt.Fprintln(out, "the settings are well")
			return err
		}),
	}
}
