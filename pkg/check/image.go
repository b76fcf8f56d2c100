package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	humanize "github.com/dustin/go-humanize"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/stream"
)

// Limits of images (Function Compute, "Limits"; Container Registry, "image
// acceleration").
const (
	maxUnpacked    = 10 << 30 // bytes
	maxUnpackedGPU = 15 << 30 // bytes, of a function with a GPU
	large          = 1 << 30  // bytes unpacked, from which a cold start is slow
	maxLayers      = 127      // of overlay file systems, and so of Docker
)

// static looks at what an image says of itself.
func (c *checker) static(ctx context.Context) error {
	m, err := c.image.Manifest()
	if err != nil {
		return fmt.Errorf("reading the image's manifest: %w", err)
	}
	c.add(rulePlatform, platform(c.config))
	c.add(ruleMediaTypes, mediaTypes(m))
	size, err := c.size(ctx)
	if err != nil {
		return err
	}
	c.add(ruleSize, size)
	c.add(ruleProgram, c.program())
	c.add(ruleShim, c.shim())
	return nil
}

func platform(f *v1.ConfigFile) Result {
	if f.OS == "linux" && f.Architecture == "amd64" {
		return passed("it is for linux/amd64")
	}
	return failed("build it with --platform linux/amd64", "it is for %s/%s, and Function Compute runs linux/amd64", f.OS, f.Architecture)
}

// mediaTypes looks at how the layers are packed (Container Registry accelerates
// gzip, and takes one family of types in a manifest).
func mediaTypes(m *v1.Manifest) Result {
	families := map[bool][]string{} // by: Docker's
	families[strings.Contains(string(m.Config.MediaType), "docker")] = append(families[strings.Contains(string(m.Config.MediaType), "docker")], "the configuration")
	for n, l := range m.Layers {
		name := fmt.Sprintf("layer %d", n+1)
		switch l.MediaType {
		case types.OCILayer, types.DockerLayer:
		case types.OCIUncompressedLayer, types.DockerUncompressedLayer:
			return warned("pack the layers with gzip", "%s is not compressed", name)
		case types.OCILayerZStd:
			return warned("pack the layers with gzip: imgbuild's --compression gzip, buildx' compression=gzip", "%s is packed with zstd, which Function Compute cannot accelerate", name)
		case types.DockerForeignLayer, types.OCIRestrictedLayer, types.OCIUncompressedRestrictedLayer:
			return failed("build on a base without foreign layers", "%s is to be fetched from elsewhere (%s)", name, l.MediaType)
		default:
			return failed("push the image as an image: its layers have another type", "%s has the media type %s", name, l.MediaType)
		}
		docker := strings.Contains(string(l.MediaType), "docker")
		families[docker] = append(families[docker], name)
	}
	if len(families) > 1 {
		return warned("push it again with one builder: imgbuild copy, or buildx' oci-mediatypes", "it mixes media types of Docker (%s) and of OCI (%s)", strings.Join(families[true], ", "), strings.Join(families[false], ", "))
	}
	return passed("all layers are packed with gzip")
}

// size adds up what the layers unpack to. It stops where that is too much.
func (c *checker) size(ctx context.Context) (Result, error) {
	layers, err := c.image.Layers()
	if err != nil {
		return Result{}, fmt.Errorf("reading the image's layers: %w", err)
	}
	if len(layers) > maxLayers {
		return failed("merge steps of the Dockerfile", "it has %d layers, and container engines mount %d at most", len(layers), maxLayers), nil
	}
	limit, whose := int64(maxUnpacked), "the platform's limit"
	if c.function.GPU {
		limit, whose = maxUnpackedGPU, "the platform's limit for functions with a GPU"
	}
	var all int64
	for n, l := range layers {
		size, err := unpacked(ctx, l, limit-all)
		if err != nil {
			return Result{}, fmt.Errorf("reading layer %d of the image: %w", n+1, err)
		}
		if all += size; all >= limit {
			return failed("leave out what the function does not need at run time: begin with a slim base, copy only the result", "it has more than %s unpacked, which is %s", humanize.IBytes(uint64(limit)), whose), nil
		}
	}
	text := fmt.Sprintf("it has %s in %d layers unpacked", humanize.Bytes(uint64(all)), len(layers))
	if all > large {
		return noted("smaller images start faster: begin with a slim base, copy only the result", "%s", text), nil
	}
	return passed("%s", text), nil
}

func unpacked(ctx context.Context, l v1.Layer, limit int64) (n int64, err error) {
	r, err := l.Uncompressed()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.Copy(io.Discard, io.LimitReader(stream.Until(ctx, r), limit))
}

// program says whether the container starts anything.
func (c *checker) program() Result {
	all := append(c.entrypoint(), c.command()...)
	if len(all) == 0 {
		return failed("add an ENTRYPOINT or a CMD, or begin FROM an image of imgbuild's", "it has neither an entrypoint nor a command")
	}
	return passed("it starts %s", strings.Join(all, " "))
}

// entrypoint and command are what is started: the function's, else the image's.
func (c *checker) entrypoint() []string {
	if c.function.Entrypoint != nil {
		return c.function.Entrypoint
	}
	return c.config.Config.Entrypoint
}

func (c *checker) command() []string {
	if c.function.Command != nil || c.function.Entrypoint != nil { // as in docker run
		return c.function.Command
	}
	return c.config.Config.Cmd
}

func (c *checker) startsShim() bool {
	e := c.entrypoint()
	return len(e) > 0 && e[0] == definition.ShimPath
}

// shim says whether an image that has the shim starts it.
func (c *checker) shim() Result {
	has := c.rootfs != nil && c.rootfs.Has(definition.ShimPath)
	switch {
	case c.startsShim() && c.rootfs != nil && !has:
		return failed("leave /usr/local/bin/shim in the image", "its entrypoint is %s, and that is not there", definition.ShimPath)
	case c.startsShim():
		return passed("its entrypoint is imgbuild's shim")
	case has && c.function.Entrypoint != nil:
		return warned("move it to the arguments (Args of fun and fc, command of fc3), which the shim starts", "the template's %s takes the place of the image's entrypoint, and so goes past the shim", strings.Join(c.function.Entrypoint, " "))
	case has:
		return warned("leave ENTRYPOINT out of the Dockerfile and write CMD, which the shim starts", "it has imgbuild's shim, but starts %s, so that the shim does nothing", strings.Join(c.entrypoint(), " "))
	}
	return skipped("it has no shim of imgbuild's")
}
