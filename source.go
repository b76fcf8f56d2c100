// Package imgbuild holds what imgbuild carries of its own source: the shim,
// which it compiles for every image that it makes.
package imgbuild

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// The packages that the shim is made of; a test compares them with its imports.
//
//go:embed cmd/shim/*.go pkg/fc/*.go pkg/shim/*.go
//go:embed pkg/shim/clock/*.go pkg/shim/discovery/*.go pkg/shim/front/*.go pkg/shim/http1/*.go pkg/shim/http2/*.go
//go:embed pkg/shim/journal/*.go pkg/shim/lambda/*.go pkg/shim/message/*.go pkg/shim/once/*.go pkg/shim/program/*.go
//go:embed pkg/shim/relay/*.go pkg/shim/runtimeapi/*.go
var shimSource embed.FS

// SourceFile is one file of the shim's source.
type SourceFile struct {
	// Path is slash-separated and relative to the module's root.
	Path    string
	Content []byte
}

// Module is the module that the shim's packages belong to. They import the
// standard library and each other only, so that it needs no requirements.
const Module = "github.com/imgbuild/imgbuild"

// ShimSource returns the shim's source without its tests, sorted by path. The
// contents are shared: do not write to them.
var ShimSource = sync.OnceValue(func() []SourceFile {
	var files []SourceFile
	err := fs.WalkDir(shimSource, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path.Base(p), "_test.go") {
			return err
		}
		b, err := shimSource.ReadFile(p)
		files = append(files, SourceFile{p, b})
		return err
	})
	if err != nil {
		panic("reading the embedded shim: " + err.Error()) // memory does not fail
	}
	slices.SortFunc(files, func(a, b SourceFile) int { return strings.Compare(a.Path, b.Path) })
	return files
})

// ShimSourceHash is the lower-case hex SHA-256 over names and contents of
// ShimSource.
var ShimSourceHash = sync.OnceValue(func() string {
	h := sha256.New()
	for _, f := range ShimSource() {
		fmt.Fprintf(h, "%s %d\n", f.Path, len(f.Content))
		h.Write(f.Content)
	}
	return hex.EncodeToString(h.Sum(nil))
})
