package debian

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// httpSource is a Source over this machine's mirrors.
type httpSource struct {
	t  testing.TB
	m  *mirror.Mirrors
	st *store.Store

	mu      sync.Mutex
	fetched []string // paths given to Fetch
}

func newHTTPSource(t testing.TB, st *store.Store) *httpSource {
	t.Helper()
	m, err := mirror.New(mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &httpSource{t: t, m: m, st: st}
}

func (s *httpSource) open(ctx context.Context, archive, path string) (io.ReadCloser, error) {
	urls, err := s.m.URLs(ctx, archive, path)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, urls[0], nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Timeout: 2 * time.Minute}).Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusNotFound {
		resp.Body.Close()
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%s: %s", path, resp.Status)
	}
	return resp.Body, nil
}

func (s *httpSource) Get(ctx context.Context, archive, path string, max int64) ([]byte, error) {
	body, err := s.open(ctx, archive, path)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, max+1))
	if err == nil && int64(len(b)) > max {
		err = fmt.Errorf("%s is larger than %d bytes", path, max)
	}
	return b, err
}

func (s *httpSource) Fetch(ctx context.Context, in lock.Input) (v1.Hash, error) {
	s.mu.Lock()
	s.fetched = append(s.fetched, in.Path)
	s.mu.Unlock()
	want := v1.Hash{Algorithm: "sha256", Hex: in.SHA256}
	if _, ok := s.st.Has(want); ok {
		return want, nil
	}
	body, err := s.open(ctx, in.Archive, in.Path)
	if err != nil {
		return v1.Hash{}, err
	}
	defer body.Close()
	w, err := s.st.Create()
	if err != nil {
		return v1.Hash{}, err
	}
	defer w.Discard()
	if _, err := io.Copy(w, io.LimitReader(body, in.Size+1)); err != nil {
		return v1.Hash{}, err
	}
	return w.Commit(want)
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func secondsOf(n uint32) time.Duration { return time.Duration(n) * time.Second }
