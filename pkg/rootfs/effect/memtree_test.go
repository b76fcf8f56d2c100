package effect

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

// memTree is a small rootfs.Tree in memory.
type memTree struct {
	arch    string
	time    time.Time
	entries map[string]*tar.Header
	content map[string][]byte
	control []rootfs.ControlFile
	put     map[string]bool // what effects have put
}

func newMemTree(arch string) *memTree {
	return &memTree{
		arch: arch, time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		entries: map[string]*tar.Header{}, content: map[string][]byte{}, put: map[string]bool{},
	}
}

func (m *memTree) file(p, text string) *memTree {
	m.add(&tar.Header{Typeflag: tar.TypeReg, Name: p, Mode: 0o644, Size: int64(len(text))}, []byte(text))
	return m
}

func (m *memTree) link(p, target string) *memTree {
	m.add(&tar.Header{Typeflag: tar.TypeSymlink, Name: p, Linkname: target, Mode: 0o777}, nil)
	return m
}

func (m *memTree) script(pkg, name, text string) *memTree {
	m.control = append(m.control, rootfs.ControlFile{Package: pkg, Name: name, Text: []byte(text)})
	return m
}

func (m *memTree) add(hdr *tar.Header, content []byte) {
	for dir := parent(hdr.Name); dir != "" && m.entries[dir] == nil; dir = parent(dir) {
		m.entries[dir] = &tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: m.time}
	}
	m.entries[hdr.Name] = hdr
	m.content[hdr.Name] = content
}

func (m *memTree) Lookup(p string) (*tar.Header, bool) {
	hdr, ok := m.entries[p]
	return hdr, ok
}

func (m *memTree) Walk(dir string) iter.Seq[*tar.Header] {
	return func(yield func(*tar.Header) bool) {
		for _, p := range slices.Sorted(maps.Keys(m.entries)) {
			if dir == "" || p == dir || strings.HasPrefix(p, dir+"/") {
				if hdr := m.entries[p]; hdr != nil && !yield(hdr) {
					return
				}
			}
		}
	}
}

type memContent struct{ *bytes.Reader }

func (memContent) Close() error { return nil }

func (m *memTree) Open(p string) (rootfs.Content, error) {
	real, hdr, ok := resolve(m, p)
	if !ok {
		return nil, fmt.Errorf("%s is not there", p)
	}
	if hdr.Typeflag == tar.TypeLink {
		real = hdr.Linkname
	}
	b, ok := m.content[real]
	if !ok {
		return nil, fmt.Errorf("the content of %s was not kept", real)
	}
	return memContent{bytes.NewReader(b)}, nil
}

func (m *memTree) Put(hdr *tar.Header, content io.Reader) error {
	if hdr.Name != path.Clean(hdr.Name) || path.IsAbs(hdr.Name) || strings.HasPrefix(hdr.Name, "..") {
		return fmt.Errorf("%q is not a clean path", hdr.Name)
	}
	h := *hdr
	if h.ModTime.IsZero() {
		h.ModTime = m.time
	}
	var b []byte
	if content != nil {
		var err error
		if b, err = io.ReadAll(content); err != nil {
			return err
		}
	}
	if int64(len(b)) != h.Size {
		return fmt.Errorf("%s has %d bytes, its header says %d", h.Name, len(b), h.Size)
	}
	m.put[h.Name] = true
	m.add(&h, b)
	return nil
}

func (m *memTree) Remove(p string) {
	for q := range m.entries {
		if q == p || strings.HasPrefix(q, p+"/") {
			delete(m.entries, q)
			delete(m.content, q)
		}
	}
}

func (m *memTree) Arch() string { return m.arch }

func (m *memTree) ControlFiles() iter.Seq[rootfs.ControlFile] { return slices.Values(m.control) }

// text returns what is at p: a file's content, or a link's target.
func (m *memTree) text(p string) string {
	hdr := m.entries[p]
	switch {
	case hdr == nil:
		return "(nothing)"
	case hdr.Typeflag == tar.TypeSymlink:
		return "→ " + hdr.Linkname
	}
	return string(m.content[p])
}
