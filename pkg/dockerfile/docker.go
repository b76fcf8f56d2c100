package dockerfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"

	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/content"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/output"
	"github.com/imgbuild/imgbuild/pkg/source"
)

// The BuildKit inside Docker differs with Docker's version and image store. Bases
// that are here are loaded into Docker under the name that the Dockerfile has for
// them. An image that it cannot export it leaves in Docker, where it is taken out.

// exporterMoby leaves the image in Docker (moby, builder/builder-next/exporter).
const exporterMoby = "moby"

// lacksOCI says that a builder does not export images.
func lacksOCI(err error) bool {
	return strings.Contains(err.Error(), `exporter "oci" could not be found`) || strings.Contains(err.Error(), "OCI exporter is not supported")
}

// intoDocker makes Docker keep the image in place of sending it.
func intoDocker(o *client.SolveOpt) {
	for i := range o.Exports {
		if o.Exports[i].Type == client.ExporterOCI {
			o.Exports[i] = client.ExportEntry{Type: exporterMoby, Attrs: map[string]string{}}
		}
	}
}

// knowsContexts says whether the builder's frontend knows contexts that stand for
// images: those of BuildKit 0.10 and later, which warn, too.
func knowsContexts(c gateway.Client) bool {
	caps := c.BuildOpts().Caps
	return caps.Supports(gatewaypb.CapGatewayWarnings) == nil
}

// load puts a base into Docker under the name that the Dockerfile has for it.
func (w *work) load(ctx context.Context, image Image, img v1.Image) error {
	if len(image.Platforms) > 1 {
		return fmt.Errorf("in Docker a name stands for one image, and it is needed for %s; build for one platform, or with a builder of --buildkit", strings.Join(image.Platforms, " and "))
	}
	config, err := img.ConfigName()
	if err != nil {
		return err
	}
	// Loading it again would take seconds.
	if id, err := buildkit.DockerImage(image.Ref).ID(ctx); err == nil && string(id) == config.String() {
		return nil
	}
	i := strings.LastIndexByte(image.Ref, ':')
	_, err = output.Load(ctx, []output.Image{{Image: img, Name: image.Ref[:i], Tags: []string{image.Ref[i+1:]}}})
	return err
}

// fromDocker takes the image out of Docker and into the store, and returns its
// digest.
func (w *work) fromDocker(ctx context.Context, resp *client.SolveResponse) (v1.Hash, error) {
	id := resp.ExporterResponse[exptypes.ExporterImageConfigDigestKey]
	if id == "" {
		id = resp.ExporterResponse[exptypes.ExporterImageDigestKey]
	}
	if id == "" {
		return v1.Hash{}, errors.New("dockerd does not say which image it made")
	}
	image := buildkit.DockerImage(id)
	if h, ok := w.keptBefore(ctx, id); ok {
		return h, nil
	}
	rc, err := image.Save(ctx)
	if err != nil {
		return v1.Hash{}, err
	}
	defer rc.Close()
	saved, err := openSaved(ctx, w.store, rc)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("reading the image %s out of Docker: %w", id, err)
	}
	defer saved.close()
	h, err := w.keep(saved)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("reading the image %s out of Docker: %w", id, err)
	}
	if err := w.store.PutRecord(recordKind, id, h); err != nil {
		return h, err
	}
	// Best effort: one image more in Docker harms nobody.
	_ = image.Forget(ctx)
	return h, nil
}

// recordKind is the store's kind of record for images out of Docker: manifests,
// by Docker's ID.
const recordKind = "docker"

// keptBefore finds an image that was taken out of Docker before.
func (w *work) keptBefore(ctx context.Context, id string) (h v1.Hash, ok bool) {
	if ok, err := w.store.Record(recordKind, id, &h); !ok || err != nil {
		return h, false
	}
	s, err := source.Kept(ctx, w.store, h)
	if err != nil {
		return h, false
	}
	c, err := content.Of(s.Image, nil)
	if err != nil {
		return h, false
	}
	for _, b := range c.Blobs {
		if size, ok := w.store.Has(b.Digest); !ok || size != b.Size {
			return h, false
		}
	}
	return h, true
}

// keep writes a saved image into the store. Layers that are there stay as they
// are packed, so that those of our bases keep their digests.
func (w *work) keep(s *saved) (v1.Hash, error) {
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	var config v1.ConfigFile
	if err := json.Unmarshal(s.config, &config); err != nil {
		return v1.Hash{}, err
	}
	if len(config.RootFS.DiffIDs) != len(s.layers) {
		return v1.Hash{}, fmt.Errorf("it has %d layers, and %d in its config", len(s.layers), len(config.RootFS.DiffIDs))
	}
	for i, name := range s.layers {
		l, err := w.keepLayer(s, name, config.RootFS.DiffIDs[i])
		if err != nil {
			return v1.Hash{}, fmt.Errorf("layer %s: %w", name, err)
		}
		r := l.Record()
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: r.Compression.MediaType(), Size: r.Size, Digest: r.Digest})
	}
	h, err := w.keepBytes(s.config)
	if err != nil {
		return h, err
	}
	m.Config = v1.Descriptor{MediaType: types.OCIConfigJSON, Size: int64(len(s.config)), Digest: h}
	raw, err := json.Marshal(m)
	if err != nil {
		return h, err
	}
	return w.keepBytes(raw)
}

func (w *work) keepBytes(b []byte) (v1.Hash, error) {
	blob, err := w.store.Create()
	if err != nil {
		return v1.Hash{}, err
	}
	defer blob.Discard()
	if _, err := blob.Write(b); err != nil {
		return v1.Hash{}, err
	}
	return blob.Commit(v1.Hash{})
}

func (w *work) keepLayer(s *saved, name string, diffID v1.Hash) (*layer.Layer, error) {
	// Those that imgbuild made, and those of an image before.
	key := diffID.String() + " " + layer.Gzip.ID()
	for _, kind := range []string{"layer ", "docker "} {
		if l, ok := layer.Find(w.store, kind+key); ok {
			return l, nil
		}
	}
	tar, err := s.open(name)
	if err != nil {
		return nil, err
	}
	l, err := layer.Pack(w.store, layer.Gzip, tar)
	if err != nil {
		return nil, err
	}
	if got := l.Record().DiffID; got != diffID {
		return nil, fmt.Errorf("it has the diffID %s, not %s as in its config", got, diffID)
	}
	return l, l.Remember("docker " + key)
}
