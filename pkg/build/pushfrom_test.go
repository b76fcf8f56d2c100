package build

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/content"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/push"
)

// there is a registry, and a channel that is closed when it has got a manifest.
func there(t *testing.T) (host string, has chan struct{}) {
	t.Helper()
	has = make(chan struct{})
	var once sync.Once
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
			once.Do(func() { close(has) })
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), has
}

// to is a registry's destination for these images, each a repository of its own.
func to(host string, images ...v1.Image) []push.Destination {
	d := push.Destination{Name: "there"}
	for i, img := range images {
		d.Images = append(d.Images, push.Request{Image: img, Repository: address.Repository{Host: host, Path: "image-" + string(rune('a'+i))}, Tags: []string{"1"}})
	}
	return []push.Destination{d}
}

// What a builder has made, wherever it got the inputs from, it pushes.
func TestPushAll(t *testing.T) {
	testtool.Whole(t)
	daemon := testtool.BuildKitd(t)
	imgbuild := program(t, "github.com/imgbuild/imgbuild/cmd/imgbuild")
	// staying is the engine, and hello's image, which has stayed on its builder.
	staying := func(t *testing.T, on *testtool.BuildKit, mirrors string) (*BuildKit, v1.Image) {
		t.Helper()
		d, l, files := hello(t)
		e, fetcher := onBuilder(t, on, imgbuild, map[string]string{mirror.Debian: mirrors})
		give(fetcher, files)
		e.Stay, e.Keychain = true, authn.NewMultiKeychain()
		images, err := e.Build(t.Context(), requests(d, l))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := digest(t, images[0]), natively(t, d, l, files); got != want {
			t.Fatalf("built %s, want %s", got, want)
		}
		return e, images[0]
	}
	pushed := func(t *testing.T, e *BuildKit, img v1.Image) {
		t.Helper()
		host, _ := there(t)
		results, err := e.PushAll(t.Context(), to(host, img))
		if err != nil {
			t.Fatal(err)
		}
		want := digest(t, img)
		if got, err := crane.Digest(host + "/image-a:1"); err != nil || got != want.String() || results[0][0].Digest != want {
			t.Errorf("the registry has %s, %v, and the result is %+v; want %s", got, err, results, want)
		}
	}

	t.Run("fetched from the second mirror", func(t *testing.T) {
		_, _, files := hello(t)
		empty, full := newPool(t), newPool(t)
		full.files = files
		e, img := staying(t, daemon, empty.URL+","+full.URL)
		before := empty.requests() + full.requests()
		pushed(t, e, img)
		if after := empty.requests() + full.requests(); after != before {
			t.Errorf("the mirrors were asked for %v and %v: the layers were made anew", empty.asked, full.asked)
		}
	})

	t.Run("sent from here", func(t *testing.T) {
		e, img := staying(t, daemon, "file://"+t.TempDir())
		pushed(t, e, img)
	})

	t.Run("by another builder", func(t *testing.T) {
		_, _, files := hello(t)
		empty, full := newPool(t), newPool(t)
		empty.files, full.files = files, files
		victim := testtool.BuildKitd(t)
		e, img := staying(t, victim, empty.URL+","+full.URL)
		other, _ := onBuilder(t, daemon, imgbuild, nil)
		e.Builders = append(e.Builders, other.Builders...)
		victim.Kill()
		empty.files = nil // what was fetched is not there any more
		pushed(t, e, img)
		if full.requests() == 0 {
			t.Error("the second mirror was not asked")
		}
	})

	t.Run("what is there is told with what failed", func(t *testing.T) {
		d, l, files := hello(t)
		host, has := there(t)
		// The other builder's step is given another layer than it wants, but not
		// before the registry has the first builder's share, and that builder has
		// said so: for which there is ever more time.
		var pause atomic.Int64
		slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-has:
				time.Sleep(time.Duration(pause.Load()))
			case <-r.Context().Done():
			}
			_, _ = w.Write(files[strings.TrimPrefix(r.URL.Path, "/")])
		}))
		t.Cleanup(slow.Close)
		e, img := staying(t, daemon, "file://"+t.TempDir())
		other, _ := onBuilder(t, testtool.BuildKitd(t), imgbuild, map[string]string{mirror.Debian: slow.URL})
		two := noShim(t)
		mine, theirs := e.Builders, other.Builders
		e.Builders = theirs
		images, err := e.Build(t.Context(), requests(two, lockOf(t, two))[:1])
		if err != nil {
			t.Fatal(err)
		}
		e.Mirrors = other.Mirrors
		for h, made := range e.made {
			if made.builder == theirs[0] {
				made.job = mustPlan(t, e, requests(d, l)).jobs[0]
				e.made[h] = made
			}
		}
		e.Builders = append(mine, theirs...)
		var results [][]push.Result
		for within := 3 * time.Second; within < time.Minute && (results == nil || results[0][0].Digest != digest(t, img)); within *= 3 {
			pause.Store(int64(within))
			if results, err = e.PushAll(t.Context(), to(host, img, images[0])); err == nil {
				t.Fatal("the second share cannot be pushed")
			}
		}
		if len(results) != 1 || len(results[0]) != 2 || results[0][0].Digest != digest(t, img) || results[0][1].Reference != "" {
			t.Errorf("the results are %+v, with %v", results, err)
		}
	})
}

// What a builder says of a push is not believed.
func TestPushedIsCompared(t *testing.T) {
	d := noShim(t)
	n, _, _ := newNative(t)
	images, err := n.Build(t.Context(), requests(d, lockOf(t, d))[:2])
	if err != nil {
		t.Fatal(err)
	}
	made, err := content.Of(images[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	root, other := digest(t, images[0]), digest(t, images[1])
	want := push.Request{Image: images[0], Repository: address.Repository{Host: "r.example", Path: "base"}, Tags: []string{"1.0", "1"}, Immutable: []string{"1.0"}}
	for _, c := range []struct {
		says push.Result
		fine bool
	}{
		{push.Result{Reference: "r.example/base:1.0@" + root.String(), Digest: root}, true},
		{push.Result{Reference: "r.example/base:1@" + root.String(), Digest: root, Kept: []string{"1.0"}}, true},
		{push.Result{Reference: "r.example/base:1.0@" + other.String(), Digest: other}, false},
		{push.Result{Reference: "r.example/base:1.0@" + other.String(), Digest: root}, false},
		{push.Result{Reference: "evil.example/base:1.0@" + root.String(), Digest: root}, false},
		{push.Result{Reference: "r.example/base:1.0@" + root.String(), Digest: root, Kept: []string{"1"}}, false},
	} {
		if err := (sharedImage{content: made}).compare(want, c.says); (err == nil) != c.fine {
			t.Errorf("%+v: %v", c.says, err)
		}
	}
}
