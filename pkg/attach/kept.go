package attach

import (
	"bytes"
	"context"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxConfig limits an attachment's config in bytes.
const maxConfig = 8 << 20

// Image is the attachment as it is in the registry. Its layers are fetched when
// they are read, under ctx.
func (a *Attachment) Image(ctx context.Context) (v1.Image, error) {
	return partial.CompressedToImage(asFound{ctx, a})
}

// asFound is an attachment as an image of the library.
type asFound struct {
	ctx context.Context
	a   *Attachment
}

func (f asFound) RawManifest() ([]byte, error) { return f.a.raw, nil }
func (f asFound) RawConfigFile() ([]byte, error) {
	return f.a.repo.blob(f.ctx, f.a.config, maxConfig)
}

func (f asFound) MediaType() (types.MediaType, error) {
	m, err := v1.ParseManifest(bytes.NewReader(f.a.raw))
	if err != nil || m.MediaType != "" {
		return m.MediaType, err
	}
	return types.OCIManifestSchema1, nil
}

func (f asFound) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	for _, d := range f.a.layers {
		if d.Digest == h {
			// Its diffID is the config's, which the library looks up.
			return struct{ partial.CompressedLayer }{&stored{ctx: f.ctx, repo: f.a.repo, d: d}}, nil
		}
	}
	return nil, errNoLayer(h)
}

// kept are the attachment's layers as they are, but those for which drop says
// true. A nil Attachment has none.
func (a *Attachment) kept(ctx context.Context, drop map[int]bool) (out []mutate.Addendum, err error) {
	if a == nil {
		return nil, nil
	}
	ids, err := a.diffIDs(ctx)
	if err != nil {
		return nil, err
	}
	for i, d := range a.layers {
		if !drop[i] {
			out = append(out, mutate.Addendum{Layer: &stored{ctx, a.repo, d, ids[i]}, MediaType: d.MediaType, Annotations: d.Annotations})
		}
	}
	return out, nil
}

// diffIDs are those that the config has for the layers. Where it has none, as
// configs of artifacts, a layer stands for itself.
func (a *Attachment) diffIDs(ctx context.Context) ([]v1.Hash, error) {
	ids := make([]v1.Hash, len(a.layers))
	for i, d := range a.layers {
		ids[i] = d.Digest
	}
	raw, err := a.repo.blob(ctx, a.config, maxConfig)
	if err != nil {
		return nil, err
	}
	if c, err := v1.ParseConfigFile(strings.NewReader(string(raw))); err == nil && len(c.RootFS.DiffIDs) == len(ids) {
		return c.RootFS.DiffIDs, nil
	}
	return ids, nil
}

// stored is a layer in a repository, fetched when it is read.
type stored struct {
	ctx    context.Context
	repo   *Repository
	d      v1.Descriptor
	diffID v1.Hash
}

func (s *stored) Digest() (v1.Hash, error)            { return s.d.Digest, nil }
func (s *stored) DiffID() (v1.Hash, error)            { return s.diffID, nil }
func (s *stored) Size() (int64, error)                { return s.d.Size, nil }
func (s *stored) MediaType() (types.MediaType, error) { return s.d.MediaType, nil }

func (s *stored) Compressed() (io.ReadCloser, error) {
	return s.repo.remote.Blob(s.ctx, s.repo.name, s.d)
}

// Uncompressed is the same: attachments are copied, never unpacked here.
func (s *stored) Uncompressed() (io.ReadCloser, error) { return s.Compressed() }
