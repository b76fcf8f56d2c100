package push_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
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
