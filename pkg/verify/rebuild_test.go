package verify_test

import (
	"errors"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/attach"
	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/verify"
)

// again builds what the provenance of each platform names.
func again(t *testing.T, r *verify.Result) error {
	t.Helper()
	var images []v1.Image
	var platforms []string
	for i := range r.Platforms {
		p := &r.Platforms[i]
		s, err := r.Source(t.Context(), p, t.TempDir())
		if err != nil {
			return err
		}
		built, err := newEngine(t).Build(t.Context(), []build.Request{{Definition: s.Definition.Definition, Lock: s.Lock, Image: s.Image}})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Compare(built[0]); err != nil {
			return err
		}
		images, platforms = append(images, built[0]), append(platforms, p.Platform)
	}
	return r.CompareIndex(images, platforms)
}

func TestRebuild(t *testing.T) {
	key, pub := newKey(t)
	for _, platforms := range [][]string{{"linux/arm64"}, {"linux/amd64", "linux/arm64"}, {"linux/arm64", "linux/amd64"}} {
		repo := newRegistry(t)
		newTiny(t, "text", platforms...).publish(t, repo, key)
		r, err := verifyWith(t, repo, pub)
		if err == nil {
			err = again(t, r)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// An image that is signed, but is not what its source builds to.
func TestDifferent(t *testing.T) {
	repo := newRegistry(t)
	key, pub := newKey(t)
	x, other := newTiny(t, "text", "linux/amd64"), newTiny(t, "other", "linux/amd64")
	x.images, x.digest = other.images, other.digest // of another text
	x.publish(t, repo, key)
	r, err := verifyWith(t, repo, pub)
	if err != nil {
		t.Fatal(err)
	}
	err = again(t, r)
	different, ok := errors.AsType[*verify.DifferentError](err)
	if !ok || len(different.Parts) != 1 || !strings.Contains(different.Parts[0], "the layer hello is sha256:") || different.Published != x.digest {
		t.Errorf("error %v", err)
	}
}

// The source that the signed provenance names, or none.
func TestWrongSource(t *testing.T) {
	key, pub := newKey(t)
	other, err := attach.SourceImage(map[string][]byte{"image.yaml": []byte("name: other")})
	if err != nil {
		t.Fatal(err)
	}
	layer, err := attach.SourceLayer(other)
	if err != nil {
		t.Fatal(err)
	}
	for want, named := range map[string]bool{
		"which the provenance names, is not in": false,
		"image.yaml":                            true, // as it is in the layer
	} {
		repo := newRegistry(t)
		x := newTiny(t, "text", "linux/amd64")
		x.publish(t, repo, key)
		pushImage(t, repo, other, attach.Tag(x.digest, attach.Source))
		if named {
			x.attach(t, repo, key, x.digest, layer, x.platforms...)
		}
		r, err := verifyWith(t, repo, pub)
		if err == nil {
			err = again(t, r)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one with %q", err, want)
		}
	}
}

// The source of another definition, with provenance that names the layer but
// another definition.
func TestSourceOfAnother(t *testing.T) {
	repo := newRegistry(t)
	key, pub := newKey(t)
	x, y := newTiny(t, "text", "linux/amd64"), newTiny(t, "other", "linux/amd64")
	x.publish(t, repo, key)
	locked, err := y.definition.ReadLock()
	if err != nil {
		t.Fatal(err)
	}
	folder, err := y.definition.Folder(locked)
	if err != nil {
		t.Fatal(err)
	}
	src, err := attach.SourceImage(folder)
	if err != nil {
		t.Fatal(err)
	}
	layer, err := attach.SourceLayer(src)
	if err != nil {
		t.Fatal(err)
	}
	pushImage(t, repo, src, attach.Tag(x.digest, attach.Source))
	x.attach(t, repo, key, x.digest, layer, x.platforms...)
	r, err := verifyWith(t, repo, pub)
	if err == nil {
		err = again(t, r)
	}
	if err == nil || !strings.Contains(err.Error(), "but the provenance names tiny") {
		t.Errorf("error %v", err)
	}
}

func TestNoProvenance(t *testing.T) {
	repo := newRegistry(t)
	key, pub := newKey(t)
	x := newTiny(t, "text", "linux/amd64")
	x.push(t, repo)
	sig, _, err := attach.AddSignature(t.Context(), nil, x.digest, key, repo.Name())
	if err != nil {
		t.Fatal(err)
	}
	pushImage(t, repo, sig, attach.Tag(x.digest, attach.Signature))
	r, err := verifyWith(t, repo, pub)
	if err != nil {
		t.Fatal(err)
	}
	if err := again(t, r); err == nil || !strings.Contains(err.Error(), "has no provenance that imgbuild wrote") {
		t.Errorf("error %v", err)
	}
}
