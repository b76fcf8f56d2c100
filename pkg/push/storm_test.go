package push_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/push"
)

var (
	storms = flag.Int("pushes", 60, "how many images TestStorm pushes; 300 is the long run")
	seed   = flag.Uint64("seed", 0, "what TestStorm's and TestKilled's faults come from; 0: another each time")
)

// storm makes faults: about one request in eight fails, in a way that its kind
// can fail.
type storm struct {
	mu   sync.Mutex
	rng  *rand.Rand
	hits map[string]int
	// long is a pause that the pusher's patience ends, short one that it bears.
	long, short time.Duration
}

func (s *storm) number(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

// fault is one way to fail; weight is how often it comes among those that fit.
type fault struct {
	name   string
	weight int
	fits   func(r *http.Request) bool
	do     func(s *storm, w http.ResponseWriter, r *http.Request, next http.Handler)
}

func always(*http.Request) bool        { return true }
func brings(r *http.Request) bool      { return r.ContentLength > 0 }
func patches(r *http.Request) bool     { return r.Method == http.MethodPatch }
func uploads(r *http.Request) bool     { return strings.Contains(r.URL.Path, "/uploads/") }
func hasLocation(r *http.Request) bool { return uploads(r) && r.Method != http.MethodPut }
func gets(r *http.Request) bool        { return r.Method == http.MethodGet && !uploads(r) }
func tellsRange(r *http.Request) bool {
	return uploads(r) && (r.Method == http.MethodPatch || r.Method == http.MethodGet)
}

func answer(status int) func(*storm, http.ResponseWriter, *http.Request, http.Handler) {
	return func(_ *storm, w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(status) }
}

// changed lets the registry work and changes the header of its answer.
func changed(change func(s *storm, h http.Header, r *http.Request)) func(*storm, http.ResponseWriter, *http.Request, http.Handler) {
	return func(s *storm, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&changing{ResponseWriter: w, change: func(h http.Header) { change(s, h, r) }}, r)
	}
}

type changing struct {
	http.ResponseWriter
	change func(http.Header)
}

func (c *changing) WriteHeader(status int) {
	if status < 300 {
		c.change(c.Header())
	}
	c.ResponseWriter.WriteHeader(status)
}

var faults = []fault{
	{"500", 2, always, answer(500)},
	{"502", 2, always, answer(502)},
	{"503 with words", 2, always, func(_ *storm, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		registryError(w, 503, "UNAVAILABLE", "later")
	}},
	{"504", 1, always, answer(504)},
	{"500 after the body", 2, brings, func(_ *storm, w http.ResponseWriter, r *http.Request, _ http.Handler) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(500)
	}},
	{"500 after the work", 2, always, func(_ *storm, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(discarder{http.Header{}}, r)
		w.WriteHeader(500)
	}},
	{"429", 2, always, answer(429)},
	{"429 for a second", 1, always, func(s *storm, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		v := "0"
		if s.number(5) == 0 {
			v = "1"
		}
		w.Header().Set("Retry-After", v)
		w.WriteHeader(429)
	}},
	{"reset", 2, always, func(_ *storm, w http.ResponseWriter, _ *http.Request, _ http.Handler) { reset(w) }},
	{"reset in the body", 3, brings, func(s *storm, w http.ResponseWriter, r *http.Request, _ http.Handler) {
		io.CopyN(io.Discard, r.Body, int64(s.number(int(r.ContentLength))))
		reset(w)
	}},
	{"cut in the body", 4, brings, func(s *storm, w http.ResponseWriter, r *http.Request, next http.Handler) {
		cutAfter(int64(s.number(int(r.ContentLength))), w, r, next)
	}},
	{"reset in the answer's head", 2, always, func(_ *storm, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(discarder{http.Header{}}, r)
		h, ok := w.(http.Hijacker)
		if !ok {
			reset(w) // HTTP/2 has no such thing
		}
		if c, _, err := h.Hijack(); err == nil {
			io.WriteString(c, "HTTP/1.1 202 Accepted\r\nLoca")
			c.Close()
		}
	}},
	{"short answer", 20, gets, func(_ *storm, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&shortened{ResponseWriter: w}, r)
	}},
	{"answer lost", 3, always, func(_ *storm, w http.ResponseWriter, r *http.Request, next http.Handler) { lost(w, r, next) }},
	{"short stall", 3, always, func(s *storm, w http.ResponseWriter, r *http.Request, next http.Handler) {
		time.Sleep(s.short)
		next.ServeHTTP(w, r)
	}},
	{"stall", 1, always, func(s *storm, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if s.number(4) > 0 {
			next.ServeHTTP(w, r)
			return
		}
		time.Sleep(s.long)
		reset(w)
	}},
	{"Range is less", 2, tellsRange, changed(func(s *storm, h http.Header, _ *http.Request) { h.Set("Range", fmt.Sprintf("0-%d", s.number(100))) })},
	{"Range is more", 2, tellsRange, changed(func(s *storm, h http.Header, _ *http.Request) { h.Set("Range", fmt.Sprintf("0-%d", s.number(1<<21))) })},
	{"Range is nonsense", 1, tellsRange, changed(func(_ *storm, h http.Header, _ *http.Request) { h.Set("Range", "bytes 5/*") })},
	{"Range is lost", 1, tellsRange, changed(func(_ *storm, h http.Header, _ *http.Request) { h.Del("Range") })},
	{"Location is lost", 2, hasLocation, changed(func(_ *storm, h http.Header, _ *http.Request) { h.Del("Location") })},
	{"Location twice", 2, hasLocation, changed(func(_ *storm, h http.Header, _ *http.Request) { h.Add("Location", h.Get("Location")) })},
	{"Location is the old one", 2, patches, changed(func(_ *storm, h http.Header, r *http.Request) { h.Set("Location", r.URL.String()) })},
	{"416", 2, patches, answer(416)},
	{"upload unknown", 1, uploads, func(_ *storm, w http.ResponseWriter, r *http.Request, _ http.Handler) {
		if r.Method == http.MethodPost {
			w.WriteHeader(500)
			return
		}
		registryError(w, 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
	}},
}

// shortened promises more than it sends.
type shortened struct{ http.ResponseWriter }

func (s *shortened) Write(p []byte) (int, error) {
	s.ResponseWriter.Write(p[:len(p)/2])
	s.ResponseWriter.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func (s *storm) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if s.number(8) > 0 {
		next.ServeHTTP(w, r)
		return
	}
	var fit []fault
	for _, f := range faults {
		if f.fits(r) {
			fit = append(fit, slices.Repeat([]fault{f}, f.weight)...)
		}
	}
	f := fit[s.number(len(fit))]
	s.mu.Lock()
	s.hits[f.name]++
	s.mu.Unlock()
	f.do(s, w, r, next)
}

// wholeness looks into the registry, past the faults, each time that a tag has
// moved.
type wholeness struct {
	t     *testing.T
	app   http.Handler
	moves int
	mu    sync.Mutex
}

// around calls serve and, where a tag may have moved, looks at it.
func (c *wholeness) around(w http.ResponseWriter, r *http.Request, serve func()) {
	dir, tag := path.Split(r.URL.Path)
	if r.Method != http.MethodPut || !strings.HasSuffix(dir, "/manifests/") || strings.HasPrefix(tag, "sha256:") {
		serve()
		return
	}
	defer func() { // also where the fault breaks the connection
		c.mu.Lock()
		c.moves++
		c.mu.Unlock()
		c.whole(strings.TrimSuffix(dir, "manifests/"), tag, true)
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

// chosenSeed tells the seed where a test fails.
func chosenSeed(t *testing.T) *rand.Rand {
	n := *seed
	if n == 0 {
		n = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again with -seed %d", n)
		}
	})
	return rand.New(rand.NewPCG(n, 1))
}

// TestStorm: many pushes of images of several layers and of indexes, while one
// request in eight fails in one of many ways: all complete, and what another
// client pulls is what was pushed. Whenever a tag moves it points to a whole
// image.
func TestStorm(t *testing.T) {
	testtool.Whole(t)
	t.Run("HTTP/1.1", func(t *testing.T) {
		s := newServer(t, nil, nil)
		pushInStorm(t, s, s.app, nil, *storms)
	})
	// Here tokens are refused before their time, too, in the middle of blobs.
	t.Run("HTTP/2 with tokens", func(t *testing.T) {
		s, _ := startTokenServer(t, "https", startHTTP2)
		pushInStorm(t, s, s.open(t), &revoked{tokens: map[string]bool{}}, *storms/2)
	})
}

// pushInStorm pushes so many images. app is the registry without faults and
// without passwords.
func pushInStorm(t *testing.T, s *server, app http.Handler, tokens *revoked, pushes int) {
	rng := chosenSeed(t)
	check := &wholeness{t: t, app: app}
	weather := &storm{rng: rand.New(rand.NewPCG(rng.Uint64(), 2)), hits: map[string]int{}, short: 400 * time.Millisecond, long: 3 * time.Second}
	serve := s.between
	if serve == nil {
		serve = func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) }
	}
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if tokens != nil && tokens.refuses(w, r, weather.number(60) == 0) {
			return
		}
		inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, next) })
		check.around(w, r, func() { weather.serve(w, r, inner) })
	})
	opts := []push.Option{push.WithChunk(64 << 10), push.WithPatience(2 * time.Second)}
	var pull []remote.Option
	if tokens != nil {
		opts = append(opts, push.WithTransport(s.trusting()), push.WithKeychain(login{"user", "s3cret-password"}))
		pull = append(pull, remote.WithTransport(s.trusting()), remote.WithAuth(&authn.Basic{Username: "user", Password: "s3cret-password"}))
	}

	// A new pusher for every ten images: runs one after another, which share
	// no state, push to the same repositories.
	shared := randomLayer(t, 900<<10)
	pushed := map[string]push.Request{} // by reference; the last to move a tag
	for first := 0; first < pushes; first += 10 {
		p := newPusher(t, opts...)
		var wg sync.WaitGroup
		for i := first; i < min(first+10, pushes); i++ {
			image := func() v1.Image {
				return ociImage(t, shared, randomLayer(t, rng.Int64N(1<<20)+1), randomLayer(t, rng.Int64N(400<<10)+1), randomLayer(t, 1))
			}
			rq := push.Request{
				Repository: repository(t, s.host(), fmt.Sprintf("base/image%d", i%10)),
				Tags:       []string{fmt.Sprint(i), "latest"},
			}
			if i%5 == 0 {
				rq.Index = indexOf(t, image(), image())
			} else {
				rq.Image = image()
			}
			for _, tag := range rq.Tags {
				pushed[fmt.Sprintf("%s:%s", rq.Repository, tag)] = rq
			}
			wg.Go(func() {
				if _, err := p.Push(t.Context(), rq); err != nil {
					t.Errorf("push %d: %v", i, err)
				}
			})
		}
		wg.Wait()
	}
	s.misbehave(serve)
	var unused []string
	total := 0
	for _, f := range faults {
		total += weather.hits[f.name]
		if weather.hits[f.name] == 0 {
			unused = append(unused, f.name)
		}
	}
	t.Logf("%d requests, %d of them failed, tags moved %d times", len(s.requests()), total, check.moves)
	if len(unused) > 0 && pushes >= 300 {
		t.Errorf("these faults never came: %q", unused)
	}
	if tokens != nil && len(tokens.tokens) < pushes/6 {
		t.Errorf("only %d tokens were refused", len(tokens.tokens))
	}
	n := 0
	for ref, rq := range pushed {
		if rq.Image == nil {
			pullIndex(t, ref, rq.Index, pull...)
			continue
		}
		pullBack(t, ref, rq.Image, pull...)
		if n++; n%10 == 0 && tokens == nil {
			skopeoPull(t, ref, rq.Image)
		}
	}
}

func pullIndex(t *testing.T, ref string, want v1.ImageIndex, opts ...remote.Option) {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Index(r, opts...)
	if err != nil {
		t.Error(err)
		return
	}
	if digestOf(t, got) != digestOf(t, want) {
		t.Errorf("%s is another index", ref)
	}
	m, err := got.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Manifests {
		img, err := got.Image(d.Digest)
		if err == nil {
			err = validate.Image(img)
		}
		if err != nil {
			t.Errorf("%s: child %s is not whole: %v", ref, d.Digest, err)
		}
	}
}
