package e2e

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// onlyImage is the image of an OCI layout that has one, under any number of names.
func onlyImage(t testing.TB, dir string) v1.Image {
	t.Helper()
	path, err := layout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	index, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil || len(m.Manifests) == 0 {
		t.Fatalf("the layout %s has no image: %v", dir, err)
	}
	only := m.Manifests[0].Digest
	for _, other := range m.Manifests {
		if other.Digest != only {
			t.Fatalf("the layout %s has two images, %s and %s", dir, only, other.Digest)
		}
	}
	img, err := index.Image(only)
	if err != nil {
		t.Fatal(err)
	}
	return img
}
