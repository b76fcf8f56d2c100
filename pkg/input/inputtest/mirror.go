package inputtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Mirror is this machine's configured mirrors, without any of pkg/fetch's care
// for lines that break.
type Mirror struct {
	store   *store.Store
	mirrors *mirror.Mirrors
}

// NewMirror returns a source that fetches into st.
func NewMirror(t testing.TB, st *store.Store) *Mirror {
	t.Helper()
	m, err := mirror.New(mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &Mirror{store: st, mirrors: m}
}

// Get returns a file.
func (m *Mirror) Get(ctx context.Context, archive, path string, max int64) ([]byte, error) {
	r, err := m.do(ctx, http.MethodGet, archive, path)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(io.LimitReader(r.Body, max+1))
	if err == nil && int64(len(b)) > max {
		err = errors.New("too large")
	}
	return b, err
}

// Exists looks a file up.
func (m *Mirror) Exists(ctx context.Context, archive, path string) (bool, error) {
	r, err := m.do(ctx, http.MethodHead, archive, path)
	var s statusError
	if errors.As(err, &s) && slices.Contains([]int{403, 404, 410}, int(s)) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, r.Body.Close()
}

// Fetch downloads an input into the store, if it is not there.
func (m *Mirror) Fetch(ctx context.Context, in lock.Input) (v1.Hash, error) {
	want := v1.Hash{}
	if in.SHA256 != "" {
		want = v1.Hash{Algorithm: "sha256", Hex: in.SHA256}
		if _, ok := m.store.Has(want); ok {
			return want, nil
		}
	}
	r, err := m.do(ctx, http.MethodGet, in.Archive, in.Path)
	if err != nil {
		return v1.Hash{}, err
	}
	defer r.Body.Close()
	w, err := m.store.Create()
	if err != nil {
		return v1.Hash{}, err
	}
	defer w.Discard()
	if _, err := io.Copy(w, r.Body); err != nil {
		return v1.Hash{}, err
	}
	return w.Commit(want)
}

type statusError int

func (s statusError) Error() string { return http.StatusText(int(s)) }

func (m *Mirror) do(ctx context.Context, method, archive, path string) (*http.Response, error) {
	urls, err := m.mirrors.URLs(ctx, archive, path)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, urls[0], nil)
	if err != nil {
		return nil, err
	}
	c := http.Client{Timeout: 5 * time.Minute}
	r, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	if r.StatusCode != http.StatusOK {
		r.Body.Close()
		return nil, fmt.Errorf("%s %s: %w", method, path, statusError(r.StatusCode))
	}
	return r, nil
}
