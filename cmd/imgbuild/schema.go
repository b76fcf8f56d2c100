package main

import (
	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/images"
)

func newSchema(g *global) *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of image.yaml, for editors",
		Example: "  imgbuild schema > image.schema.json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := g.stdout.Write(images.Schema)
			return err
		},
	}
}
