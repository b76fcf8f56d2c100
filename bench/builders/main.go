// Command builders compares two builders with one on all images of the three
// languages. Each builder is a simulated machine: a share of this machine's
// cores, which leaves room for both and for imgbuild itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
)

func main() {
	runs := flag.Int("n", 1, "how often each is run")
	share := flag.Int("share", 40, "what each builder has, in per cent of one core")
	workshop.Main(func(ctx context.Context, w *workshop.Workshop) error { return bench(ctx, w, *runs, *share) })
}

// all is the matrix, where the command line names no other images.
var all = []string{"golang", "node", "typescript", "--all", "--platform", "linux/amd64,linux/arm64"}

func bench(ctx context.Context, w *workshop.Workshop, runs, share int) (err error) {
	if flag.NArg() > 0 {
		all = flag.Args()
	}
	want, err := w.Run(ctx, all...)
	if err != nil {
		return err
	}
	var machines []*machine
	defer func() {
		for _, m := range machines {
			err = errors.Join(err, m.close())
		}
	}()
	for i := range 2 {
		m, err := newMachine(filepath.Join(w.Dir, fmt.Sprintf("m%d", i)), fmt.Sprintf("imgbuild-bench-%d-%d", os.Getpid(), i))
		if err != nil {
			return err
		}
		machines = append(machines, m)
		// The inputs come to it, and Go compiles what each shim needs.
		if _, err := build(ctx, w, want, m); err != nil {
			return err
		}
		if err := m.group.limit(share); err != nil {
			return err
		}
	}
	measure.Title(os.Stdout, "Builders: "+strings.Join(all, " "))
	var one, two []measure.Sample
	for range runs {
		s, err := build(ctx, w, want, machines[0])
		if err != nil {
			return err
		}
		one = append(one, s)
		if s, err = build(ctx, w, want, machines...); err != nil {
			return err
		}
		two = append(two, s)
	}
	t := measure.Table{Head: []string{"median of " + measure.Times(runs), "time", "imgbuild's own CPU time"}}
	t.Add("one builder", measure.Time(measure.Median(one)), measure.Time(measure.MedianCPU(one)))
	t.Add("two builders", measure.Time(measure.Median(two)), measure.Time(measure.MedianCPU(two)))
	t.Print(os.Stdout)
	fmt.Printf("Ratio: %s (target: at least 1.6×).\n", measure.Ratio(measure.Median(two), measure.Median(one)))
	fmt.Printf("Simulated: each buildkitd and what it runs is in a control group that gets %d %% of one core. It has the inputs, and each run is of another imgbuild, so that every step is new to it.\n\n", share)
	return nil
}

// builds counts, so that each has a program of its own.
var builds int

// build builds the matrix with a program that no builder knows, and a store that
// has no layer.
func build(ctx context.Context, w *workshop.Workshop, want measure.Sample, machines ...*machine) (s measure.Sample, err error) {
	builds++
	program := filepath.Join(w.Dir, fmt.Sprintf("imgbuild-%d", builds))
	_, err = measure.Run(ctx, []string{"CGO_ENABLED=0"}, "go", "-C", w.Root, "build", "-o", program, fmt.Sprintf("-ldflags=-X main.benchmark=%d-%d", os.Getpid(), builds), "./cmd/imgbuild")
	if err != nil {
		return s, err
	}
	if err := w.DropLayers(); err != nil {
		return s, err
	}
	args := append([]string{"--engine", "buildkit"}, all...)
	for _, m := range machines {
		args = append(args, "--buildkit", m.daemon.Address)
	}
	if s, err = w.RunOther(ctx, program, args...); err != nil {
		return s, err
	}
	if string(s.Stdout) != string(want.Stdout) {
		return s, fmt.Errorf("%d builders made other images", len(machines))
	}
	return s, os.Remove(program)
}
