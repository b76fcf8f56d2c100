package push_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/push"
)

func TestFullVersion(t *testing.T) {
	for tag, want := range map[string]bool{
		"1.27.3": true, "1.27.3-slim": true, "26.10.0": true, "v1.2.3": true, "1.2.3_dfsg-1": true, "1.2.3rc1": true, "1.2.3.4": true,
		"1.27": false, "1": false, "latest": false, "slim": false, "1.27-slim": false, "24-slim-3": false, "1.27.x": false, "sha256-12.3.4": false, "": false,
	} {
		if got := push.FullVersion(tag); got != want {
			t.Errorf("FullVersion(%q) = %v", tag, got)
		}
	}
}

func TestImmutability(t *testing.T) {
	tags := []string{"1.27.3", "1.27", "latest"}
	for mode, want := range map[string][]string{"versions": {"1.27.3"}, "all": tags, "none": nil} {
		i, err := push.ParseImmutability(mode)
		if got := i.Of(tags); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", mode, got, err)
		}
	}
	if _, err := push.ParseImmutability("version"); err == nil {
		t.Error("version is taken for a mode")
	}
}

// TestImmutable: a tag that does not move stays, what it names is not looked at
// further, and the others move.
func TestImmutable(t *testing.T) {
	s := newServer(t, nil, nil)
	first, second := ociImage(t, randomLayer(t, 1000)), ociImage(t, randomLayer(t, 2000))
	rq := push.Request{
		Image: first, Repository: repository(t, s.host(), "base/golang"),
		Tags: []string{"1.27.3", "1.27", "latest"}, Immutable: []string{"1.27.3", "not-of-this-image"},
	}
	if res, err := newPusher(t).Push(t.Context(), rq); err != nil || res.Kept != nil || !strings.Contains(res.Reference, ":1.27.3@") {
		t.Fatalf("%+v, %v", res, err) // what names nothing yet is set
	}
	rq.Image = second
	res, err := newPusher(t).Push(t.Context(), rq)
	if err != nil || !slices.Equal(res.Kept, []string{"1.27.3"}) || !strings.Contains(res.Reference, "golang:1.27@"+digestOf(t, second).String()) {
		t.Fatalf("%+v, %v", res, err)
	}
	pullBack(t, s.host()+"/base/golang:1.27.3", first)
	pullBack(t, s.host()+"/base/golang:1.27", second)
	pullBack(t, s.host()+"/base/golang:latest", second)

	// Again: one request a tag.
	s.requests()
	res, err = newPusher(t).Push(t.Context(), rq)
	if err != nil || !res.Unchanged || !slices.Equal(res.Kept, []string{"1.27.3"}) {
		t.Errorf("%+v, %v", res, err)
	}
	if log := s.requests(); len(log) != 3 || count(log, "HEAD") != 3 {
		t.Errorf("requests %q", log)
	}
}

// TestImmutableEverywhere: what would get no tag is not sent, and the other
// images of the destination are.
func TestImmutableEverywhere(t *testing.T) {
	s := newServer(t, nil, nil)
	first, second := ociImage(t, randomLayer(t, 1000)), ociImage(t, randomLayer(t, 2000))
	rq := push.Request{Image: first, Repository: repository(t, s.host(), "golang"), Tags: []string{"1.27.3", "1.27"}}
	if _, err := newPusher(t).Push(t.Context(), rq); err != nil {
		t.Fatal(err)
	}
	s.requests()
	rq.Image, rq.Immutable = second, rq.Tags
	other := push.Request{Image: second, Repository: repository(t, s.host(), "other"), Tags: []string{"1"}, Immutable: []string{"1"}}
	ds := []push.Destination{{Name: "here", Images: []push.Request{rq, other}}}
	plans, err := newPusher(t).Plan(t.Context(), ds)
	if err != nil {
		t.Fatal(err)
	}
	if p := plans[0].Images[0]; !p.Refused || len(p.Kept) != 2 || len(p.Tags)+len(p.Blobs) > 0 || p.Requests != 2 {
		t.Errorf("plan %+v", p)
	}
	if p := plans[0].Images[1]; p.Refused || len(p.Kept) > 0 || len(p.Tags) != 1 || len(p.Blobs) != 2 {
		t.Errorf("plan %+v", p)
	}
	s.requests()
	results, err := newPusher(t).PushAll(t.Context(), ds)
	kept, ok := errors.AsType[*push.KeptError](err)
	if !ok || !slices.Equal(kept.Tags, []string{"1.27", "1.27.3"}) || kept.At[0] != digestOf(t, first) {
		t.Errorf("error %v", err)
	}
	for _, want := range []string{"1.27.3 is " + digestOf(t, first).String(), "nothing was sent", "--immutable none", s.host() + "/golang"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if log := s.requests(); count(log, "/v2/golang/") != 2 {
		t.Errorf("requests %q", log)
	}
	if results[0][0].Reference != "" || results[0][1].Sent != 2 {
		t.Errorf("results %+v", results)
	}
	pullBack(t, s.host()+"/golang:1.27.3", first)
	pullBack(t, s.host()+"/other:1", second)
}

// TestContentThenTags: what was pushed by digest is neither asked for nor sent
// again when its tags follow: three requests for each that moves.
func TestContentThenTags(t *testing.T) {
	s := newServer(t, nil, nil)
	img := ociImage(t, randomLayer(t, 1000), randomLayer(t, 900<<10))
	rq := push.Request{Image: img, Repository: repository(t, s.host(), "base/golang")}
	p := newPusher(t)
	if res, err := p.Push(t.Context(), rq); err != nil || res.Sent != 3 || res.Reference != s.host()+"/base/golang@"+digestOf(t, img).String() {
		t.Fatalf("%+v, %v", res, err)
	}
	s.requests()
	rq.Tags = []string{"1.27.3", "latest"}
	if res, err := p.Push(t.Context(), rq); err != nil || res.Unchanged || res.Sent != 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	if log := s.requests(); len(log) != 6 || count(log, "PUT ", "/manifests/") != 2 {
		t.Errorf("requests %q", log)
	}
	pullBack(t, s.host()+"/base/golang:latest", img)
}

// TestImmutableOnTheServer: a registry that refuses to move one tag gets the
// other tags and the other images, also where it answers as to somebody who may
// do nothing at all.
func TestImmutableOnTheServer(t *testing.T) {
	s := newServer(t, nil, nil)
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut && r.URL.Path == "/v2/base/golang/manifests/1.27" {
			registryError(w, http.StatusForbidden, "DENIED", "The requested tag already exists and cannot be overwritten.")
			return
		}
		if r.Method == http.MethodPut && !strings.Contains(r.URL.Path, "1.27") {
			time.Sleep(100 * time.Millisecond) // the refusal is there before
		}
		next.ServeHTTP(w, r)
	})
	img, other := ociImage(t, randomLayer(t, 1000)), ociImage(t, randomLayer(t, 2000), randomLayer(t, 3000))
	_, err := newPusher(t).PushAll(t.Context(), []push.Destination{{Name: "here", Images: []push.Request{
		{Image: img, Repository: repository(t, s.host(), "base/golang"), Tags: []string{"1.27", "latest"}},
		{Image: other, Repository: repository(t, s.host(), "base/node"), Tags: []string{"26"}},
	}}})
	if err == nil || !strings.Contains(err.Error(), "moving tag 1.27: ") || !strings.Contains(err.Error(), "--immutable all") {
		t.Errorf("error %v", err)
	}
	pullBack(t, s.host()+"/base/golang:latest", img)
	pullBack(t, s.host()+"/base/node:26", other)
}

// TestTagIsReadBack: of a tag that somebody else moved meanwhile nobody says
// that it is ours.
func TestTagIsReadBack(t *testing.T) {
	s := newServer(t, nil, nil)
	theirs, ours := ociImage(t, randomLayer(t, 1000)), ociImage(t, randomLayer(t, 2000))
	repo := repository(t, s.host(), "golang")
	if _, err := newPusher(t).Push(t.Context(), push.Request{Image: theirs, Repository: repo}); err != nil {
		t.Fatal(err)
	}
	raw, err := theirs.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, r)
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/latest") {
			again := r.Clone(t.Context())
			again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
			next.ServeHTTP(httptest.NewRecorder(), again)
		}
	})
	_, err = newPusher(t).Push(t.Context(), push.Request{Image: ours, Repository: repo, Tags: []string{"latest"}})
	for _, want := range []string{"reading tag latest back", "it points to " + digestOf(t, theirs).String(), "somebody else moved it"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
}
