package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/resolve"
)

func newLock(g *global) *cobra.Command {
	update := false
	c := &cobra.Command{
		Use:   "lock [NAME]...",
		Short: "Resolve definitions anew and say what moved",
		Long: `Asks the mirrors which packages a definition comes to now, verifies them to the
signature, makes each layer once, and prints what differs from the lock, one
line a package. With --update the lock is written.

NAME is an image inside imgbuild, or the path of an image.yaml or of its folder;
none means all images inside imgbuild. Where something moved and --update is
given, in a checkout of imgbuild the lock under images/ is written; elsewhere an
image's definition and new lock are written to ./NAME/, to be built with
imgbuild ./NAME.

Locking a Go toolchain needs the go command, which asks the checksum database.`,
		Example:           "  imgbuild lock                     what would move?\n  imgbuild lock golang --update\n  imgbuild lock ./ruby/image.yaml --update",
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = images.Names()
			}
			return g.lock(cmd.Context(), args, update)
		},
	}
	c.Flags().BoolVar(&update, "update", false, "write the lock")
	return c
}

// toLock is a definition and where its new lock goes, nil for nowhere.
type toLock struct {
	*definition.Loaded
	write func(*lock.Lock) (wrote string, err error)
}

func (g *global) lock(ctx context.Context, refs []string, update bool) error {
	if g.offline {
		return usage("lock asks the mirrors what there is, which --offline forbids; leave it out")
	}
	// What stands in the way is said before minutes of work.
	var todo []toLock
	for _, ref := range refs {
		d, err := definition.Load(ref)
		if err != nil {
			return usageError{err}
		}
		t := toLock{Loaded: d}
		if update {
			if t.write, err = lockTarget(d); err != nil {
				return err
			}
		}
		todo = append(todo, t)
	}
	s, f, m, err := g.open()
	if err != nil {
		return err
	}
	r := resolve.New(f, s)
	if r.GoProxy, err = goProxy(ctx, m); err != nil {
		return err
	}
	for _, t := range todo {
		var now *lock.Lock
		if err := g.show(ctx, func(ctx context.Context) (err error) {
			now, err = r.Lock(ctx, t.Definition)
			return err
		}); err != nil {
			return err
		}
		if err := g.compare(t, now); err != nil {
			return err
		}
	}
	return nil
}

// compare prints what moved and writes the lock where that is asked for.
func (g *global) compare(t toLock, now *lock.Lock) error {
	data, err := now.Marshal()
	if err != nil {
		return err
	}
	old, err := t.ReadLock()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if bytes.Equal(old, data) {
		g.warn("%s: the lock is up to date", t.Name)
		return nil
	}
	// A lock that cannot be read, or none, is a reason to make one.
	before, err := lock.Read(t.LockPath(), old)
	if err != nil {
		before = &lock.Lock{}
	}
	if err := lock.Print(g.stdout, t.Name, lock.Diff(before, now)); err != nil {
		return err
	}
	if t.write == nil {
		g.warn("%s: nothing is written without --update", t.Name)
		return nil
	}
	wrote, err := t.write(now)
	if err != nil {
		return err
	}
	g.warn("%s: wrote %s", t.Name, wrote)
	return nil
}

// lockTarget finds where a new lock of d goes, and returns what writes it. An
// embedded definition is updated in a checkout of imgbuild; outside of one it
// is copied to a folder in the working directory.
func lockTarget(d *definition.Loaded) (write func(*lock.Lock) (string, error), err error) {
	beside := func(d *definition.Loaded) func(*lock.Lock) (string, error) {
		return func(l *lock.Lock) (string, error) { return d.LockPath(), l.WriteFile(d.LockPath()) }
	}
	if d.Dir != "" {
		return beside(d), nil
	}
	inTree := "./" + filepath.ToSlash(filepath.Dir(d.Source))
	switch here, err := definition.Load(inTree); {
	case err == nil && here.Digest() == d.Digest():
		return beside(here), nil
	case err == nil:
		return nil, fmt.Errorf("%s differs from the %s inside this imgbuild; build imgbuild anew, or run imgbuild lock %s --update", inTree, d.Name, inTree)
	}
	dir := d.Name
	if _, err := os.Lstat(dir); err == nil {
		return nil, fmt.Errorf("./%s is in the way of a copy of the definition; if it is one, run imgbuild lock ./%s --update, else work in another folder", dir, dir)
	}
	return func(l *lock.Lock) (string, error) {
		data, err := l.Marshal()
		if err != nil {
			return "", err
		}
		return "./" + dir + ", to be built with imgbuild ./" + dir, d.CopyTo(dir, data)
	}, nil
}

// goProxy is where Go modules are fetched from, as the go command wants it.
func goProxy(ctx context.Context, m *mirror.Mirrors) (string, error) {
	bases, err := m.Bases(ctx, mirror.Go)
	var urls []string
	for _, b := range bases {
		urls = append(urls, b.URL)
	}
	return strings.Join(urls, ","), err
}
