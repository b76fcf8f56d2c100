package conformance

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/imgbuild/imgbuild"
)

//go:embed *.go program/*.go
var source embed.FS

// ProgramPackage is the test program's, to be compiled from ProgramSource.
const ProgramPackage = "./pkg/shim/conformance/program"

// ProgramSource is the test program's source: it imports the standard library
// only. The contents are shared: do not write to them.
var ProgramSource = sync.OnceValue(func() []imgbuild.SourceFile { return files("program") })

// SourceHash is the lower-case hex SHA-256 over the rules and the test program:
// what another one of it has found may be otherwise now.
var SourceHash = sync.OnceValue(func() string {
	h := sha256.New()
	for _, f := range append(files("."), ProgramSource()...) {
		fmt.Fprintf(h, "%s %d\n", f.Path, len(f.Content))
		h.Write(f.Content)
	}
	return hex.EncodeToString(h.Sum(nil))
})

// files are those of a folder, without tests, sorted by name.
func files(dir string) (all []imgbuild.SourceFile) {
	entries, err := fs.ReadDir(source, dir)
	if err != nil {
		panic("reading the embedded rules: " + err.Error()) // memory does not fail
	}
	for _, e := range entries {
		if e.IsDir() || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		b, err := source.ReadFile(path.Join(dir, e.Name()))
		if err != nil {
			panic("reading the embedded rules: " + err.Error())
		}
		all = append(all, imgbuild.SourceFile{Path: path.Join("pkg/shim/conformance", dir, e.Name()), Content: b})
	}
	return all
}
