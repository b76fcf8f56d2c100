package frontend

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"

	"github.com/containerd/platforms"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	common "github.com/moby/buildkit/exporter/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/imgbuild/imgbuild/pkg/build"
)

// result is the images as BuildKit exports them: the file systems, and beside
// them the configurations and annotations.
func (f *files) result(ctx context.Context, images []build.Left) (*gateway.Result, error) {
	res := gateway.NewResult()
	several := f.ui.MultiPlatformRequested || len(images) > 1
	var exported exptypes.Platforms
	for _, i := range images {
		p, err := platforms.Parse(i.Request.Image.Platform)
		if err != nil {
			return nil, err
		}
		p = platforms.Normalize(p)
		id := platforms.FormatAll(p)
		exported.Platforms = append(exported.Platforms, exptypes.Platform{ID: id, Platform: p})
		ref, err := f.solve(ctx, i.Root, llb.Platform(p))
		if err != nil {
			return nil, err
		}
		config, err := f.config(i.Image)
		if err != nil {
			return nil, err
		}
		created, err := i.Image.ConfigFile()
		if err != nil {
			return nil, err
		}
		m, err := i.Image.Manifest()
		if err != nil {
			return nil, err
		}
		suffix, of := "/"+id, &p
		if several {
			res.AddRef(id, ref)
		} else {
			suffix, of = "", nil
			res.SetRef(ref)
		}
		res.AddMeta(exptypes.ExporterImageConfigKey+suffix, config)
		// The image's own time in place of the build's.
		res.AddMeta(common.ExporterEpochKey+suffix, strconv.AppendInt(nil, created.Created.Unix(), 10))
		for name, value := range m.Annotations {
			res.AddMeta(exptypes.AnnotationManifestKey(of, name), []byte(value))
		}
	}
	b, err := json.Marshal(exported)
	if err != nil {
		return nil, err
	}
	res.AddMeta(exptypes.ExporterPlatformsKey, b)
	return res, nil
}

// config is an image's configuration, with the labels that the client adds.
func (f *files) config(img v1.Image) ([]byte, error) {
	if len(f.ui.Labels) == 0 {
		return img.RawConfigFile()
	}
	c, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	c = c.DeepCopy()
	if c.Config.Labels == nil {
		c.Config.Labels = map[string]string{}
	}
	maps.Copy(c.Config.Labels, f.ui.Labels)
	return json.Marshal(c)
}

// layout is a folder with the images as every engine makes them.
func (f *files) layout(ctx context.Context, images []build.Left, tags []string) (*gateway.Result, error) {
	state, err := build.Layout(images, tags)
	if err != nil {
		return nil, err
	}
	ref, err := f.solve(ctx, state)
	if err != nil {
		return nil, err
	}
	res := gateway.NewResult()
	res.SetRef(ref)
	return res, nil
}

func (f *files) solve(ctx context.Context, s llb.State, opts ...llb.ConstraintsOpt) (gateway.Reference, error) {
	def, err := s.Marshal(ctx, opts...)
	if err != nil {
		return nil, err
	}
	res, err := f.client.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), CacheImports: f.ui.CacheImports})
	if err != nil {
		return nil, err
	}
	return res.SingleRef()
}
