package push_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/push"
)

// TestPushAll: what fails at one registry does not stop the others, and the
// next run sends only what is missing.
func TestPushAll(t *testing.T) {
	good, bad, other := newServer(t, nil, nil), newServer(t, nil, nil), newServer(t, nil, nil)
	var blobs sync.WaitGroup
	blobs.Add(4) // two layers, two configs
	bad.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/") {
			defer blobs.Done()
		}
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
			blobs.Wait() // a refusal ends what is still being sent
			registryError(w, 403, "DENIED", "not allowed")
			return
		}
		next.ServeHTTP(w, r)
	})
	first, second := ociImage(t, randomLayer(t, 1<<20)), ociImage(t, randomLayer(t, 100))
	var all []push.Destination
	for name, s := range map[string]*server{"good": good, "bad": bad, "other": other} {
		d := push.Destination{Name: name}
		for path, img := range map[string]push.Request{"a": {Image: first}, "b": {Image: second}} {
			img.Repository, img.Tags = repository(t, s.host(), path), []string{"1"}
			d.Images = append(d.Images, img)
		}
		all = append(all, d)
	}
	p := newPusher(t)
	results, err := p.PushAll(t.Context(), all)
	partial, ok := errors.AsType[*push.PartialError](err)
	if !ok || len(partial.Done) != 2 || len(partial.Failed) != 1 || partial.Failed[0] != "bad" {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{"bad: ", "1 of 3 destinations failed", "run the same command again"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
	for i, d := range all {
		for _, r := range results[i] {
			if (r.Reference != "") != (d.Name != "bad") {
				t.Errorf("%s: %+v", d.Name, r)
			}
		}
	}
	for _, s := range []*server{good, other} {
		pullBack(t, s.host()+"/a:1", first)
		pullBack(t, s.host()+"/b:1", second)
	}

	bad.misbehave(nil)
	for _, s := range []*server{good, bad, other} {
		s.requests()
	}
	results, err = p.PushAll(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range all {
		for _, r := range results[i] {
			if r.Sent != 0 || r.Unchanged != (d.Name != "bad") {
				t.Errorf("%s: %+v", d.Name, r)
			}
		}
	}
	if n := count(bad.requests(), "PATCH"); n != 0 {
		t.Errorf("%d layers were sent again", n)
	}
	pullBack(t, bad.host()+"/a:1", first)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.PushAll(ctx, all); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
