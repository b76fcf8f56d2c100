package push_test

import (
	"bytes"
	"crypto/x509"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/content"
	"github.com/imgbuild/imgbuild/pkg/push"
)

var (
	storms = flag.Int("pushes", 60, "how many images TestStorm pushes; 300 is the long run")
	seed   = flag.Uint64("seed", 0, "what TestStorm's and TestKilled's faults come from; 0: another each time")
)

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
// request in eight fails in one of many ways: all complete, and what skopeo
// pulls is what was pushed, byte for byte. At no moment a tag points to an
// image that is not whole.
func TestStorm(t *testing.T) {
	testtool.Whole(t)
	t.Run("HTTP/1.1", func(t *testing.T) {
		s := newServer(t, nil, nil)
		pushInStorm(t, *storms, &stormy{server: s, host: s.host()})
	})
	// Here tokens are refused before their time, too, in the middle of blobs,
	// and connections break by themselves.
	t.Run("regions with tokens", func(t *testing.T) {
		r := startRegions(t, 2, startHTTP2)
		one := startRegions(t, 1, startTLS) // HTTP/1.1
		r.servers, r.tokens = append(r.servers, one.servers...), append(r.tokens, one.tokens...)
		r.roots.AddCert(one.servers[0].Certificate())
		var all []*stormy
		for _, s := range r.servers {
			w := newWire(t, s.host())
			w.poison(
				toxic{"latency", "downstream", 0.3, attributes{"latency": 5, "jitter": 5}},
				toxic{"limit_data", "upstream", 0.2, attributes{"bytes": 2 << 20}},
				toxic{"slicer", "upstream", 0.2, attributes{"average_size": 20000, "size_variation": 5000, "delay": 10}},
				toxic{"reset_peer", "downstream", 0.02, attributes{"timeout": 100}},
			)
			all = append(all, &stormy{server: s, host: w.host(), tokens: &revoked{tokens: map[string]bool{}}})
		}
		pushInStorm(t, *storms/4, all...)
	})
}

// stormy is one registry of a storm.
type stormy struct {
	*server
	host   string   // where pushers go
	tokens *revoked // nil: no passwords

	check   *wholeness
	weather *storm
	serve   func(http.ResponseWriter, *http.Request, http.Handler) // before the storm
}

func (s *stormy) begin(t *testing.T, rng *rand.Rand) {
	s.weather = &storm{rng: rand.New(rand.NewPCG(rng.Uint64(), 2)), hits: map[string]int{}, short: 400 * time.Millisecond, long: 3 * time.Second}
	s.serve = s.between
	if s.serve == nil {
		s.serve = func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) }
	}
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if s.tokens != nil && s.tokens.refuses(w, r, s.weather.number(60) == 0) {
			return
		}
		s.weather.serve(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, next) }))
	})
	s.check = s.watched(t)
}

// pushInStorm pushes so many images, each to all registries.
func pushInStorm(t *testing.T, pushes int, all ...*stormy) {
	rng := chosenSeed(t)
	opts := []push.Option{push.WithChunk(64 << 10), push.WithPatience(2 * time.Second)}
	roots := x509.NewCertPool()
	for _, s := range all {
		s.begin(t, rng)
		if s.tokens != nil {
			roots.AddCert(s.Certificate())
		}
	}
	if all[0].tokens != nil {
		opts = append(opts, push.WithTransport((&regions{roots: roots}).transport()), push.WithKeychain(login{"user", "s3cret-password"}))
	}

	// A new pusher for every ten images: runs one after another, which share
	// no state, push to the same repositories.
	shared := randomLayer(t, 900<<10)
	pushed := map[string]push.Request{} // by NAME:TAG; the last to move a tag
	for first := 0; first < pushes; first += 10 {
		ds := make([]push.Destination, len(all))
		for i := first; i < min(first+10, pushes); i++ {
			image := func() v1.Image {
				return ociImage(t, shared, randomLayer(t, rng.Int64N(1<<20)+1), randomLayer(t, rng.Int64N(400<<10)+1), randomLayer(t, 1))
			}
			rq := push.Request{Tags: []string{fmt.Sprint(i), "latest"}}
			if i%5 == 0 {
				rq.Index = indexOf(t, image(), image())
			} else {
				rq.Image = image()
			}
			path := fmt.Sprintf("base/image%d", i%10)
			for _, tag := range rq.Tags {
				pushed[path+":"+tag] = rq
			}
			for k, s := range all {
				rq.Repository = repository(t, s.host, path)
				ds[k].Name = s.host
				ds[k].Images = append(ds[k].Images, rq)
			}
		}
		if _, err := newPusher(t, opts...).PushAll(t.Context(), ds); err != nil {
			t.Errorf("pushes from %d: %v", first, err)
		}
	}
	for _, s := range all {
		s.end(t, pushes)
		var refs sync.WaitGroup
		for ref, rq := range pushed {
			refs.Go(func() { skopeoCopy(t, s, ref, rq) })
		}
		refs.Wait()
	}
}

// end stops the storm and says what it was like.
func (s *stormy) end(t *testing.T, pushes int) {
	s.misbehave(s.serve)
	var unused []string
	total := 0
	for _, f := range faults {
		total += s.weather.hits[f.name]
		if s.weather.hits[f.name] == 0 {
			unused = append(unused, f.name)
		}
	}
	s.check.mu.Lock()
	defer s.check.mu.Unlock()
	t.Logf("%d requests, %d of them failed, tags moved %d times and were looked at %d times meanwhile", len(s.requests()), total, s.check.moves, s.check.looks)
	if len(unused) > 0 && pushes >= 300 {
		t.Errorf("these faults never came: %q", unused)
	}
	if s.check.looks < pushes {
		t.Errorf("the watcher looked %d times only", s.check.looks)
	}
	if s.tokens != nil && len(s.tokens.tokens) < pushes/6 {
		t.Errorf("only %d tokens were refused", len(s.tokens.tokens))
	}
}

// skopeos is how many run at a time.
var skopeos = make(chan struct{}, 2)

// skopeoCopy copies NAME:TAG into a folder with skopeo, past the storm, and
// compares every manifest and every blob.
func skopeoCopy(t *testing.T, s *stormy, ref string, rq push.Request) {
	skopeos <- struct{}{}
	defer func() { <-skopeos }()
	dir, err := os.MkdirTemp(t.TempDir(), "pulled-")
	if err != nil {
		t.Error(err)
		return
	}
	defer os.RemoveAll(dir)
	var creds []string
	if s.tokens != nil {
		creds = []string{"--creds", "user:s3cret-password"}
	}
	from := "docker://" + s.server.host() + "/" + ref
	raw, err := exec.Command("skopeo", append([]string{"inspect", "--raw", "--tls-verify=false", from}, creds...)...).CombinedOutput()
	if err != nil {
		t.Errorf("skopeo: %v\n%s", err, raw)
		return
	}
	if s.tokens != nil {
		creds[0] = "--src-creds"
	}
	out, err := exec.Command("skopeo", append([]string{"--insecure-policy", "copy", "--all", "--src-tls-verify=false", from, "dir:" + dir}, creds...)...).CombinedOutput()
	if err != nil {
		t.Errorf("skopeo: %v\n%s", err, out)
		return
	}
	c, err := content.Of(rq.Image, rq.Index)
	if err != nil {
		t.Error(err)
		return
	}
	// skopeo writes indexes anew as it likes them, but not what they list.
	if !bytes.Equal(raw, c.Root().Raw) {
		t.Errorf("%s is %s; want %s", ref, raw, c.Root().Raw)
	}
	for _, m := range c.Manifests {
		if m.Digest != c.Root().Digest {
			sameFile(t, filepath.Join(dir, m.Digest.Hex+".manifest.json"), bytes.NewReader(m.Raw))
		}
	}
	for _, b := range c.Blobs {
		rc, err := b.Open()
		if err != nil {
			t.Error(err)
			return
		}
		sameFile(t, filepath.Join(dir, b.Digest.Hex), rc)
		rc.Close()
	}
}
