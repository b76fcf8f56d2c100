// Package images holds the definitions and locks of imgbuild's own images,
// embedded so that one copied binary works anywhere.
package images

import (
	"embed"
	"io/fs"
	"slices"
)

// Both images of Node.js have the same adapter.
//
//go:generate rm -rf typescript/adapter
//go:generate cp -R node/adapter typescript/adapter
//go:embed golang node typescript
var files embed.FS

// Schema is the JSON Schema of image.yaml.
//
//go:embed image.schema.json
var Schema []byte

// FS has one folder an image, with image.yaml, image.lock and the files that
// the definition takes along.
func FS() fs.FS { return files }

// Names returns the names of the images, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // the root of an embed.FS is always there
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

// Open returns the folder of the image called name, and whether there is one.
func Open(name string) (fs.FS, bool) {
	if !slices.Contains(Names(), name) {
		return nil, false
	}
	dir, err := fs.Sub(files, name)
	return dir, err == nil
}
