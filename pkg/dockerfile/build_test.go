package dockerfile_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/dockerfile"
	"github.com/imgbuild/imgbuild/pkg/output"
)

func TestImage(t *testing.T) {
	on := builder(t)
	base, digest := published(t, "team/golang:1.27")
	b := newBuild(t, map[string]string{
		"Dockerfile": `ARG BASE
FROM ${BASE} AS first
ARG WORD
COPY . /files/
RUN ["/tool", "count", "/files", "2"]
LABEL word=$WORD

FROM first AS wanted
COPY --from=more more.txt /more.txt

FROM unknown.example.com/no/such:image
`,
		".dockerignore": "*.log\nDockerfile\n.dockerignore\n",
		"a.txt":         "a", "b.txt": "b", "c.log": "c",
	})
	more := t.TempDir()
	if err := os.WriteFile(filepath.Join(more, "more.txt"), []byte("more"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.Args = map[string]string{"BASE": base, "WORD": "hello"}
	b.Labels = map[string]string{"team": "blue"}
	b.Target = "wanted"
	b.Contexts = map[string]string{"more": more}
	r := mustRun(t, b, on)
	if len(r.Bases) != 1 || r.Bases[0].Ref != base || r.Bases[0].Digest != digest || r.Bases[0].Local || r.Final.Image != base {
		t.Errorf("bases %+v, final %+v; want %s at %s", r.Bases, r.Final, base, digest)
	}
	if !slices.Equal(r.Bases[0].Entrypoint, []string{shim}) {
		t.Errorf("the base starts with %q", r.Bases[0].Entrypoint)
	}
	if r.Image == nil || r.Size == 0 {
		t.Fatalf("no image: %+v", r.Source)
	}
	c, err := r.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.Config.Labels["word"] != "hello" || c.Config.Labels["team"] != "blue" {
		t.Errorf("labels %v", c.Config.Labels)
	}
	files := filesOf(t, r.Image)
	if files["files/a.txt"] != "a" || files["more.txt"] != "more" || len(files) != 4 {
		t.Errorf("files %v", files)
	}
	m, err := r.Image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(m.MediaType), "oci") {
		t.Errorf("the manifest is a %s", m.MediaType)
	}
}

// A Dockerfile has its own list of what is left out, in place of the context's.
func TestDockerignoreOfADockerfile(t *testing.T) {
	b := newBuild(t, map[string]string{
		"sub/other.Dockerfile": "FROM scratch\nCOPY . /\n", "sub/other.Dockerfile.dockerignore": "sub\n*.log\n.dockerignore\n!kept.log\n",
		".dockerignore": "*.txt\n", "a.txt": "a", "b.log": "b", "kept.log": "c",
	})
	b.File, b.Dockerfile = filepath.Join(b.Context, "sub/other.Dockerfile"), []byte("FROM scratch\nCOPY . /\n")
	if files := filesOf(t, mustRun(t, b, builder(t)).Image); files["a.txt"] != "a" || files["kept.log"] != "c" || len(files) != 2 {
		t.Errorf("files %v", files)
	}
}

// What the store has is not sent again: an unchanged build writes nothing.
func TestAgain(t *testing.T) {
	on := builder(t)
	base, _ := published(t, "team/again:1")
	b := newBuild(t, map[string]string{"Dockerfile": "FROM " + base + "\nCOPY a /\n", "a": "a"})
	st := newStore(t)
	first, err := b.Run(t.Context(), st, on)
	if err != nil {
		t.Fatal(err)
	}
	before := listing(t, st.Root())
	second, err := b.Run(t.Context(), st, on)
	if err != nil {
		t.Fatal(err)
	}
	if first.Digest != second.Digest {
		t.Errorf("%s, then %s", first.Digest, second.Digest)
	}
	if after := listing(t, st.Root()); !slices.Equal(before, after) {
		t.Errorf("the store has %v, then %v", before, after)
	}
}

// listing are the blobs of a store with the times of their files.
func listing(t testing.TB, root string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Name()+" "+info.ModTime().String())
	}
	return all
}

func TestPlatforms(t *testing.T) {
	on := builder(t)
	base, _ := published(t, "team/platforms:1")
	b := newBuild(t, map[string]string{"Dockerfile": "FROM " + base + "\nARG TARGETARCH\nCOPY $TARGETARCH.txt /arch.txt\n", "amd64.txt": "amd64", "arm64.txt": "arm64"})
	b.Platforms = []string{"linux/amd64", "linux/arm64"}
	r := mustRun(t, b, on)
	if r.Index == nil || !slices.Equal(r.Platforms, b.Platforms) {
		t.Fatalf("platforms %v", r.Platforms)
	}
	m, err := r.Index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Manifests) != 2 {
		t.Fatalf("the index has %d entries: Function Compute takes none but images", len(m.Manifests))
	}
	for _, d := range m.Manifests {
		img, err := r.Index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if got := filesOf(t, img)["arch.txt"]; got != d.Platform.Architecture {
			t.Errorf("for %s there is %q", d.Platform, got)
		}
	}
}

// A program for a platform that the builder lacks is said before any work.
func TestForeignPlatform(t *testing.T) {
	on := builder(t)
	if on.Has("linux/s390x") {
		t.Skip("this machine runs programs for s390x")
	}
	b := newBuild(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\nRUN [\"/tool\"]\n"})
	b.Platforms = []string{"linux/s390x"}
	_, err := run(t, b, on)
	if err == nil {
		t.Fatal("it was built")
	}
	wantIn(t, err.Error(), "Dockerfile:3 runs a command on linux/s390x", on.Native(), "--buildkit")
}

// local are bases that the tests have.
type local struct {
	t     testing.TB
	first bool
	has   string
	built []string
}

func (l *local) Has(ref string) bool { return strings.HasSuffix(ref, l.has) }
func (l *local) Hint(ref string) string {
	return "the hint for " + ref
}
func (l *local) First() bool { return l.first }
func (l *local) Build(_ context.Context, ref string, platforms []string) (v1.Image, v1.ImageIndex, error) {
	l.built = append(l.built, ref)
	if len(platforms) > 1 {
		return nil, baseIndex(l.t), nil
	}
	return baseImage(l.t, strings.TrimPrefix(platforms[0], "linux/")), nil, nil
}

func TestLocalBases(t *testing.T) {
	on := builder(t)
	there, _ := published(t, "team/node:22")
	for _, c := range []struct {
		name, ref string
		first     bool
		platforms []string
		local     bool
		why       string
	}{
		{"published", there, false, nil, false, ""},
		{"published, but not asked for", there, true, nil, true, ""},
		{"not published", registry(t) + "/team/none/node:22", false, nil, true, "not found"},
		{"out of reach", "127.0.0.1:1/team/node:22", false, nil, true, "refused"},
		{"two platforms", "127.0.0.1:1/team/node:22", false, []string{"linux/amd64", "linux/arm64"}, true, "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBuild(t, map[string]string{"Dockerfile": "FROM " + c.ref + "\nCOPY Dockerfile /\n"})
			if c.platforms != nil {
				b.Platforms = c.platforms
			}
			l := &local{t: t, first: c.first, has: "node:22"}
			b.Local = l
			var settled []dockerfile.Base
			b.Settled = func(bases []dockerfile.Base) { settled = bases }
			r := mustRun(t, b, on)
			if got := r.Bases[0]; got.Local != c.local || got.Digest == "" || (got.Why != nil) != (c.why != "") {
				t.Errorf("base %+v", got)
			} else if got.Why != nil {
				wantIn(t, got.Why.Error(), c.why)
			}
			if len(settled) != 1 || settled[0].Digest != r.Bases[0].Digest {
				t.Errorf("settled %+v", settled)
			}
			if built := len(l.built) > 0; built != c.local {
				t.Errorf("built %v", l.built)
			}
			if c.platforms != nil && r.Index == nil {
				t.Error("no index")
			}
		})
	}
}

// Images out of an OCI layout stand for what the Dockerfile names.
func TestLayoutContext(t *testing.T) {
	on := builder(t)
	dir := filepath.Join(t.TempDir(), "layout")
	img := output.Image{Image: baseImage(t, strings.TrimPrefix(native, "linux/")), Name: "base", Tags: []string{"1"}}
	if err := output.Write(t.Context(), output.Spec{Type: output.OCI, Dest: dir}, nil, []output.Image{img}); err != nil {
		t.Fatal(err)
	}
	b := newBuild(t, map[string]string{"Dockerfile": "FROM base\nRUN [\"/tool\"]\n"})
	name, value, err := dockerfile.ParseContext("base=oci-layout://" + dir + ":1")
	if err != nil {
		t.Fatal(err)
	}
	b.Contexts = map[string]string{name: value}
	if r := mustRun(t, b, on); len(r.Bases) != 0 {
		t.Errorf("bases %+v", r.Bases)
	}
}

// Files come out in place of an image, or beside it.
func TestFiles(t *testing.T) {
	on := builder(t)
	b := newBuild(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a /\n", "a": "text"})
	dir := filepath.Join(t.TempDir(), "out")
	f, err := os.Create(filepath.Join(t.TempDir(), "out.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b.Files = []dockerfile.File{{Dir: dir}, {Tar: f}}
	b.Image = false
	if r := mustRun(t, b, on); r.Source != nil {
		t.Errorf("there is an image: %+v", r.Source)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "a")); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	if info, err := f.Stat(); err != nil || info.Size() < 1024 {
		t.Errorf("the tar has %d bytes, %v", info.Size(), err)
	}
	b.Image, b.Files = true, b.Files[:1]
	if r := mustRun(t, b, on); r.Source == nil {
		t.Error("there is no image")
	}
}

// With a date two builds give one digest, and without one they need not.
func TestEpoch(t *testing.T) {
	on := builder(t)
	base, _ := published(t, "team/epoch:1")
	b := newBuild(t, map[string]string{"Dockerfile": "FROM " + base + "\nCOPY a /\nRUN [\"/tool\"]\n", "a": "a"})
	b.Epoch, b.NoCache = "1700000000", true
	first, second := mustRun(t, b, on), mustRun(t, b, on)
	if first.Digest != second.Digest {
		t.Errorf("%s, then %s", first.Digest, second.Digest)
	}
	c, err := first.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.Created.Unix() != 1700000000 {
		t.Errorf("created %s", c.Created)
	}
}

// A context that is a URL is fetched by the builder.
func TestRemoteContext(t *testing.T) {
	on := builder(t)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range map[string]string{"other/Dockerfile": "FROM scratch\nCOPY a /\n", "a": "text"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Write(b.Bytes()) }))
	defer server.Close()
	build := newBuild(t, nil)
	build.Context, build.File, build.Dockerfile = server.URL+"/hello.tar", "other/Dockerfile", nil
	r := mustRun(t, build, on)
	if files := filesOf(t, r.Image); files["a"] != "text" || r.Final != (dockerfile.Origin{}) || len(r.Bases) != 0 {
		t.Errorf("%v, %+v", files, r)
	}
}

func TestURL(t *testing.T) {
	for context, want := range map[string]bool{
		".": false, "/git": false, "https://git.example.com/x.git": true, "git@example.com:x.git#main": true, "github.com/x/y": true,
	} {
		if got := dockerfile.URL(context); got != want {
			t.Errorf("%s: %v", context, got)
		}
	}
}

func TestReadFile(t *testing.T) {
	p := filepath.Join(t.TempDir(), "Dockerfile")
	if err := os.WriteFile(p, make([]byte, 2<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := dockerfile.ReadFile(p, nil); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a large one: %v", err)
	}
	if _, err := dockerfile.ReadFile(p+"x", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}
