package source_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/imgbuild/imgbuild/pkg/source"
)

// TestFromRegistry: each blob is fetched once for three destinations, and none
// where all have it.
func TestFromRegistry(t *testing.T) {
	from, a, b := newServer(t), newServer(t), newServer(t)
	idx := indexOf(t, images(t, "linux/amd64", "linux/arm64"))
	if err := remote.WriteIndex(reference(t, from.host+"/base/golang:1"), idx); err != nil {
		t.Fatal(err)
	}
	from.forget()
	st := newStore(t)
	src, err := open(t, st, from.host+"/base/golang:1", "")
	if err != nil {
		t.Fatal(err)
	}
	if n := from.count("/blobs/"); n != 0 {
		t.Errorf("opening asked for %d blobs", n)
	}
	if len(src.Platforms) != 2 || src.Size < 1<<20 || len(src.Tags) != 1 {
		t.Errorf("%+v", src)
	}
	to := []string{a.host + "/copy/golang", b.host + "/golang", b.host + "/other"}
	if _, err := copyTo(t, st, src, to...); err != nil {
		t.Fatal(err)
	}
	for _, d := range to {
		same(t, d+":1", idx)
	}
	// Three layers and two configs.
	if n := from.count("GET ", "/blobs/"); n != 5 {
		t.Errorf("%d blobs were fetched, want 5", n)
	}
	// Of the second registry's two repositories one was sent what the other
	// mounted.
	if n := b.count("PUT ", "/blobs/uploads/"); n != 5 {
		t.Errorf("%d blobs were sent to the second registry", n)
	}

	from.forget()
	empty := newStore(t)
	if src, err = open(t, empty, from.host+"/base/golang:1", ""); err != nil {
		t.Fatal(err)
	}
	results, err := copyTo(t, empty, src, to...)
	if err != nil {
		t.Fatal(err)
	}
	if !results[0][0].Unchanged || from.count("/blobs/") != 0 {
		t.Errorf("%+v; %d blobs were fetched for nothing", results, from.count("/blobs/"))
	}

	// A new repository beside the source mounts all.
	results, err = copyTo(t, empty, src, from.host+"/beside")
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0][0]; r.Mounted != 5 || r.Sent != 0 || from.count("GET ", "/blobs/") != 0 {
		t.Errorf("%+v", r)
	}
	same(t, from.host+"/beside:1", idx)
}

// TestOnePlatform: the platform's manifest is what the tag gets.
func TestOnePlatform(t *testing.T) {
	from, to := newServer(t), newServer(t)
	imgs := images(t, "linux/amd64", "linux/arm64")
	if err := remote.WriteIndex(reference(t, from.host+"/golang:1"), indexOf(t, imgs)); err != nil {
		t.Fatal(err)
	}
	st := newStore(t)
	src, err := open(t, st, from.host+"/golang:1", "linux/arm64")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := copyTo(t, st, src, to.host+"/golang"); err != nil {
		t.Fatal(err)
	}
	want, _ := imgs[1].Digest()
	got, err := remote.Image(reference(t, to.host+"/golang:1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	if h, _ := got.Digest(); h != want || src.Digest != want {
		t.Errorf("%s was copied, want %s", h, want)
	}
	// By digest, of a single image, whose config says its platform.
	ref := from.host + "/golang@" + want.String()
	if _, err := open(t, st, ref, "linux/arm64"); err != nil {
		t.Error(err)
	}
	for ref, platform := range map[string]string{ref: "linux/amd64", from.host + "/golang:1": "windows/amd64"} {
		if _, err := open(t, st, ref, platform); err == nil || !strings.Contains(err.Error(), "linux/arm64") {
			t.Errorf("%s for %s: error %v", ref, platform, err)
		}
	}
}

// TestDownloadsBreakOff: what is cut or damaged on its way is fetched again,
// and a registry that always damages it is not copied from.
func TestDownloadsBreakOff(t *testing.T) {
	from, to := newServer(t), newServer(t)
	idx := indexOf(t, images(t, "linux/amd64"))
	if err := remote.WriteIndex(reference(t, from.host+"/golang:1"), idx); err != nil {
		t.Fatal(err)
	}
	var once sync.Map
	from.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		_, again := once.LoadOrStore(r.URL.Path, true)
		if !again && strings.Contains(r.URL.Path, "/blobs/") && r.Method == http.MethodGet {
			next.ServeHTTP(&cutting{w, 100}, r)
			return
		}
		next.ServeHTTP(w, r)
	})
	st := newStore(t)
	src, err := open(t, st, from.host+"/golang:1", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := copyTo(t, st, src, to.host+"/golang"); err != nil {
		t.Fatal(err)
	}
	same(t, to.host+"/golang:1", idx)
}

// cutting breaks the connection after so many bytes.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		c.ResponseWriter.Write(p[:len(p)+c.left])
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(p)
}

// TestCancelled: opening ends with its context.
func TestCancelled(t *testing.T) {
	from := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	from.misbehave(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		cancel()
		<-r.Context().Done()
	})
	n, err := source.Parse(from.host + "/a:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Open(ctx, newStore(t), n, ""); err == nil || ctx.Err() == nil {
		t.Errorf("error %v", err)
	}
}
