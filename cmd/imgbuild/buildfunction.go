package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/function"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/template"
	"github.com/imgbuild/imgbuild/pkg/toolbox"
)

// functionFlags are those for a function without a Dockerfile.
type functionFlags struct {
	base    string
	pkg     string
	ldflags string
	tags    string
	binary  string
	handler string
	// handlerFrom is who names the handler where it is not the flag.
	handlerFrom string
	scripts     bool
	// unchecked is of no flag: imgbuild start looks at types later.
	unchecked bool
	env       []string

	set *pflag.FlagSet
}

func (f *functionFlags) register(all *pflag.FlagSet) {
	fs := pflag.NewFlagSet("function", pflag.ContinueOnError)
	f.set = fs
	fs.StringVar(&f.base, "base", "", "without a Dockerfile: the `IMAGE` to put the function on, NAME[:TAG] or PATH of a definition, or HOST/NAME:TAG in a registry; else the newest slim one of its language")
	fs.StringVar(&f.pkg, "package", "", "Go: the main package, `./PATH` below DIR")
	fs.StringVar(&f.ldflags, "ldflags", "", "Go: `FLAGS` for the linker besides -s -w, such as '-X main.version=1.0'")
	fs.StringVar(&f.tags, "build-tags", "", "Go: `TAG`[,TAG…] that choose files")
	fs.StringVar(&f.binary, "binary", "", "a finished program, a `FILE` that becomes /code/bootstrap; nothing is compiled")
	fs.StringVar(&f.handler, "handler", "", "Node.js and TypeScript: the `HANDLER` to call, such as index.handler, where the function is no program")
	fs.StringArrayVar(&f.env, "env", nil, "`NAME=VALUE` in the image's environment, such as SHIM_MODE=exec; may be repeated")
	fs.BoolVar(&f.scripts, "allow-scripts", false, "Node.js and TypeScript: run the install scripts of packages, on this machine")
	all.AddFlagSet(fs)
}

func (f *functionFlags) complete(c *cobra.Command) {
	complete(c, "base", completeImages)
	for _, flag := range []string{"ldflags", "build-tags", "handler", "env"} {
		complete(c, flag, cobra.NoFileCompletions)
	}
}

// buildFunction builds a function that has no Dockerfile.
func buildFunction(ctx context.Context, g *global, a *appFlags, dir string) error {
	b, err := newFunctionBuild(g, a, dir)
	if err != nil {
		return err
	}
	if a.function.handler == "" && (b.kind == function.Node || b.kind == function.TypeScript) {
		a.function.take(templateHandler(b.dir))
	}
	var results []result
	err = g.show(ctx, func(ctx context.Context) error {
		for try := 1; ; try++ {
			results, err = b.run(ctx)
			// A blob of the store was damaged and is gone now: make it again.
			if isCorrupt(err) && try == 1 && !a.out.toStdout() {
				continue
			}
			return err
		}
	})
	return a.out.print(g, results, err)
}

// take takes the handler of a template, if it names one.
func (f *functionFlags) take(handler string) {
	if handler != "" {
		f.handler, f.handlerFrom = handler, "its template's"
	}
}

// templateHandler is the handler that the folder has and that its template
// names, "" where it has none, or several functions with others. What is wrong
// with a template is not a build's to say.
func templateHandler(dir string) (handler string) {
	functions, err := template.Load(dir)
	if err != nil {
		return ""
	}
	for _, f := range functions {
		if !function.HasHandler(dir, f.Handler) || handler != "" && f.Handler != handler {
			return ""
		}
		handler = f.Handler
	}
	return handler
}

// functionBuild is one run of it.
type functionBuild struct {
	g       *global
	a       *appFlags
	dir     string // absolute
	kind    function.Kind
	base    *functionBase
	created time.Time
}

func newFunctionBuild(g *global, a *appFlags, dir string) (*functionBuild, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	b := &functionBuild{g: g, a: a, dir: abs}
	if b.created, err = sourceDate(); err != nil {
		return nil, err
	}
	if b.kind, err = a.function.kind(abs); err != nil {
		return nil, err
	}
	b.base, err = chooseBase(a, b.kind, abs)
	return b, err
}

// kind is what the function is written in.
func (f *functionFlags) kind(dir string) (function.Kind, error) {
	if f.binary != "" {
		return function.Program, f.check(function.Program)
	}
	kind, err := function.Detect(dir)
	if err != nil {
		return "", usageError{err}
	}
	return kind, f.check(kind)
}

// check says which flags are not for the kind of function.
func (f *functionFlags) check(kind function.Kind) error {
	golang, node := []function.Kind{function.Go}, []function.Kind{function.Node, function.TypeScript}
	for _, given := range []struct {
		flag  string
		set   bool
		kinds []function.Kind
	}{
		{"package", f.pkg != "", golang},
		{"ldflags", f.ldflags != "", golang},
		{"build-tags", f.tags != "", golang},
		{"handler", f.handler != "", node},
		{"allow-scripts", f.scripts, node},
	} {
		if given.set && !slices.Contains(given.kinds, kind) {
			is := "in " + string(kind)
			if kind == function.Program {
				is = "a finished program"
			}
			return usage("--%s is for functions in %s, and this one is %s", given.flag, given.kinds[0], is)
		}
	}
	for _, e := range f.env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return usage("--env %q: write NAME=VALUE", e)
		}
	}
	return nil
}

// sourceDate is SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/),
// zero where it is not set.
func sourceDate() (time.Time, error) {
	s := os.Getenv("SOURCE_DATE_EPOCH")
	if s == "" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return time.Time{}, usage("SOURCE_DATE_EPOCH is no number of seconds: %q", s)
	}
	return time.Unix(n, 0), nil
}

// run makes the images and delivers them.
func (b *functionBuild) run(ctx context.Context) (results []result, err error) {
	err = b.images(ctx, func(ctx context.Context, s *store.Store, images []v1.Image) error {
		finished, err := b.a.finish(images)
		if err != nil {
			return err
		}
		results, err = b.a.out.deliver(ctx, b.g, s, finished)
		return err
	})
	return results, err
}

// images makes the images, one a platform. Their layers can be read until use
// returns.
func (b *functionBuild) images(ctx context.Context, use func(context.Context, *store.Store, []v1.Image) error) error {
	s, f, m, err := b.g.open()
	if err != nil {
		return err
	}
	bases, done, err := b.base.open(ctx, b.g, b.a.platforms, s, f, m)
	if err != nil {
		return err
	}
	defer done()
	maker := &function.Maker{Store: s, Fetch: f.Fetch, Mirrors: m, Compression: layer.Gzip, Offline: b.g.offline, Note: b.g.noteOnce}
	functions, err := b.make(ctx, maker, f, bases)
	if err != nil {
		return fmt.Errorf("building %s: %w", b.dir, err)
	}
	var images []v1.Image
	for i, fn := range functions {
		fn.Env = append(fn.Env, b.a.function.env...)
		img, err := function.Compose(bases[i], fn, b.created)
		if err != nil {
			return err
		}
		images = append(images, img)
	}
	if err := b.tell(bases, functions, images); err != nil {
		return err
	}
	return use(ctx, s, images)
}

// make makes what comes on the base, for each platform.
func (b *functionBuild) make(ctx context.Context, m *function.Maker, f *fetch.Fetcher, bases []function.Base) ([]function.Function, error) {
	switch b.kind {
	case function.Go:
		toolchain, err := build.Toolchain(b.base.golang)
		if err != nil {
			return nil, err
		}
		return m.Go(ctx, function.GoSource{
			Dir: b.dir, Package: b.a.function.pkg, LDFlags: b.a.function.ldflags, Tags: b.a.function.tags, Toolchain: toolchain,
		}, b.a.platforms)
	case function.Node, function.TypeScript:
		return m.Node(ctx, function.NodeSource{
			Dir: b.dir, TypeScript: b.kind == function.TypeScript, Handler: b.a.function.handler, HandlerFrom: b.a.function.handlerFrom, Bases: bases, AllowScripts: b.a.function.scripts, Unchecked: b.a.function.unchecked,
			Tools: func(ctx context.Context) (*toolbox.NodeTools, error) { return b.base.tools(ctx, m.Store, b.kind, f) },
		}, b.a.platforms)
	default:
		return m.Program(ctx, function.ProgramSource{Dir: b.dir, Binary: b.a.function.binary}, b.a.platforms, bases)
	}
}
