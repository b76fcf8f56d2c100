package fetch

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// server is a mirror on loopback that answers as the test says and keeps what
// it was asked.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

// serve answers the n-th request, counted from 0, by answer.
func serve(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.requests)
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		answer(n, w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *server) asked() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.requests...)
}

// content is n bytes that no compressor and no luck reproduces.
func content(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1, 2, 3})
	r.Read(b)
	return b
}

func input(b []byte) lock.Input {
	h := sha256.Sum256(b)
	return lock.Input{
		ID: "deb:thing@1/amd64", Kind: lock.KindDebian, Name: "thing", Version: "1",
		Archive: mirror.Debian, Path: "pool/t/thing_1_amd64.deb", Size: int64(len(b)), SHA256: hex.EncodeToString(h[:]),
	}
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// fetcher fetches everything from url (several: commas), without patience.
func fetcher(t *testing.T, st *store.Store, url string, opts ...Option) *Fetcher {
	t.Helper()
	m, err := mirror.New(mirror.Options{Flags: map[string]string{mirror.Debian: url, mirror.NPM: url}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(st, m, append([]Option{Tries(3, time.Millisecond), Stall(5 * time.Second)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// fetched fetches in and fails the test unless the store then has want.
func fetched(t *testing.T, st *store.Store, f *Fetcher, in lock.Input, want []byte) {
	t.Helper()
	h, err := f.Fetch(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Verify(h); err != nil {
		t.Fatal(err)
	}
	if size, _ := st.Has(h); size != int64(len(want)) || h.Hex != input(want).SHA256 {
		t.Fatalf("fetched %d bytes as %s, want %d as %s", size, h.Hex, len(want), input(want).SHA256)
	}
}

func hash(t *testing.T, in lock.Input) v1.Hash {
	t.Helper()
	h, err := wanted(in)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
