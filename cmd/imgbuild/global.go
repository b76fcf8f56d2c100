package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/imgbuild/imgbuild/pkg/display"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// global is what all commands share.
type global struct {
	stdout io.Writer
	stderr *os.File

	progress string
	offline  bool
	json     bool
	mirrors  []string
	bundles  []string

	running bool     // arguments and flags have been read
	drawn   bool     // progress has been shown
	notes   []string // to be told when progress is no longer drawn
}

func (g *global) register(f *pflag.FlagSet) {
	f.StringVar(&g.progress, "progress", "auto", "how progress is shown, a `MODE` of auto, tty, plain, rawjson; auto shows it on a terminal only")
	f.BoolVar(&g.offline, "offline", false, "use only what the store has; open no connection but to push and to a builder")
	f.BoolVar(&g.json, "json", false, "print results as JSON")
	f.StringArrayVar(&g.mirrors, "mirror", nil, "`ARCHIVE=URL`[,URL…] to fetch from; archives are debian, debian-security, go and npm; may be repeated")
	f.StringArrayVar(&g.bundles, "bundle", nil, "`BUNDLE` to take from what no mirror gives, a reference or a file; may be repeated")
}

// open opens the store and what fetches into it.
func (g *global) open() (*store.Store, *fetch.Fetcher, *mirror.Mirrors, error) {
	dir, err := store.DefaultDir()
	if err != nil {
		return nil, nil, nil, err
	}
	s, err := store.Open(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	m, err := g.mirrorsWith(nil, "")
	if err != nil {
		return nil, nil, nil, err
	}
	var opts []fetch.Option
	if g.offline {
		opts = append(opts, fetch.Offline())
	}
	f, err := fetch.New(s, m, opts...)
	return s, f, m, err
}

// mirrorsWith are the mirrors that were named, those of a flag before the others.
func (g *global) mirrorsWith(more []string, flag string) (*mirror.Mirrors, error) {
	flags := map[string]string{}
	read := func(name string, values []string) error {
		seen := map[string]bool{}
		for _, f := range values {
			archive, url, ok := strings.Cut(f, "=")
			if !ok || seen[archive] {
				return usage("%s: write ARCHIVE=URL, such as debian=https://mirror.example/debian, each archive once", name)
			}
			seen[archive] = true
			flags[archive] = url
		}
		return nil
	}
	if err := errors.Join(read("--mirror", g.mirrors), read(flag, more)); err != nil {
		return nil, err
	}
	m, err := mirror.New(mirror.Options{Flags: flags, Bundles: g.bundles})
	if err != nil {
		return nil, usageError{err}
	}
	return m, nil
}

// show runs work with its progress drawn on standard error.
func (g *global) show(ctx context.Context, work func(context.Context) error) error {
	d, err := display.New(g.stderr, g.progress)
	if err != nil {
		return usageError{err}
	}
	g.drawn = !d.Silent()
	err = work(progress.With(ctx, d))
	d.Close()
	for _, n := range g.notes {
		g.warn("%s", n)
	}
	g.notes = nil
	return err
}

// note is warn for work whose progress is being drawn.
func (g *global) note(format string, args ...any) {
	g.notes = append(g.notes, fmt.Sprintf(format, args...))
}

// noteOnce is note for work that may begin anew.
func (g *global) noteOnce(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(g.notes, n) {
		g.notes = append(g.notes, n)
	}
}

// warn tells something that is no result and no failure.
func (g *global) warn(format string, args ...any) {
	fmt.Fprintf(g.stderr, "imgbuild: "+format+"\n", args...)
}

// version is that of the module, or of the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value
		}
	}
	if v == "" {
		return "(devel)"
	}
	return v
}
