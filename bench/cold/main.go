// Command cold compares how long golang's full image takes when all inputs
// are at hand and no layer is, with BuildKit making it from the same files.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/peer"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
)

func main() {
	runs := flag.Int("n", 3, "how often each is run")
	workshop.Main(func(ctx context.Context, w *workshop.Workshop) error { return bench(ctx, w, *runs) })
}

func bench(ctx context.Context, w *workshop.Workshop, runs int) error {
	c, err := peer.NewContext(ctx, w) // fetches the inputs and compiles the shim too
	if err != nil {
		return err
	}
	b, err := peer.StartBuildKit(w)
	if err != nil {
		return err
	}
	defer b.Close()
	ourFile, theirFile := filepath.Join(w.Dir, "ours.tar"), filepath.Join(w.Dir, "theirs.tar")
	theirBuild := func() (measure.Sample, error) {
		return b.Build(ctx, c, "--no-cache", "--output", "type=oci,compression=gzip,dest="+theirFile)
	}
	// Once unmeasured: it takes the base image and the context to the daemon.
	if _, err := theirBuild(); err != nil {
		return err
	}
	measure.Title(os.Stdout, "Cold: golang, full, linux/amd64, from local files to an OCI archive")
	var ours, theirs []measure.Sample
	for range runs {
		if err := w.DropLayers(); err != nil {
			return err
		}
		s, err := w.Run(ctx, "golang", "--offline", "--output", "type=oci,dest="+ourFile)
		if err != nil {
			return err
		}
		ours = append(ours, s)
		if s, err = theirBuild(); err != nil {
			return err
		}
		theirs = append(theirs, s)
	}
	t := measure.Table{Head: []string{"median of " + measure.Times(runs), "time", "archive"}}
	for _, row := range []struct {
		name, file string
		samples    []measure.Sample
	}{{"imgbuild", ourFile, ours}, {"buildctl build --no-cache", theirFile, theirs}} {
		fi, err := os.Stat(row.file)
		if err != nil {
			return err
		}
		t.Add(row.name, measure.Time(measure.Median(row.samples)), measure.MB(fi.Size()))
	}
	t.Print(os.Stdout)
	fmt.Printf("Ratio: %s (target: at least 4×). imgbuild's CPU time: %s.\n\n",
		measure.Ratio(measure.Median(ours), measure.Median(theirs)), measure.Time(measure.MedianCPU(ours)))
	return nil
}
