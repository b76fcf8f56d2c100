package output_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/klauspost/compress/zstd"

	"github.com/imgbuild/imgbuild/pkg/output"
)

// testLayer is a layer with one file, in memory; the same arguments give the
// same bytes.
func testLayer(t *testing.T, name, content string, compress bool) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, content)
	w.Close()
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	l, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		t.Fatal(err)
	}
	if !compress {
		return l
	}
	return zstdLayer(t, l, b.Bytes())
}

// packed is a layer compressed with zstd.
type packed struct {
	v1.Layer
	plain, blob []byte
}

func zstdLayer(t *testing.T, l v1.Layer, plain []byte) v1.Layer {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return packed{Layer: l, plain: plain, blob: e.EncodeAll(plain, nil)}
}

func (p packed) MediaType() (types.MediaType, error) { return types.OCILayerZStd, nil }
func (p packed) Size() (int64, error)                { return int64(len(p.blob)), nil }
func (p packed) Digest() (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(p.blob))
	return h, err
}
func (p packed) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(p.blob)), nil
}
func (p packed) Uncompressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(p.plain)), nil
}

func testImage(t *testing.T, arch string, layers ...v1.Layer) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, l := range layers {
		mt, _ := l.MediaType()
		var err error
		if img, err = mutate.Append(img, mutate.Addendum{Layer: l, MediaType: mt}); err != nil {
			t.Fatal(err)
		}
	}
	cf, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cf = cf.DeepCopy()
	cf.OS, cf.Architecture = "linux", arch
	if img, err = mutate.ConfigFile(img, cf); err != nil {
		t.Fatal(err)
	}
	return img
}

func golang(t *testing.T) output.Image {
	return output.Image{Name: "golang", Tags: []string{"1.27", "latest"}, Image: testImage(t, "amd64",
		testLayer(t, "etc/os-release", "ID=test\n", false), testLayer(t, "big", strings.Repeat("0123456789abcdef", 1<<16), false))}
}

func write(t *testing.T, typ output.Type, dest string, images ...output.Image) {
	t.Helper()
	if err := output.Write(t.Context(), output.Spec{Type: typ, Dest: dest}, nil, images); err != nil {
		t.Fatal(err)
	}
}

func skopeo(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("skopeo", append([]string{"--insecure-policy"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("skopeo %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func digest(t *testing.T, d interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	h, err := d.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestLayoutFolder(t *testing.T) {
	img := golang(t)
	dir := filepath.Join(t.TempDir(), "out")
	write(t, output.OCI, dir, img)
	idx, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := idx.Image(digest(t, img.Image))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	for _, tag := range img.Tags {
		raw := skopeo(t, "inspect", "--raw", "oci:"+dir+":"+tag)
		if want, _ := img.Image.RawManifest(); raw != string(want) {
			t.Errorf("skopeo reads %s under %s; want %s", raw, tag, want)
		}
		skopeo(t, "copy", "oci:"+dir+":"+tag, "dir:"+t.TempDir())
	}
	// Again over it, and then with other content.
	write(t, output.OCI, dir, img)
	img.Image = testImage(t, "amd64", testLayer(t, "other", "x", false))
	write(t, output.OCI, dir, img)
	if blobs, _ := os.ReadDir(filepath.Join(dir, "blobs/sha256")); len(blobs) != 3 {
		t.Errorf("%d blobs after the layout was replaced; want manifest, config and one layer", len(blobs))
	}
	noLeftovers(t, filepath.Dir(dir), "out")
}

func TestLayoutTar(t *testing.T) {
	img := golang(t)
	path := filepath.Join(t.TempDir(), "out.tar")
	write(t, output.OCI, path, img)
	skopeo(t, "copy", "oci-archive:"+path+":1.27", "dir:"+t.TempDir())
	noLeftovers(t, filepath.Dir(path), "out.tar")

	var b bytes.Buffer
	if err := output.Write(t.Context(), output.Spec{Type: output.OCI, Dest: "-"}, &b, []output.Image{img}); err != nil {
		t.Fatal(err)
	}
	if file, _ := os.ReadFile(path); !bytes.Equal(file, b.Bytes()) {
		t.Error("standard output and file differ")
	}
}

func TestLayoutIndex(t *testing.T) {
	shared := testLayer(t, "shared", "x", false)
	idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range []string{"amd64", "arm64"} {
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{
			Add:        testImage(t, arch, shared, testLayer(t, arch, arch, false)),
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	dir := filepath.Join(t.TempDir(), "out")
	write(t, output.OCI, dir, output.Image{Name: "golang", Tags: []string{"1"}, Index: idx})
	root, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(root); err != nil {
		t.Error(err)
	}
	if out := skopeo(t, "inspect", "--override-arch", "arm64", "oci:"+dir+":1"); !strings.Contains(out, `"arm64"`) {
		t.Errorf("skopeo inspect: %s", out)
	}
}

// TestSameTagOfTwoNames: both can be told apart.
func TestSameTagOfTwoNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	a, b := golang(t), golang(t)
	b.Name = "node"
	b.Image = testImage(t, "amd64", testLayer(t, "node", "x", false))
	write(t, output.OCI, dir, a, b)
	var index v1.IndexManifest
	raw, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range index.Manifests {
		names = append(names, m.Annotations["org.opencontainers.image.ref.name"])
	}
	if want := []string{"golang:1.27", "golang:latest", "node:1.27", "node:latest"}; !slices.Equal(names, want) {
		t.Errorf("names %q; want %q", names, want)
	}
}

func TestSameBytesTwice(t *testing.T) {
	for _, typ := range []output.Type{output.OCI, output.Docker} {
		dir := t.TempDir()
		write(t, typ, filepath.Join(dir, "a.tar"), golang(t))
		write(t, typ, filepath.Join(dir, "b.tar"), golang(t))
		a, _ := os.ReadFile(filepath.Join(dir, "a.tar"))
		b, _ := os.ReadFile(filepath.Join(dir, "b.tar"))
		if len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s: two writes of one image differ (%d and %d bytes)", typ, len(a), len(b))
		}
	}
}

func TestArchive(t *testing.T) {
	img := golang(t)
	path := filepath.Join(t.TempDir(), "out.tar")
	write(t, output.Docker, path, img)
	for _, ref := range []string{"golang:1.27", "golang:latest"} {
		got, err := tarball.ImageFromPath(path, must(nameTag(ref)))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(got); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
		a, _ := got.ConfigName()
		b, _ := img.Image.ConfigName()
		if a != b {
			t.Errorf("%s: config %s; want %s", ref, a, b)
		}
		skopeo(t, "copy", "docker-archive:"+path+":"+ref, "dir:"+t.TempDir())
	}
}

// TestArchiveOfZstd: the layers are unpacked, which readers of all ages take.
func TestArchiveOfZstd(t *testing.T) {
	img := golang(t)
	img.Image = testImage(t, "amd64", testLayer(t, "a", "1", true), testLayer(t, "b", "2", true))
	path := filepath.Join(t.TempDir(), "out.tar")
	write(t, output.Docker, path, img)
	got, err := tarball.ImageFromPath(path, must(nameTag("golang:1.27")))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	skopeo(t, "copy", "docker-archive:"+path+":golang:1.27", "dir:"+t.TempDir())
}

// failing is a layer whose content ends in an error.
type failing struct{ v1.Layer }

var errBroken = errors.New("broken on purpose")

func (f failing) Compressed() (io.ReadCloser, error) {
	rc, err := f.Layer.Compressed()
	return io.NopCloser(io.MultiReader(io.LimitReader(rc, 10), brokenReader{})), err
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errBroken }

func TestFailureLeavesNothing(t *testing.T) {
	img := golang(t)
	img.Image = testImage(t, "amd64", failing{testLayer(t, "a", strings.Repeat("x", 1000), false)})
	for typ, name := range map[output.Type]string{output.OCI: "out", output.Docker: "out.tar"} {
		dir := t.TempDir()
		err := output.Write(t.Context(), output.Spec{Type: typ, Dest: filepath.Join(dir, name)}, nil, []output.Image{img})
		if !errors.Is(err, errBroken) {
			t.Errorf("%s: error %v; want the source's", typ, err)
		}
		noLeftovers(t, dir)
	}
}

// lying is a layer with another content than its digest says.
type lying struct{ v1.Layer }

func (l lying) Compressed() (io.ReadCloser, error) {
	n, _ := l.Layer.Size()
	return io.NopCloser(bytes.NewReader(make([]byte, n))), nil
}

func TestWrongContent(t *testing.T) {
	img := golang(t)
	img.Image = testImage(t, "amd64", lying{testLayer(t, "a", "b", false)})
	for _, typ := range []output.Type{output.OCI, output.Docker} {
		dir := t.TempDir()
		err := output.Write(t.Context(), output.Spec{Type: typ, Dest: filepath.Join(dir, "out.tar")}, nil, []output.Image{img})
		if err == nil || !strings.Contains(err.Error(), "the content of sha256:") {
			t.Errorf("%s: error %v; want one about the content", typ, err)
		}
		noLeftovers(t, dir)
	}
}

func TestFolderOfSomethingElse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := output.Write(t.Context(), output.Spec{Type: output.OCI, Dest: dir}, nil, []output.Image{golang(t)})
	if err == nil || !strings.Contains(err.Error(), "not an OCI layout") {
		t.Errorf("error %v", err)
	}
	noLeftovers(t, dir, "precious")
}

func TestParseSpec(t *testing.T) {
	for in, want := range map[string]output.Spec{
		"type=oci,dest=out":        {Type: output.OCI, Dest: "out"},
		"dest=a=b.tar,type=docker": {Type: output.Docker, Dest: "a=b.tar"},
		"type=oci,dest=-":          {Type: output.OCI, Dest: "-"},
	} {
		if got, err := output.ParseSpec(in); err != nil || got != want {
			t.Errorf("ParseSpec(%q) = %+v, %v; want %+v", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"": "not KEY=VALUE", "out": "not KEY=VALUE", "type=oci": "no dest", "dest=x": "no type", "type=tar,dest=x": "unknown type",
		"type=oci,dest=x,dest=y": "twice", "type=oci,destination=x": "unknown key", "type=oci,dest=": "not KEY=VALUE",
	} {
		if _, err := output.ParseSpec(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSpec(%q): error %v; want one with %q", in, err, want)
		}
	}
}

func noLeftovers(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the folder has %q; want %q", got, want)
	}
}
