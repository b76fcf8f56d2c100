package image

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// TestMain lets the test binary be a child that pulls and is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("IMAGE_TEST_STORE"); dir != "" {
		st, err := store.Open(dir)
		if err == nil {
			_, err = Lock(context.Background(), st, os.Getenv("IMAGE_TEST_REF"), "linux/amd64")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// cutting is a real docker-registry behind a line that is cut after so many
// bytes of each blob's answer.
type cutting struct {
	*registry
	mu     sync.Mutex
	after  int64 // bytes; 0: no cut
	hang   chan struct{}
	ranges []string // Range of each request for the large layer
	sent   int64    // bytes of the large layer
}

func newCutting(t *testing.T) *cutting {
	t.Helper()
	testtool.Need(t, "docker-registry", "docker-registry")
	real, err := testtool.StartRegistry(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(real.Close)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: real.Host})
	c := &cutting{registry: newRegistry(t)}
	c.wrap = func(_ http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
			proxy.ServeHTTP(w, r)
			return
		}
		c.mu.Lock()
		after, hang := c.after, c.hang
		c.mu.Unlock()
		cut := &cutWriter{ResponseWriter: w, left: after, hang: hang, gone: r.Context().Done()}
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if cut.n > 1<<20 || r.Header.Get("Range") != "" {
				c.ranges = append(c.ranges, r.Header.Get("Range"))
				c.sent += cut.n
			}
		}()
		proxy.ServeHTTP(cut, r)
	}
	return c
}

// answered returns what was asked for, once n answers have ended.
func (c *cutting) answered(t *testing.T, n int) (ranges []string, sent int64) {
	t.Helper()
	waitFor(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		ranges, sent = slices.Clone(c.ranges), c.sent
		return len(ranges) >= n
	})
	return ranges, sent
}

type cutWriter struct {
	http.ResponseWriter
	left, n int64
	hang    chan struct{}
	gone    <-chan struct{}
}

func (w *cutWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	if w.n += int64(n); w.left > 0 && w.n >= w.left {
		w.ResponseWriter.(http.Flusher).Flush()
		if w.hang != nil {
			close(w.hang)
			<-w.gone
		}
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// large makes an image of one layer of about size bytes.
func large(t *testing.T, size int64) v1.Image {
	t.Helper()
	l, err := random.Layer(size, types.OCILayer)
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		t.Fatal(err)
	}
	return withConfig(t, img, func(c *v1.ConfigFile) { c.OS, c.Architecture = "linux", "amd64" })
}

// A layer whose line is cut every three megabytes comes without any byte sent
// twice, however many cuts it takes.
func TestResumes(t *testing.T) {
	testtool.Whole(t)
	c := newCutting(t)
	img := large(t, 20<<20)
	ref := c.push(t, img)
	c.mu.Lock()
	c.after = 3 << 20
	c.mu.Unlock()
	st := inputtest.Store(t)
	ins, err := Lock(t.Context(), st, ref, "linux/amd64", Patience(time.Minute, 2, time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	layers, err := Layers(t.Context(), st, ins, Offline())
	if err != nil {
		t.Fatal(err)
	}
	checkLayers(t, layers, img)
	size, _ := layers[0].Size()
	ranges, sent := c.answered(t, 7)
	if ranges[0] != "" || ranges[1] == "" {
		t.Errorf("asked for %q", ranges)
	}
	// What was under way in a connection when it was cut may be lost.
	if sent > size+int64(len(ranges))<<19 {
		t.Errorf("%d bytes were sent of a layer of %d", sent, size)
	}
}

// After kill -9 the next run goes on where the first one was.
func TestResumesAfterKill(t *testing.T) {
	testtool.Whole(t)
	c := newCutting(t)
	img := large(t, 12<<20)
	ref := c.push(t, img)
	c.mu.Lock()
	reached := make(chan struct{})
	c.after, c.hang = 8<<20, reached
	c.mu.Unlock()
	st := inputtest.Store(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "IMAGE_TEST_STORE="+st.Root(), "IMAGE_TEST_REF="+ref)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-reached:
	case <-time.After(time.Minute):
		t.Fatalf("nothing was asked for: %s", &said)
	}
	h := layerHash(t, img)
	waitFor(t, func() bool {
		fi, err := os.Stat(filepath.Join(st.Root(), "partial", h.Hex))
		return err == nil && fi.Size() >= 7<<20
	})
	cmd.Process.Kill()
	if cmd.Wait() == nil {
		t.Fatal("the child ended before it was killed")
	}
	c.answered(t, 1)
	c.mu.Lock()
	c.after, c.hang, c.ranges, c.sent = 0, nil, nil, 0
	c.mu.Unlock()
	ins, err := Lock(t.Context(), st, ref, "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	if ranges, sent := c.answered(t, 1); len(ranges) != 1 || ranges[0] == "" || sent > 6<<20 {
		t.Errorf("asked for %q, and %d bytes were sent again", ranges, sent)
	}
	layers, err := Layers(t.Context(), st, ins, Offline())
	if err != nil {
		t.Fatal(err)
	}
	checkLayers(t, layers, img)
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it took too long")
		}
	}
}

func layerHash(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return m.Layers[0].Digest
}

// Bytes that an earlier run left and that are not the blob's, shorter, as long
// and longer than it, cost a second request and never a wrong blob.
func TestResumesOnWrongBytes(t *testing.T) {
	r := newRegistry(t)
	img := large(t, 100_000)
	ref := r.push(t, img)
	h := layerHash(t, img)
	m, _ := img.Manifest()
	size := m.Layers[0].Size
	for _, n := range []int64{1, size - 1, size, size + 1, 2 * size} {
		st := inputtest.Store(t)
		junk := make([]byte, n)
		rand.NewChaCha8([32]byte{}).Read(junk)
		if err := os.WriteFile(filepath.Join(st.Root(), "partial", h.Hex), junk, 0o600); err != nil {
			t.Fatal(err)
		}
		ins, err := Lock(t.Context(), st, ref, "linux/amd64", quick)
		if err != nil {
			t.Fatalf("after %d wrong bytes of %d: %v", n, size, err)
		}
		layers, err := Layers(t.Context(), st, ins, Offline())
		if err != nil {
			t.Fatal(err)
		}
		checkLayers(t, layers, img)
	}
}

// A registry may answer a Range as it likes.
func TestOddRanges(t *testing.T) {
	img := large(t, 100_000)
	h := layerHash(t, img)
	l, err := img.LayerByDigest(h)
	if err != nil {
		t.Fatal(err)
	}
	rc, err := l.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]func(w http.ResponseWriter, offset int){
		"ignores it": func(w http.ResponseWriter, _ int) { w.Write(content) },
		"refuses":    func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) },
		"another range": func(w http.ResponseWriter, _ int) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 1-%d/%d", len(content)-1, len(content)))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(content[1:])
		},
		"another size": func(w http.ResponseWriter, offset int) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, len(content)-1, len(content)+7))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(content[offset:])
		},
		"no range": func(w http.ResponseWriter, offset int) {
			w.WriteHeader(http.StatusPartialContent)
			w.Write(content[offset:])
		},
		"wrong bytes": func(w http.ResponseWriter, offset int) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, len(content)-1, len(content)))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(content[:len(content)-offset])
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t)
			ref := r.push(t, img)
			answered := 0
			r.wrap = func(next http.Handler, w http.ResponseWriter, req *http.Request) {
				if req.Header.Get("Range") == "" || !strings.HasSuffix(req.URL.Path, h.String()) {
					next.ServeHTTP(w, req)
					return
				}
				answered++
				answer(w, 5000)
			}
			st := inputtest.Store(t)
			if err := os.WriteFile(filepath.Join(st.Root(), "partial", h.Hex), content[:5000], 0o600); err != nil {
				t.Fatal(err)
			}
			ins, err := Lock(t.Context(), st, ref, "linux/amd64", quick)
			if err != nil {
				t.Fatal(err)
			}
			if answered != 1 {
				t.Errorf("%d requests with a range", answered)
			}
			layers, err := Layers(t.Context(), st, ins, Offline())
			if err != nil {
				t.Fatal(err)
			}
			checkLayers(t, layers, img)
		})
	}
}

// What the registry does not give, another place may; what that place does not
// have either is the registry's error.
func TestFallBack(t *testing.T) {
	r := newRegistry(t)
	img := base(t, "linux/amd64")
	full := inputtest.Store(t)
	ins, err := Lock(t.Context(), full, r.push(t, img), "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	r.wrap = func(_ http.Handler, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
	for _, opts := range [][]Option{{quick}, {quick, Offline()}} {
		st := inputtest.Store(t)
		var mu sync.Mutex
		sizes := map[string]int64{}
		other := FallBack(func(_ context.Context, h v1.Hash, size int64, _ error) error {
			mu.Lock()
			defer mu.Unlock()
			sizes[h.Hex] = size
			b, err := os.ReadFile(full.Path(h))
			if err != nil {
				return err
			}
			w, err := st.Create()
			if err != nil {
				return err
			}
			w.Write(b)
			_, err = w.Commit(h)
			return err
		})
		layers, err := Layers(t.Context(), st, ins, append(opts, other)...)
		if err != nil {
			t.Fatal(err)
		}
		checkLayers(t, layers, img)
		for i, in := range ins {
			// Of the manifest only the digest is known.
			if got, ok := sizes[in.SHA256]; !ok || i > 0 && got != in.Size || i == 0 && got != 0 {
				t.Errorf("%s was asked for as %d bytes, %v", in.ID, got, ok)
			}
		}
		nothing := FallBack(func(_ context.Context, _ v1.Hash, _ int64, err error) error {
			return fmt.Errorf("%w; and nobody else", err)
		})
		_, err = Layers(t.Context(), inputtest.Store(t), ins, append(opts, nothing)...)
		if err == nil || !strings.Contains(err.Error(), "; and nobody else") || !strings.Contains(err.Error(), ins[0].Path) {
			t.Errorf("nobody has it: %v", err)
		}
	}
}
