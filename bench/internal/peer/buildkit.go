// Package peer runs BuildKit, which makes the same image from the same local
// files, for comparison.
package peer

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
	"github.com/imgbuild/imgbuild/internal/testtool"
)

// BuildKit is a running buildkitd.
type BuildKit struct{ *testtool.BuildKit }

// StartBuildKit starts buildkitd in a folder of its own below the workshop's.
func StartBuildKit(w *workshop.Workshop) (*BuildKit, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("buildkitd, the peer, needs root here: it mounts and starts containers")
	}
	b, err := testtool.StartBuildKit(filepath.Join(w.Dir, "buildkit"))
	if err != nil {
		return nil, err
	}
	return &BuildKit{b}, nil
}

// Run runs buildctl.
func (b *BuildKit) Run(ctx context.Context, args ...string) (measure.Sample, error) {
	return measure.Run(ctx, nil, b.Buildctl(), append([]string{"--addr", b.Address}, args...)...)
}

// Build builds the Dockerfile of the context. The stage called base is an
// image in an OCI layout, so that nothing comes from a network.
func (b *BuildKit) Build(ctx context.Context, c *Context, flags ...string) (measure.Sample, error) {
	args := []string{"build", "--progress", "plain", "--frontend", "dockerfile.v0",
		"--local", "context=" + c.Dir, "--local", "dockerfile=" + c.Dir,
		"--oci-layout", "base=" + c.base, "--opt", "context:base=oci-layout://base@" + c.digest}
	return b.Run(ctx, append(args, flags...)...)
}
