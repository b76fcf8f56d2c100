package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
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

// TestMisbehaviour has mirrors that do each one thing wrong and then, where
// the file can be had, do it right.
func TestMisbehaviour(t *testing.T) {
	b := content(300 << 10)
	for _, tt := range []struct {
		name   string
		answer func(n int, w http.ResponseWriter, r *http.Request)
		opts   []Option
		asked  int    // requests
		ranges string // of the last request
		err    string
	}{
		{
			name:   "behaves",
			answer: func(n int, w http.ResponseWriter, r *http.Request) { whole(w, r, b) },
			asked:  1,
		},
		{
			name: "drops and resumes",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 0 {
					drop(w, b[:100000], len(b))
				}
				whole(w, r, b)
			},
			asked: 2, ranges: "bytes=100000-",
		},
		{
			name: "drops often, always with gain",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				from := 0
				fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
				if n < 9 {
					if from > 0 {
						w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(b)-1, len(b)))
						w.Header().Set("Content-Length", fmt.Sprint(len(b)-from))
						w.WriteHeader(http.StatusPartialContent)
					}
					drop(w, b[from:from+10000], len(b)-from)
				}
				whole(w, r, b)
			},
			asked: 10, ranges: "bytes=90000-",
		},
		{
			name: "drops and ignores the range",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 0 {
					drop(w, b[:100000], len(b))
				}
				r.Header.Del("Range")
				whole(w, r, b)
			},
			asked: 2,
		},
		{
			name: "drops and sends another range",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				switch n {
				case 0:
					drop(w, b[:100000], len(b))
				case 1:
					w.Header().Set("Content-Range", fmt.Sprintf("bytes 5-%d/%d", len(b)-1, len(b)))
					w.WriteHeader(http.StatusPartialContent)
					w.Write(b[5:])
				default:
					whole(w, r, b)
				}
			},
			asked: 3,
		},
		{
			name: "drops and refuses the range",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				switch n {
				case 0:
					drop(w, b[:100000], len(b))
				case 1:
					w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				default:
					whole(w, r, b)
				}
			},
			asked: 3,
		},
		{
			name: "stalls",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 0 {
					w.Header().Set("Content-Length", fmt.Sprint(len(b)))
					w.Write(b[:100000])
					w.(http.Flusher).Flush()
					<-r.Context().Done()
					return
				}
				whole(w, r, b)
			},
			opts:  []Option{Stall(200 * time.Millisecond)},
			asked: 2, ranges: "bytes=100000-",
		},
		{
			name: "stalls before the header",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 0 {
					<-r.Context().Done()
					return
				}
				whole(w, r, b)
			},
			opts:  []Option{Stall(200 * time.Millisecond)},
			asked: 2,
		},
		{
			name: "fails and recovers",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n < 2 {
					w.WriteHeader([]int{503, 408}[n])
					return
				}
				whole(w, r, b)
			},
			asked: 3,
		},
		{
			name:   "fails for ever",
			answer: func(n int, w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) },
			asked:  3,
			err:    "the mirror answered 500 Internal Server Error (tried 3 times in ",
		},
		{
			name:   "wants credentials",
			answer: func(n int, w http.ResponseWriter, r *http.Request) { w.WriteHeader(401) },
			asked:  1,
			err:    "401 Unauthorized: no credentials, or wrong ones; to fetch from another place set IMGBUILD_DEBIAN_MIRROR or --mirror debian=URL",
		},
		{
			name: "has a larger file",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				whole(w, r, append(bytes.Clone(b), 0))
			},
			asked: 1,
			err:   "expected 307200 bytes, got 307201",
		},
		{
			name: "sends without end",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					if _, err := w.Write(b); err != nil {
						return
					}
				}
			},
			asked: 1,
			err:   "sent more than the 307200 bytes",
		},
		{
			name: "sends too little",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Range") != "" {
					w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
					return
				}
				w.Write(b[:1000])
				w.(http.Flusher).Flush() // so that there is no Content-Length
			},
			asked: 4,
			err:   "(tried 4 times in ",
		},
		{
			name: "has other bytes",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				whole(w, r, bytes.Repeat([]byte("x"), len(b)))
			},
			asked: 1,
			err:   "the mirror's file is another one: expected sha256:" + input(b).SHA256 + ", got sha256:",
		},
		{
			name: "redirects",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 0 {
					http.Redirect(w, r, "/elsewhere", http.StatusFound)
					return
				}
				whole(w, r, b)
			},
			asked: 2,
		},
		{
			name: "redirects for ever",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
			},
			asked: 10,
			err:   "redirected more than 10 times",
		},
		{
			name: "redirects to the disk",
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "file:///etc/passwd")
				w.WriteHeader(http.StatusFound)
			},
			asked: 1,
			err:   "refusing a redirect from http to file:///etc/passwd",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tt.answer)
			st := openStore(t)
			f := fetcher(t, st, s.URL+"/debian", tt.opts...)
			h, err := f.Fetch(t.Context(), input(b))
			if tt.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := st.Verify(h); err != nil {
					t.Fatal(err)
				}
			} else {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error\n%v\nwant one with\n%s", err, tt.err)
				}
				if !strings.Contains(err.Error(), "fetching thing 1: "+s.URL) {
					t.Errorf("the error does not say what and where: %v", err)
				}
				if _, ok := st.Has(h); ok {
					t.Error("the store has the file all the same")
				}
			}
			asked := s.asked()
			if len(asked) != tt.asked {
				t.Errorf("%d requests, want %d", len(asked), tt.asked)
			}
			last := asked[len(asked)-1]
			if got := last.Header.Get("Range"); got != tt.ranges && tt.err == "" {
				t.Errorf("last request with range %q, want %q", got, tt.ranges)
			}
			if last.UserAgent() != "imgbuild" {
				t.Errorf("user agent %q", last.UserAgent())
			}
		})
	}
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
			if took := time.Since(start); took < tt.least || took > tt.least+5*time.Second {
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
