package source_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
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
