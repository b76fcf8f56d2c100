package attach

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/klauspost/compress/gzip"

	"github.com/imgbuild/imgbuild/pkg/definition"
)

// maxSource limits the files of a definition in bytes. With what tar adds, it
// stays below what definition.Extract takes.
const maxSource = 256 << 20

// SourceImage is the attachment with the source of an image, a definition's
// folder with its lock, in one layer. files are contents by slash-separated
// path, as definition.Loaded.Folder has them. The same files give the same bytes.
func SourceImage(files map[string][]byte) (v1.Image, error) {
	packed, err := pack(files)
	if err != nil {
		return nil, fmt.Errorf("packing the definition: %w", err)
	}
	// A static layer takes itself for uncompressed; as a packed one it does not.
	layer, err := partial.CompressedToLayer(struct{ partial.CompressedLayer }{static.NewLayer(packed, SourceType)})
	if err != nil {
		return nil, err
	}
	return compose(nil, mutate.Addendum{Layer: layer})
}

// pack makes a tar of the files, sorted by name, without anything in it that
// is only this machine's. What is in it is small: text, mostly the lock.
func pack(files map[string][]byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	t := tar.NewWriter(z)
	total := int64(0)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content := files[name]
		if !fs.ValidPath(name) || name == "." {
			return nil, fmt.Errorf("%q is not a path inside a folder", name)
		}
		if total += int64(len(content)); total > maxSource || len(files) > definition.MaxFolderFiles {
			return nil, fmt.Errorf("there are more than %d files or %d bytes in it", definition.MaxFolderFiles, maxSource)
		}
		err := t.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o644,
			ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
		})
		if err != nil {
			return nil, err
		}
		if _, err := t.Write(content); err != nil {
			return nil, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
