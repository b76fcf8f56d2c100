package source

import (
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/push"
)

// Memory is m that also knows that the source's own repository has its blobs:
// within one registry they are mounted, and not fetched.
func (s *Source) Memory(m push.Memory) push.Memory {
	r := s.name.Reference.Repository
	if r.Host == "" {
		return m
	}
	host := r.Host
	if r.Reference != "" {
		host = r.Reference // as package push names hosts
	}
	return memory{Memory: m, host: host, path: r.Path}
}

type memory struct {
	push.Memory
	host, path string
}

func (m memory) Where(host string, blob v1.Hash) []string {
	known := m.Memory.Where(host, blob)
	if host == m.host && !slices.Contains(known, m.path) {
		return append([]string{m.path}, known...)
	}
	return known
}
