package push_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// wholeness looks into the registry, past faults and passwords: each time that
// a tag has moved and, where it watches, all the time.
type wholeness struct {
	t   *testing.T
	app http.Handler

	mu    sync.Mutex
	moves int
	looks int
	tags  map[string]bool // "/v2/NAME/ TAG" of all that moved
}

// watched checks the registry's tags until the test ends. It goes around what
// misbehaves already.
func (s *server) watched(t *testing.T) *wholeness {
	c := &wholeness{t: t, app: s.open(t), tags: map[string]bool{}}
	serve := s.between
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		c.around(w, r, func() {
			if serve == nil {
				next.ServeHTTP(w, r)
				return
			}
			serve(w, r, next)
		})
	})
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			c.mu.Lock()
			tags := slices.Collect(maps.Keys(c.tags))
			c.mu.Unlock()
			for _, tag := range append(tags, "") {
				select {
				case <-done:
					return
				case <-time.After(10 * time.Millisecond):
				}
				if repo, name, ok := strings.Cut(tag, " "); ok {
					c.whole(repo, name, true)
					c.mu.Lock()
					c.looks++
					c.mu.Unlock()
				}
			}
		}
	}()
	t.Cleanup(func() { close(done); <-stopped })
	return c
}

// around calls serve and, where a tag may have moved, looks at it.
func (c *wholeness) around(w http.ResponseWriter, r *http.Request, serve func()) {
	dir, tag := path.Split(r.URL.Path)
	if r.Method != http.MethodPut || !strings.HasSuffix(dir, "/manifests/") || strings.HasPrefix(tag, "sha256:") {
		serve()
		return
	}
	repo := strings.TrimSuffix(dir, "manifests/")
	c.mu.Lock()
	if c.tags != nil {
		c.tags[repo+" "+tag] = true
	}
	c.mu.Unlock()
	defer func() { // also where the fault breaks the connection
		c.mu.Lock()
		c.moves++
		c.mu.Unlock()
		c.whole(repo, tag, true)
	}()
	serve()
}

// whole says whether all that the manifest names is there. repo is "/v2/NAME/".
func (c *wholeness) whole(repo, ref string, mayLack bool) {
	res := c.get(http.MethodGet, repo+"manifests/"+ref)
	if res.Code == http.StatusNotFound && mayLack {
		return
	}
	if res.Code != http.StatusOK {
		c.t.Errorf("%smanifests/%s: %d", repo, ref, res.Code)
		return
	}
	var m struct {
		Config    *v1.Descriptor
		Layers    []v1.Descriptor
		Manifests []v1.Descriptor
	}
	if err := json.Unmarshal(res.Body.Bytes(), &m); err != nil {
		c.t.Error(err)
	}
	for _, d := range m.Manifests {
		c.whole(repo, d.Digest.String(), false)
	}
	if m.Config != nil {
		m.Layers = append(m.Layers, *m.Config)
	}
	for _, d := range m.Layers {
		res := c.get(http.MethodHead, repo+"blobs/"+d.Digest.String())
		if res.Code != http.StatusOK || res.Header().Get("Content-Length") != fmt.Sprint(d.Size) {
			c.t.Errorf("%s%s points to an image without its blob %s (%d bytes): %d, %s bytes", repo, ref, d.Digest, d.Size, res.Code, res.Header().Get("Content-Length"))
		}
	}
}

func (c *wholeness) get(method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header["Accept"] = []string{"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"}
	w := httptest.NewRecorder()
	c.app.ServeHTTP(w, r)
	return w
}
