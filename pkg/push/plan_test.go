package push_test

import (
	"testing"

	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// TestPlan: a plan sends nothing, and says what the push then does, to the
// request.
func TestPlan(t *testing.T) {
	s := newServer(t, nil, nil)
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	shared := randomLayer(t, 3<<20)
	known, fresh := ociImage(t, shared, randomLayer(t, 100)), ociImage(t, shared, randomLayer(t, 2<<20))
	opts := []push.Option{push.WithChunk(testChunk), push.WithMemory(push.StoreMemory(st))}
	to := func(path string, r push.Request) push.Request {
		r.Repository, r.Tags = repository(t, s.host(), path), []string{"1", "latest"}
		return r
	}
	a, b := to("a", push.Request{Image: known}), to("b", push.Request{Image: fresh})
	if _, err := newPusher(t, opts...).Push(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	s.requests()

	ds := []push.Destination{{Name: "here", Images: []push.Request{a, b}}}
	plans, err := newPusher(t, opts...).Plan(t.Context(), ds)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range s.requests() {
		if count([]string{line}, "HEAD") == 0 && count([]string{line}, "GET") == 0 {
			t.Errorf("the plan makes the request %s", line)
		}
	}
	images := plans[0].Images
	if len(images[0].Tags) != 0 || len(images[0].Blobs) != 0 || images[0].Requests != 2 {
		t.Errorf("of what is there: %+v", images[0])
	}
	actions := map[push.Action]int{}
	for _, blob := range images[1].Blobs {
		actions[blob.Action]++
		if blob.Action == push.Mount && blob.From != "a" {
			t.Errorf("%+v", blob)
		}
	}
	if len(images[1].Tags) != 2 || actions[push.Mount] != 1 || actions[push.Send] != 2 || images[1].Bytes() < 2<<20 || images[1].Bytes() > 5<<19 {
		t.Errorf("of what is not: %+v", images[1])
	}

	if _, err := newPusher(t, opts...).PushAll(t.Context(), ds); err != nil {
		t.Fatal(err)
	}
	if got, want := len(s.requests()), images[0].Requests+images[1].Requests; got != want {
		t.Errorf("the push made %d requests, planned were %d", got, want)
	}
}
