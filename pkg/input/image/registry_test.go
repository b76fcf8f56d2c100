package image

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sirupsen/logrus"
)

// registry is the reference implementation, in memory, on loopback.
type registry struct {
	*httptest.Server
	// host is HOST:PORT.
	host string
	// wrap, where set, sees each request before the registry does.
	wrap func(next http.Handler, w http.ResponseWriter, r *http.Request)
	// asked counts requests.
	asked atomic.Int64
}

func newRegistry(t *testing.T) *registry {
	t.Helper()
	logrus.SetOutput(io.Discard)
	c := &configuration.Configuration{}
	c.Storage = configuration.Storage{"inmemory": configuration.Parameters{}}
	c.Catalog.MaxEntries = 100
	c.Log.AccessLog.Disabled = true
	app := handlers.NewApp(t.Context(), c)
	r := &registry{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.asked.Add(1)
		if r.wrap != nil {
			r.wrap(app, w, req)
			return
		}
		app.ServeHTTP(w, req)
	}))
	t.Cleanup(r.Close)
	r.host = strings.TrimPrefix(r.URL, "http://")
	return r
}

// base makes an image of three layers: gzip of Docker's and of OCI's type, and
// one that is there twice.
func base(t *testing.T, platform string) v1.Image {
	t.Helper()
	var adds []mutate.Addendum
	for _, mt := range []types.MediaType{types.DockerLayer, types.OCILayer} {
		l, err := random.Layer(40_000, mt)
		if err != nil {
			t.Fatal(err)
		}
		adds = append(adds, mutate.Addendum{Layer: l, MediaType: mt})
	}
	adds = append(adds, adds[0])
	img, err := mutate.Append(empty.Image, adds...)
	if err != nil {
		t.Fatal(err)
	}
	return withConfig(t, img, func(c *v1.ConfigFile) {
		c.OS, c.Architecture, _ = strings.Cut(platform, "/")
		c.Config.Env = []string{"PLATFORM=" + platform}
	})
}

func withConfig(t *testing.T, img v1.Image, change func(*v1.ConfigFile)) v1.Image {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	change(c)
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	return img
}

func index(t *testing.T, images map[string]v1.Image) v1.ImageIndex {
	t.Helper()
	var adds []mutate.IndexAddendum
	for platform, img := range images {
		p, err := v1.ParsePlatform(platform)
		if err != nil {
			t.Fatal(err)
		}
		adds = append(adds, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: p}})
	}
	return mutate.AppendManifests(empty.Index, adds...)
}

// push puts an image or index into team/base and returns its reference.
func (r *registry) push(t *testing.T, x remote.Taggable, opts ...remote.Option) string {
	t.Helper()
	tag, err := name.NewTag(r.host + "/team/base:latest")
	if err != nil {
		t.Fatal(err)
	}
	opts = append([]remote.Option{remote.WithAuth(authn.Anonymous)}, opts...)
	switch x := x.(type) {
	case v1.Image:
		err = remote.Write(tag, x, opts...)
	case v1.ImageIndex:
		err = remote.WriteIndex(tag, x, opts...)
	}
	if err != nil {
		t.Fatal(err)
	}
	h, err := x.(interface{ Digest() (v1.Hash, error) }).Digest()
	if err != nil {
		t.Fatal(err)
	}
	return r.host + "/team/base@" + h.String()
}
