package source_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/sirupsen/logrus"

	"github.com/imgbuild/imgbuild/pkg/output"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/source"
	"github.com/imgbuild/imgbuild/pkg/store"
)

func TestMain(m *testing.M) {
	logrus.SetOutput(io.Discard)
	// No test may find the credentials of whoever runs it.
	home, err := os.MkdirTemp("", "source-test-home-")
	if err != nil {
		panic(err)
	}
	for _, k := range []string{"HOME", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"} {
		os.Setenv(k, home)
	}
	os.Unsetenv("REGISTRY_AUTH_FILE")
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

// server is a real registry that notes its requests.
type server struct {
	*httptest.Server
	host string

	mu   sync.Mutex
	log  []string
	wrap func(w http.ResponseWriter, r *http.Request, next http.Handler)
}

func newServer(t *testing.T) *server {
	t.Helper()
	c := &configuration.Configuration{Storage: configuration.Storage{"inmemory": {}}}
	c.HTTP.Secret = "test"
	app := handlers.NewApp(t.Context(), c)
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.log = append(s.log, r.Method+" "+r.URL.Path)
		wrap := s.wrap
		s.mu.Unlock()
		if wrap != nil {
			wrap(w, r, app)
			return
		}
		app.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	s.host = s.Listener.Addr().String()
	return s
}

func (s *server) misbehave(f func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrap = f
}

// count says how many requests had all of the parts, and forgets nothing.
func (s *server) count(parts ...string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.log {
		has := true
		for _, p := range parts {
			has = has && strings.Contains(l, p)
		}
		if has {
			n++
		}
	}
	return n
}

func (s *server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// images makes one image for each platform, which share their lowest layer.
func images(t *testing.T, platforms ...string) []v1.Image {
	t.Helper()
	shared := randomLayer(t, 300<<10)
	var out []v1.Image
	for _, p := range platforms {
		img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), shared, randomLayer(t, 700<<10))
		if err != nil {
			t.Fatal(err)
		}
		cf, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		cf = cf.DeepCopy()
		cf.OS, cf.Architecture, _ = strings.Cut(p, "/")
		if img, err = mutate.ConfigFile(img, cf); err != nil {
			t.Fatal(err)
		}
		out = append(out, img)
	}
	return out
}

func randomLayer(t *testing.T, size int64) v1.Layer {
	t.Helper()
	l, err := random.Layer(size, types.OCILayer)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func indexOf(t *testing.T, imgs []v1.Image) v1.ImageIndex {
	t.Helper()
	idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, img := range imgs {
		cf, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: cf.Platform()}})
	}
	return idx
}

func reference(t *testing.T, s string) name.Reference {
	t.Helper()
	r, err := name.ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func open(t *testing.T, st *store.Store, s, platform string) (*source.Source, error) {
	t.Helper()
	n, err := source.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	src, err := source.Open(t.Context(), st, n, platform)
	if err == nil {
		t.Cleanup(func() { src.Close() })
	}
	return src, err
}

// copyTo copies a source to references without tags.
func copyTo(t *testing.T, st *store.Store, src *source.Source, to ...string) ([][]push.Result, error) {
	t.Helper()
	p, err := push.New(push.WithMemory(src.Memory(push.StoreMemory(st))))
	if err != nil {
		t.Fatal(err)
	}
	var all []push.Destination
	for _, s := range to {
		n, err := source.Parse(s + ":x")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, push.Destination{Name: s, Images: []push.Request{{
			Image: src.Image, Index: src.Index, Repository: n.Reference.Repository, Tags: src.Tags}}})
	}
	return p.PushAll(t.Context(), all)
}

// same compares an index in a registry with what it is to be, byte for byte,
// by another client.
func same(t *testing.T, ref string, want v1.ImageIndex) {
	t.Helper()
	got, err := remote.Index(reference(t, ref))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(got); err != nil {
		t.Errorf("%s: %v", ref, err)
	}
	a, _ := got.RawManifest()
	b, _ := want.RawManifest()
	if !bytes.Equal(a, b) {
		t.Errorf("%s has the index\n%s; want\n%s", ref, a, b)
	}
}

// TestFromRegistry: each blob is fetched once for three destinations, and none
// where all have it.
func TestFromRegistry(t *testing.T) {
	from, a, b := newServer(t), newServer(t), newServer(t)
	idx := indexOf(t, images(t, "linux/amd64", "linux/arm64"))
	if err := remote.WriteIndex(reference(t, from.host+"/base/golang:1"), idx); err != nil {
		t.Fatal(err)
	}
	from.forget()
	st := newStore(t)
	src, err := open(t, st, from.host+"/base/golang:1", "")
	if err != nil {
		t.Fatal(err)
	}
	if n := from.count("/blobs/"); n != 0 {
		t.Errorf("opening asked for %d blobs", n)
	}
	if len(src.Platforms) != 2 || src.Size < 1<<20 || len(src.Tags) != 1 {
		t.Errorf("%+v", src)
	}
	to := []string{a.host + "/copy/golang", b.host + "/golang", b.host + "/other"}
	if _, err := copyTo(t, st, src, to...); err != nil {
		t.Fatal(err)
	}
	for _, d := range to {
		same(t, d+":1", idx)
	}
	// Three layers and two configs.
	if n := from.count("GET ", "/blobs/"); n != 5 {
		t.Errorf("%d blobs were fetched, want 5", n)
	}
	// Of the second registry's two repositories one was sent what the other
	// mounted.
	if n := b.count("PATCH "); n != 3 {
		t.Errorf("%d layers were sent to the second registry", n)
	}

	from.forget()
	empty := newStore(t)
	if src, err = open(t, empty, from.host+"/base/golang:1", ""); err != nil {
		t.Fatal(err)
	}
	results, err := copyTo(t, empty, src, to...)
	if err != nil {
		t.Fatal(err)
	}
	if !results[0][0].Unchanged || from.count("/blobs/") != 0 {
		t.Errorf("%+v; %d blobs were fetched for nothing", results, from.count("/blobs/"))
	}

	// A new repository beside the source mounts all.
	results, err = copyTo(t, empty, src, from.host+"/beside")
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0][0]; r.Mounted != 5 || r.Sent != 0 || from.count("GET ", "/blobs/") != 0 {
		t.Errorf("%+v", r)
	}
	same(t, from.host+"/beside:1", idx)
}

// TestOnePlatform: the platform's manifest is what the tag gets.
func TestOnePlatform(t *testing.T) {
	from, to := newServer(t), newServer(t)
	imgs := images(t, "linux/amd64", "linux/arm64")
	if err := remote.WriteIndex(reference(t, from.host+"/golang:1"), indexOf(t, imgs)); err != nil {
		t.Fatal(err)
	}
	st := newStore(t)
	src, err := open(t, st, from.host+"/golang:1", "linux/arm64")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := copyTo(t, st, src, to.host+"/golang"); err != nil {
		t.Fatal(err)
	}
	want, _ := imgs[1].Digest()
	got, err := remote.Image(reference(t, to.host+"/golang:1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	if h, _ := got.Digest(); h != want || src.Digest != want {
		t.Errorf("%s was copied, want %s", h, want)
	}
	// By digest, of a single image, whose config says its platform.
	ref := from.host + "/golang@" + want.String()
	if _, err := open(t, st, ref, "linux/arm64"); err != nil {
		t.Error(err)
	}
	for ref, platform := range map[string]string{ref: "linux/amd64", from.host + "/golang:1": "windows/amd64"} {
		if _, err := open(t, st, ref, platform); err == nil || !strings.Contains(err.Error(), "linux/arm64") {
			t.Errorf("%s for %s: error %v", ref, platform, err)
		}
	}
}

// TestDownloadsBreakOff: what is cut or damaged on its way is fetched again,
// and a registry that always damages it is not copied from.
func TestDownloadsBreakOff(t *testing.T) {
	from, to := newServer(t), newServer(t)
	idx := indexOf(t, images(t, "linux/amd64"))
	if err := remote.WriteIndex(reference(t, from.host+"/golang:1"), idx); err != nil {
		t.Fatal(err)
	}
	var once sync.Map
	from.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		_, again := once.LoadOrStore(r.URL.Path, true)
		if !again && strings.Contains(r.URL.Path, "/blobs/") && r.Method == http.MethodGet {
			next.ServeHTTP(&cutting{w, 100}, r)
			return
		}
		next.ServeHTTP(w, r)
	})
	st := newStore(t)
	src, err := open(t, st, from.host+"/golang:1", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := copyTo(t, st, src, to.host+"/golang"); err != nil {
		t.Fatal(err)
	}
	same(t, to.host+"/golang:1", idx)
}

// cutting breaks the connection after so many bytes.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		c.ResponseWriter.Write(p[:len(p)+c.left])
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(p)
}

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

func TestParse(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir("golang", 0o755); err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]source.Name{
		"golang":                                {Path: "golang"},
		"golang:1.27":                           {Path: "golang", Image: "1.27"},
		"golang:node:24":                        {Path: "golang", Image: "node:24"},
		dir + "/golang:1":                       {Path: dir + "/golang", Image: "1"},
		"registry.example.com/base/golang:1.27": {},
	} {
		got, err := source.Parse(s)
		if err != nil || got.Path != want.Path || got.Image != want.Image || got.String() != s {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for s, want := range map[string]string{
		"missing.tar":              "there is no OCI layout missing.tar",
		"./missing:1":              "there is no OCI layout ./missing",
		"node":                     "there is none of this name",
		"golang@sha256:0":          "not a digest",
		"registry.example.com/a":   "has no tag and no digest",
		"registry.example.com/a:.": "tag",
	} {
		if _, err := source.Parse(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v; want one with %q", s, err, want)
		}
	}
}

// TestCancelled: opening ends with its context.
func TestCancelled(t *testing.T) {
	from := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	from.misbehave(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		cancel()
		<-r.Context().Done()
	})
	n, err := source.Parse(from.host + "/a:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Open(ctx, newStore(t), n, ""); err == nil || ctx.Err() == nil {
		t.Errorf("error %v", err)
	}
}
