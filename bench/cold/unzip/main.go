// Command unzip unpacks a Go toolchain's module zip for the peer, on all
// cores: unzip ZIP FOLDER PATTERN… leaves out what matches a pattern.
package main

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/klauspost/compress/flate"
	"golang.org/x/sync/errgroup"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "unzip:", err)
		os.Exit(1)
	}
}

func run(archive, dir string, exclude []string) error {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer r.Close()
	r.RegisterDecompressor(zip.Deflate, flate.NewReader)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for _, f := range r.File {
		// golang.org/toolchain@VERSION/path
		_, name, _ := strings.Cut(f.Name, "@")
		_, name, _ = strings.Cut(name, "/")
		if base := filepath.Base(name); base == "_go.mod" {
			name = filepath.Join(filepath.Dir(name), "go.mod")
		}
		if !slices.ContainsFunc(exclude, func(p string) bool { return doublestar.MatchUnvalidated(p, name) }) {
			g.Go(func() error { return unpack(root, name, f) })
		}
	}
	return g.Wait()
}

func unpack(root *os.Root, name string, f *zip.File) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(name, "bin/") || strings.HasPrefix(name, "pkg/tool/") {
		mode = 0o755
	}
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
