package inputtest

import (
	"archive/tar"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
)

// Sink is a layer.Sink that remembers its entries, and refuses a path twice as
// the real one does.
type Sink struct {
	// Headers are the entries in order; Sums the hashes of their content.
	Headers []tar.Header
	Sums    map[string]string
	// Keep, where it returns true, has the content of a file kept in Content.
	Keep    func(path string) bool
	Content map[string][]byte
}

// Add takes an entry.
func (s *Sink) Add(hdr *tar.Header, content io.Reader) error {
	if s.Sums == nil {
		s.Sums, s.Content = map[string]string{}, map[string][]byte{}
	}
	if _, twice := s.Sums[hdr.Name]; twice {
		return fmt.Errorf("%s is in the layer twice", hdr.Name)
	}
	sum := sha256.New()
	if content != nil {
		var kept strings.Builder
		w := io.Writer(sum)
		if s.Keep != nil && s.Keep(hdr.Name) {
			w = io.MultiWriter(sum, &kept)
		}
		n, err := io.CopyN(w, content, hdr.Size)
		if err != nil {
			return fmt.Errorf("%s: %d of %d bytes: %w", hdr.Name, n, hdr.Size, err)
		}
		if kept.Len() > 0 {
			s.Content[hdr.Name] = []byte(kept.String())
		}
	}
	s.Sums[hdr.Name] = fmt.Sprintf("%x", sum.Sum(nil))
	s.Headers = append(s.Headers, *hdr)
	return nil
}

// String lists the entries as `tar tv` does, one a line, with the beginning of
// each file's SHA-256.
func (s *Sink) String() string {
	var b strings.Builder
	for _, h := range s.Headers {
		fmt.Fprintf(&b, "%c %04o %d:%d %8d %s %s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Size,
			h.ModTime.UTC().Format("2006-01-02T15:04:05Z"), h.Name)
		if h.Linkname != "" {
			fmt.Fprintf(&b, " -> %s", h.Linkname)
		} else {
			fmt.Fprintf(&b, " %.12s", s.Sums[h.Name])
		}
		b.WriteByte('\n')
	}
	return b.String()
}
