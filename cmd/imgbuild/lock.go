package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
		Long: `Asks the mirrors which packages a definition comes to now, verifies them, and
says what differs from its lock. With --update the lock is written.

NAME is an image inside imgbuild or the path of an image.yaml; none means all
images inside imgbuild. In a checkout of imgbuild the lock under images/ is
written; elsewhere an image's definition and lock are written to ./NAME/, to
be built with imgbuild ./NAME.

Locking a Go toolchain needs the go command, which asks the checksum database.`,
		Example:           "  imgbuild lock                     what would move?\n  imgbuild lock golang --update\n  imgbuild lock ./ruby/image.yaml --update",
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = images.Names()
			}
			return g.show(cmd.Context(), func(ctx context.Context) error { return g.lock(ctx, args, update) })
		},
	}
	c.Flags().BoolVar(&update, "update", false, "write the lock")
	return c
}

func (g *global) lock(ctx context.Context, refs []string, update bool) error {
	if g.offline {
		return usage("lock asks the mirrors what there is, which --offline forbids; leave it out")
	}
	s, f, m, err := g.open()
	if err != nil {
		return err
	}
	r := resolve.New(f, s)
	if r.GoProxy, err = goProxy(ctx, m); err != nil {
		return err
	}
	for _, ref := range refs {
		d, err := definition.Load(ref)
		if err != nil {
			return usageError{err}
		}
		now, err := r.Lock(ctx, d.Definition)
		if err != nil {
			return err
		}
		data, err := now.Marshal()
		if err != nil {
			return err
		}
		// A lock that cannot be read, or none, is the reason to make one.
		before, err := lock.Load(d)
		if err != nil {
			before = &lock.Lock{}
		}
		changes := lock.Diff(before, now)
		if err := lock.Print(g.stdout, d.Name, changes); err != nil {
			return err
		}
		old, err := d.ReadLock()
		if err == nil && string(old) == string(data) {
			g.warn("%s: the lock is up to date", d.Name)
			continue
		}
		if !update {
			g.warn("%s: nothing is written without --update", d.Name)
			continue
		}
		path, err := lockTarget(d)
		if err != nil {
			return err
		}
		if err := now.WriteFile(path); err != nil {
			return err
		}
		g.warn("%s: wrote %s", d.Name, path)
	}
	return nil
}

// lockTarget is the file that a new lock of d goes to. An embedded definition
// is updated in a checkout of imgbuild; outside of one it is copied to a
// folder in the working directory first.
func lockTarget(d *definition.Loaded) (string, error) {
	if d.Dir != "" {
		return d.LockPath(), nil
	}
	inTree := filepath.FromSlash("images/" + d.Name)
	here, err := definition.Load("./" + inTree)
	if err == nil && here.Digest() == d.Digest() {
		return here.LockPath(), nil
	}
	if err == nil {
		return "", fmt.Errorf("./%s differs from the %s inside this imgbuild; build imgbuild anew, or run imgbuild lock ./%s --update", inTree, d.Name, inTree)
	}
	if err := d.CopyTo(d.Name); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("the folder ./%s is in the way of a copy of the definition; run imgbuild lock ./%s --update if it is one: %w", d.Name, d.Name, err)
		}
		return "", err
	}
	return filepath.Join(d.Name, "image.lock"), nil
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
