package assemble

import (
	"os"

	"github.com/imgbuild/imgbuild/pkg/store"
)

// tempDir makes a folder beside the store's blobs, which are on the disk that
// has room for a layer.
func tempDir(s *store.Store) (dir string, cleanup func(), err error) {
	dir, err = s.TempDir("layer-*")
	return dir, func() { os.RemoveAll(dir) }, err
}
