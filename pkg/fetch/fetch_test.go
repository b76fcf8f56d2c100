package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

func whole(w http.ResponseWriter, r *http.Request, b []byte) {
	http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(b))
}

// drop sends b but for what Content-Length promises beyond it, and hangs up.
func drop(w http.ResponseWriter, b []byte, promised int) {
	w.Header().Set("Content-Length", fmt.Sprint(promised))
	w.Write(b)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestIfRange(t *testing.T) {
	b := content(50000)
	for _, tt := range []struct{ name, etag, want string }{
		{"strong tag", `"v1"`, `"v1"`},
		{"weak tag", `W/"v1"`, time.Unix(1e9, 0).UTC().Format(http.TimeFormat)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", tt.etag)
				if n == 0 {
					w.Header().Set("Last-Modified", time.Unix(1e9, 0).UTC().Format(http.TimeFormat))
					drop(w, b[:20000], len(b))
				}
				whole(w, r, b)
			})
			st := openStore(t)
			fetched(t, st, fetcher(t, st, s.URL), input(b), b)
			if got := s.asked()[1].Header.Get("If-Range"); got != tt.want {
				t.Errorf("If-Range %q, want %q", got, tt.want)
			}
		})
	}
}

// TestLocking fetches what has no hash yet: what changes between two parts of
// a download must not be glued together.
func TestLocking(t *testing.T) {
	old, fresh := content(60000), bytes.Repeat([]byte("fresh"), 12000)
	for _, tag := range []string{"", `"%d"`} {
		s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
			if tag != "" {
				w.Header().Set("ETag", fmt.Sprintf(tag, n))
			}
			if n == 0 {
				drop(w, old[:30000], len(old))
			}
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(fresh))
		})
		st := openStore(t)
		in := input(old)
		in.SHA256, in.Size = "", 0
		fetched(t, st, fetcher(t, st, s.URL), in, fresh)
	}
}

func TestLimitOfUnknownSize(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) { whole(w, r, content(60000)) })
	in := lock.Input{Name: "thing", Archive: mirror.Debian, Path: "thing"}
	_, err := fetcher(t, openStore(t), s.URL, MaxSize(59999)).Fetch(t.Context(), in)
	if err == nil || !strings.Contains(err.Error(), "the file has 60000 bytes, and the limit is 59999") {
		t.Fatal(err)
	}
}

func TestRetryAfter(t *testing.T) {
	b := content(1000)
	for _, tt := range []struct {
		name  string
		value func() string
		least time.Duration
		err   string
	}{
		{"seconds", func() string { return "1" }, time.Second, ""},
		{"date", func() string { return time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat) }, 900 * time.Millisecond, ""},
		{"too long", func() string { return "3600" }, 0, "429 Too Many Requests and asks to be left alone for 1h0m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 0 {
					w.Header().Set("Retry-After", tt.value())
					w.WriteHeader(http.StatusTooManyRequests)
					return
				}
				whole(w, r, b)
			})
			start := time.Now()
			_, err := fetcher(t, openStore(t), s.URL).Fetch(t.Context(), input(b))
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if took := time.Since(start); took < tt.least || took > tt.least+time.Minute {
				t.Errorf("took %s, want at least %s", took, tt.least)
			}
		})
	}
}

func TestNextMirror(t *testing.T) {
	b := content(70000)
	good := func(n int, w http.ResponseWriter, r *http.Request) { whole(w, r, b) }
	for name, answer := range map[string]func(int, http.ResponseWriter, *http.Request){
		"missing":   func(n int, w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) },
		"broken":    func(n int, w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) },
		"different": func(n int, w http.ResponseWriter, r *http.Request) { whole(w, r, make([]byte, len(b))) },
		"half":      func(n int, w http.ResponseWriter, r *http.Request) { drop(w, b[:len(b)/2], len(b)) },
	} {
		t.Run(name, func(t *testing.T) {
			first, second := serve(t, answer), serve(t, good)
			st := openStore(t)
			fetched(t, st, fetcher(t, st, first.URL+","+second.URL), input(b), b)
			if n := len(second.asked()); n != 1 {
				t.Errorf("%d requests to the second mirror", n)
			}
			if got := second.asked()[0].Header.Get("Range"); name == "half" && got != "bytes=35000-" {
				t.Errorf("the second mirror was asked for %q", got)
			}
		})
	}
}

func TestNotFound(t *testing.T) {
	a := serve(t, func(n int, w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) })
	b := serve(t, func(n int, w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) })
	in := input([]byte("x"))
	_, err := fetcher(t, openStore(t), strings.Replace(a.URL, "//", "//user:hunter2@", 1)+"/x,"+b.URL+"/y").Fetch(t.Context(), in)
	var nf *NotFoundError
	if !errors.As(err, &nf) {
		t.Fatal(err)
	}
	if nf.Input.ID != in.ID || nf.Archive != in.Archive || nf.Path != in.Path || len(nf.URLs) != 2 {
		t.Errorf("%+v", nf)
	}
	want := fmt.Sprintf("fetching thing 1: the mirror does not have it: %s/x/%s answered 404 Not Found; %s/y/%[2]s answered 403 Forbidden", a.URL, in.Path, b.URL)
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if user, password, _ := a.asked()[0].BasicAuth(); user != "user" || password != "hunter2" {
		t.Error("the mirror was not told the password")
	}
	if len(a.asked()) != 1 || len(b.asked()) != 1 {
		t.Error("a missing file was asked for again")
	}
}

func TestSecretsStayOut(t *testing.T) {
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	f := fetcher(t, openStore(t), strings.Replace(s.URL, "//", "//user:hunter2@", 1))
	_, err := f.Fetch(t.Context(), input([]byte("x")))
	s.Close()
	_, err2 := f.Get(t.Context(), mirror.Debian, "x", 10)
	if err = errors.Join(err, err2); err2 == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "user") {
		t.Error(err)
	}
}

func TestCancel(t *testing.T) {
	b := content(70000)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		w.Write(b[:30000])
		w.(http.Flusher).Flush()
		cancel(why)
		<-r.Context().Done()
	})
	_, err := fetcher(t, openStore(t), s.URL).Fetch(ctx, input(b))
	if !errors.Is(err, why) || len(s.asked()) != 1 {
		t.Errorf("%d requests, error %v", len(s.asked()), err)
	}
}

// TestFileMirror: a mirror may be a folder, as for apt and Go.
func TestFileMirror(t *testing.T) {
	b := content(70000)
	dir := t.TempDir()
	in := input(b)
	in.Path = "pool/g++_1.deb"
	if err := os.MkdirAll(filepath.Join(dir, "pool"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, in.Path), b, 0o644); err != nil {
		t.Fatal(err)
	}
	st := openStore(t)
	f := fetcher(t, st, "file://"+dir)
	fetched(t, st, f, in, b)
	in = input([]byte("x"))
	var nf *NotFoundError
	if _, err := f.Fetch(t.Context(), in); !errors.As(err, &nf) {
		t.Error(err)
	}
}

// TestUnreachable: the error says which URL was tried, how often, and what to do.
func TestUnreachable(t *testing.T) {
	s := serve(t, func(int, http.ResponseWriter, *http.Request) {})
	s.Close()
	_, err := fetcher(t, openStore(t), s.URL).Fetch(t.Context(), input([]byte("x")))
	if err == nil {
		t.Fatal("fetched from a server that is gone")
	}
	for _, want := range []string{"fetching thing 1: " + s.URL + "/pool/t/thing_1_amd64.deb (from --mirror): ", "connection refused", "tried 3 times in ", "set IMGBUILD_DEBIAN_MIRROR or --mirror debian=URL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, opt := range []Option{Jobs(0), MaxSize(0), Stall(0), Tries(0, 1), Tries(1, 0), Transport(nil)} {
		if _, err := New(nil, nil, opt); err == nil || !strings.HasPrefix(err.Error(), "fetch options: ") {
			t.Error(err)
		}
	}
}

func TestHostileLock(t *testing.T) {
	f := fetcher(t, openStore(t), "http://mirror.example", Transport(noNetwork{t}))
	for what, change := range map[string]func(*lock.Input){
		"no SHA-256 in lower-case hex": func(in *lock.Input) { in.SHA256 = "../../../etc/passwd" },
		"not a path of a file":         func(in *lock.Input) { in.Path = "../../secret" },
		"unknown archive":              func(in *lock.Input) { in.Archive = "pypi" },
		"not a file of an archive":     func(in *lock.Input) { in.Archive = "" },
	} {
		in := input([]byte("x"))
		change(&in)
		if _, err := f.Fetch(t.Context(), in); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("want %q, got %v", what, err)
		}
	}
}
