package assemble

import (
	"archive/tar"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Shim makes the layer that holds the shim, an ELF file in the store.
func Shim(s *store.Store, c layer.Compression, elf v1.Hash) (*layer.Layer, error) {
	l, err := layer.Build(s, c, func(sink layer.Sink) error {
		f, err := s.Open(elf)
		if err != nil {
			return err
		}
		defer f.Close()
		fi, err := f.Stat()
		if err != nil {
			return err
		}
		// Where the platform and every Dockerfile put the function; runc
		// starts nothing in a folder that is not there.
		code := &tar.Header{Name: "code", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: fileTime}
		if err := sink.Add(code, nil); err != nil {
			return err
		}
		return sink.Add(&tar.Header{
			Name:     definition.ShimPath[1:],
			Typeflag: tar.TypeReg,
			Mode:     0o755,
			Size:     fi.Size(),
			ModTime:  fileTime,
		}, f)
	})
	if err != nil {
		return nil, fmt.Errorf("layer shim: %w", err)
	}
	return l, nil
}
