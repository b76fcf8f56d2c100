package frontend

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
)

// keySource is the option with the image that BuildKit was told to run.
const keySource = "source"

// program is the image that this process runs in, as the root of the steps: so
// these run the same imgbuild.
func (f *files) program(ctx context.Context) (llb.State, error) {
	// BuildKit leaves what it has made the process of in a file.
	if c, ok := f.client.(interface {
		CurrentFrontend() (*llb.State, error)
	}); ok {
		s, err := c.CurrentFrontend()
		if err != nil {
			return llb.State{}, fmt.Errorf("reading which image this frontend is in: %w", err)
		}
		if s != nil {
			return *s, nil
		}
	}
	// An older one does not, such as that in Docker 20.10.
	ref, err := reference.ParseDockerRef(f.client.BuildOpts().Opts[keySource])
	if err != nil {
		return llb.State{}, errors.New("this BuildKit does not say which image the frontend is in; use a newer one")
	}
	native := platforms.Normalize(f.ui.BuildPlatforms[0])
	_, digest, _, err := f.client.ResolveImageConfig(ctx, ref.String(), sourceresolver.Opt{
		LogName:  "look up " + ref.String(),
		ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &native},
	})
	if err != nil {
		return llb.State{}, fmt.Errorf("looking up the image of this frontend: %w", err)
	}
	pinned, err := reference.WithDigest(reference.TrimNamed(ref), digest)
	if err != nil {
		return llb.State{}, err
	}
	return llb.Image(pinned.String(), llb.Platform(native), llb.WithCustomName("[internal] imgbuild for "+platforms.Format(native))), nil
}
