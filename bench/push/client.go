package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
)

// clients are the programs that push. All are whole processes, and none finds
// credentials, which loopback needs none of.
type clients struct {
	imgbuild, crane, skopeo string
	dir                     string
	env                     []string
}

// findClients finds the peers: crane of the version in tools/go.mod, from bin/
// or built on the spot, and the system's skopeo.
func findClients(ctx context.Context, w *workshop.Workshop) (*clients, error) {
	c := &clients{imgbuild: w.Imgbuild, crane: filepath.Join(w.Root, "bin", "crane"), dir: w.Dir}
	c.env = []string{"DOCKER_CONFIG=" + w.Dir, "REGISTRY_AUTH_FILE=" + filepath.Join(w.Dir, "auth.json"), "XDG_RUNTIME_DIR=" + w.Dir}
	if err := os.WriteFile(filepath.Join(w.Dir, "auth.json"), []byte("{}"), 0o600); err != nil {
		return nil, err
	}
	if _, err := os.Stat(c.crane); err != nil {
		c.crane, err = workshop.Compile(ctx, filepath.Join(w.Root, "tools"), filepath.Join(w.Dir, "crane"), "github.com/google/go-containerregistry/cmd/crane")
		if err != nil {
			return nil, fmt.Errorf("building crane: %w", err)
		}
	}
	var err error
	if c.skopeo, err = exec.LookPath("skopeo"); err != nil {
		return nil, fmt.Errorf("the peer is missing (apt-get install skopeo): %w", err)
	}
	return c, nil
}

// push is one program's way of copying an image from a layout.
type push func(ctx context.Context, i *image, to ...string) (measure.Sample, error)

// copyFresh is `imgbuild copy` by a store that remembers no registry.
func (c *clients) copyFresh(ctx context.Context, i *image, to ...string) (measure.Sample, error) {
	dir, err := os.MkdirTemp(c.dir, "store-*")
	if err != nil {
		return measure.Sample{}, err
	}
	defer os.RemoveAll(dir)
	return c.copyWith(ctx, dir, i, to...)
}

// copyWith is `imgbuild copy` by the store in dir.
func (c *clients) copyWith(ctx context.Context, dir string, i *image, to ...string) (measure.Sample, error) {
	return measure.Run(ctx, append(c.env, "IMGBUILD_STORE="+dir), c.imgbuild, append([]string{"copy", i.dir}, to...)...)
}

// cranePush is `crane push`, one after another.
func (c *clients) cranePush(ctx context.Context, i *image, to ...string) (measure.Sample, error) {
	return inTurn(to, func(to string) (measure.Sample, error) {
		return measure.Run(ctx, c.env, c.crane, "push", i.dir, to)
	})
}

// craneCopy is `crane copy` between registries.
func (c *clients) craneCopy(ctx context.Context, from, to string, flags ...string) (measure.Sample, error) {
	return measure.Run(ctx, c.env, c.crane, append([]string{"copy", from, to}, flags...)...)
}

// skopeoCopy is `skopeo copy`, one after another. Of --retry-times it gets as
// many as the others have tries.
func (c *clients) skopeoCopy(ctx context.Context, i *image, to ...string) (measure.Sample, error) {
	return inTurn(to, func(to string) (measure.Sample, error) {
		return measure.Run(ctx, c.env, c.skopeo, "--insecure-policy", "copy", "--quiet", "--retry-times", "3",
			"--dest-tls-verify=false", "oci:"+i.dir+":"+i.tag, "docker://"+to)
	})
}

// inTurn adds up.
func inTurn(to []string, f func(string) (measure.Sample, error)) (sum measure.Sample, err error) {
	for _, t := range to {
		s, err := f(t)
		if err != nil {
			return sum, err
		}
		sum.Wall += s.Wall
		sum.CPU += s.CPU
		sum.MaxRSS = max(sum.MaxRSS, s.MaxRSS)
	}
	return sum, nil
}
