package step

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/deb/debtest"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// files is a layer that has no inputs.
func files() Spec {
	return Spec{Compression: layer.Gzip, Layer: &assemble.Spec{
		Layer: definition.Layer{Name: "base", Files: []definition.File{
			{Path: "/etc/motd", Content: "hello\n"},
			{Path: "/opt/tool", Source: "tool.sh", Mode: "0755"},
		}},
		Files: map[string][]byte{"tool.sh": []byte("#!/bin/sh\n"), "other": []byte("of another layer")},
		Arch:  "amd64",
	}}
}

// packaged is a layer of one package, and the package.
func packaged(t *testing.T) (Spec, lock.Input, []byte) {
	t.Helper()
	suffix := ".xz"
	deb := debtest.Deb{Name: "hello", Version: "1.0-1", Arch: "amd64", Suffix: &suffix, Entries: []debtest.Entry{
		debtest.Dir("./usr/", 0o755), debtest.Dir("./usr/bin/", 0o755), debtest.File("./usr/bin/hello", 0o755, "hello\n"),
	}}.Bytes(t)
	s := inputtest.Store(t)
	in := lock.Input{
		ID: "deb:hello@1.0-1/amd64", Kind: lock.KindDebian, Name: "hello", Version: "1.0-1",
		Size: int64(len(deb)), SHA256: put(t, s, deb).Hex, Archive: "debian", Path: "pool/hello.deb",
	}
	no := false
	return Spec{Compression: layer.Gzip, Layer: &assemble.Spec{
		Layer:  definition.Layer{Name: "os", Debian: &definition.DebianLayer{Suite: "trixie", Packages: []string{"hello"}, Dependencies: &no}},
		Inputs: []lock.Input{in},
		Arch:   "amd64",
	}}, in, deb
}

func put(t *testing.T, s *store.Store, content []byte) v1.Hash {
	t.Helper()
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	h, err := w.Commit(v1.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ran runs a step as a builder does, with its inputs in the folder in.
func ran(t *testing.T, s Spec, in string) (out string, err error) {
	t.Helper()
	spec := t.TempDir()
	b, err := json.Marshal(s.Portable())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(spec, SpecFile), b, 0o444); err != nil {
		t.Fatal(err)
	}
	out = t.TempDir()
	return out, Run(t.Context(), spec, in, out)
}

// left is what a step has left, and its record.
func left(t *testing.T, out string) (paths []string, r layer.Record) {
	t.Helper()
	err := filepath.WalkDir(out, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, strings.TrimPrefix(p, out))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(out, LayerFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return paths, r
}

// A step leaves the layer that this process makes, its record, and nothing else.
func TestRun(t *testing.T) {
	withInput, in, deb := packaged(t)
	for name, c := range map[string]struct {
		spec  Spec
		place func(dir string) error
	}{
		"files": {files(), func(string) error { return nil }},
		"an input that is a file": {withInput, func(dir string) error {
			return os.WriteFile(filepath.Join(dir, in.SHA256), deb, 0o444)
		}},
		"an input in a folder": {withInput, func(dir string) error {
			if err := os.Mkdir(filepath.Join(dir, in.SHA256), 0o755); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, in.SHA256, in.SHA256), deb, 0o444)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := c.place(dir); err != nil {
				t.Fatal(err)
			}
			out, err := ran(t, c.spec, dir)
			if err != nil {
				t.Fatal(err)
			}
			paths, got := left(t, out)
			if d := cmp.Diff([]string{"/blobs/sha256/" + got.Digest.Hex, "/layer.json"}, paths); d != "" {
				t.Errorf("it left other files (-want +got):\n%s", d)
			}
			s := inputtest.Store(t)
			put(t, s, deb)
			want, err := assemble.Layer(t.Context(), s, c.spec.Compression, *c.spec.Layer)
			if err != nil {
				t.Fatal(err)
			}
			if got != want.Record() {
				t.Errorf("got %+v, want %+v", got, want.Record())
			}
			blob, err := os.Open(filepath.Join(out, BlobPath(got.Digest)))
			if err != nil {
				t.Fatal(err)
			}
			defer blob.Close()
			if _, err := layer.Receive(inputtest.Store(t), got, blob); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRunRefuses(t *testing.T) {
	withInput, in, deb := packaged(t)
	empty, damaged := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, in.SHA256), append([]byte("x"), deb...), 0o444); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct {
		spec Spec
		in   string
	}{
		"no such file or directory":        {withInput, empty},
		"differs from its digest":          {withInput, damaged},
		"no kind that this imgbuild knows": {Spec{}, empty},
		"reading layer.json":               {Spec{Unpack: &Unpack{Layer: noRecord(t), Root: t.TempDir()}}, empty},
	} {
		out, err := ran(t, c.spec, c.in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if _, err := os.Stat(filepath.Join(out, LayerFile)); err == nil {
			t.Errorf("%s: a record was left", want)
		}
	}
	if err := Run(t.Context(), t.TempDir(), empty, t.TempDir()); err == nil {
		t.Error("no spec was no error")
	}
}

func noRecord(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, LayerFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestUnpack(t *testing.T) {
	testtool.NeedRoot(t)
	out, err := ran(t, files(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/motd"), []byte("of the layer below"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ran(t, Spec{Unpack: &Unpack{Layer: out, Root: root}}, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	want := []string{"/etc drwxr-xr-x 0:0", `/etc/motd -rw-r--r-- 0:0 "hello\n"`, "/opt drwxr-xr-x 0:0", `/opt/tool -rwxr-xr-x 0:0 "#!/bin/sh\n"`}
	if d := cmp.Diff(want, tree(t, root)); d != "" {
		t.Error(d)
	}
	// A layer that is not what its record says is no layer.
	_, r := left(t, out)
	r.DiffID.Hex = strings.Repeat("0", 64)
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(out, LayerFile), b, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ran(t, Spec{Unpack: &Unpack{Layer: out, Root: t.TempDir()}}, t.TempDir()); err == nil {
		t.Error("another content was unpacked")
	}
}

// Where inputs come from, and what other layers are made of, has no part in a
// step: else a builder would do again what it has done.
func TestPortable(t *testing.T) {
	text := func(s Spec) string {
		t.Helper()
		b, err := json.Marshal(s.Portable())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	s, in, _ := packaged(t)
	s.Layer.Below = []assemble.Debian{{Layer: s.Layer.Layer.Debian, Inputs: []lock.Input{in}}}
	want := text(s)
	moved := in
	moved.Archive, moved.SignedBy = "elsewhere", []string{"somebody"}
	other := s
	l := *s.Layer
	l.Inputs = []lock.Input{moved}
	l.Below = []assemble.Debian{{Layer: s.Layer.Layer.Debian, Inputs: []lock.Input{moved}}}
	other.Layer = &l
	if got := text(other); got != want {
		t.Errorf("the mirror is part of the step:\n%s\n%s", got, want)
	}
	if other.Layer.Inputs[0].Archive != "elsewhere" || other.Layer.Below[0].Inputs[0].Archive != "elsewhere" {
		t.Error("Portable changed what it was called on")
	}
	f := files()
	if got := text(f); strings.Contains(got, "other") {
		t.Errorf("a file of another layer is part of the step: %s", got)
	}
	if got, ok := f.Portable().Layer.Files["tool.sh"]; !ok || string(got) != "#!/bin/sh\n" {
		t.Error("a file of the layer is no part of the step")
	}
	shim := Spec{Shim: &Shim{Platform: "linux/arm64", Toolchain: moved}}
	if got := text(shim); strings.Contains(got, "elsewhere") || shim.Shim.Toolchain.Archive != "elsewhere" {
		t.Errorf("the toolchain's mirror is part of the step: %s", got)
	}
	if got := shim.Inputs(); len(got) != 1 || got[0].SHA256 != in.SHA256 || len(files().Inputs()) > 0 {
		t.Errorf("the inputs are %v", got)
	}
}
