package buildkit_test

import (
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
)

// A builder reads the images that are handed to it and what it has written, and
// nothing else that the store has.
func TestBlobs(t *testing.T) {
	s := inputtest.Store(t)
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	if _, err := w.Write([]byte("private")); err != nil {
		t.Fatal(err)
	}
	h, err := w.Commit(v1.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	b := buildkit.NewBlobs(s)
	reads := func(d digest.Digest) bool {
		r, err := b.ReaderAt(t.Context(), specs.Descriptor{Digest: d})
		if err != nil {
			if !errdefs.IsNotFound(err) {
				t.Error(err)
			}
			return false
		}
		r.Close()
		return true
	}
	write := func(text string) error {
		d := digest.FromString(text)
		w, err := b.Writer(t.Context(), content.WithRef(text), content.WithDescriptor(specs.Descriptor{Digest: d, Size: int64(len(text))}))
		if err != nil {
			return err
		}
		defer w.Close()
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		return w.Commit(t.Context(), int64(len(text)), d)
	}
	if reads(digest.Digest(h.String())) {
		t.Error("it reads what it was not given")
	}
	if err := write("private"); !errdefs.IsAlreadyExists(err) {
		t.Errorf("writing what is there: %v", err)
	}
	if reads(digest.Digest(h.String())) {
		t.Error("it reads what it has only tried to write")
	}
	if err := write("made"); err != nil || !reads(digest.FromString("made")) {
		t.Errorf("what it wrote is not read: %v", err)
	}
	img, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	root, err := b.Hand(img, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{root.String(), m.Config.Digest.String(), m.Layers[0].Digest.String()} {
		if !reads(digest.Digest(d)) {
			t.Errorf("%s of the image is not read", d)
		}
	}
}
