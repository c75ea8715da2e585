package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/camera/v4l2"
	"github.com/ocellus-vision/ocellus/cmd/internal/sources"
)

// sourceRecord is a camera in JSON.
type sourceRecord struct {
	Source string       `json:"source"`
	Name   string       `json:"name"`
	Driver string       `json:"driver"`
	Bus    string       `json:"bus"`
	Modes  []modeRecord `json:"modes"`
	Others []string     `json:"other_formats,omitempty"`
	Error  string       `json:"error,omitempty"`
}

type modeRecord struct {
	Format string    `json:"format"`
	Width  int       `json:"width"`
	Height int       `json:"height"`
	FPS    []float64 `json:"fps"`
}

func newSources() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sources",
		Short: "List the cameras that are found, with their formats",
		Long: `Sources lists the cameras that Linux knows, and for each the formats, sizes and
rates that it offers.

` + sources.Forms,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			devices, err := v4l2.Devices()
			if err != nil {
				return err
			}
			if asJSON {
				for _, d := range devices {
					if err := writeJSON(cmd.OutOrStdout(), record(d)); err != nil {
						return err
					}
				}
				return nil
			}
			var b strings.Builder
			for _, d := range devices {
				fmt.Fprintf(&b, "%s  %s (%s, %s)\n", d.Path, d.Name, d.Driver, d.Bus)
				for _, s := range d.Sizes {
					fmt.Fprintf(&b, "  %v\n", s)
				}
				if len(d.Others) > 0 {
					fmt.Fprintf(&b, "  not read here: %s\n", strings.Join(d.Others, ", "))
				}
				if d.Err != nil {
					fmt.Fprintf(&b, "  %v\n", d.Err)
				}
			}
			if len(devices) == 0 {
				b.WriteString("No camera was found. One that every machine has: synth:street\n")
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), b.String())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func record(d v4l2.Device) sourceRecord {
	r := sourceRecord{Source: "v4l2:" + d.Path, Name: d.Name, Driver: d.Driver, Bus: d.Bus, Modes: []modeRecord{}, Others: d.Others}
	if d.Err != nil {
		r.Error = d.Err.Error()
	}
	for _, s := range d.Sizes {
		fps := []float64{}
		for _, v := range s.FPS {
			v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'f', 3, 64), 64)
			fps = append(fps, v)
		}
		r.Modes = append(r.Modes, modeRecord{s.Format.String(), s.Width, s.Height, fps})
	}
	return r
}
