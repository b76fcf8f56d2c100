package main

import (
	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/release"
)

// schemas are the JSON Schemas of the files that people write, by name.
var schemas = map[string][]byte{"image": images.Schema, "release": release.Schema}

func newSchema(g *global) *cobra.Command {
	return &cobra.Command{
		Use:       "schema [image|release]",
		Short:     "Print the JSON Schema of image.yaml or release.yaml, for editors",
		Example:   "  imgbuild schema > image.schema.json\n  imgbuild schema release > release.schema.json",
		ValidArgs: []string{"image", "release"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && schemas[args[0]] == nil {
				return usage("there is no schema %q; the schemas are image and release", args[len(args)-1])
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			name := "image"
			if len(args) > 0 {
				name = args[0]
			}
			_, err := g.stdout.Write(schemas[name])
			return err
		},
	}
}
