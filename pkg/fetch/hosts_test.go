package fetch

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// TestBrokenMirrorLast: the second file does not wait for a mirror that the
// first asked in vain.
func TestBrokenMirrorLast(t *testing.T) {
	b := content(1000)
	broken := serve(t, func(n int, w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	good := serve(t, func(n int, w http.ResponseWriter, r *http.Request) { whole(w, r, b) })
	f := fetcher(t, openStore(t), broken.URL+","+good.URL)
	for range 3 {
		if _, err := f.Get(t.Context(), mirror.NPM, "x", 1000); err != nil {
			t.Fatal(err)
		}
	}
	if n, m := len(broken.asked()), len(good.asked()); n != 3 || m != 3 {
		t.Errorf("%d requests to the broken mirror, %d to the good one; want 3, 3", n, m)
	}
}

// TestPauseIsShared: a mirror that asks for a pause gets it from all downloads.
func TestPauseIsShared(t *testing.T) {
	var until time.Time
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 0 {
			until = time.Now().Add(time.Second)
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		if early := time.Until(until); early > 50*time.Millisecond {
			t.Errorf("asked %s too early", early)
		}
	})
	f := fetcher(t, openStore(t), s.URL)
	if _, err := f.Get(t.Context(), mirror.NPM, "a", 10); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	f.hosts.pause(s.URL, 300*time.Millisecond)
	if _, err := f.Get(t.Context(), mirror.NPM, "b", 10); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("another download waited only %s", took)
	}
}

// TestRedirectKeepsSecret: a mirror's password is for the mirror alone.
func TestRedirectKeepsSecret(t *testing.T) {
	other := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {})
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1), http.StatusFound)
	})
	f := fetcher(t, openStore(t), strings.Replace(s.URL, "//", "//user:hunter2@", 1))
	if _, err := f.Get(t.Context(), mirror.NPM, "x", 10); err != nil {
		t.Fatal(err)
	}
	if s.asked()[0].Header.Get("Authorization") == "" {
		t.Error("the mirror was not told the password")
	}
	if got := other.asked()[0].Header.Get("Authorization"); got != "" {
		t.Errorf("the other host was told %q", got)
	}
}
