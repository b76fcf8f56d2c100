package push_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/store"
)

const testChunk = 1 << 20

// counted counts the bytes of blobs that reach the server.
func counted(s *server, fault func(n int64, w http.ResponseWriter, r *http.Request, next http.Handler)) *atomic.Int64 {
	var bytes, patches atomic.Int64
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Body != nil && (r.Method == http.MethodPatch || r.Method == http.MethodPut && r.URL.Query().Has("digest")) {
			r.Body = &counting{r.Body, &bytes}
		}
		if r.Method == http.MethodPatch && fault != nil {
			fault(patches.Add(1), w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
	return &bytes
}

type counting struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// cutAfter lets the registry have so many bytes of a chunk, then breaks the
// connection.
func cutAfter(n int64, w http.ResponseWriter, r *http.Request, next http.Handler) {
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r.Body, n), broken{}), r.Body}
	next.ServeHTTP(discarder{http.Header{}}, r)
	reset(w)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("cut") }

// TestResume: after a cut in the middle of a chunk the upload goes on from
// what the registry holds.
func TestResume(t *testing.T) {
	for _, keeps := range []int64{0, 1, testChunk / 2, testChunk} {
		s := newServer(t, nil, nil)
		bytes := counted(s, func(n int64, w http.ResponseWriter, r *http.Request, next http.Handler) {
			if n == 1 && keeps != 1 || n == 3 || n == 7 {
				cutAfter(keeps, w, r, next)
			}
			next.ServeHTTP(w, r)
		})
		img := ociImage(t, randomLayer(t, 8<<20+12345))
		p := newPusher(t, push.WithChunk(testChunk))
		if _, err := p.Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "a"), Tags: []string{"1"}}); err != nil {
			t.Fatal(err)
		}
		s.misbehave(nil)
		pullBack(t, s.host()+"/a:1", img)
		if most := int64(8<<20 + 3*testChunk + 100<<10); bytes.Load() > most {
			t.Errorf("cut after %d bytes: %d bytes were sent, want %d at most", keeps, bytes.Load(), most)
		}
	}
}

// TestResumeInAnotherRun: what a run that was ended has sent is not sent again.
func TestResumeInAnotherRun(t *testing.T) {
	s := newServer(t, nil, nil)
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	bytes := counted(s, func(n int64, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if n == 7 {
			cancel()
			reset(w)
		}
		next.ServeHTTP(w, r)
	})
	img := ociImage(t, randomLayer(t, 8<<20))
	rq := push.Request{Image: img, Repository: repository(t, s.host(), "a"), Tags: []string{"1"}}
	opts := []push.Option{push.WithChunk(testChunk), push.WithMemory(push.StoreMemory(st))}
	if _, err := newPusher(t, opts...).Push(ctx, rq); err == nil {
		t.Fatal("the first run was not ended")
	}
	first := bytes.Swap(0)
	if first < 6*testChunk {
		t.Fatalf("the first run sent %d bytes only", first)
	}
	bytes = counted(s, nil)
	if _, err := newPusher(t, opts...).Push(t.Context(), rq); err != nil {
		t.Fatal(err)
	}
	s.misbehave(nil)
	pullBack(t, s.host()+"/a:1", img)
	if most := int64(3 * testChunk); bytes.Load() > most {
		t.Errorf("the second run sent %d bytes, want %d at most", bytes.Load(), most)
	}
}

// TestNoChunks: a registry that takes no chunks gets blobs in one piece.
func TestNoChunks(t *testing.T) {
	for _, status := range []int{400, 405, 416, 501} {
		s := newServer(t, nil, nil)
		bytes := counted(s, func(_ int64, w http.ResponseWriter, r *http.Request, _ http.Handler) {
			registryError(w, status, "UNSUPPORTED", "no chunks")
		})
		img := ociImage(t, randomLayer(t, 3<<20), randomLayer(t, 3<<20))
		p := newPusher(t, push.WithChunk(testChunk))
		if _, err := p.Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "a"), Tags: []string{"1"}}); err != nil {
			t.Fatalf("%d: %v", status, err)
		}
		s.misbehave(nil)
		pullBack(t, s.host()+"/a:1", img)
		if most := int64(8 << 20); bytes.Load() > most {
			t.Errorf("%d: %d bytes were sent, want %d at most", status, bytes.Load(), most)
		}
	}
}

// TestNoLocation: an upload that was begun nobody knows where is begun again,
// but not for ever.
func TestNoLocation(t *testing.T) {
	for lost, fails := range map[int]bool{1: false, 3: false, 99: true} {
		s := newServer(t, nil, nil)
		var mu sync.Mutex
		begun := 0
		layer := randomLayer(t, 1<<20)
		s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			mu.Lock()
			defer mu.Unlock() // one at a time: one slot
			if r.Method == http.MethodPost {
				if begun++; begun <= lost {
					w = &changing{w, func(h http.Header) { h.Del("Location") }}
				}
			}
			next.ServeHTTP(w, r)
		})
		img := ociImage(t, layer)
		_, err := newPusher(t, push.WithSlots(1)).Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "a"), Tags: []string{"1"}})
		if (err != nil) != fails || err != nil && !strings.Contains(err.Error(), "no Location") {
			t.Errorf("%d lost: error %v", lost, err)
		}
		// The layer and the config, four times each at most.
		if begun > 8 || begun < 3 {
			t.Errorf("%d lost: %d uploads were begun", lost, begun)
		}
	}
}

// TestHeldLess: a registry that says of an upload that broke off that it holds
// more than it does gets the blob anew.
func TestHeldLess(t *testing.T) {
	for _, size := range []int64{100 << 10, 3 << 20} { // in one piece, in chunks
		s := newServer(t, nil, nil)
		var cut, lied atomic.Bool
		s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			switch {
			case r.ContentLength > 64<<10 && cut.CompareAndSwap(false, true):
				cutAfter(1000, w, r, next)
			case r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/uploads/") && lied.CompareAndSwap(false, true):
				w = &changing{w, func(h http.Header) { h.Set("Range", "0-49999") }}
			}
			next.ServeHTTP(w, r)
		})
		img := ociImage(t, randomLayer(t, size))
		if _, err := newPusher(t, push.WithChunk(testChunk)).Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "a"), Tags: []string{"1"}}); err != nil {
			t.Errorf("%d bytes: %v", size, err)
			continue
		}
		if !cut.Load() || !lied.Load() {
			t.Errorf("%d bytes: the upload was not cut, or not asked for", size)
		}
		s.misbehave(nil)
		pullBack(t, s.host()+"/a:1", img)
	}
}

// TestTroubleAllTheWay: an upload that gets on goes on, though it fails more
// often in all than a request that gets nowhere may.
func TestTroubleAllTheWay(t *testing.T) {
	s := newServer(t, nil, nil)
	var patches, asked atomic.Int64
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch {
		case r.Method == http.MethodPatch && patches.Add(1)%2 == 0,
			r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/uploads/") && asked.Add(1)%2 == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			next.ServeHTTP(w, r)
		}
	})
	img := ociImage(t, randomLayer(t, 8*testChunk))
	p := newPusher(t, push.WithChunk(testChunk), push.WithTries(3))
	if _, err := p.Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "a"), Tags: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	if asked.Load() < 6 {
		t.Errorf("the upload was asked for %d times, so that the test shows nothing", asked.Load())
	}
	s.misbehave(nil)
	pullBack(t, s.host()+"/a:1", img)
}

// TestUploadsLeaveNothing: what was noted of uploads is gone when they are over.
func TestUploadsLeaveNothing(t *testing.T) {
	s := newServer(t, nil, nil)
	dir := t.TempDir()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var noted atomic.Int64
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPatch {
			files, _ := filepath.Glob(filepath.Join(dir, "records", "blob-uploads", "*"))
			noted.Store(max(noted.Load(), int64(len(files))))
		}
		next.ServeHTTP(w, r)
	})
	img := ociImage(t, randomLayer(t, 3*testChunk), randomLayer(t, 3*testChunk))
	p := newPusher(t, push.WithChunk(testChunk), push.WithMemory(push.StoreMemory(st)))
	if _, err := p.Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "a"), Tags: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "records", "blob-uploads", "*"))
	if err != nil || len(left) > 0 || noted.Load() == 0 {
		t.Errorf("%d uploads are noted, %d were meanwhile", len(left), noted.Load())
	}
}

// TestFewAtATime: of many blobs as many are on their way as the host has slots,
// and no more are open.
func TestFewAtATime(t *testing.T) {
	s := newServer(t, nil, nil)
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPatch {
			time.Sleep(5 * time.Millisecond)
		}
		next.ServeHTTP(w, r)
	})
	var open, most atomic.Int64
	var layers []v1.Layer
	for range 20 {
		layers = append(layers, countedLayer{randomLayer(t, 300<<10), &open, &most})
	}
	img := ociImage(t, layers...)
	most.Store(0) // making the image may have read them
	if _, err := newPusher(t, push.WithSlots(3), push.WithChunk(64<<10)).Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "a"), Tags: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	if open.Load() != 0 || most.Load() < 2 || most.Load() > 3 {
		t.Errorf("%d layers are still open, %d were at once; want 3 at most", open.Load(), most.Load())
	}
}

type countedLayer struct {
	v1.Layer
	open, most *atomic.Int64
}

func (l countedLayer) Compressed() (io.ReadCloser, error) {
	rc, err := l.Layer.Compressed()
	n := l.open.Add(1)
	for m := l.most.Load(); n > m && !l.most.CompareAndSwap(m, n); m = l.most.Load() {
	}
	return closing{rc, func() { l.open.Add(-1) }}, err
}

type closing struct {
	io.ReadCloser
	then func()
}

func (c closing) Close() error {
	c.then()
	return c.ReadCloser.Close()
}
