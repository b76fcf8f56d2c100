// Package inputtest is what the tests of pkg/input's packages share: a mirror
// in memory, this machine's real one, a store that outlives a test run, and a
// sink that remembers.
package inputtest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Memory is a mirror whose files are in a map: "archive:path" → content. It is
// safe for concurrent use once filled.
type Memory struct {
	Store *store.Store
	Files map[string]string

	mu sync.Mutex
	// Asked are the requests in order: "get npm:typescript".
	Asked []string
}

// Get returns a file.
func (m *Memory) Get(_ context.Context, archive, path string, max int64) ([]byte, error) {
	s, err := m.ask("get", archive, path)
	if err == nil && int64(len(s)) > max {
		err = fmt.Errorf("%s is larger than %d bytes", path, max)
	}
	return []byte(s), err
}

// Exists looks a file up.
func (m *Memory) Exists(_ context.Context, archive, path string) (bool, error) {
	_, err := m.ask("head", archive, path)
	return err == nil, nil
}

// Fetch copies a file into the store.
func (m *Memory) Fetch(_ context.Context, in lock.Input) (v1.Hash, error) {
	s, err := m.ask("fetch", in.Archive, in.Path)
	if err != nil {
		return v1.Hash{}, err
	}
	w, err := m.Store.Create()
	if err != nil {
		return v1.Hash{}, err
	}
	defer w.Discard()
	if _, err := strings.NewReader(s).WriteTo(w); err != nil {
		return v1.Hash{}, err
	}
	var want v1.Hash
	if in.SHA256 != "" {
		want = v1.Hash{Algorithm: "sha256", Hex: in.SHA256}
	}
	return w.Commit(want)
}

func (m *Memory) ask(verb, archive, path string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := archive + ":" + path
	m.Asked = append(m.Asked, verb+" "+key)
	s, ok := m.Files[key]
	if !ok {
		return "", fmt.Errorf("%s: 404 Not Found", path)
	}
	return s, nil
}
