package bundle

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/input/debian"
	"github.com/imgbuild/imgbuild/pkg/input/npm"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// keyrings is the folder of the keys.
const keyrings = "keyrings"

const keyringsReadme = `The keys that the inputs of this bundle were verified with when the lock was
made; image.lock says which one vouched for what.

debian/        the archive keys of Debian
npm/keys.json  the public npm registry's signing keys
Go             the checksum database's key is in each Go toolchain itself:
               src/cmd/go/internal/modfetch/key.go
`

// packFolder makes layer 0.
func packFolder(st *store.Store, r Request) (*layer.Layer, error) {
	data, err := r.Lock.Marshal()
	if err != nil {
		return nil, err
	}
	files, err := r.Definition.Folder(data)
	if err != nil {
		return nil, err
	}
	for name := range files {
		if name == keyrings || strings.HasPrefix(name, keyrings+"/") {
			return nil, fmt.Errorf("the definition takes along %s, and that folder of a bundle is for keys; give it another name", name)
		}
	}
	if err := addKeys(files, r.Lock); err != nil {
		return nil, err
	}
	return layer.Build(st, layer.Gzip, func(s layer.Sink) error {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[name]))}
			if err := s.Add(h, bytes.NewReader(files[name])); err != nil {
				return err
			}
		}
		return nil
	})
}

// addKeys adds the keys for the kinds of input that the lock has.
func addKeys(files map[string][]byte, l *lock.Lock) error {
	files[keyrings+"/README.txt"] = []byte(keyringsReadme)
	has := func(kind string) bool {
		return slices.ContainsFunc(l.Inputs, func(in lock.Input) bool { return in.Kind == kind })
	}
	if has(lock.KindNPM) {
		files[keyrings+"/npm/keys.json"] = npm.KeysFile()
	}
	if !has(lock.KindDebian) {
		return nil
	}
	debian := debian.Keyrings()
	return fs.WalkDir(debian, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[keyrings+"/debian/"+name], err = fs.ReadFile(debian, name)
		return err
	})
}
