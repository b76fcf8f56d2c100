package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/display"
)

const example = `  imgbuild golang                               build golang:1.27, into the store only
  imgbuild golang --push --registry embedded    and push it to the built-in registry
  imgbuild node:24-slim --push --registry registry.example.com/base
  imgbuild typescript --all --push --region cn-hangzhou --namespace my-team
  imgbuild golang node typescript --all --platform linux/amd64,linux/arm64
  imgbuild ./ruby/image.yaml --output type=oci,dest=ruby.tar
  imgbuild golang --load                        into docker or podman`

// newRoot returns the command, whose results go to stdout and all else to stderr.
func newRoot(stdout io.Writer, stderr *os.File) *cobra.Command {
	g := &global{stdout: stdout, stderr: stderr}
	b := &buildFlags{}
	root := &cobra.Command{
		Use:   "imgbuild NAME[:TAG]...",
		Short: "Build, prove and ship base images for serverless functions",
		Long: `imgbuild makes container images for serverless functions from signed packages,
without a daemon and without a public image hub, and pushes them to any registry.

NAME is one of the images inside imgbuild, or the path of an image.yaml.
No TAG means the newest version in its full variant.`,
		Example:           example,
		Version:           version(),
		Args:              func(*cobra.Command, []string) error { return nil },
		ValidArgsFunction: completeNames,
		SilenceErrors:     true,
		SilenceUsage:      true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return b.run(cmd.Context(), g, args)
		},
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usage("%w; see imgbuild --help", err)
	})
	g.register(root.PersistentFlags())
	b.register(root.Flags())
	root.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions(display.Modes, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(newList(g), newLock(g), newRegistry(g), newSchema(g))
	return root
}

// completeNames completes the names of images, and files beside them.
func completeNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return images.Names(), cobra.ShellCompDirectiveDefault
}
