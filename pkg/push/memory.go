package push

import (
	"context"
	"slices"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/store"
)

// Memory remembers in which repositories of a host a blob was, so that another
// repository of that host can mount it. What it says is a hint: registries
// forget blobs. Implementations are safe for concurrent use.
type Memory interface {
	// Where returns repositories, the most useful first.
	Where(host string, blob v1.Hash) []string
	// Put replaces what Where returns. Errors are the memory's own affair: a
	// push does not fail for want of one.
	Put(host string, blob v1.Hash, repositories []string)
	// Upload returns where an upload of the blob to NAME (HOST/PATH) was going
	// on when a run ended, "" for none. PutUpload replaces it.
	Upload(name string, blob v1.Hash) string
	PutUpload(name string, blob v1.Hash, location string)
}

type noMemory struct{}

func (noMemory) Where(string, v1.Hash) []string    { return nil }
func (noMemory) Put(string, v1.Hash, []string)     {}
func (noMemory) Upload(string, v1.Hash) string     { return "" }
func (noMemory) PutUpload(string, v1.Hash, string) {}

// StoreMemory keeps the memory as records of the store.
func StoreMemory(s *store.Store) Memory {
	s.SweepRecords(uploadKind, uploadAge)
	return &storeMemory{s: s}
}

const (
	memoryKind = "blob-locations"
	uploadKind = "blob-uploads"
	// uploadAge is when no registry knows an upload any more: the CNCF
	// distribution server purges those of a week.
	uploadAge = 14 * 24 * time.Hour
)

type storeMemory struct{ s *store.Store }

func (m *storeMemory) Where(host string, blob v1.Hash) []string {
	var repos []string
	if ok, err := m.s.Record(memoryKind, host+" "+blob.String(), &repos); err != nil || !ok {
		return nil
	}
	return repos
}

func (m *storeMemory) Put(host string, blob v1.Hash, repositories []string) {
	_ = m.s.PutRecord(memoryKind, host+" "+blob.String(), repositories)
}

func (m *storeMemory) Upload(name string, blob v1.Hash) string {
	var location string
	if ok, err := m.s.Record(uploadKind, name+" "+blob.String(), &location); err != nil || !ok {
		return ""
	}
	return location
}

func (m *storeMemory) PutUpload(name string, blob v1.Hash, location string) {
	if location == "" {
		_ = m.s.RemoveRecord(uploadKind, name+" "+blob.String())
		return
	}
	_ = m.s.PutRecord(uploadKind, name+" "+blob.String(), location)
}

// remembered is how many repositories are kept for a blob.
const remembered = 4

// flight makes pushes of one blob to one host take turns: the second finds the
// blob where the first put it, and mounts. Within the run it also is the
// memory in front of Memory.
type flight struct {
	mu    sync.Mutex
	blobs map[blobKey]*blobState
}

type blobKey struct {
	host string
	blob v1.Hash
}

type blobState struct {
	turn   chan struct{} // holds one value: whose turn it is
	loaded bool
	repos  []string
}

// enter waits for the blob's turn.
func (f *flight) enter(ctx context.Context, k blobKey) (*blobState, func(), error) {
	f.mu.Lock()
	if f.blobs == nil {
		f.blobs = map[blobKey]*blobState{}
	}
	s, ok := f.blobs[k]
	if !ok {
		s = &blobState{turn: make(chan struct{}, 1)}
		f.blobs[k] = s
	}
	f.mu.Unlock()
	select {
	case s.turn <- struct{}{}:
		return s, func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
}

// where returns the repositories to mount from into repo.
func (s *blobState) where(m Memory, k blobKey, repo string) []string {
	if !s.loaded {
		s.repos, s.loaded = m.Where(k.host, k.blob), true
	}
	return slices.DeleteFunc(slices.Clone(s.repos), func(r string) bool { return r == repo })
}

// put notes that the blob is in repo.
func (s *blobState) put(m Memory, k blobKey, repo string) {
	s.where(m, k, repo)
	if slices.Contains(s.repos, repo) {
		return
	}
	s.repos = slices.Insert(slices.Clone(s.repos), 0, repo)
	s.repos = s.repos[:min(len(s.repos), remembered)]
	m.Put(k.host, k.blob, s.repos)
}

// forget notes that the blob cannot be mounted from repo.
func (s *blobState) forget(m Memory, k blobKey, repo string) {
	i := slices.Index(s.repos, repo)
	if i < 0 {
		return
	}
	s.repos = slices.Delete(slices.Clone(s.repos), i, i+1)
	m.Put(k.host, k.blob, s.repos)
}
