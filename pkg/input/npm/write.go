package npm

import (
	"archive/tar"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// epoch is the time that npm gives to every file it packs (pacote sets
// 1985-10-26T08:15:00Z, as zip knows no time before 1980). Links get it too.
var epoch = time.Date(1985, time.October, 26, 8, 15, 0, 0, time.UTC)

// Write puts the files of a locked package below p.To, in the archive's order,
// then p.Links in the order of their paths. p has its placeholders expanded.
//
// Owners are root, modes 0644 or 0755. As npm does when it installs a command,
// a file that one of p.Links points to is made executable.
func Write(ctx context.Context, sink layer.Sink, st *store.Store, in lock.Input, p definition.NPMPackage) error {
	w, err := newWriter(sink, p)
	if err == nil && p.Strip {
		w.strip, err = newStripper(st)
		defer w.strip.close()
	}
	if err != nil {
		return fmt.Errorf("writing the npm package %s: %w", in.Name, err)
	}
	f, err := st.Stream(v1.Hash{Algorithm: "sha256", Hex: in.SHA256})
	if err != nil {
		return fmt.Errorf("writing the npm package %s: %w", in.Name, err)
	}
	defer f.Close()
	for file, err := range files(f, maxContent) {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err == nil {
			err = w.add(file)
		}
		if err != nil {
			return fmt.Errorf("writing the npm package %s %s: %w", in.Name, in.Version, err)
		}
	}
	if err := w.end(); err != nil {
		return fmt.Errorf("writing the npm package %s %s: %w", in.Name, in.Version, err)
	}
	return nil
}

type writer struct {
	sink layer.Sink
	p    definition.NPMPackage
	to   string
	// links are absolute paths → targets; commands are the files they point to.
	links    map[string]string
	commands map[string]bool
	// unused are the Include patterns that have matched nothing yet.
	unused map[string]bool
	strip  *stripper // nil where programs stay as they are
}

func newWriter(sink layer.Sink, p definition.NPMPackage) (*writer, error) {
	if !path.IsAbs(p.To) {
		return nil, fmt.Errorf("the folder %q is not an absolute path", p.To)
	}
	w := &writer{sink: sink, p: p, to: path.Clean(p.To),
		links: map[string]string{}, commands: map[string]bool{}, unused: map[string]bool{}}
	for _, pattern := range slices.Concat(p.Include, p.Exclude) {
		if !doublestar.ValidatePattern(pattern) {
			return nil, fmt.Errorf("%q is not a valid path pattern", pattern)
		}
	}
	for _, pattern := range p.Include {
		w.unused[pattern] = true
	}
	for name, target := range p.Links {
		if !path.IsAbs(name) {
			name = path.Join(w.to, name)
		}
		name = path.Clean(name)
		w.links[name] = target
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(name), target)
		}
		w.commands[path.Clean(target)] = true
	}
	return w, nil
}

func (w *writer) add(f file) error {
	if !w.wants(f.Path) {
		return nil
	}
	abs := path.Join(w.to, f.Path)
	hdr := &tar.Header{
		Typeflag: tar.TypeReg,
		Name:     strings.TrimPrefix(abs, "/"),
		Size:     f.Header.Size,
		Mode:     0o644,
		ModTime:  f.Header.ModTime,
	}
	if f.Header.Mode&0o111 != 0 || w.commands[abs] {
		hdr.Mode = 0o755
	}
	// Times that a plain tar header cannot hold are not worth another format.
	if s := hdr.ModTime.Unix(); s < 0 || s >= 1<<33 {
		hdr.ModTime = epoch
	}
	content := f.Content
	if w.strip != nil {
		stripped, size, err := w.strip.content(f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		content, hdr.Size = stripped, size
	}
	return w.sink.Add(hdr, content)
}

// wants says whether the file at path belongs in the layer: Include takes it
// (or there is none), and no Exclude takes it away.
func (w *writer) wants(path string) bool {
	included := len(w.p.Include) == 0
	for _, pattern := range w.p.Include {
		if doublestar.MatchUnvalidated(pattern, path) {
			delete(w.unused, pattern)
			included = true
		}
	}
	return included && !slices.ContainsFunc(w.p.Exclude, func(pattern string) bool {
		return doublestar.MatchUnvalidated(pattern, path)
	})
}

// end adds the links and reports patterns that took nothing: the package has
// changed its shape, or the definition has a typing error.
func (w *writer) end() error {
	if len(w.unused) > 0 {
		missing := slices.Sorted(maps.Keys(w.unused))
		return fmt.Errorf("no file of the package matches %q, which the definition includes", missing)
	}
	for _, name := range slices.Sorted(maps.Keys(w.links)) {
		hdr := &tar.Header{
			Typeflag: tar.TypeSymlink,
			Name:     strings.TrimPrefix(name, "/"),
			Linkname: w.links[name],
			Mode:     0o777,
			ModTime:  epoch,
		}
		if err := w.sink.Add(hdr, nil); err != nil {
			return err
		}
	}
	return nil
}
