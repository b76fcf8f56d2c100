package source

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// tarball is a layout in a tar, read where it is: a first pass notes where the
// files are.
type tarball struct {
	file *os.File
	at   map[string]span
}

// span is a file's place in the tar, in bytes.
type span struct{ offset, size int64 }

// maxFiles limits how many files of a tar are noted.
const maxFiles = 1 << 20

func openTar(name string) (_ *tarball, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	t := &tarball{file: f, at: map[string]span{}}
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return t, nil
		}
		if errors.Is(err, tar.ErrHeader) && len(t.at) == 0 {
			return nil, errors.New("it is neither a folder nor a tar; an OCI layout is one of them, not compressed")
		}
		if err != nil {
			return nil, fmt.Errorf("reading the tar: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		// The reader takes whole headers and no more, so that the file is read
		// up to where this content begins.
		offset, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if len(t.at) >= maxFiles {
			return nil, fmt.Errorf("it has more than %d files, which no layout has", maxFiles)
		}
		t.at[path.Clean(h.Name)] = span{offset, h.Size}
	}
}

func (t *tarball) open(name string) (io.ReadCloser, int64, error) {
	s, ok := t.at[name]
	if !ok {
		return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(io.NewSectionReader(t.file, s.offset, s.size)), s.size, nil
}

func (t *tarball) close() error { return t.file.Close() }
