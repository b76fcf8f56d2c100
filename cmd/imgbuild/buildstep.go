package main

import (
	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/pkg/step"
)

// newBuildStep is what a builder runs: nobody calls it.
func newBuildStep() *cobra.Command {
	return &cobra.Command{
		Use:    step.Command,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return step.Run(cmd.Context(), step.SpecDir, step.InDir, step.OutDir)
		},
	}
}
