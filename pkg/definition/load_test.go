package definition

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/images"
)

func TestEmbeddedDefinitionsLoad(t *testing.T) {
	if want := []string{"golang", "node", "typescript"}; !slices.Equal(images.Names(), want) {
		t.Fatalf("embedded images: %q, want %q", images.Names(), want)
	}
	for _, name := range images.Names() {
		d, err := Load(name)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if d.Name != name {
			t.Errorf("images/%s is called %q", name, d.Name)
		}
		if want := filepath.Join("images", name, "image.lock"); d.LockPath() != want || d.Dir != "" {
			t.Errorf("lock at %q, folder %q", d.LockPath(), d.Dir)
		}
	}
}

func TestFullImagesShareTheirOSLayer(t *testing.T) {
	var first *DebianLayer
	for _, ref := range append(images.Names(), filepath.Join("..", "..", "examples", "ruby")) {
		d, err := Load(ref)
		if err != nil {
			t.Fatal(err)
		}
		os := d.Variants[0].Layers[0].Debian
		if first == nil {
			first = os
		}
		if !slices.Equal(os.Packages, first.Packages) || os.Suite != first.Suite || !os.Essential || !os.Sources {
			t.Errorf("%s: the OS layer is %+v, another than %+v", ref, os, first)
		}
	}
}

func TestLoadFromDisk(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "image.yaml"), filesDefinition)
	write(t, filepath.Join(dir, "etc", "motd"), "hello\n")
	write(t, filepath.Join(dir, "image.lock"), "{}")
	byDir, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	byFile, err := Load(filepath.Join(dir, "image.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if byDir.Digest() != byFile.Digest() || string(byDir.Files["etc/motd"]) != "hello\n" {
		t.Errorf("files: %q", byDir.Files)
	}
	if lock, err := byFile.ReadLock(); err != nil || string(lock) != "{}" || byFile.LockPath() != filepath.Join(dir, "image.lock") {
		t.Errorf("lock %q at %s: %v", lock, byFile.LockPath(), err)
	}
	os.Remove(filepath.Join(dir, "image.lock"))
	if _, err := byFile.ReadLock(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no lock: %v", err)
	}
	before := byDir.Digest()
	write(t, filepath.Join(dir, "etc", "motd"), "hello!\n")
	after, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if after.Digest() == before {
		t.Error("another file, but the same digest")
	}
}

func TestLoadStaysInsideTheFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret"), "secret")
	write(t, filepath.Join(dir, "def", "image.yaml"), filesDefinition)
	if err := os.Mkdir(filepath.Join(dir, "def", "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../secret", filepath.Join(dir, "def", "etc", "motd")); err != nil {
		t.Fatal(err)
	}
	d, err := Load(filepath.Join(dir, "def"))
	if err == nil {
		t.Fatalf("a link out of the folder was followed: %q", d.Files)
	}
	if !strings.Contains(err.Error(), "image.yaml:9:39: reading source") {
		t.Error(err)
	}
}

func TestLoadOfNothing(t *testing.T) {
	for ref, want := range map[string]string{
		"goland":         `did you mean "golang"?`,
		"cobol":          "the images are golang, node, typescript",
		"./nowhere":      "there is no definition at ./nowhere",
		"nowhere.yaml":   "there is no definition at nowhere.yaml",
		t.TempDir():      "image.yaml",
		"../definition/": "image.yaml",
	} {
		if _, err := Load(ref); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load(%q): %v, want %q in it", ref, err, want)
		}
	}
}

const filesDefinition = `name: files
versions: {series: ["1"]}
platforms: [linux/amd64]
variants:
  - name: full
    layers:
      - name: files
        files:
          - {path: /etc/motd, source: etc/motd}
    config: {}
`

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What docs/definition.md shows is taken as it stands there.
func TestTheDefinitionInTheDocumentation(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "definition.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	shown, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("it shows no definition")
	}
	if _, err := Parse("docs/definition.md", []byte(shown), nil); err != nil {
		t.Error(err)
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		d, err := Load("typescript")
		if err != nil {
			b.Fatal(err)
		}
		d.Digest()
	}
}
