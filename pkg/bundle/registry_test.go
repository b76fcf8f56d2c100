package bundle

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/sirupsen/logrus"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/registry"
)

// servers are the registries that bundles are tried with, by name.
var servers = map[string]func(t *testing.T) (host string){
	"docker-registry": func(t *testing.T) string {
		testtool.Need(t, "docker-registry", "docker-registry")
		r, err := testtool.StartRegistry(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return r.Host
	},
	"distribution": func(t *testing.T) string {
		logrus.SetOutput(io.Discard)
		c := &configuration.Configuration{Storage: configuration.Storage{"inmemory": {}}}
		c.HTTP.Secret = "test"
		s := httptest.NewServer(handlers.NewApp(t.Context(), c))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	},
	"embedded": func(t *testing.T) string {
		s, err := registry.Start(context.Background(), registry.Options{Dir: t.TempDir(), Addr: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s.Addr()
	},
}

// counter passes requests on and counts those for blobs.
type counter struct {
	host  string
	mu    sync.Mutex
	blobs []string // GET of blobs
}

func count(t *testing.T, host string) *counter {
	c := &counter{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: host})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			c.mu.Lock()
			c.blobs = append(c.blobs, r.URL.Path[strings.LastIndex(r.URL.Path, ":")+1:])
			c.mu.Unlock()
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	c.host = s.Listener.Addr().String()
	return c
}

func pushTo(t *testing.T, w *world, host, name string, p *Packed) push.Result {
	t.Helper()
	pusher, err := push.New(push.WithMemory(push.StoreMemory(w.store)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := pusher.Push(t.Context(), push.Request{Image: p.Image, Repository: address.Repository{Host: host, Path: "base/" + name}, Tags: p.Tags})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Registries take bundles, keep what two have in common once, get nothing the
// second time, and give one input without the others.
func TestRegistry(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			host := start(t)
			w := newWorld(t)
			golang, node := w.request(t, "golang", "beta"), w.request(t, "node", "gamma")
			first := pushTo(t, w, host, "golang", w.pack(t, golang))
			if want := len(all(t, golang)) + 2; first.Sent != want || first.Unchanged {
				t.Errorf("%+v, want %d blobs sent", first, want)
			}
			second := pushTo(t, w, host, "node", w.pack(t, node))
			// Its own: gamma for two platforms, the folder, the config.
			if second.Sent != 4 {
				t.Errorf("%d blobs of another definition were sent, want 4: %+v", second.Sent, second)
			}

			// From an empty store nothing is fetched for what is there.
			empty := w.at(inputtest.Store(t))
			again := pushTo(t, empty, host, "golang", empty.pack(t, golang))
			if !again.Unchanged || len(empty.asked) != 0 {
				t.Errorf("again: %+v, and %v were fetched", again, empty.asked)
			}

			c := count(t, host)
			st := inputtest.Store(t)
			ref := c.host + "/base/golang:bundle"
			f := Fetcher(&world{store: st, err: gone}, open(t, st, ref))
			in := golang.Lock.Inputs[1]
			if _, err := f.Fetch(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(st.Path(hash(in))); err != nil || !bytes.Equal(got, w.files[in.SHA256]) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if len(c.blobs) != 1 || c.blobs[0] != in.SHA256 {
				t.Errorf("%v were fetched, want %s alone", c.blobs, in.SHA256)
			}
			if err := f.All(t.Context(), all(t, golang)); err != nil {
				t.Error(err)
			}

			dir := t.TempDir() + "/unpacked"
			if err := open(t, inputtest.Store(t), ref).Unpack(t.Context(), dir); err != nil {
				t.Error(err)
			}
		})
	}
}

// A bundle that cannot be reached is named with the reason, once it is needed
// and not before; offline no registry is asked.
func TestRegistryGone(t *testing.T) {
	w := newWorld(t)
	r := w.request(t, "golang", "beta")
	in := r.Lock.Inputs[0]
	fast := image.Patience(1e9, 1, 1)
	for name, tc := range map[string]struct {
		opts []image.Option
		want string
	}{
		"nobody listens": {[]image.Option{fast}, "127.0.0.1:1"},
		"offline":        {[]image.Option{fast, image.Offline()}, "offline"},
	} {
		t.Run(name, func(t *testing.T) {
			st := inputtest.Store(t)
			b := New(st, open(t, st, "127.0.0.1:1/base/golang:bundle").name, tc.opts...)
			if _, err := Fetcher(w.at(st), b).Fetch(t.Context(), in); err != nil {
				t.Errorf("a bundle that is not needed: %v", err)
			}
			_, err := Fetcher(&world{store: inputtest.Store(t), err: gone}, b).Fetch(t.Context(), r.Lock.Inputs[1])
			for _, want := range []string{"404 Not Found", "the bundle 127.0.0.1:1/base/golang:bundle can not be used", tc.want} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}

// A base image is in the bundle with its manifest, config and layers, and is
// built on from it when its own registry is gone.
func TestBaseImage(t *testing.T) {
	host := servers["distribution"](t)
	base, err := random.Image(5000, 3)
	if err != nil {
		t.Fatal(err)
	}
	file, err := base.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", "amd64"
	if base, err = mutate.ConfigFile(base, file); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	pusher, err := push.New()
	if err != nil {
		t.Fatal(err)
	}
	res, err := pusher.Push(t.Context(), push.Request{Image: base, Repository: address.Repository{Host: host, Path: "team/base"}})
	if err != nil {
		t.Fatal(err)
	}
	ref := host + "/team/base@" + res.Digest.String()
	r, ins := w.onBase(t, ref)
	st := inputtest.Store(t)
	p, err := Pack(t.Context(), st, w.at(st), r)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(contentsOf(t, p).inputs); got != len(ins) {
		t.Errorf("%d inputs are packed, want %d", got, len(ins))
	}
	pushed := pushTo(t, w.at(st), host, "onbase", p)
	if pushed.Sent == 0 {
		t.Errorf("%+v", pushed)
	}
	// Of the base's repository nothing is left.
	empty := inputtest.Store(t)
	elsewhere := make([]lock.Input, len(ins))
	for i, in := range ins {
		in.Path = strings.Replace(in.Path, host, "127.0.0.1:1", 1)
		in.Name = strings.Replace(in.Name, host, "127.0.0.1:1", 1)
		elsewhere[i] = in
	}
	fast := image.Patience(1e9, 1, 1)
	if _, err := image.Layers(t.Context(), empty, elsewhere, fast); err == nil {
		t.Fatal("the base is still somewhere")
	}
	layers, err := image.Layers(t.Context(), empty, elsewhere, fast, Images(open(t, empty, host+"/base/onbase:bundle")))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := base.Layers()
	for i := range want {
		a, _ := want[i].Digest()
		b, _ := layers[i].Digest()
		if size, ok := empty.Has(a); a != b || !ok || size == 0 {
			t.Errorf("layer %d is %s, want %s, in the store: %v", i, b, a, ok)
		}
	}
	_, err = image.Layers(t.Context(), inputtest.Store(t), elsewhere, fast, Images(open(t, inputtest.Store(t), host+"/base/none:bundle")))
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "the bundle "+host+"/base/none:bundle can not be used") {
		t.Errorf("neither has it: %v", err)
	}
}

// onBase is a definition on an existing image, for amd64.
func (w *world) onBase(t *testing.T, ref string) (Request, []lock.Input) {
	t.Helper()
	st := inputtest.Store(t)
	text := fmt.Sprintf("name: onbase\nversions: {series: [\"1\"]}\nplatforms: [linux/amd64]\nvariants:\n  - name: full\n    layers:\n      - name: base\n        image: {ref: %q}\n    config: {cmd: [/run]}\n", ref)
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/image.yaml", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r := load(t, dir)
	ins, err := image.Lock(t.Context(), st, ref, "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, in := range ins {
		ids = append(ids, in.ID)
	}
	r.Lock = &lock.Lock{Definition: r.Definition.Digest(), Inputs: sortedByID(ins), Images: []lock.Image{{
		Version: "1", Series: "1", Variant: "full", Platform: "linux/amd64", Size: 1,
		Layers: []lock.Layer{{Name: "base", Inputs: ids}},
	}}}
	if err := r.Lock.WriteFile(dir + "/image.lock"); err != nil {
		t.Fatal(err)
	}
	return r, ins
}
