package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/frontend"
)

const frontendLong = `Makes the image of imgbuild's frontend for BuildKit and writes, loads or pushes
it as imgbuild does with base images. With it, docker buildx build and buildctl
build an image.yaml with nothing installed: the definition's first line is
"# syntax=" and the image's reference, or buildctl is given it with --opt source.

The image holds this program and nothing else, and is for this machine's
platform; of the programs given with --program it is an index. It is called
frontend, with imgbuild's version for a tag, or as --tag says.`

const frontendExample = `  imgbuild frontend-image --push --region cn-hangzhou --namespace my-team
  imgbuild frontend-image --program ./imgbuild-arm64 -t registry.example.com/team/frontend:1 --push
  docker buildx build -f images/golang/image.yaml --target slim .
  buildctl build --frontend gateway.v0 --opt source=registry.example.com/team/frontend:1 \
    --local context=images/golang --output type=image,name=registry.example.com/team/golang:1.27,push=true`

// frontendFlags are the flags of `imgbuild frontend-image`.
type frontendFlags struct {
	appFlags
	programs []string
}

func newFrontendImage(g *global) *cobra.Command {
	f := &frontendFlags{}
	cmd := &cobra.Command{
		Use:     "frontend-image",
		Short:   "Make the image with which docker buildx and buildctl build definitions",
		Long:    frontendLong,
		Example: frontendExample,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), g) },
	}
	fs := cmd.Flags()
	fs.StringArrayVarP(&f.tags, "tag", "t", nil, "what the image is called, `NAME`[:TAG] or HOST/NAME[:TAG]; may be repeated; without it frontend and imgbuild's version")
	fs.StringArrayVar(&f.programs, "program", nil, "`PATH` of an imgbuild for another platform, compiled with CGO_ENABLED=0; may be repeated")
	f.out.register(fs)
	completeDelivery(cmd, "type=oci,dest=", "type=docker,dest=")
	return cmd
}

func (f *frontendFlags) run(ctx context.Context, g *global) error {
	programs, err := f.check()
	if err != nil {
		return err
	}
	s, _, _, err := g.open()
	if err != nil {
		return err
	}
	var results []result
	err = g.show(ctx, func(ctx context.Context) error {
		var images []v1.Image
		for _, p := range f.platforms {
			img, err := frontend.Image(s, programs, p, version())
			if err != nil {
				return err
			}
			images = append(images, img)
		}
		built, err := f.finish(images)
		if err != nil {
			return err
		}
		results, err = f.out.deliver(ctx, g, s, built)
		return err
	})
	return f.out.print(g, results, err)
}

// check reads the flags. Its errors are those of usage.
func (f *frontendFlags) check() (build.Assemblers, error) {
	if len(f.tags) == 0 {
		f.tags = []string{"frontend:" + versionTag()}
	}
	var err error
	if f.names, err = parseNames(f.tags, ""); err != nil {
		return nil, err
	}
	if err := f.ownRegistries(); err != nil {
		return nil, err
	}
	if err := f.out.check(); err != nil {
		return nil, err
	}
	if err := f.out.checkNames(f.names); err != nil {
		return nil, err
	}
	programs, err := build.NewAssemblers(f.programs...)
	if err != nil {
		return nil, usage("--program: %w", err)
	}
	if len(programs) == 0 {
		return nil, usage("this imgbuild is linked to a C library, which an image of nothing else lacks; compile it with CGO_ENABLED=0, or give another with --program PATH")
	}
	f.platforms = slices.Sorted(maps.Keys(programs))
	return programs, nil
}

// versionTag is imgbuild's version, where that is a tag.
func versionTag() string {
	v, _, _ := strings.Cut(strings.TrimPrefix(version(), "v"), "+")
	if address.CheckTag(v) != nil {
		return "latest"
	}
	return v
}
