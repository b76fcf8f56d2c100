package fetch

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/store"
)

// TestMisbehaviour has mirrors that do each one thing wrong and then, where
// the file can be had, do it right.
func TestMisbehaviour(t *testing.T) {
	b := content(300 << 10)
	for _, tt := range []struct {
		name   string
		answer func(n int, w http.ResponseWriter, r *http.Request)
		opts   []Option
		stall  time.Duration // what is a stall; the usual is longer
		asked  int           // requests
		ranges string        // of the last request
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
			stall: 200 * time.Millisecond,
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
			stall: 200 * time.Millisecond,
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
			fetch := func(opts ...Option) (*server, *store.Store, v1.Hash, error) {
				s, st := serve(t, tt.answer), openStore(t)
				h, err := fetcher(t, st, s.URL+"/debian", append(opts, tt.opts...)...).Fetch(t.Context(), input(b))
				return s, st, h, err
			}
			var s *server
			var st *store.Store
			var h v1.Hash
			var err error
			if tt.stall == 0 {
				s, st, h, err = fetch()
			}
			// On a busy machine a good answer may stall as well.
			for stall := tt.stall; stall > 0 && stall < 20*time.Second; stall *= 5 {
				if s, st, h, err = fetch(Stall(stall)); len(s.asked()) == tt.asked {
					break
				}
			}
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
