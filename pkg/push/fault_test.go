package push_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/push"
)

// reset breaks the connection without an answer.
func reset(w http.ResponseWriter) { panic(http.ErrAbortHandler) }

// halfBody lets the server read half of the body, then breaks the connection.
func halfBody(w http.ResponseWriter, r *http.Request) {
	io.CopyN(io.Discard, r.Body, r.ContentLength/2)
	reset(w)
}

// lost lets the server do its work and breaks the connection instead of
// answering.
func lost(w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(discarder{http.Header{}}, r)
	reset(w)
}

type discarder struct{ h http.Header }

func (d discarder) Header() http.Header         { return d.h }
func (d discarder) Write(p []byte) (int, error) { return len(p), nil }
func (d discarder) WriteHeader(int)             {}

// silent neither reads nor answers. A server does not notice that a client has
// left while there is a body to read, so it ends by itself.
func silent(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-time.After(8 * time.Second):
	}
}

func registryError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}

// TestEachFaultOnce: each kind of request fails once in each way, and the push
// completes.
func TestEachFaultOnce(t *testing.T) {
	faults := map[string]func(http.ResponseWriter, *http.Request, http.Handler){
		"500": func(w http.ResponseWriter, r *http.Request, _ http.Handler) { w.WriteHeader(500) },
		"503": func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			registryError(w, 503, "UNAVAILABLE", "later")
		},
		"429":       func(w http.ResponseWriter, r *http.Request, _ http.Handler) { w.WriteHeader(429) },
		"reset":     func(w http.ResponseWriter, r *http.Request, _ http.Handler) { reset(w) },
		"half body": func(w http.ResponseWriter, r *http.Request, _ http.Handler) { halfBody(w, r) },
		"lost":      lost,
		"lost to us": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			registryError(w, 404, "BLOB_UPLOAD_UNKNOWN", "gone")
		},
	}
	targets := []string{"HEAD /v2/base/golang/manifests/", "HEAD /v2/base/golang/blobs/", "POST ", "PATCH ", "PUT /v2/base/golang/blobs/", "PUT /v2/base/golang/manifests/sha256", "GET ", "PUT /v2/base/golang/manifests/1"}
	for name, fault := range faults {
		for _, target := range targets {
			if name == "lost to us" && !strings.Contains(target, "PATCH") && !strings.Contains(target, "PUT /v2/base/golang/blobs/") {
				continue
			}
			t.Run(name+" "+target, func(t *testing.T) {
				t.Parallel()
				s := newServer(t, nil, nil)
				var once atomic.Bool
				s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					if strings.HasPrefix(r.Method+" "+r.URL.Path, target) && once.CompareAndSwap(false, true) {
						fault(w, r, next)
						return
					}
					next.ServeHTTP(w, r)
				})
				img := ociImage(t, randomLayer(t, 1<<20), randomLayer(t, 100))
				if _, err := newPusher(t, push.WithChunk(testChunk)).Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "base/golang"), Tags: []string{"1"}}); err != nil {
					t.Fatal(err)
				}
				if !once.Load() {
					t.Fatal("no request was hit")
				}
				s.misbehave(nil)
				pullBack(t, s.host()+"/base/golang:1", img)
			})
		}
	}
}

// TestRandomFaults: images that share layers, pushed at once, while one
// request in five fails; a tag never points to what is not whole.
func TestRandomFaults(t *testing.T) {
	s := newServer(t, nil, nil)
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(1, 2))
	hits := 0
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		n := rng.IntN(30)
		if n < 6 {
			hits++
		}
		mu.Unlock()
		switch n {
		case 0:
			w.WriteHeader(http.StatusBadGateway)
		case 1:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			reset(w)
		case 3:
			halfBody(w, r)
		case 4:
			lost(w, r, next)
		case 5:
			registryError(w, 500, "UNKNOWN", "unknown error")
		default:
			next.ServeHTTP(w, r)
		}
	})
	p := newPusher(t)
	os := randomLayer(t, 1<<20)
	images := map[string]v1.Image{}
	for i := range 8 {
		images[fmt.Sprintf("base/image%d", i%4)+fmt.Sprintf(":%d", i)] = ociImage(t, os, randomLayer(t, 400<<10), randomLayer(t, 100))
	}
	var wg sync.WaitGroup
	for ref, img := range images {
		wg.Go(func() {
			path, tag, _ := strings.Cut(ref, ":")
			if _, err := p.Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), path), Tags: []string{tag}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if hits < 20 {
		t.Errorf("only %d requests failed", hits)
	}
	s.misbehave(nil)
	for ref, img := range images {
		pullBack(t, s.host()+"/"+ref, img)
	}
}

// TestRetryAfter: all requests to the host wait as long as it asks.
func TestRetryAfter(t *testing.T) {
	s := newServer(t, nil, nil)
	var once atomic.Bool
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPatch && once.CompareAndSwap(false, true) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
	// At this end, where it is known what has been heard.
	var asked atomic.Pointer[time.Time]
	var early atomic.Int32
	tr := http.DefaultTransport.(*http.Transport).Clone()
	defer tr.CloseIdleConnections()
	watched := roundTrip(func(r *http.Request) (*http.Response, error) {
		if at := asked.Load(); at != nil && time.Since(*at) > 100*time.Millisecond && time.Since(*at) < time.Second {
			early.Add(1)
		}
		resp, err := tr.RoundTrip(r)
		if err == nil && resp.StatusCode == http.StatusTooManyRequests {
			now := time.Now()
			asked.Store(&now)
		}
		return resp, err
	})
	img := ociImage(t, randomLayer(t, 1<<20), randomLayer(t, 2<<20), randomLayer(t, 3<<20))
	if _, err := newPusher(t, push.WithTransport(watched), push.WithSlots(1), push.WithChunk(testChunk)).Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "golang"), Tags: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	if asked.Load() == nil || early.Load() > 0 {
		t.Errorf("%d requests came before the second was over", early.Load())
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestStall: a server that takes a request and never answers is left after the
// patience, and asked again.
func TestStall(t *testing.T) {
	s := newServer(t, nil, nil)
	var stalls atomic.Int32
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.ContentLength > testChunk && stalls.Add(1) == 1 {
			silent(r)
			return
		}
		next.ServeHTTP(w, r)
	})
	img := ociImage(t, randomLayer(t, 8<<20))
	p := newPusher(t, push.WithPatience(3*time.Second))
	if _, err := p.Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "golang"), Tags: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	if stalls.Load() < 2 {
		t.Errorf("%d uploads; want the stalled one and another", stalls.Load())
	}
}

// TestSlowIsNotStalled: an upload that takes many times the patience goes on
// for as long as bytes move.
func TestSlowIsNotStalled(t *testing.T) {
	s := newServer(t, nil, nil)
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.ContentLength > testChunk {
			r.Body = io.NopCloser(&slow{r.Body})
		}
		next.ServeHTTP(w, r)
	})
	img := ociImage(t, randomLayer(t, 16<<20))
	start := time.Now()
	p := newPusher(t, push.WithPatience(4*time.Second), push.WithTries(1))
	if _, err := p.Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "golang"), Tags: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d < 4*time.Second {
		t.Errorf("the push took only %s, so that the test shows nothing", d)
	}
}

type slow struct{ r io.Reader }

func (s *slow) Read(p []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	n, err := io.ReadFull(s.r, p[:min(len(p), 32<<10)])
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, err
}

// TestCancel: a cancelled push returns at once, with the cancellation.
func TestCancel(t *testing.T) {
	s := newServer(t, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	end := make(chan struct{})
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.ContentLength > testChunk {
			cancel()
			<-end
			return
		}
		next.ServeHTTP(w, r)
	})
	answer := sync.OnceFunc(func() { close(end) })
	defer answer()
	defer time.AfterFunc(20*time.Second, func() { t.Error("the cancelled push goes on"); answer() }).Stop()
	_, err := newPusher(t).Push(ctx, push.Request{Image: ociImage(t, randomLayer(t, 1<<20)), Repository: repository(t, s.host(), "golang"), Tags: []string{"1"}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v; want the cancellation", err)
	}
}

// TestDamagedSource: what does not have its digest is not pushed, and not
// tried again and again.
func TestDamagedSource(t *testing.T) {
	good := randomLayer(t, 1<<20)
	for name, l := range map[string]v1.Layer{"short": cutLayer{good, 1000}, "long": longLayer{good}, "broken": brokenLayer{good}} {
		// One each: a request that was broken off may come late.
		s := newServer(t, nil, nil)
		_, err := newPusher(t).Push(t.Context(), push.Request{Image: ociImage(t, l), Repository: repository(t, s.host(), "golang"), Tags: []string{"1"}})
		if err == nil || !strings.Contains(err.Error(), "reading what is to be sent") {
			t.Errorf("%s: error %v; want one about the source", name, err)
		}
		if log := s.requests(); count(log, "PATCH") > 1 || count(log, "PUT /v2/golang/manifests") > 0 {
			t.Errorf("%s: requests %q", name, log)
		}
	}
}

// TestDamagedSourceThatIsTrusted: a source that could verify itself and is read
// without is verified when a registry says that something else arrived.
func TestDamagedSourceThatIsTrusted(t *testing.T) {
	good := randomLayer(t, 3<<20)
	for _, size := range []int64{testChunk, 64 << 20} { // in chunks, in one piece
		s := newServer(t, nil, nil)
		_, err := newPusher(t, push.WithChunk(size)).Push(t.Context(), push.Request{Image: ociImage(t, flippedLayer{good}), Repository: repository(t, s.host(), "golang"), Tags: []string{"1"}})
		if err == nil || !strings.Contains(err.Error(), "reading what is to be sent: a bit is wrong") {
			t.Errorf("error %v; want what the source says", err)
		}
		if log := s.requests(); count(log, "PUT /v2/golang/manifests") > 0 || count(log, "PUT ") > 2 {
			t.Errorf("requests %q", log)
		}
	}
}

// flippedLayer has a wrong bit, which it tells at its end, or not at all.
type flippedLayer struct{ v1.Layer }

func (l flippedLayer) Compressed() (io.ReadCloser, error) {
	rc, err := l.Layer.Compressed()
	return &flipped{ReadCloser: rc, told: true}, err
}

type flipped struct {
	io.ReadCloser
	told  bool
	begun bool
}

func (f *flipped) Unverified() io.ReadCloser { return &flipped{ReadCloser: f.ReadCloser} }

func (f *flipped) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if n > 0 && !f.begun {
		p[0] ^= 1
		f.begun = true
	}
	if err == io.EOF && f.told {
		err = errors.New("a bit is wrong")
	}
	return n, err
}

type cutLayer struct {
	v1.Layer
	n int64
}

func (l cutLayer) Compressed() (io.ReadCloser, error) {
	rc, err := l.Layer.Compressed()
	return io.NopCloser(io.LimitReader(rc, l.n)), err
}

type longLayer struct{ v1.Layer }

func (l longLayer) Compressed() (io.ReadCloser, error) {
	rc, err := l.Layer.Compressed()
	return io.NopCloser(io.MultiReader(rc, strings.NewReader("x"))), err
}

type brokenLayer struct{ v1.Layer }

func (l brokenLayer) Compressed() (io.ReadCloser, error) {
	rc, err := l.Layer.Compressed()
	return io.NopCloser(io.MultiReader(io.LimitReader(rc, 500<<10), errorReader{})), err
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errors.New("the disk says no") }
