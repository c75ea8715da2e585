package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/cmd/ocellus/internal/doctor"
)

func newDoctor() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine this machine: CPU, kernels and their self-test, speed, what is missing",
		Long: `Doctor shows what ocellus finds on this machine: the CPU and the instruction set
that each family of kernels runs on, whether the self-test at start agreed with
the plain definition, the speed of a core and of memory as measured now (about a
second), and which programs, libraries and cameras are there or how to get them.

OCELLUS_ISA (generic, neon, avx2, avx512) lowers the instruction set.

Exit status 1 means that a kernel differed and was replaced by a slower one.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report := doctor.Examine()
			var err error
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), report)
			} else {
				_, err = cmd.OutOrStdout().Write([]byte(report.Text()))
			}
			if err == nil && !report.OK {
				err = errors.New("a kernel differed from its plain definition and was replaced; results stay right, speed suffers")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}
