package dockerfile

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/stream"
)

// maxSmall limits manifest.json and a config in bytes; they are held in memory.
const maxSmall = 8 << 20

// saved is an image as `docker save` writes it (Docker image specification 1.2,
// "Combined Image JSON + Filesystem Changeset Format"), in a file.
type saved struct {
	file   *os.File
	at     map[string]span
	links  map[string]string // of layers that are there under another name
	config []byte
	layers []string // names of unpacked layers, from the bottom up
}

type span struct{ offset, size int64 }

// openSaved reads the archive. Its order is not known before its end, so that it
// is written to a file of the store first.
func openSaved(ctx context.Context, st *store.Store, r io.Reader) (_ *saved, err error) {
	f, err := st.TempFile("saved-*")
	if err != nil {
		return nil, err
	}
	s := &saved{file: f, at: map[string]span{}, links: map[string]string{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if _, err := io.Copy(f, stream.Until(ctx, r)); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	t := tar.NewReader(f)
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		name := path.Clean(h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			offset, err := f.Seek(0, io.SeekCurrent)
			if err != nil {
				return nil, err
			}
			s.at[name] = span{offset, h.Size}
		case tar.TypeSymlink:
			s.links[name] = path.Join(path.Dir(name), h.Linkname)
		}
	}
	return s, s.read()
}

func (s *saved) close() {
	s.file.Close()
	os.Remove(s.file.Name())
}

func (s *saved) read() error {
	b, err := s.small("manifest.json")
	if err != nil {
		return err
	}
	var m []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("manifest.json: %w", err)
	}
	if len(m) != 1 {
		return fmt.Errorf("the archive has %d images", len(m))
	}
	s.layers = m[0].Layers
	s.config, err = s.small(m[0].Config)
	return err
}

func (s *saved) small(name string) ([]byte, error) {
	r, err := s.open(name)
	if err != nil {
		return nil, err
	}
	if r.Size() > maxSmall {
		return nil, fmt.Errorf("%s has %d bytes, which is more than belongs there", name, r.Size())
	}
	return io.ReadAll(r)
}

func (s *saved) open(name string) (*io.SectionReader, error) {
	name = path.Clean(name)
	if to, ok := s.links[name]; ok {
		name = to
	}
	at, ok := s.at[name]
	if !ok {
		return nil, fmt.Errorf("the archive lacks %s", name)
	}
	return io.NewSectionReader(s.file, at.offset, at.size), nil
}
