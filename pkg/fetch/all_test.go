package fetch

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/progress"
)

// steps counts what the fetcher reports.
type steps struct {
	begun, done, bytes, total, cached atomic.Int64
}

func (s *steps) Start(name string, total int64) progress.Step {
	s.begun.Add(1)
	s.total.Add(total)
	return s
}
func (s *steps) Add(n int64)   { s.bytes.Add(n) }
func (s *steps) Total(n int64) {}
func (s *steps) Log(string)    {}
func (s *steps) Cached()       { s.cached.Add(1) }
func (s *steps) Done(error)    { s.done.Add(1) }

func TestAll(t *testing.T) {
	var ins []lock.Input
	bodies := map[string][]byte{}
	for i := range 40 {
		b := []byte(strings.Repeat(fmt.Sprint(i, " "), 2000))
		in := input(b)
		in.Path = fmt.Sprintf("pool/%d", i)
		bodies["/"+in.Path] = b
		ins = append(ins, in, in) // twice: the second finds it
	}
	var running, most atomic.Int64
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		now := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
		}
		time.Sleep(2 * time.Millisecond)
		if n%7 == 0 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		whole(w, r, bodies[r.URL.Path])
	})
	st, rep := openStore(t), &steps{}
	f := fetcher(t, st, s.URL, Jobs(4), Tries(10, time.Millisecond))
	if err := f.All(progress.With(t.Context(), rep), ins); err != nil {
		t.Fatal(err)
	}
	for _, in := range ins {
		if err := st.Verify(hash(t, in)); err != nil {
			t.Error(err)
		}
	}
	if m := most.Load(); m < 2 || m > 4 {
		t.Errorf("%d downloads at once, want 2 to 4", m)
	}
	if b, d, c := rep.begun.Load(), rep.done.Load(), rep.cached.Load(); b != 80 || d != 80 || c != 40 {
		t.Errorf("%d steps begun, %d done, %d cached; want 80, 80, 40", b, d, c)
	}
	if got, want := rep.bytes.Load(), rep.total.Load()/2; got != want {
		t.Errorf("%d bytes reported, want %d", got, want)
	}
}

// TestAllStops: a file that nobody has ends the downloads beside it at once.
func TestAllStops(t *testing.T) {
	b := content(70000)
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			w.WriteHeader(404)
			return
		}
		w.Write(b[:100])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	slow, missing := input(b), input([]byte("x"))
	missing.Path, missing.Name = "missing", "gone"
	start := time.Now()
	err := fetcher(t, openStore(t), s.URL, Stall(5*time.Minute)).All(t.Context(), []lock.Input{slow, missing})
	if err == nil || !strings.Contains(err.Error(), "fetching gone 1: the mirror does not have it") {
		t.Error(err)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %s", took)
	}
}
