package source_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/output"
)

// TestLayouts: folders and tars, one image and several.
func TestLayouts(t *testing.T) {
	to := newServer(t)
	dir := t.TempDir()
	idx, other := indexOf(t, images(t, "linux/amd64", "linux/arm64")), images(t, "linux/amd64")[0]
	write := func(dest string, imgs ...output.Image) string {
		dest = filepath.Join(dir, dest)
		if err := output.Write(t.Context(), output.Spec{Type: output.OCI, Dest: dest}, nil, imgs); err != nil {
			t.Fatal(err)
		}
		return dest
	}
	one := output.Image{Name: "golang", Index: idx, Tags: []string{"1.27", "latest"}}
	two := output.Image{Name: "node", Image: other, Tags: []string{"24", "latest"}}
	st := newStore(t)
	for i, path := range []string{write("one", one), write("one.tar", one)} {
		src, err := open(t, st, path, "")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(src.Tags, " ") != "1.27 latest" {
			t.Errorf("tags %q", src.Tags)
		}
		d := to.host + "/golang" + string(rune('a'+i))
		if _, err := copyTo(t, st, src, d); err != nil {
			t.Fatal(err)
		}
		same(t, d+":1.27", idx)
		same(t, d+":latest", idx)
		if _, err := open(t, st, path+":9", ""); err == nil || !strings.Contains(err.Error(), "it has 1.27, latest") {
			t.Errorf("error %v", err)
		}
	}
	digest, _ := other.Digest()
	for _, path := range []string{write("two", one, two), write("two.tar", one, two)} {
		if _, err := open(t, st, path, ""); err == nil || !strings.Contains(err.Error(), "choose one as PATH:TAG: golang:1.27, golang:latest, node:24") {
			t.Errorf("error %v", err)
		}
		for n, tags := range map[string]string{":node:24": "24", ":node:latest": "latest", "@" + digest.String(): "24 latest"} {
			src, err := open(t, st, path+n, "")
			if err != nil {
				t.Error(err)
				continue
			}
			if src.Digest != digest || strings.Join(src.Tags, " ") != tags {
				t.Errorf("%s: %s %q", n, src.Digest, src.Tags)
			}
		}
	}
}

// TestDamagedLayout: what has not its digest is not copied, and said to be
// damaged; tags stay where they were.
func TestDamagedLayout(t *testing.T) {
	img := images(t, "linux/amd64")[0]
	layers, _ := img.Layers()
	layer, _ := layers[1].Digest()
	manifest, _ := img.Digest()
	for blob, damage := range map[v1.Hash]func(path string) error{
		layer: func(path string) error {
			b, err := os.ReadFile(path)
			b[len(b)/2] ^= 1
			return writeOver(path, b, err)
		},
		manifest: func(path string) error {
			b, err := os.ReadFile(path)
			return writeOver(path, append(b, ' '), err)
		},
	} {
		for _, how := range []func(string) error{damage, os.Remove, func(p string) error { return os.Truncate(p, 10) }} {
			to := newServer(t)
			dir := filepath.Join(t.TempDir(), "layout")
			err := output.Write(t.Context(), output.Spec{Type: output.OCI, Dest: dir}, nil, []output.Image{{Name: "a", Image: img, Tags: []string{"1"}}})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "blobs", "sha256", blob.Hex)
			os.Chmod(path, 0o644)
			if err := how(path); err != nil {
				t.Fatal(err)
			}
			st := newStore(t)
			src, err := open(t, st, dir, "")
			if err == nil {
				_, err = copyTo(t, st, src, to.host+"/a")
			}
			if err == nil || !strings.Contains(err.Error(), "the layout lacks") && !strings.Contains(err.Error(), "the layout is damaged") {
				t.Errorf("error %v", err)
			}
			if n := to.count("PUT ", "/manifests/"); n != 0 {
				t.Errorf("%d manifests were sent", n)
			}
		}
	}
}

func writeOver(path string, b []byte, err error) error {
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

func TestNoLayout(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	outside := file("outside.json", `{"schemaVersion":2,"manifests":[]}`)
	linked := filepath.Join(dir, "linked")
	if err := os.Mkdir(linked, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(linked, "index.json")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir: "no OCI layout",
		file("text.tar", strings.Repeat("x", 2000)):                                 "neither a folder nor a tar",
		file("empty.tar", ""):                                                       "no OCI layout",
		filepath.Dir(file("odd/index.json", "{")):                                   "reading index.json",
		filepath.Dir(file("none/index.json", `{"schemaVersion":2,"manifests":[]}`)): "it has none",
		linked: "escapes",
	} {
		if _, err := open(t, newStore(t), path, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v; want one with %q", path, err, want)
		}
	}
}
