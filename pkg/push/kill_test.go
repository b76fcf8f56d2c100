package push_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/store"
)

var kills = flag.Int("kills", 20, "how often TestKilled kills a pusher; 100 is the long run")

const (
	childEnv  = "PUSH_TEST_CHILD" // "LAYOUT STORE HOST"
	killChunk = 256 << 10
)

// child is the pusher as a process of its own: the test binary, started again.
func child(args string) error {
	words := strings.Fields(args)
	idx, err := layout.ImageIndexFromPath(words[0])
	if err != nil {
		return err
	}
	m, err := idx.IndexManifest()
	if err != nil {
		return err
	}
	img, err := idx.Image(m.Manifests[0].Digest)
	if err != nil {
		return err
	}
	st, err := store.Open(words[1])
	if err != nil {
		return err
	}
	p, err := push.New(push.WithChunk(killChunk), push.WithMemory(push.StoreMemory(st)))
	if err != nil {
		return err
	}
	_, err = p.Push(context.Background(), push.Request{
		Image: img, Repository: address.Repository{Host: words[2], Path: "base/golang"}, Tags: []string{"1", "latest"},
	})
	return err
}

// traffic counts what the registry gets of each upload, and says when a moment
// has come.
type traffic struct {
	mu       sync.Mutex
	bytes    int64
	requests int
	// moment is called with the lock held.
	moment func(bytes int64, requests int)
}

func (t *traffic) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	t.mu.Lock()
	t.requests++
	t.moment(t.bytes, t.requests)
	t.mu.Unlock()
	if r.Body != nil && strings.Contains(r.URL.Path, "/uploads/") {
		r.Body = &metered{ReadCloser: r.Body, t: t}
	}
	next.ServeHTTP(w, r)
}

// metered is a slow body, so that a kill has something to hit.
type metered struct {
	io.ReadCloser
	t *traffic
}

func (m *metered) Read(p []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	n, err := m.ReadCloser.Read(p[:min(len(p), 16<<10)])
	m.t.mu.Lock()
	defer m.t.mu.Unlock()
	m.t.bytes += int64(n)
	m.t.moment(m.t.bytes, m.t.requests)
	return n, err
}

// TestKilled kills pushers at random moments, in the middle of layers and of
// all that comes after. The next run completes and sends at most one chunk of
// each blob again.
func TestKilled(t *testing.T) {
	testtool.Whole(t)
	rng := chosenSeed(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var hit [3]int
	var again, most int64
	for i := range *kills {
		s := newServer(t, nil, nil)
		check := &wholeness{t: t, app: s.app}
		// Three layers in chunks, a layer and a config that go whole.
		img := ociImage(t, randomLayer(t, 2<<20+rng.Int64N(1<<20)), randomLayer(t, 1<<20), randomLayer(t, 600<<10), randomLayer(t, 1000))
		size := sizeOf(t, img)
		dir := t.TempDir()
		if l, err := layout.Write(filepath.Join(dir, "layout"), empty.Index); err != nil {
			t.Fatal(err)
		} else if err := l.AppendImage(img); err != nil {
			t.Fatal(err)
		}
		run := func() (*exec.Cmd, *bytes.Buffer) {
			c := exec.CommandContext(t.Context(), self)
			c.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s", childEnv, filepath.Join(dir, "layout"), filepath.Join(dir, "store"), s.host()))
			var out bytes.Buffer
			c.Stdout, c.Stderr = &out, &out
			return c, &out
		}

		// A moment is a number of bytes, or of requests: about 40 are made, the
		// last ones for manifests and tags.
		afterBytes, afterRequests := rng.Int64N(size), 1+rng.IntN(45)
		byBytes := i%2 == 0
		first, _ := run()
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		var once sync.Once
		tr := &traffic{moment: func(n int64, requests int) {
			if byBytes && n >= afterBytes || !byBytes && requests >= afterRequests {
				once.Do(func() { first.Process.Kill() })
			}
		}}
		s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			check.around(w, r, func() { tr.serve(w, r, next) })
		})
		killed := first.Wait() != nil
		time.Sleep(50 * time.Millisecond) // what the server has still to read
		for _, tag := range []string{"1", "latest"} {
			check.whole("/v2/base/golang/", tag, true)
		}

		tr.mu.Lock()
		before := tr.bytes
		tr.moment = func(int64, int) {}
		tr.mu.Unlock()
		switch {
		case !killed:
			hit[2]++ // it was faster
		case before < size:
			hit[0]++
		default:
			hit[1]++
		}
		second, out := run()
		if err := second.Run(); err != nil {
			t.Fatalf("kill %d, after %d of %d bytes: the next run: %v\n%s", i, before, size, err, out)
		}
		tr.mu.Lock()
		over := tr.bytes - size
		tr.mu.Unlock()
		again, most = again+over, max(most, over)
		// Three blobs can have lost a chunk, two are smaller than one.
		if limit := int64(3*killChunk + 2000); over > limit {
			t.Errorf("kill %d, after %d of %d bytes: %d bytes were sent twice, want %d at most", i, before, size, over, limit)
		}
		s.misbehave(nil)
		for _, tag := range []string{"1", "latest"} {
			check.whole("/v2/base/golang/", tag, false)
			pullBack(t, s.host()+"/base/golang:"+tag, img)
		}
	}
	t.Logf("%d kills while layers were sent, %d after that, %d too late; %d KiB were sent twice in all, %d KiB at most", hit[0], hit[1], hit[2], again>>10, most>>10)
	if hit[0] < *kills/3 || hit[0]+hit[1] < *kills/2 {
		t.Errorf("too few of the kills hit")
	}
}

func sizeOf(t *testing.T, img v1.Image) int64 {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[v1.Hash]int64{m.Config.Digest: m.Config.Size}
	for _, l := range m.Layers {
		sizes[l.Digest] = l.Size
	}
	var n int64
	for _, s := range sizes {
		n += s
	}
	return n
}
