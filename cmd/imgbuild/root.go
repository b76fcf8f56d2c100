package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imgbuild/imgbuild/images"
)

const rootLong = `imgbuild makes container images for serverless functions from signed packages,
without a daemon and without a public image hub, and pushes them to any registry.

NAME is one of the images inside imgbuild (imgbuild list shows them), or the path
of an image.yaml or of its folder. No TAG means the newest version in its full
variant. Without --push, --output or --load the images are built into the store
and named, no more.

Standard output gets one reference a line, NAME:TAG@DIGEST, and nothing else.
With --json it is a list of objects: reference, name, version, variant, tags,
digest, platforms, and size, which is in bytes, compressed, of all platforms.
Progress and messages go to standard error.

Exit status: 0 done; 1 failed; 2 wrong usage, such as an unknown name, tag,
platform or region; 130 and 143 stopped by SIGINT and SIGTERM.

Environment:
  IMGBUILD_STORE                    folder of the store; else imgbuild in the
                                    user's cache folder
  IMGBUILD_DEBIAN_MIRROR            where archives are fetched from, as --mirror;
  IMGBUILD_DEBIAN_SECURITY_MIRROR   else as imgbuild.yaml says, else as apt, npm
  IMGBUILD_GOPROXY                  and go are configured on this machine, else
  IMGBUILD_NPM_REGISTRY             from Alibaba Cloud's public mirrors
  IMGBUILD_BUNDLE                   bundles, as --bundle, separated by commas
  HTTP_PROXY, HTTPS_PROXY, NO_PROXY as usual`

const rootExample = `  imgbuild golang                               build golang:1.27, into the store only
  imgbuild golang --push --registry embedded    and push it to the built-in registry
  imgbuild node:24-slim --push --registry registry.example.com/base
  imgbuild typescript --all --push --region cn-hangzhou --namespace my-team
  imgbuild golang node typescript --all --platform linux/amd64,linux/arm64
  imgbuild ./ruby/image.yaml --output type=oci,dest=ruby.tar
  imgbuild golang --load                        into docker or podman`

// newRoot returns the command.
func newRoot(g *global) *cobra.Command {
	b := &buildFlags{}
	root := &cobra.Command{
		Use:                        "imgbuild NAME[:TAG]...",
		Short:                      "Build, prove and ship base images for serverless functions",
		Long:                       rootLong,
		Example:                    rootExample,
		Version:                    version(),
		Args:                       cobra.ArbitraryArgs,
		SuggestionsMinimumDistance: 2,
		ValidArgsFunction:          completeImages,
		SilenceErrors:              true,
		SilenceUsage:               true,
		PersistentPreRun:           func(*cobra.Command, []string) { g.running = true },
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0:
			case cmd.Flags().NFlag() == 0:
				return cmd.Help()
			default:
				return usage("no image is named; give one of %s, or the path of an image.yaml", strings.Join(images.Names(), ", "))
			}
			err := b.run(cmd.Context(), g, args, cmd.Flags().Changed)
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 && exitCode(err) == exitUsage {
				// Of several the first letter decides: it is seldom mistyped.
				i := slices.IndexFunc(near, func(c string) bool { return strings.HasPrefix(c, args[0][:min(1, len(args[0]))]) })
				return usage("%w; did you mean the command imgbuild %s?", err, near[max(i, 0)])
			}
			return err
		},
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "Flags.FlagUsages", "Flags | wrapped"))
	root.SetOut(g.stdout)
	root.SetErr(g.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w; see %s --help", err, cmd.CommandPath())
	})
	g.register(root.PersistentFlags())
	b.register(root.Flags())
	completeFlags(root)
	root.AddCommand(
		newBuild(g), newBuildStep(), newBundle(g),
		newCheck(g), newCompareEngines(g), newCopy(g),
		newDeploy(g),
		newFrontend(), newFrontendImage(g),
		newInit(g), newInvoke(g),
		newList(g), newLock(g),
		newRegistry(g), newRelease(g), newSchema(g), newStart(g), newVerify(g),
	)
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		c.Example = "  . <(imgbuild completion bash)"
		// A command that does nothing would take any argument in silence.
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	return root
}

// helpWidth is how many columns help takes.
const helpWidth = 100

func init() {
	cobra.AddTemplateFunc("wrapped", func(f *pflag.FlagSet) string { return f.FlagUsagesWrapped(helpWidth) })
}
