package release_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/catalogue"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/prove"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/registry"
	"github.com/imgbuild/imgbuild/pkg/release"
	"github.com/imgbuild/imgbuild/pkg/resolve"
	"github.com/imgbuild/imgbuild/pkg/sign"
	"github.com/imgbuild/imgbuild/pkg/store"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child()) // with the folders of who started it
	}
	// No test may find the credentials of whoever runs it.
	home, err := os.MkdirTemp("", "release-test-home-")
	if err != nil {
		panic(err)
	}
	for _, k := range []string{"HOME", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"} {
		os.Setenv(k, home)
	}
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

// tiny has two versions, two variants and two platforms, of files alone.
const tiny = `name: tiny
title: Tiny
versions: {series: ["2.0.1", "1"]}
platforms: [linux/amd64, linux/arm64]
variants:
  - name: full
    layers:
      - name: base
        files: [{path: /etc/base, content: "GREETING"}]
      - name: version
        files: [{path: /etc/version, content: "{version} {arch}"}]
    config: {cmd: [/etc/base]}
  - name: slim
    suffix: -slim
    layers:
      - name: base
        files: [{path: /etc/base, content: "slim"}]
    config: {cmd: [/etc/base]}
`

// noMirror is the source of definitions that need nothing.
type noMirror struct{}

var errNoMirror = errors.New("the test has no mirror")

func (noMirror) Fetch(context.Context, lock.Input) (v1.Hash, error) { return v1.Hash{}, errNoMirror }
func (noMirror) All(_ context.Context, ins []lock.Input) error {
	if len(ins) > 0 {
		return errNoMirror
	}
	return nil
}
func (noMirror) Get(context.Context, string, string, int64) ([]byte, error) { return nil, errNoMirror }
func (noMirror) Exists(context.Context, string, string) (bool, error)       { return false, errNoMirror }

// server is a real registry behind a recorder.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	log     []string // "METHOD path", of requests that change something
	asked   int      // all requests
	between func(w http.ResponseWriter, r *http.Request) bool
}

func newServer(t *testing.T) *server {
	t.Helper()
	real, err := registry.Start(t.Context(), registry.Options{Dir: t.TempDir(), Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{}
	proxy := &httputil.ReverseProxy{ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: real.Addr()})
		r.Out.Host = r.In.Host
	}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked++
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			s.log = append(s.log, r.Method+" "+r.URL.Path)
		}
		between := s.between
		s.mu.Unlock()
		if between == nil || !between(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close(); real.Close() })
	return s
}

func (s *server) host() string { return s.Listener.Addr().String() }

// changes returns what was changed since the last call, and how many requests
// there were in all.
func (s *server) changes() (log []string, asked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	log, asked, s.log, s.asked = s.log, s.asked, nil, 0
	return log, asked
}

// misbehave lets f answer in the registry's place, where it returns true.
func (s *server) misbehave(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.between = f
}

// prover finds what it is told, and counts.
type prover struct {
	mu    sync.Mutex
	asked int
	find  func(platform string) prove.Proof
	err   error
}

func (p *prover) Prove(_ context.Context, _ v1.Image, platform string) (prove.Proof, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.err != nil {
		return prove.Proof{}, p.err
	}
	if p.find != nil {
		return p.find(platform), nil
	}
	if platform != "linux/amd64" {
		return prove.Proof{Status: prove.Skipped, Reason: "this machine runs linux/amd64 only"}, nil
	}
	return prove.Proof{Status: prove.Passed, Rules: 3}, nil
}

// world is a folder with a release.yaml, a definition and a key, and a store.
type world struct {
	t       testing.TB
	dir     string
	store   *store.Store
	servers []*server
	prover  *prover
	key     sign.Key
}

func newWorld(t *testing.T, servers int, more string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), prover: &prover{}}
	var err error
	if w.store, err = store.Open(filepath.Join(w.dir, "store")); err != nil {
		t.Fatal(err)
	}
	w.define(strings.ReplaceAll(tiny, "GREETING", "hello"))
	writeKey(t, filepath.Join(w.dir, "cosign.key"))
	var hosts []string
	for range servers {
		s := newServer(t)
		w.servers = append(w.servers, s)
		hosts = append(hosts, s.host()+"/base")
	}
	w.write("release.yaml", fmt.Sprintf(`name: test
images:
  - {definition: ./tiny, platforms: [linux/amd64, linux/arm64]}
destinations: {registries: [%s]}
sign: {key: cosign.key}
catalogue: page
%s`, strings.Join(hosts, ", "), more))
	return w
}

// edit replaces text of release.yaml.
func (w *world) edit(old, new string) {
	w.t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, release.FileName))
	if err != nil || !strings.Contains(string(data), old) {
		w.t.Fatalf("release.yaml has no %q: %v", old, err)
	}
	w.write(release.FileName, strings.Replace(string(data), old, new, 1))
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		w.t.Fatal(err)
	}
}

// define writes the definition tiny and resolves it.
func (w *world) define(text string) {
	w.t.Helper()
	w.write("tiny/image.yaml", text)
	d, err := definition.Load(filepath.Join(w.dir, "tiny"))
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := resolve.New(noMirror{}, w.store).Lock(w.t.Context(), d.Definition)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := l.WriteFile(filepath.Join(w.dir, "tiny/image.lock")); err != nil {
		w.t.Fatal(err)
	}
}

func writeKey(t testing.TB, path string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// open reads the release and everything it needs.
func (w *world) open() *release.Release {
	w.t.Helper()
	c, err := release.ReadFile(filepath.Join(w.dir, release.FileName))
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := openRelease(w.t.Context(), w.dir, w.store, c, w.prover, w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func openRelease(ctx context.Context, dir string, s *store.Store, c *release.Config, p release.Prover, key sign.Key) (*release.Release, error) {
	items, err := release.Select(dir, c)
	if err != nil {
		return nil, err
	}
	o := release.Options{
		Store: s, Compression: layer.Gzip, Version: "v1.2.3", Identity: "v1.2.3", Prover: p, Key: key,
		Engine:    &build.Native{Store: s, Fetch: noMirror{}, Compression: layer.Gzip},
		Catalogue: catalogue.Write,
		Fetch:     noMirror{},
	}
	if spec := c.KeySpec(dir); key == nil && spec != "" {
		if o.Key, err = sign.Load(ctx, spec); err != nil {
			return nil, err
		}
	}
	if o.Pusher, err = push.New(push.WithMemory(push.StoreMemory(s)), push.WithTries(2)); err != nil {
		return nil, err
	}
	if o.Registries, err = c.Destinations.Parse(); err != nil {
		return nil, err
	}
	for i := range o.Registries {
		o.Names = append(o.Names, fmt.Sprintf("region-%d", i+1))
	}
	return release.New(c, dir, items, o)
}

func (w *world) run() (*release.Result, error) {
	w.t.Helper()
	return w.open().Run(w.t.Context())
}

func (w *world) ok() *release.Result {
	w.t.Helper()
	res, err := w.run()
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

// report is the file, "" where there is none.
func (w *world) report() string {
	data, err := os.ReadFile(filepath.Join(w.dir, "release.json"))
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	return string(data)
}

// isTag says whether a request moves a tag of an image, and not one beside it.
func isTag(line string) bool {
	_, tag, ok := strings.Cut(line, "/manifests/")
	return ok && strings.HasPrefix(line, http.MethodPut) && !strings.HasPrefix(tag, "sha256")
}

// tags counts the moves of tags.
func tags(log []string) (n int) {
	for _, line := range log {
		if isTag(line) {
			n++
		}
	}
	return n
}
