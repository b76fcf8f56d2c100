package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// sink is a server that keeps how much of each body it got.
type sink struct {
	*httptest.Server
	mu  sync.Mutex
	got []int
}

func newSink(t *testing.T) (*sink, *wire) {
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		s.mu.Lock()
		s.got = append(s.got, len(b))
		s.mu.Unlock()
		if err == nil {
			w.Header().Set("X-Host", r.Host)
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	t.Cleanup(s.Close)
	w, err := newWire(strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return s, w
}

func (s *sink) bodies(n int) []int {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		got := append([]int(nil), s.got...)
		s.mu.Unlock()
		if len(got) >= n {
			return got
		}
	}
	return nil
}

func patch(w *wire, n int) (*http.Response, error) {
	req, err := http.NewRequest("PATCH", "http://"+w.addr+"/v2/a/blobs/uploads/1", bytes.NewReader(make([]byte, n)))
	if err != nil {
		return nil, err
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err == nil {
		res.Body.Close()
	}
	return res, err
}

func TestWireCounts(t *testing.T) {
	_, w := newSink(t)
	for range 2 {
		res, err := patch(w, 1000)
		if err != nil || res.StatusCode != http.StatusAccepted {
			t.Fatalf("got %v, %v", res, err)
		}
		if host := res.Header.Get("X-Host"); host != w.addr {
			t.Errorf("the registry was asked for as %s, not as %s", host, w.addr)
		}
	}
	res, err := http.Post("http://"+w.addr+"/v2/a/manifests/1", "", strings.NewReader("manifest"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if requests, uploaded, _ := w.counted(); requests != 3 || uploaded != 2000 {
		t.Errorf("%d requests and %d bytes of blobs were counted, not 3 and 2000", requests, uploaded)
	}
}

// All connections share the rate.
func TestWireLimits(t *testing.T) {
	_, w := newSink(t)
	w.setRate(1)
	begin := time.Now()
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if _, err := patch(w, 150_000); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	// The first piece is free.
	if took := time.Since(begin); took < 230*time.Millisecond {
		t.Errorf("300 kB at 1 MB/s took only %s", took)
	}
}

// What came before the cut arrives, and the client hears no answer.
func TestWireCutInTheMiddle(t *testing.T) {
	s, w := newSink(t)
	w.clear(&cut{after: 350_000})
	if _, err := patch(w, 100_000); err != nil {
		t.Fatal(err)
	}
	if res, err := patch(w, 300_000); err == nil {
		t.Fatalf("the second request was answered with %s", res.Status)
	}
	// What the proxy's own buffers held is lost, as on a real way.
	if got := s.bodies(2); len(got) != 2 || got[0] != 100_000 || got[1] > 250_000 || got[1] < 250_000-2*piece {
		t.Errorf("the registry got %v", got)
	}
	if _, uploaded, done := w.counted(); uploaded != 350_000 || !done {
		t.Errorf("%d bytes were counted, cut: %v", uploaded, done)
	}
	if _, err := patch(w, 100_000); err != nil {
		t.Errorf("after the cut: %v", err)
	}
}

func TestWireCutBetween(t *testing.T) {
	s, w := newSink(t)
	w.clear(&cut{after: 150_000, between: true})
	for range 2 {
		if _, err := patch(w, 100_000); err != nil {
			t.Fatal(err)
		}
	}
	if res, err := patch(w, 100_000); err == nil {
		t.Fatalf("the third request was answered with %s", res.Status)
	}
	if got := s.bodies(2); len(got) != 2 {
		t.Errorf("the registry got %v", got)
	}
	if _, uploaded, done := w.counted(); uploaded != 200_000 || !done {
		t.Errorf("%d bytes were counted, cut: %v", uploaded, done)
	}
}
