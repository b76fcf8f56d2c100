// Command shim-changed measures what a change of the shim costs: all images
// anew and pushed, once the shim is compiled.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
	"github.com/imgbuild/imgbuild/internal/testtool"
)

func main() {
	runs := flag.Int("n", 3, "how often it is run")
	workshop.Main(func(ctx context.Context, w *workshop.Workshop) error { return bench(ctx, w, *runs) })
}

var all = []string{"golang", "node", "typescript", "--all"}

// change is code that the compiler cannot leave out.
const change = `package shim

import "os"

func init() {
	if os.Getenv("IMGBUILD_BENCH_SHIM") == "changed" {
		os.Stderr.WriteString("the bench's shim\n")
	}
}
`

func bench(ctx context.Context, w *workshop.Workshop, runs int) error {
	if _, err := w.Run(ctx, all...); err != nil {
		return err
	}
	changed, err := changedImgbuild(ctx, w)
	if err != nil {
		return fmt.Errorf("building an imgbuild with another shim: %w", err)
	}
	compile, err := w.RunOther(ctx, changed, "golang:slim")
	if err != nil {
		return err
	}
	measure.Title(os.Stdout, "Shim changed: all images of golang, node and typescript, pushed to docker-registry")
	var samples []measure.Sample
	for n := range runs {
		s, err := once(ctx, w, changed, filepath.Join(w.Dir, fmt.Sprint("registry", n)))
		if err != nil {
			return err
		}
		samples = append(samples, s)
	}
	t := measure.Table{Head: []string{"median of " + measure.Times(runs), "time", "limit"}}
	t.Add("16 images made anew and pushed", measure.Time(measure.Median(samples)), "5 s")
	t.Add("the shim's compile before it, and one image", measure.Time(compile.Wall), "")
	t.Print(os.Stdout)
	return nil
}

// once pushes the images as they were, and then measures the change.
func once(ctx context.Context, w *workshop.Workshop, changed, dir string) (measure.Sample, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return measure.Sample{}, err
	}
	r, err := testtool.StartRegistry(dir)
	if err != nil {
		return measure.Sample{}, err
	}
	defer os.RemoveAll(dir)
	defer r.Close()
	push := append(append([]string{}, all...), "--push", "--immutable", "none", "--registry", r.Host+"/base")
	if _, err := w.Run(ctx, push...); err != nil {
		return measure.Sample{}, err
	}
	if err := w.DropShims(); err != nil {
		return measure.Sample{}, err
	}
	s, err := w.RunOther(ctx, changed, push...)
	if err != nil {
		return s, err
	}
	_, err = w.Run(ctx, all...) // the usual shim's layer back
	return s, err
}

// changedImgbuild builds imgbuild from a copy of the checkout whose shim has
// more code.
func changedImgbuild(ctx context.Context, w *workshop.Workshop) (string, error) {
	dir := filepath.Join(w.Dir, "changed")
	// What git knows, and what is new and not ignored.
	list := exec.CommandContext(ctx, "git", "-C", w.Root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.go", "go.mod", "go.sum", "cmd", "images", "pkg")
	out, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("listing the checkout's files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if err := copyFile(filepath.Join(w.Root, name), filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "pkg", "shim", "bench.go"), []byte(change), 0o644); err != nil {
		return "", err
	}
	return workshop.Compile(ctx, dir, filepath.Join(w.Dir, "imgbuild-changed"), "./cmd/imgbuild")
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
