package push_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/store"
)

func TestPushToDockerRegistry(t *testing.T) {
	host := dockerRegistry(t)
	img := ociImage(t, randomLayer(t, 5<<20), randomLayer(t, 300), randomLayer(t, 700<<10))
	p := newPusher(t)
	repo := repository(t, host, "base/golang")
	res, err := p.Push(t.Context(), push.Request{Image: img, Repository: repo, Tags: []string{"1.27", "latest"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := host + "/base/golang:1.27@" + digestOf(t, img).String(); res.Reference != want {
		t.Errorf("reference %s; want %s", res.Reference, want)
	}
	if res.Sent != 4 || res.Unchanged {
		t.Errorf("result %+v; want 4 blobs sent", res)
	}
	for _, tag := range []string{"1.27", "latest"} {
		pullBack(t, host+"/base/golang:"+tag, img)
		skopeoPull(t, host+"/base/golang:"+tag, img)
	}

	docker, err := random.Image(100<<10, 2) // Docker's media types
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Push(t.Context(), push.Request{Image: docker, Repository: repo, Tags: []string{"docker"}}); err != nil {
		t.Fatal(err)
	}
	pullBack(t, host+"/base/golang:docker", docker)

	idx := indexOf(t, img, ociImage(t, randomLayer(t, 1000)))
	if _, err := p.Push(t.Context(), push.Request{Index: idx, Repository: repo, Tags: []string{"multi"}}); err != nil {
		t.Fatal(err)
	}
	skopeoPull(t, host+"/base/golang:multi", img) // on amd64
}

func TestNothingChanged(t *testing.T) {
	s := newServer(t, nil, nil)
	img := ociImage(t, randomLayer(t, 1000))
	repo := repository(t, s.host(), "base/golang")
	req := push.Request{Image: img, Repository: repo, Tags: []string{"1", "1.27", "1.27.4", "latest"}}
	if _, err := newPusher(t).Push(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	s.requests()
	res, err := newPusher(t).Push(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if !res.Unchanged || res.Sent+res.Mounted+res.Existing != 0 {
		t.Errorf("result %+v; want unchanged", res)
	}
	log := s.requests()
	slices.Sort(log)
	want := []string{
		"HEAD /v2/base/golang/manifests/1", "HEAD /v2/base/golang/manifests/1.27",
		"HEAD /v2/base/golang/manifests/1.27.4", "HEAD /v2/base/golang/manifests/latest",
	}
	if !slices.Equal(log, want) {
		t.Errorf("requests %q; want %q", log, want)
	}
}

// TestOnlyTagMoved: the registry has the content, and one tag is new.
func TestOnlyTagMoved(t *testing.T) {
	s := newServer(t, nil, nil)
	img := ociImage(t, randomLayer(t, 1000))
	repo := repository(t, s.host(), "golang")
	req := push.Request{Image: img, Repository: repo, Tags: []string{"1.27"}}
	if _, err := newPusher(t).Push(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	s.requests()
	req.Tags = []string{"1.27", "latest"}
	if _, err := newPusher(t).Push(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	log := s.requests()
	if n := count(log, "/blobs/"); n != 0 {
		t.Errorf("%d requests about blobs: %q", n, log)
	}
	if n := count(log, "PUT "); n != 1 || count(log, "PUT /v2/golang/manifests/latest") != 1 {
		t.Errorf("requests %q; want one PUT, of latest", log)
	}
	pullBack(t, s.host()+"/golang:latest", img)
}

func TestOrder(t *testing.T) {
	s := newServer(t, nil, nil)
	a, b := ociImage(t, randomLayer(t, 1000), randomLayer(t, 600<<10)), ociImage(t, randomLayer(t, 2000))
	idx := indexOf(t, a, b)
	_, err := newPusher(t).Push(t.Context(), push.Request{Index: idx, Repository: repository(t, s.host(), "base/golang"), Tags: []string{"1.27", "latest"}})
	if err != nil {
		t.Fatal(err)
	}
	log := s.requests()
	last := func(parts ...string) int {
		at := -1
		for i, l := range log {
			if all(l, parts) {
				at = i
			}
		}
		if at < 0 {
			t.Fatalf("no request with %q in %q", parts, log)
		}
		return at
	}
	first := func(parts ...string) int {
		i := slices.IndexFunc(log, func(l string) bool { return all(l, parts) })
		if i < 0 {
			t.Fatalf("no request with %q in %q", parts, log)
		}
		return i
	}
	root := digestOf(t, idx).String()
	steps := []int{
		last("PUT /v2/base/golang/blobs/uploads/"),
		first("PUT /v2/base/golang/manifests/sha256:"),
		last("PUT /v2/base/golang/manifests/" + digestOf(t, b).String()),
		first("PUT /v2/base/golang/manifests/" + root),
		first("GET /v2/base/golang/manifests/" + root),
		min(first("PUT /v2/base/golang/manifests/1.27"), first("PUT /v2/base/golang/manifests/latest")),
	}
	if !slices.IsSorted(steps) {
		t.Errorf("blobs, children, index, read back, tags are at %v in %q", steps, log)
	}
	if first("PUT", digestOf(t, a).String()) > first("PUT", root) {
		t.Errorf("the index came before its child: %q", log)
	}
}

func TestMountsFromSibling(t *testing.T) {
	s := newServer(t, nil, nil)
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	os := randomLayer(t, 900<<10)
	first := push.Request{Image: ociImage(t, os, randomLayer(t, 1000)), Repository: repository(t, s.host(), "base/golang"), Tags: []string{"1"}}
	second := push.Request{Image: ociImage(t, os, randomLayer(t, 1000)), Repository: repository(t, s.host(), "base/node"), Tags: []string{"26"}}
	if _, err := newPusher(t, push.WithMemory(push.StoreMemory(st))).Push(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	s.requests()
	// Another process: only the store remembers.
	res, err := newPusher(t, push.WithMemory(push.StoreMemory(st))).Push(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	if res.Mounted != 1 || res.Sent != 2 {
		t.Errorf("result %+v; want one blob mounted and two sent", res)
	}
	log := s.requests()
	if n := count(log, "PATCH"); n != 0 || count(log, " mount") != 1 {
		t.Errorf("requests %q; want one mount, and no PATCH, for only the mounted layer is large", log)
	}
	pullBack(t, s.host()+"/base/node:26", second.Image)
}

// TestMountOfForgottenBlob: the memory is wrong, and the blob is sent.
func TestMountOfForgottenBlob(t *testing.T) {
	s := newServer(t, nil, nil)
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := randomLayer(t, 900<<10)
	m := push.StoreMemory(st)
	m.Put(s.host(), digestOf(t, l), []string{"gone/golang"})
	img := ociImage(t, l)
	res, err := newPusher(t, push.WithMemory(m)).Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "base/node"), Tags: []string{"26"}})
	if err != nil {
		t.Fatal(err)
	}
	if res.Sent != 2 || res.Mounted != 0 {
		t.Errorf("result %+v; want both blobs sent", res)
	}
	if got := m.Where(s.host(), digestOf(t, l)); !slices.Equal(got, []string{"base/node"}) {
		t.Errorf("the memory says %q; want only base/node", got)
	}
	pullBack(t, s.host()+"/base/node:26", img)
}

// TestTogether: images that share a layer, pushed at once by one Pusher to
// different repositories: the layer travels once.
func TestTogether(t *testing.T) {
	s := newServer(t, nil, nil)
	os := randomLayer(t, 2<<20)
	p := newPusher(t, push.WithChunk(2*testChunk)) // of it two, for a layer has a head
	names := []string{"golang", "node", "typescript", "ruby"}
	images := map[string]v1.Image{}
	for _, n := range names {
		images[n] = ociImage(t, os, randomLayer(t, 1000))
	}
	var wg sync.WaitGroup
	for _, n := range names {
		wg.Go(func() {
			if _, err := p.Push(t.Context(), push.Request{Image: images[n], Repository: repository(t, s.host(), "base/"+n), Tags: []string{"latest"}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if log := s.requests(); count(log, "PATCH") != 2 || count(log, " mount") != 3 {
		t.Errorf("requests %q; want the layer sent once and mounted three times", log)
	}
	for _, n := range names {
		pullBack(t, s.host()+"/base/"+n, images[n])
	}
}

func TestReferenceHost(t *testing.T) {
	s := newServer(t, nil, nil)
	repo := repository(t, s.host(), "golang")
	repo.Reference = "127.0.0.1:5050"
	img := ociImage(t, randomLayer(t, 10))
	res, err := newPusher(t).Push(t.Context(), push.Request{Image: img, Repository: repo})
	if err != nil {
		t.Fatal(err)
	}
	if want := "127.0.0.1:5050/golang@" + digestOf(t, img).String(); res.Reference != want {
		t.Errorf("reference %s; want %s", res.Reference, want)
	}
	pullBack(t, s.host()+"/golang@"+res.Digest.String(), img)
}

func TestRequestIsChecked(t *testing.T) {
	img := ociImage(t, randomLayer(t, 10))
	repo := address.Repository{Host: "127.0.0.1:1", Path: "golang"}
	for want, r := range map[string]push.Request{
		"needs an image or an index": {Repository: repo},
		"not both":                   {Repository: repo, Image: img, Index: indexOf(t, img)},
		`tag "a b"`:                  {Repository: repo, Image: img, Tags: []string{"a b"}},
	} {
		if _, err := newPusher(t).Push(t.Context(), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one with %q", err, want)
		}
	}
}
