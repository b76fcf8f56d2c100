package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Blob opens a blob that a manifest of the source names, under a context of its
// own. What is read fails at its end where it has not the descriptor's digest.
func (s *Source) Blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	return s.blobs.open(ctx, d)
}

// Each returns the names of all images that n stands for: those of a layout
// where n does not choose one, else n alone.
func Each(n Name) ([]Name, error) {
	if n.Path == "" || n.Image != "" || n.Digest != (v1.Hash{}) {
		return []Name{n}, nil
	}
	all, err := each(n)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", n, err)
	}
	return all, nil
}

func each(n Name) (all []Name, err error) {
	l, err := openLayout(n)
	if err != nil {
		return nil, err
	}
	defer l.close()
	i, err := l.index()
	if err != nil {
		return nil, err
	}
	for _, d := range i.Manifests {
		one := Name{Path: n.Path, Digest: d.Digest}
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all, nil
}

// index is the layout's index.json.
func (l *layout) index() (*v1.IndexManifest, error) {
	raw, err := l.small("index.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("it is no OCI layout: it has no index.json; write one with --output type=oci,dest=PATH")
	}
	if err != nil {
		return nil, err
	}
	i, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading index.json: %w", err)
	}
	return i, nil
}
