package source

import (
	"context"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/store"
)

// kept is an image all of whose blobs are in the store.
type kept struct {
	store *store.Store
	want  v1.Hash
}

// Kept opens an image that is in the store, by the digest of its manifest or
// index.
func Kept(ctx context.Context, st *store.Store, h v1.Hash) (*Source, error) {
	s := &Source{name: Name{Path: st.Root(), Digest: h}, blobs: &kept{st, h}}
	if err := s.read(ctx, ""); err != nil {
		return nil, fmt.Errorf("opening %s in the store: %w", h, err)
	}
	return s, nil
}

func (k *kept) root(context.Context) (v1.Descriptor, []string, error) {
	return v1.Descriptor{Digest: k.want}, nil, nil
}

func (k *kept) manifest(_ context.Context, d v1.Descriptor) ([]byte, error) {
	f, err := k.store.Open(d.Digest)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err == nil && len(raw) > maxManifest {
		err = fmt.Errorf("the manifest %s has more bytes than belong there", d.Digest)
	}
	return raw, err
}

func (k *kept) open(_ context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	return k.store.Stream(d.Digest)
}

func (k *kept) close() error { return nil }
