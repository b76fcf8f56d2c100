package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/dockerfile"
	"github.com/imgbuild/imgbuild/pkg/function"
	"github.com/imgbuild/imgbuild/pkg/scaffold"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// findDockerfile returns the Dockerfile of a folder, empty where it has none.
// BuildKit knows it by both names.
func findDockerfile(dir string) (string, error) {
	for _, name := range []string{"Dockerfile", "dockerfile"} {
		p := filepath.Join(dir, name)
		_, err := os.Stat(p)
		if err == nil {
			return p, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", nil
}

// unfilled says whether a Dockerfile's bases are in the namespace that
// `imgbuild init` writes, which is nobody's, beside a function that is built
// without it.
func unfilled(file string) bool {
	if _, err := function.Detect(filepath.Dir(file)); err != nil {
		return false
	}
	f, err := os.Open(file)
	if err != nil {
		return false // whoever builds it says why
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, 1<<20))
	for lines.Scan() {
		word, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if (strings.EqualFold(word, "ARG") || strings.EqualFold(word, "FROM")) && strings.Contains(rest, ".aliyuncs.com/"+scaffold.Namespace+"/") {
			return true
		}
	}
	return false
}

// dockerfileBuild is one `imgbuild build` of a Dockerfile.
type dockerfileBuild struct {
	*appFlags
	g       *global
	s       *store.Store
	build   *dockerfile.Build
	bases   *localBases
	written []writing
}

// buildDockerfile builds a folder or a URL by its Dockerfile.
func buildDockerfile(ctx context.Context, g *global, a *appFlags, dir, file string) (err error) {
	d := &dockerfileBuild{appFlags: a, g: g}
	if d.build, err = a.dockerfile.build(dir, a.platforms); err != nil {
		return err
	}
	if g.offline {
		if err := a.dockerfile.goOffline(d.build); err != nil {
			return err
		}
	}
	if d.bases, err = a.dockerfile.bases.open(g); err != nil {
		return err
	}
	if _, err := a.dockerfile.builders.check(); err != nil {
		return err
	}
	if d.bases.s, d.bases.f, d.bases.m, err = g.open(); err != nil {
		return err
	}
	d.s = d.bases.s
	if d.build.Keychain, err = pullKeychain(); err != nil {
		return err
	}
	d.build.Local = d.bases
	d.build.Settled = d.tellBases
	d.build.Unread = d.tellUnread
	done, err := d.read(file)
	if err != nil {
		return err
	}
	defer done()
	defer d.discardFiles() // also those opened before one that cannot be
	if err := d.openFiles(); err != nil {
		return err
	}
	var results []result
	err = g.show(ctx, func(ctx context.Context) error {
		builder, closeAll, err := d.builder(ctx)
		if err != nil {
			return err
		}
		defer closeAll()
		results, err = d.run(ctx, builder)
		if isCorrupt(err) && !a.out.toStdout() {
			// A blob of the store was damaged and is gone now: take it again.
			results, err = d.run(ctx, builder)
		}
		return err
	})
	if f, ok := errors.AsType[*dockerfile.Failure](err); ok && g.drawn {
		err = f.Quiet() // the step's output has been drawn
	}
	if o, ok := errors.AsType[*dockerfile.OfflineError](err); ok {
		err = usageError{o}
	}
	return a.out.print(g, results, err)
}

// read reads the Dockerfile, and puts one that comes through standard input where
// the builder can ask for it.
func (d *dockerfileBuild) read(file string) (done func(), err error) {
	done = func() {}
	if dockerfile.URL(d.build.Context) && file != "-" {
		d.build.File = file
		if file == "" {
			d.build.File = "Dockerfile"
		}
		d.g.note("the Dockerfile of %s is the builder's to read: its bases come from where it says", d.build.Context)
		return done, nil
	}
	d.build.Dockerfile, err = dockerfile.ReadFile(file, os.Stdin)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return done, usage("there is no Dockerfile %s; --file names one, beginning at the working directory", file)
	case err != nil:
		return done, fmt.Errorf("reading the Dockerfile: %w", err)
	}
	d.build.File = file
	if file != "-" {
		return done, nil
	}
	dir, err := d.s.TempDir("dockerfile-*")
	if err != nil {
		return done, err
	}
	done = func() { os.RemoveAll(dir) }
	d.build.File = filepath.Join(dir, "Dockerfile")
	return done, os.WriteFile(d.build.File, d.build.Dockerfile, 0o600)
}

// builder is the first builder that runs all platforms; else the first, which
// will do where nothing is run for the others.
func (d *dockerfileBuild) builder(ctx context.Context) (*buildkit.Builder, func(), error) {
	builders, err := d.dockerfile.builders.dial(ctx, d.g)
	if err != nil {
		return nil, nil, err
	}
	closeAll := func() {
		for _, b := range builders {
			b.Close()
		}
	}
	for _, b := range builders {
		if !slices.ContainsFunc(d.platforms, func(p string) bool { return !b.Has(p) }) {
			return b, closeAll, nil
		}
	}
	return builders[0], closeAll, nil
}

func (d *dockerfileBuild) run(ctx context.Context, builder *buildkit.Builder) ([]result, error) {
	if err := d.rewindFiles(); err != nil {
		return nil, err
	}
	r, err := d.build.Run(ctx, d.s, builder)
	if err != nil {
		return nil, err
	}
	if err := d.keepFiles(); err != nil {
		return nil, err
	}
	if r.Source == nil {
		return nil, nil
	}
	var images []finished
	for _, n := range d.names {
		f, err := finishAs(n, r.Image, r.Index, d.platforms)
		if err != nil {
			return nil, err
		}
		images = append(images, f)
	}
	if err := d.tellResult(r, images[0]); err != nil {
		return nil, err
	}
	return d.out.deliver(ctx, d.g, d.s, images)
}

// tellBases says which base came from where.
func (d *dockerfileBuild) tellBases(bases []dockerfile.Base) {
	for _, b := range bases {
		name, _, _ := strings.Cut(b.Ref, "@")
		if b.Context {
			name += " of the context " + b.Key
		}
		switch {
		case b.Local && b.Why != nil:
			d.g.noteOnce("base %s: from the definitions here, %s; its registry does not give it: %v", name, b.Digest, b.Why)
		case b.Local:
			d.g.noteOnce("base %s: from the definitions here, %s", name, b.Digest)
		case b.Digest == "":
			d.g.noteOnce("base %s: the builder's own", name)
		default:
			d.g.noteOnce("base %s: from the registry, %s", name, b.Digest)
		}
	}
}

// tellUnread says that the bases are not those that imgbuild promises.
func (d *dockerfileBuild) tellUnread(err error) {
	local := ""
	if d.bases.mode != "" {
		local = ", and --local-bases has no effect"
	}
	d.g.noteOnce("warning: %s cannot be read here, only by the builder (%v): its bases are what the builder finds, none is pinned or told%s", filepath.Base(d.build.File), err, local)
}
