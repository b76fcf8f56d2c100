package npm

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/imgbuild/imgbuild/pkg/elfstrip"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// stripper strips programs. It keeps one at a time in a file, since what is
// cut off an ELF file is known only at its end.
type stripper struct{ spool *os.File }

func newStripper(st *store.Store) (*stripper, error) {
	f, err := st.TempFile("strip-*")
	if err != nil {
		return nil, fmt.Errorf("making room to strip programs: %w", err)
	}
	return &stripper{spool: f}, nil
}

func (s *stripper) close() {
	if s != nil {
		s.spool.Close()
		os.Remove(s.spool.Name())
	}
}

// content returns the file's content, stripped where it is a program, and its
// size in bytes. It is good until the next call.
func (s *stripper) content(f file) (io.Reader, int64, error) {
	r := bufio.NewReaderSize(f.Content, 64<<10)
	if magic, err := r.Peek(len(elfstrip.Magic)); err != nil || string(magic) != elfstrip.Magic {
		return r, f.Header.Size, nil // a short file, or a read error that comes again
	}
	if _, err := s.spool.Seek(0, io.SeekStart); err != nil {
		return nil, 0, err
	}
	if err := s.spool.Truncate(0); err != nil {
		return nil, 0, err
	}
	n, err := io.Copy(s.spool, r)
	if err != nil {
		return nil, 0, err
	}
	return elfstrip.Strip(s.spool, n)
}
