// Command memory measures the peak of the resident memory of building images
// from inputs that are at hand, and of locking them.
package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
)

const limit = "200 MB"

func main() { workshop.Main(bench) }

func bench(ctx context.Context, w *workshop.Workshop) error {
	both := []string{"--all", "--platform", "linux/amd64,linux/arm64"}
	ruby := filepath.Join(w.Root, "examples", "ruby", "image.yaml")
	builds := [][]string{
		{"golang"}, {"golang:slim"}, {"node"}, {"node:slim"}, {"typescript"}, {ruby},
		append([]string{"golang", "node", "typescript"}, both...),
	}
	// Inputs and the shim's programs come into the store, unmeasured.
	for _, args := range append(builds, append([]string{ruby}, both...)) {
		if _, err := w.Run(ctx, args...); err != nil {
			return err
		}
	}
	measure.Title(os.Stdout, "Memory: peak resident size, no layer at hand")
	t := measure.Table{Head: []string{"imgbuild", "peak", "limit", "time"}}
	add := func(limit string, args ...string) error {
		if err := w.DropLayers(); err != nil {
			return err
		}
		s, err := w.Run(ctx, args...)
		if err != nil {
			return err
		}
		for i, a := range args {
			if a == ruby {
				args[i] = "examples/ruby/image.yaml"
			}
		}
		t.Add(words(args), measure.MB(s.MaxRSS), limit, measure.Time(s.Wall))
		return nil
	}
	for _, args := range builds {
		if err := add(limit, append([]string{}, args...)...); err != nil {
			return err
		}
	}
	for _, name := range []string{"golang", "node", "typescript"} {
		if err := add("", "lock", name); err != nil {
			return err
		}
	}
	t.Print(os.Stdout)
	return nil
}

func words(args []string) string {
	text := ""
	for i, a := range args {
		if i > 0 {
			text += " "
		}
		text += a
	}
	return "`" + text + "`"
}
