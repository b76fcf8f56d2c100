package push_test

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/push"
)

// openedBy is a layer that is fetched from elsewhere when it is opened.
type openedBy struct {
	v1.Layer
	open func()
}

func (l openedBy) Compressed() (io.ReadCloser, error) {
	l.open()
	return l.Layer.Compressed()
}

// TestSlowToOpen: fetching what is to be sent takes longer than the patience
// with a registry, takes none of its slots, and is done once.
func TestSlowToOpen(t *testing.T) {
	s := newServer(t, nil, nil)
	var opened atomic.Int32
	var takes time.Duration
	slow := openedBy{randomLayer(t, 3<<20), func() { opened.Add(1); time.Sleep(takes) }}
	img := ociImage(t, slow, randomLayer(t, 100))
	rq := push.Request{Image: img, Repository: repository(t, s.host(), "a"), Tags: []string{"1"}}
	var p *push.Pusher
	for patience := time.Second; ; patience *= 5 { // a busy registry may need more
		p = newPusher(t, push.WithPatience(patience), push.WithTries(1), push.WithSlots(1), push.WithChunk(testChunk))
		takes = patience * 5 / 2
		opened.Store(0) // making the image may have read it
		_, err := p.Push(t.Context(), rq)
		if err == nil {
			break
		}
		if t.Log(err); patience > 5*time.Second {
			t.Fatal("no patience is enough")
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("the layer was opened %d times", n)
	}

	// What the registry has in another repository is mounted, not opened.
	rq.Repository = repository(t, s.host(), "b")
	if _, err := p.Push(t.Context(), rq); err != nil {
		t.Fatal(err)
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("the layer was opened %d times to be mounted", n)
	}
	pullBack(t, s.host()+"/b:1", img)
}

// TestRefusedWhileOpening: a refusal ends the push at once, though a layer is
// still being fetched.
func TestRefusedWhileOpening(t *testing.T) {
	s := newServer(t, nil, nil)
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost {
			registryError(w, http.StatusForbidden, "DENIED", "not allowed")
			return
		}
		next.ServeHTTP(w, r)
	})
	end := make(chan struct{})
	var pushing atomic.Bool
	stuck := openedBy{randomLayer(t, 1<<20), func() {
		if pushing.Load() {
			<-end
		}
	}}
	img := ociImage(t, stuck, randomLayer(t, 100))
	defer close(end)
	pushing.Store(true)
	start := time.Now()
	_, err := newPusher(t).Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "a"), Tags: []string{"1"}})
	if err == nil || time.Since(start) > time.Minute {
		t.Errorf("error %v after %s", err, time.Since(start))
	}
}
