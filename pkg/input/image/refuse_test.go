package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

var quick = Patience(time.Minute, 3, time.Millisecond)

// layered is an image of one layer with these bytes and that media type.
func layered(t *testing.T, b []byte, mt types.MediaType) v1.Image {
	t.Helper()
	img, err := mutate.Append(empty.Image, mutate.Addendum{Layer: static.NewLayer(b, mt), MediaType: mt})
	if err != nil {
		t.Fatal(err)
	}
	return withConfig(t, img, func(c *v1.ConfigFile) { c.OS, c.Architecture = "linux", "amd64" })
}

func TestLockRefuses(t *testing.T) {
	r := newRegistry(t)
	good := base(t, "linux/amd64")
	goodRef := r.push(t, good)
	only := r.push(t, index(t, map[string]v1.Image{"linux/arm64": base(t, "linux/arm64"), "windows/amd64": base(t, "windows/amd64")}))
	for name, tc := range map[string]struct{ ref, want string }{
		"a tag":             {r.host + "/team/base:latest", "not an image by digest"},
		"no registry":       {"ubuntu@sha256:" + strings.Repeat("a", 64), "not an image by digest"},
		"nonsense":          {"::", "not an image by digest"},
		"absent":            {r.host + "/team/base@sha256:" + strings.Repeat("a", 64), "does not have it"},
		"platform of index": {only, "has no linux/amd64, only"},
		"platform of image": {r.push(t, base(t, "linux/arm64")), "the image is for linux/arm64"},
		"diffID": {r.push(t, withConfig(t, good, func(c *v1.ConfigFile) { c.RootFS.DiffIDs[1] = c.RootFS.DiffIDs[0] })),
			"but the image's config states"},
		"fewer diffIDs": {r.push(t, withConfig(t, good, func(c *v1.ConfigFile) { c.RootFS.DiffIDs = c.RootFS.DiffIDs[:2] })),
			"config has 2 layers, its manifest 3"},
		"foreign layer": {r.push(t, layered(t, []byte("x"), types.OCIRestrictedLayer), remote.WithNondistributable), "not distributable"},
		"no layer":      {r.push(t, layered(t, []byte("x"), "application/vnd.example.thing")), "which is no layer"},
		"broken gzip":   {r.push(t, layered(t, []byte("\x1f\x8bxxxxxxxxxxxxx"), types.OCILayer)), "unpacking"},
		"empty image":   {r.push(t, withConfig(t, empty.Image, func(c *v1.ConfigFile) { c.OS = "linux" })), "no layers"},
		"an artifact":   {r.push(t, mutate.ConfigMediaType(good, "application/vnd.example.config")), "not an image"},
		"plain HTTP":    {strings.Replace(goodRef, "127.0.0.1", "10.255.255.1", 1), "plain HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			opts := []Option{quick}
			if name == "plain HTTP" {
				opts = append(opts, Transport(noHTTPS{}))
			}
			_, err := Lock(t.Context(), inputtest.Store(t), tc.ref, "linux/amd64", opts...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

// noHTTPS is a network where nobody speaks HTTPS, so that the library tries
// plain HTTP with the private address.
type noHTTPS struct{}

func (noHTTPS) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" {
		panic("spoke plain HTTP with " + r.URL.Host)
	}
	return nil, errors.New("connection refused")
}

func TestZstdAndPlainLayers(t *testing.T) {
	r := newRegistry(t)
	plain := bytes.Repeat([]byte("tar"), 30_000)
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	z.Write(plain)
	z.Close()
	want, _, _ := v1.SHA256(bytes.NewReader(plain))
	for mt, b := range map[types.MediaType][]byte{types.OCILayerZStd: packed.Bytes(), types.OCIUncompressedLayer: plain} {
		img := withConfig(t, layered(t, b, mt), func(c *v1.ConfigFile) { c.RootFS.DiffIDs[0] = want })
		st := inputtest.Store(t)
		ins, err := Lock(t.Context(), st, r.push(t, img), "linux/amd64")
		if err != nil {
			t.Fatal(err)
		}
		layers, err := Layers(t.Context(), st, ins, Offline())
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := layers[0].MediaType(); got != mt {
			t.Errorf("media type %s, want %s", got, mt)
		}
		if got, err := sum(layers[0].Uncompressed()); got != want.String() {
			t.Errorf("%s unpacks to %s, %v, want %s", mt, got, err, want)
		}
	}
}

func TestCredentials(t *testing.T) {
	r := newRegistry(t)
	ref := r.push(t, base(t, "linux/amd64"))
	r.wrap = func(next http.Handler, w http.ResponseWriter, req *http.Request) {
		if user, pass, _ := req.BasicAuth(); user != "team" || pass != "s3cret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, req)
	}
	config := func(password string) {
		dir := t.TempDir()
		t.Setenv("DOCKER_CONFIG", dir)
		auth, err := (&authn.AuthConfig{Username: "team", Password: password}).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		b := fmt.Sprintf(`{"auths":{%q:%s}}`, r.host, auth)
		if err := os.WriteFile(dir+"/config.json", []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config("wr0ng")
	_, err := Lock(t.Context(), inputtest.Store(t), ref, "linux/amd64", quick)
	if err == nil || !strings.Contains(err.Error(), "docker login "+r.host) || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("with a wrong password: %v", err)
	}
	config("s3cret")
	if _, err := Lock(t.Context(), inputtest.Store(t), ref, "linux/amd64", quick); err != nil {
		t.Error(err)
	}
}

// What a registry or the line to it can do wrong, for the first so many times.
func TestBadLines(t *testing.T) {
	isBlob := func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/")
	}
	for name, tc := range map[string]struct {
		times int
		fault func(next http.Handler, w http.ResponseWriter, r *http.Request)
		want  string // "" where the pull succeeds in the end
	}{
		"server error": {2, func(_ http.Handler, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, ""},
		"cut off":      {2, cutOff, ""},
		"stalls once":  {1, stall, ""},
		"always cut":   {99, cutOff, "EOF"},
		"flips a bit":  {99, flip, "sha256"},
		"sends more":   {99, more, "more than the"},
		"is gone":      {99, func(_ http.Handler, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, "does not have it"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t)
			img := base(t, "linux/amd64")
			ref := r.push(t, img)
			var mu sync.Mutex
			faults := map[string]int{}
			r.wrap = func(next http.Handler, w http.ResponseWriter, req *http.Request) {
				mu.Lock()
				n := faults[req.URL.Path]
				faults[req.URL.Path]++
				mu.Unlock()
				if isBlob(req) && n < tc.times {
					tc.fault(next, w, req)
					return
				}
				next.ServeHTTP(w, req)
			}
			patience := quick
			if name == "stalls once" { // and may do so again, where the machine is busy
				patience = Patience(300*time.Millisecond, 12, time.Millisecond)
			}
			st := inputtest.Store(t)
			ins, err := Lock(t.Context(), st, ref, "linux/amd64", patience)
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v, want an error with %q", err, tc.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			layers, err := Layers(t.Context(), st, ins, Offline())
			if err != nil {
				t.Fatal(err)
			}
			checkLayers(t, layers, img)
		})
	}
}

// record plays the request and returns what the registry would answer.
func record(next http.Handler, r *http.Request) *recorder {
	rec := &recorder{status: http.StatusOK}
	next.ServeHTTP(rec, r)
	return rec
}

type recorder struct {
	bytes.Buffer
	h      http.Header
	status int
}

func (r *recorder) Header() http.Header {
	if r.h == nil {
		r.h = http.Header{}
	}
	return r.h
}
func (r *recorder) WriteHeader(status int) { r.status = status }

func cutOff(next http.Handler, w http.ResponseWriter, r *http.Request) {
	rec := record(next, r)
	b := rec.Bytes()
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	w.Header().Set("Content-Range", rec.Header().Get("Content-Range"))
	w.WriteHeader(rec.status)
	w.Write(b[:len(b)/2])
	panic(http.ErrAbortHandler)
}

func flip(next http.Handler, w http.ResponseWriter, r *http.Request) {
	b := record(next, r).Bytes()
	b[len(b)/2] ^= 1
	w.Write(b)
}

func more(next http.Handler, w http.ResponseWriter, r *http.Request) {
	w.Write(record(next, r).Bytes())
	io.Copy(w, io.LimitReader(zeros{}, 1<<20))
}

func stall(_ http.Handler, w http.ResponseWriter, r *http.Request) {
	w.Write([]byte("x"))
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestCancelled(t *testing.T) {
	r := newRegistry(t)
	ref := r.push(t, base(t, "linux/amd64"))
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped by the test")
	r.wrap = func(next http.Handler, w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.URL.Path, "/blobs/") {
			cancel(stopped)
			<-req.Context().Done()
			return
		}
		next.ServeHTTP(w, req)
	}
	if _, err := Lock(ctx, inputtest.Store(t), ref, "linux/amd64"); !errors.Is(err, stopped) && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A damaged blob in the store is found when it is read, and pulled again.
func TestDamagedStore(t *testing.T) {
	r := newRegistry(t)
	img := base(t, "linux/amd64")
	st := inputtest.Store(t)
	ins, err := Lock(t.Context(), st, r.push(t, img), "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range ins {
		h := v1.Hash{Algorithm: "sha256", Hex: in.SHA256}
		b, err := os.ReadFile(st.Path(h))
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/3] ^= 1
		os.Remove(st.Path(h))
		if err := os.WriteFile(st.Path(h), b, 0o444); err != nil {
			t.Fatal(err)
		}
		layers, err := Layers(t.Context(), st, ins)
		for i := 0; err == nil && i < len(layers); i++ {
			_, err = sum(layers[i].Compressed())
		}
		// The manifest is pulled again at once; others say that they are damaged.
		if err == nil && in.ID != ins[0].ID {
			t.Errorf("%s: no error", in.ID)
		}
		if layers, err = Layers(t.Context(), st, ins); err != nil {
			t.Fatal(err)
		}
		checkLayers(t, layers, img)
	}
}

func TestLockOfAnotherImage(t *testing.T) {
	r := newRegistry(t)
	st := inputtest.Store(t)
	a, err := Lock(t.Context(), st, r.push(t, base(t, "linux/amd64")), "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	b, err := Lock(t.Context(), st, r.push(t, base(t, "linux/amd64")), "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	swapped := a[0]
	swapped.SHA256 = b[0].SHA256
	for name, ins := range map[string][]lock.Input{
		"none": nil, "two": {a[0], b[0]}, "no manifest": a[1:], "blobs of another": append([]lock.Input{a[0]}, b[1:]...),
		"path and hash differ": append([]lock.Input{swapped}, b[1:]...),
	} {
		if _, err := Layers(t.Context(), st, ins); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:` + strings.Repeat("a", 64) + `","size":2},"layers":[]}`))
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"platform":null}]}`))
	f.Add([]byte(`{"schemaVersion":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parse(b)
		if err != nil {
			return
		}
		if p.index != nil {
			_, _ = choose(p.index, "linux/amd64")
			return
		}
		if len(p.image.Layers) == 0 || p.image.Config.Digest.Algorithm != "sha256" {
			t.Fatalf("an image without layers or config came through")
		}
	})
}
