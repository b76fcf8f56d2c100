package attach

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/sign"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Limits of an attachment: of its layers, cosign's own, and of their bytes
// together, which are read to know whose they are.
const (
	maxLayers = 1000
	maxTotal  = 1 << 30
)

// Repository reads attachments out of one repository, through the store.
type Repository struct {
	remote *image.Remote
	name   name.Repository
}

// Open returns a Repository. Nothing is asked of the registry yet.
func Open(st *store.Store, repo address.Repository, opts ...image.Option) (*Repository, error) {
	n, err := name.NewRepository(repo.String(), name.StrictValidation)
	if err != nil {
		return nil, err
	}
	remote, err := image.NewRemote(st, opts...)
	if err != nil {
		return nil, err
	}
	return &Repository{remote: remote, name: n}, nil
}

// Attachment is what a repository has beside an image.
type Attachment struct {
	// Digest is that of the attachment's own manifest.
	Digest v1.Hash
	repo   *Repository
	raw    []byte
	layers []v1.Descriptor
	config v1.Descriptor
}

// Find returns what is attached to an image, nil where there is nothing of
// that kind.
func (r *Repository) Find(ctx context.Context, of v1.Hash, kind string) (*Attachment, error) {
	a, err := r.find(ctx, of, kind)
	if err != nil {
		return nil, fmt.Errorf("reading %s:%s: %w", r.name, Tag(of, kind), err)
	}
	return a, nil
}

func (r *Repository) find(ctx context.Context, of v1.Hash, kind string) (*Attachment, error) {
	ref, err := r.remote.Resolve(ctx, r.name.Tag(Tag(of, kind)))
	if t, ok := errors.AsType[*transport.Error](err); ok && t.StatusCode == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	raw, err := r.remote.Manifest(ctx, ref)
	if err != nil {
		return nil, err
	}
	a := &Attachment{repo: r, raw: raw}
	if a.Digest, err = v1.NewHash(ref.DigestStr()); err != nil {
		return nil, err
	}
	m, err := v1.ParseManifest(strings.NewReader(string(raw)))
	switch {
	case err != nil:
		return nil, err
	case !m.MediaType.IsImage() && m.MediaType != "":
		return nil, fmt.Errorf("it is a %q, not an image", m.MediaType)
	case len(m.Layers) > maxLayers:
		return nil, fmt.Errorf("it has %d layers, more than %d", len(m.Layers), maxLayers)
	}
	total := int64(0)
	for i, d := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		if d.Digest.Algorithm != "sha256" || d.Size < 0 {
			return nil, fmt.Errorf("its descriptor %d has no SHA-256 digest or no size", i)
		}
		if total += d.Size; d.Size > maxTotal || total > maxTotal {
			return nil, fmt.Errorf("it states more than %d bytes", maxTotal)
		}
	}
	a.layers, a.config = m.Layers, m.Config
	return a, nil
}

// blob reads a small blob whole. It has the descriptor's digest and size.
func (r *Repository) blob(ctx context.Context, d v1.Descriptor, limit int64) ([]byte, error) {
	if d.Size > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", d.Digest, d.Size, limit)
	}
	rc, err := r.remote.Blob(ctx, r.name, d)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(io.LimitReader(rc, limit+1))
}

// Signatures are those of a .sig. The loop ends at the first error.
func (a *Attachment) Signatures(ctx context.Context) iter.Seq2[Signed, error] {
	return func(yield func(Signed, error) bool) {
		for _, d := range a.of(SignatureType) {
			s, err := a.signature(ctx, d)
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

func (a *Attachment) signature(ctx context.Context, d v1.Descriptor) (Signed, error) {
	payload, err := a.repo.blob(ctx, d, sign.MaxPayload)
	if err != nil {
		return Signed{}, err
	}
	// One that is not base64 is one that does not verify.
	signature, _ := base64.StdEncoding.DecodeString(d.Annotations[signatureAnnotation])
	return Signed{Payload: payload, Signature: signature, Key: d.Annotations[keyAnnotation]}, nil
}

// Statements are those of a .att. The loop ends at the first error.
func (a *Attachment) Statements(ctx context.Context) iter.Seq2[Statement, error] {
	return func(yield func(Statement, error) bool) {
		for _, d := range a.of(AttestationType) {
			s, err := a.statement(ctx, d)
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

func (a *Attachment) statement(ctx context.Context, d v1.Descriptor) (Statement, error) {
	envelope, err := a.repo.blob(ctx, d, sign.MaxEnvelope)
	return Statement{PredicateType: d.Annotations[predicateAnnotation], Envelope: envelope}, err
}

// of are the layers of a media type. A nil Attachment has none.
func (a *Attachment) of(t types.MediaType) (out []v1.Descriptor) {
	if a == nil {
		return nil
	}
	for _, d := range a.layers {
		if d.MediaType == t {
			out = append(out, d)
		}
	}
	return out
}
