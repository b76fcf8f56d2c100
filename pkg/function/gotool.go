package function

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/toolbox"
)

// goTool is the go command of the locked toolchain, found once for all
// platforms.
type goTool struct {
	m   *Maker
	src GoSource

	mu     sync.Mutex
	goroot string
	env    []string
}

// find unpacks the toolchain where it is not yet, and reads the settings.
func (t *goTool) find(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.goroot != "" {
		return nil
	}
	goroot, err := toolbox.Go(ctx, t.m.Store, t.src.Toolchain, t.m.Fetch)
	if err != nil {
		return err
	}
	settings, err := t.m.Mirrors.GoSettings(ctx)
	if err != nil {
		return err
	}
	if t.m.Offline {
		settings["GOPROXY"] = "off"
	}
	// HOME, PATH and the like stay: credentials, git and certificates are found
	// by them, and modules are those of go.sum wherever they come from.
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if name == "GOWORK" || !strings.HasPrefix(name, "GO") && !strings.HasPrefix(name, "CGO_") && name != "PWD" && name != "TMPDIR" {
			t.env = append(t.env, kv)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		t.env = append(t.env, name+"="+settings[name])
	}
	// The standard library compiled for the shim serves functions, too.
	cache, err := toolbox.GoCache(ctx, t.m.Store)
	if err != nil {
		return err
	}
	t.env = append(t.env, "GOROOT="+goroot, "GOCACHE="+cache, "PWD="+t.src.Dir)
	t.goroot = goroot
	return nil
}

// command is the go command with the arguments; tmp is a folder of its own.
func (t *goTool) command(ctx context.Context, goarch, tmp string, args ...string) (run func() error, out, said *bytes.Buffer) {
	cmd := toolbox.Command(ctx, filepath.Join(t.goroot, "bin", "go"), args...)
	cmd.Dir = t.src.Dir
	cmd.Env = slices.Concat(t.env, goFixed(goarch), []string{"TMPDIR=" + tmp})
	out, said = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, said
	return cmd.Run, out, said
}

// build compiles the function to the file out.
func (t *goTool) build(ctx context.Context, goarch, tmp, out string, step progress.Step) error {
	if err := t.find(ctx); err != nil {
		return err
	}
	run, _, said := t.command(ctx, goarch, tmp, goArgs(t.src, out)...)
	err := run()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return t.explain(ctx, tmp, said.String())
	}
	if err := checkStatic(out, goarch); err != nil {
		return t.explain(ctx, tmp, err.Error())
	}
	return nil
}

// explain is the error of a build: what the go command said, and where there
// is no main package in the folder where there are some.
func (t *goTool) explain(ctx context.Context, tmp, said string) error {
	var lines []string
	for line := range strings.Lines(said) {
		// Downloads are progress, no fault.
		if !strings.HasPrefix(line, "go: downloading ") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	said = head(strings.Join(lines, "\n"))
	run, out, _ := t.command(ctx, "amd64", tmp, "list", "-e", "-f", "{{.Name}}", t.packageArg())
	name := ""
	if run() == nil {
		name = strings.TrimSpace(out.String())
	}
	what := ""
	switch {
	case name != "" && name != "main":
		what = "is the package " + name + ", not main"
	case strings.Contains(said, "no Go files in "):
		what = "has no Go files"
	default:
		return fmt.Errorf("go build:\n%s", said)
	}
	if mains := t.mains(ctx, tmp); len(mains) > 0 {
		return fmt.Errorf("%s %s; name the function's main package: --package %s", t.where(), what, strings.Join(mains, ", or --package "))
	}
	return fmt.Errorf("%s %s, and there is no main package below %s; a function is a program: `package main` with `func main`", t.where(), what, t.src.Dir)
}

func (t *goTool) packageArg() string {
	if t.src.Package == "" {
		return "."
	}
	return t.src.Package
}

func (t *goTool) where() string {
	return filepath.Join(t.src.Dir, filepath.FromSlash(t.src.Package))
}

// mostMains are named in an error.
const mostMains = 5

// mains are the main packages below the folder, as --package takes them.
func (t *goTool) mains(ctx context.Context, tmp string) (paths []string) {
	run, out, _ := t.command(ctx, "amd64", tmp, "list", "-e", "-f", `{{if eq .Name "main"}}{{.Dir}}{{end}}`, "./...")
	if run() != nil {
		return nil
	}
	dir, err := filepath.EvalSymlinks(t.src.Dir)
	if err != nil {
		dir = t.src.Dir
	}
	for line := range strings.Lines(out.String()) {
		if rel, err := filepath.Rel(dir, strings.TrimSpace(line)); err == nil && filepath.IsLocal(rel) && rel != "." && len(paths) < mostMains {
			paths = append(paths, "./"+filepath.ToSlash(rel))
		}
	}
	return paths
}

// mostSaid is how much of what a compiler says fits into an error, in bytes.
const mostSaid = 8000

// head is the beginning of what a command said: compilers name the first
// mistake first.
func head(s string) string {
	s = strings.TrimSpace(s)
	if len(s) <= mostSaid {
		return s
	}
	cut := strings.LastIndexByte(s[:mostSaid], '\n')
	return s[:max(cut, 0)] + "\n…"
}
