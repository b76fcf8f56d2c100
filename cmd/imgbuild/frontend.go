package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/pkg/frontend"
)

// newFrontend is what BuildKit runs: nobody calls it.
func newFrontend() *cobra.Command {
	return &cobra.Command{
		Use:    frontend.Command,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if os.Getenv("BUILDKIT_SESSION_ID") == "" {
				return usage("this is the command of the image that imgbuild frontend-image makes, and BuildKit runs it; see docs/frontend.md")
			}
			return frontend.Run(cmd.Context())
		},
	}
}
