package fetch

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/mirror"
)

func TestGet(t *testing.T) {
	index := []byte(strings.Repeat("versions ", 1000))
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.EscapedPath() == "/@scope%2fname":
			if r.Header.Get("Accept-Encoding") != "gzip" {
				t.Errorf("an index was asked for with %q", r.Header.Get("Accept-Encoding"))
			}
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(index)
			z.Close()
		case r.URL.Path == "/flaky" && n%2 == 0:
			drop(w, index[:100], len(index))
		case r.URL.Path == "/flaky":
			w.Write(index)
		default:
			w.WriteHeader(http.StatusGone)
		}
	})
	f := fetcher(t, openStore(t), s.URL)
	for _, path := range []string{"@scope%2fname", "flaky"} {
		if b, err := f.Get(t.Context(), mirror.NPM, path, int64(len(index))); err != nil || !bytes.Equal(b, index) {
			t.Errorf("%s: %d bytes, %v", path, len(b), err)
		}
	}
	// A bomb: small on the wire.
	_, err := f.Get(t.Context(), mirror.NPM, "@scope%2fname", int64(len(index))-1)
	if err == nil || !strings.Contains(err.Error(), "more than the 8999 bytes") {
		t.Error(err)
	}
	_, err = f.Get(t.Context(), mirror.NPM, "gone", 10)
	var nf *NotFoundError
	if !errors.As(err, &nf) || nf.Path != "gone" || nf.Input.Path != "" {
		t.Error(err)
	}
	for _, path := range []string{"../x", "a/%2e%2e/b", "/x", "", "a?b", "a#b", `a\b`, "a/./b", "%zz"} {
		if _, err := f.Get(t.Context(), mirror.NPM, path, 10); err == nil || !strings.Contains(err.Error(), "is not a path") {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestExists(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/there":
			if r.Method != http.MethodHead {
				t.Errorf("%s", r.Method)
			}
		case "/no-head":
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusMethodNotAllowed)
			}
		case "/403":
			w.WriteHeader(http.StatusForbidden)
		case "/500":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	f := fetcher(t, openStore(t), s.URL)
	for path, want := range map[string]bool{"there": true, "no-head": true, "403": false, "404": false} {
		if got, err := f.Exists(t.Context(), mirror.NPM, path); err != nil || got != want {
			t.Errorf("%s: %t, %v", path, got, err)
		}
	}
	if _, err := f.Exists(t.Context(), mirror.NPM, "500"); err == nil || !strings.Contains(err.Error(), "tried 3 times") {
		t.Error(err)
	}
}
