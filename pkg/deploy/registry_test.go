package deploy

import (
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/deploy/deploytest"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// TestRegistry: a tag becomes the digest of what the platform runs: of an index
// its image for amd64, and never an image for something else.
func TestRegistry(t *testing.T) {
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	images := map[string]v1.Image{}
	index := v1.ImageIndex(empty.Index)
	for _, arch := range []string{"arm64", "amd64"} {
		img, err := random.Image(100, 1)
		if err != nil {
			t.Fatal(err)
		}
		if img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: arch, RootFS: v1.RootFS{Type: "layers"}}); err != nil {
			t.Fatal(err)
		}
		images[arch] = img
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
		tag, err := name.NewTag(host + "/team/hello:" + arch)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(tag, img); err != nil {
			t.Fatal(err)
		}
	}
	tag, err := name.NewTag(host + "/team/hello:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(tag, index); err != nil {
		t.Fatal(err)
	}
	amd64, err := images["amd64"].Digest()
	if err != nil {
		t.Fatal(err)
	}
	resolve := Registry(st, image.Keychain(authn.NewMultiKeychain()))
	for tag, want := range map[string]string{"1": "", "amd64": "", "arm64": "not for linux/amd64", "9": "check the name, the tag"} {
		r, err := address.ParseReference(host + "/team/hello:" + tag)
		if err != nil {
			t.Fatal(err)
		}
		switch got, err := resolve(t.Context(), r); {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: error %v; want %q", tag, err, want)
		case want == "" && (err != nil || got != amd64):
			t.Errorf("%s: %s, %v; want %s", tag, got, err, amd64)
		}
	}
	// As the command does it, whole.
	p := deploytest.New()
	d := serve(t, p, WithResolver(resolve))
	f := hello("a")
	f.Image = host + "/team/hello:1"
	r := apply(t, d, f)
	if want := host + "/team/hello@" + amd64.String(); r.Image != want || p.Image("hello") != want {
		t.Errorf("image %s; want %s", r.Image, want)
	}
}
