package push_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// storm makes faults: about one request in eight fails, in a way that its kind
// can fail.
type storm struct {
	mu   sync.Mutex
	rng  *rand.Rand
	hits map[string]int
	// long is a pause that the pusher's patience ends, short one that it bears.
	long, short time.Duration
}

func (s *storm) number(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

// fault is one way to fail; weight is how often it comes among those that fit.
type fault struct {
	name   string
	weight int
	fits   func(r *http.Request) bool
	do     func(s *storm, w http.ResponseWriter, r *http.Request, next http.Handler)
}

func always(*http.Request) bool        { return true }
func brings(r *http.Request) bool      { return r.ContentLength > 0 }
func patches(r *http.Request) bool     { return r.Method == http.MethodPatch }
func uploads(r *http.Request) bool     { return strings.Contains(r.URL.Path, "/uploads/") }
func hasLocation(r *http.Request) bool { return uploads(r) && r.Method != http.MethodPut }
func gets(r *http.Request) bool        { return r.Method == http.MethodGet && !uploads(r) }
func tellsRange(r *http.Request) bool {
	return uploads(r) && (r.Method == http.MethodPatch || r.Method == http.MethodGet)
}

func answer(status int) func(*storm, http.ResponseWriter, *http.Request, http.Handler) {
	return func(_ *storm, w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(status) }
}

// changed lets the registry work and changes the header of its answer.
func changed(change func(s *storm, h http.Header, r *http.Request)) func(*storm, http.ResponseWriter, *http.Request, http.Handler) {
	return func(s *storm, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&changing{ResponseWriter: w, change: func(h http.Header) { change(s, h, r) }}, r)
	}
}

type changing struct {
	http.ResponseWriter
	change func(http.Header)
}

func (c *changing) WriteHeader(status int) {
	if status < 300 {
		c.change(c.Header())
	}
	c.ResponseWriter.WriteHeader(status)
}

var faults = []fault{
	{"500", 2, always, answer(500)},
	{"502", 2, always, answer(502)},
	{"503 with words", 2, always, func(_ *storm, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		registryError(w, 503, "UNAVAILABLE", "later")
	}},
	{"504", 1, always, answer(504)},
	{"500 after the body", 2, brings, func(_ *storm, w http.ResponseWriter, r *http.Request, _ http.Handler) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(500)
	}},
	{"500 after the work", 2, always, func(_ *storm, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(discarder{http.Header{}}, r)
		w.WriteHeader(500)
	}},
	{"429", 2, always, answer(429)},
	{"429 for a second", 1, always, func(s *storm, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		v := "0"
		if s.number(5) == 0 {
			v = "1"
		}
		w.Header().Set("Retry-After", v)
		w.WriteHeader(429)
	}},
	{"reset", 2, always, func(_ *storm, w http.ResponseWriter, _ *http.Request, _ http.Handler) { reset(w) }},
	{"reset in the body", 3, brings, func(s *storm, w http.ResponseWriter, r *http.Request, _ http.Handler) {
		io.CopyN(io.Discard, r.Body, int64(s.number(int(r.ContentLength))))
		reset(w)
	}},
	{"cut in the body", 4, brings, func(s *storm, w http.ResponseWriter, r *http.Request, next http.Handler) {
		cutAfter(int64(s.number(int(r.ContentLength))), w, r, next)
	}},
	{"reset in the answer's head", 2, always, func(_ *storm, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(discarder{http.Header{}}, r)
		h, ok := w.(http.Hijacker)
		if !ok {
			reset(w) // HTTP/2 has no such thing
		}
		if c, _, err := h.Hijack(); err == nil {
			io.WriteString(c, "HTTP/1.1 202 Accepted\r\nLoca")
			c.Close()
		}
	}},
	{"short answer", 20, gets, func(_ *storm, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&shortened{ResponseWriter: w}, r)
	}},
	{"answer lost", 3, always, func(_ *storm, w http.ResponseWriter, r *http.Request, next http.Handler) { lost(w, r, next) }},
	{"short stall", 3, always, func(s *storm, w http.ResponseWriter, r *http.Request, next http.Handler) {
		time.Sleep(s.short)
		next.ServeHTTP(w, r)
	}},
	{"stall", 1, always, func(s *storm, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if s.number(4) > 0 {
			next.ServeHTTP(w, r)
			return
		}
		time.Sleep(s.long)
		reset(w)
	}},
	{"Range is less", 2, tellsRange, changed(func(s *storm, h http.Header, _ *http.Request) { h.Set("Range", fmt.Sprintf("0-%d", s.number(100))) })},
	{"Range is more", 2, tellsRange, changed(func(s *storm, h http.Header, _ *http.Request) { h.Set("Range", fmt.Sprintf("0-%d", s.number(1<<21))) })},
	{"Range is nonsense", 1, tellsRange, changed(func(_ *storm, h http.Header, _ *http.Request) { h.Set("Range", "bytes 5/*") })},
	{"Range is lost", 1, tellsRange, changed(func(_ *storm, h http.Header, _ *http.Request) { h.Del("Range") })},
	{"Location is lost", 2, hasLocation, changed(func(_ *storm, h http.Header, _ *http.Request) { h.Del("Location") })},
	{"Location twice", 2, hasLocation, changed(func(_ *storm, h http.Header, _ *http.Request) { h.Add("Location", h.Get("Location")) })},
	{"Location is the old one", 2, patches, changed(func(_ *storm, h http.Header, r *http.Request) { h.Set("Location", r.URL.String()) })},
	{"416", 2, patches, answer(416)},
	{"upload unknown", 1, uploads, func(_ *storm, w http.ResponseWriter, r *http.Request, _ http.Handler) {
		if r.Method == http.MethodPost {
			w.WriteHeader(500)
			return
		}
		registryError(w, 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
	}},
}

// shortened promises more than it sends.
type shortened struct{ http.ResponseWriter }

func (s *shortened) Write(p []byte) (int, error) {
	s.ResponseWriter.Write(p[:len(p)/2])
	s.ResponseWriter.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func (s *storm) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if s.number(8) > 0 {
		next.ServeHTTP(w, r)
		return
	}
	var fit []fault
	for _, f := range faults {
		if f.fits(r) {
			fit = append(fit, slices.Repeat([]fault{f}, f.weight)...)
		}
	}
	f := fit[s.number(len(fit))]
	s.mu.Lock()
	s.hits[f.name]++
	s.mu.Unlock()
	f.do(s, w, r, next)
}
