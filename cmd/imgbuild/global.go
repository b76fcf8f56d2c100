package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
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
	notes   []string // to be told when progress is no longer drawn
}

func (g *global) register(f *pflag.FlagSet) {
	f.StringVar(&g.progress, "progress", "auto", "how progress is shown, a `MODE` of auto, tty, plain, rawjson; auto shows it on a terminal only")
	f.BoolVar(&g.offline, "offline", false, "use only what the store has; open no connection but to push")
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
	flags := map[string]string{}
	for _, f := range g.mirrors {
		archive, url, ok := strings.Cut(f, "=")
		if !ok || flags[archive] != "" {
			return nil, nil, nil, usage("--mirror: write ARCHIVE=URL, such as debian=https://mirror.example/debian, each archive once")
		}
		flags[archive] = url
	}
	m, err := mirror.New(mirror.Options{Flags: flags, Bundles: g.bundles})
	if err != nil {
		return nil, nil, nil, usageError{err}
	}
	var opts []fetch.Option
	if g.offline {
		opts = append(opts, fetch.Offline())
	}
	f, err := fetch.New(s, m, opts...)
	return s, f, m, err
}

// show runs work with its progress drawn on standard error.
func (g *global) show(ctx context.Context, work func(context.Context) error) error {
	d, err := display.New(g.stderr, g.progress)
	if err != nil {
		return usageError{err}
	}
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
