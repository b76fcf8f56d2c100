// Command function compares `imgbuild build` of a Go function without a
// Dockerfile with ko and with BuildKit and the usual Dockerfile of two stages:
// the first build, one with nothing changed, and one with a line changed. All
// push to a registry on loopback.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
)

func main() {
	runs := flag.Int("n", 5, "how often each is run; first builds a third as often")
	peers := flag.String("peers", "ko,buildctl", "whom to compare with")
	workshop.Main(func(ctx context.Context, w *workshop.Workshop) error {
		return bench(ctx, w, *runs, strings.Split(*peers, ","))
	})
}

// scenario is what happened before a build.
type scenario struct {
	name string
	runs int
	// before prepares each run of a builder.
	before func(builder, int) error
}

func bench(ctx context.Context, w *workshop.Workshop, runs int, peers []string) error {
	p, err := open(ctx, w, peers)
	if err != nil {
		return err
	}
	defer p.close()
	builders := p.builders(peers)
	scenarios := []scenario{
		{"first build", max(1, runs/3), func(b builder, _ int) error { return b.forget(ctx, true) }},
		{"first build, empty cache of Go's", max(1, runs/3), func(b builder, _ int) error { return b.forget(ctx, false) }},
		{"nothing changed", runs, func(builder, int) error { return nil }},
		{"one line changed", runs, func(_ builder, n int) error { return p.edit(n) }},
	}
	measure.Title(os.Stdout, "A Go function without a Dockerfile, built and pushed")
	t := measure.Table{Head: []string{"median (CPU)"}}
	for i, b := range builders {
		if t.Head = append(t.Head, b.name); i > 0 {
			t.Head = append(t.Head, "ratio")
		}
	}
	for _, s := range scenarios {
		row, err := s.run(ctx, builders)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		t.Add(row...)
	}
	t.Print(os.Stdout)
	fmt.Print("Target: at least as fast as ko (1×), three times as fast as the Dockerfile (3×).\n\n")
	return p.sizes(builders)
}

// run measures all in turn and returns a row of the table.
func (s scenario) run(ctx context.Context, builders []builder) (row []string, err error) {
	samples := make([][]measure.Sample, len(builders))
	for n := range s.runs {
		for i, b := range builders {
			// Each gets an edit of its own, and none has what the others left.
			if err := s.before(b, n*len(builders)+i); err != nil {
				return nil, err
			}
			sample, err := b.build(ctx)
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], sample)
		}
	}
	row = []string{s.name + ", " + measure.Times(s.runs)}
	for i, all := range samples {
		cell := measure.Time(measure.Median(all))
		if builders[i].ownWork {
			cell += " (" + measure.Time(measure.MedianCPU(all)) + ")"
		}
		if row = append(row, cell); i > 0 {
			row = append(row, measure.Ratio(measure.Median(samples[0]), measure.Median(all)))
		}
	}
	return row, nil
}
