package rootfs

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
)

// spool is a temporary file that contents are appended to, one after the
// other, so that they need not stay in memory. It has no name any more: it is
// gone when the process is, however that ends.
type spool struct {
	f   *os.File
	w   *bufio.Writer
	off int64
}

// content is a part of a spool.
type content struct {
	s         *spool
	off, size int64
}

func newSpool(dir string) (*spool, error) {
	f, err := os.CreateTemp(dir, "rootfs-*")
	if err != nil {
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	return &spool{f: f, w: bufio.NewWriterSize(f, 256<<10)}, nil
}

// add appends all of r. One add at a time; flush before reading.
func (s *spool) add(r io.Reader) (*content, error) {
	c := &content{s: s, off: s.off}
	n, err := io.Copy(s.w, r)
	s.off += n
	c.size = n
	return c, err
}

func (s *spool) flush() error { return s.w.Flush() }

func (s *spool) Close() error { return s.f.Close() }

// reader reads the content from its beginning.
func (c *content) reader() *io.SectionReader { return io.NewSectionReader(c.s.f, c.off, c.size) }

// spoolContent is content as effects see it.
type spoolContent struct{ *io.SectionReader }

// Close does nothing: the spool outlives all effects.
func (spoolContent) Close() error { return nil }

// sameContent compares two contents byte by byte.
func sameContent(a, b *content) (bool, error) {
	if a == b {
		return true, nil
	}
	if a == nil || b == nil || a.size != b.size {
		return false, nil
	}
	x, y := a.reader(), b.reader()
	p, q := make([]byte, 64<<10), make([]byte, 64<<10)
	for left := a.size; left > 0; {
		n := min(left, int64(len(p)))
		if _, err := io.ReadFull(x, p[:n]); err != nil {
			return false, fmt.Errorf("reading back: %w", err)
		}
		if _, err := io.ReadFull(y, q[:n]); err != nil {
			return false, fmt.Errorf("reading back: %w", err)
		}
		if !bytes.Equal(p[:n], q[:n]) {
			return false, nil
		}
		left -= n
	}
	return true, nil
}
