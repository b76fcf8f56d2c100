package push_test

import (
	"bytes"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func logTo(w io.Writer) *log.Logger { return log.New(w, "", 0) }

func randomLayer(t *testing.T, size int64) v1.Layer {
	t.Helper()
	l, err := random.Layer(size, types.OCILayer)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ociImage is an image of these layers with OCI media types.
func ociImage(t *testing.T, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layers...)
	if err != nil {
		t.Fatal(err)
	}
	cf, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cf = cf.DeepCopy()
	cf.OS, cf.Architecture = "linux", "amd64"
	if img, err = mutate.ConfigFile(img, cf); err != nil {
		t.Fatal(err)
	}
	return img
}

func indexOf(t *testing.T, images ...v1.Image) v1.ImageIndex {
	t.Helper()
	idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i, img := range images {
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: []string{"amd64", "arm64"}[i]},
		}})
	}
	return idx
}

func digestOf(t *testing.T, d interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	h, err := d.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// pullBack fetches every byte with go-containerregistry, which checks digests
// and sizes, and compares the manifest with what was pushed.
func pullBack(t *testing.T, ref string, want v1.Image, opts ...remote.Option) {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Image(r, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Errorf("%s is not whole: %v", ref, err)
	}
	a, _ := got.RawManifest()
	b, _ := want.RawManifest()
	if !bytes.Equal(a, b) {
		t.Errorf("%s: manifest %s; want %s", ref, a, b)
	}
}

// skopeoPull copies ref to a layout with skopeo, a client we did not write,
// and compares every blob of the image.
func skopeoPull(t *testing.T, ref string, want v1.Image) {
	t.Helper()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Fatal("this test needs the skopeo program: apt-get install skopeo")
	}
	dir := t.TempDir()
	out, err := exec.Command("skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", "docker://"+ref, "dir:"+dir).CombinedOutput()
	if err != nil {
		t.Fatalf("skopeo: %v\n%s", err, out)
	}
	manifest, _ := want.RawManifest()
	sameFile(t, filepath.Join(dir, "manifest.json"), bytes.NewReader(manifest))
	config, _ := want.RawConfigFile()
	sameFile(t, filepath.Join(dir, hexOf(want.ConfigName())), bytes.NewReader(config))
	layers, _ := want.Layers()
	for _, l := range layers {
		rc, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		sameFile(t, filepath.Join(dir, hexOf(l.Digest())), rc)
		rc.Close()
	}
}

func hexOf(h v1.Hash, err error) string {
	if err != nil {
		return err.Error()
	}
	return h.Hex
}

func sameFile(t *testing.T, path string, want io.Reader) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	b, err := io.ReadAll(want)
	if err != nil {
		t.Error(err)
	}
	if !bytes.Equal(got, b) {
		t.Errorf("%s has %d bytes that differ from the %d pushed", filepath.Base(path), len(got), len(b))
	}
}

func count(lines []string, parts ...string) int {
	n := 0
	for _, l := range lines {
		if all(l, parts) {
			n++
		}
	}
	return n
}

func all(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
