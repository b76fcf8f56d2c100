// Command push compares how images get to registries with crane and skopeo:
// to five regions at once, where nothing has changed, into a new repository,
// without any limit, and over a connection that is cut. Registries are real
// servers, each a process of its own on loopback, behind a wire that limits
// its rate and counts what goes over it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
)

var (
	runs  = flag.Int("n", 5, "how often each is measured; the table has medians")
	speed = flag.Int("rate", 16, "what one registry takes, in MB a second; what it gives is not limited")
	mib   = flag.Int("size", 1024, "size of the large blob in MiB")
	only  = flag.String("only", "", "just one comparison: regions, unchanged, mount, single or cut")
)

func main() { workshop.Main(run) }

func run(ctx context.Context, w *workshop.Workshop) error {
	if *runs < 1 || *speed < 1 || *mib < 1 {
		return errors.New("-n, -rate and -size must be 1 at least")
	}
	b, err := newBench(ctx, w)
	if err != nil {
		return err
	}
	measure.Title(os.Stdout, "Push: images to registries on loopback")
	known := false
	for _, c := range []struct {
		name string
		run  func(context.Context) error
	}{{"regions", b.regions}, {"unchanged", b.unchanged}, {"mount", b.mount}, {"single", b.single}, {"cut", b.cut}} {
		if *only != "" && *only != c.name {
			continue
		}
		known = true
		if err := c.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	if !known {
		return fmt.Errorf("-only %s: there are regions, unchanged, mount, single and cut", *only)
	}
	b.report.print(os.Stdout)
	return nil
}

// bench is what all comparisons share.
type bench struct {
	*workshop.Workshop
	clients
	report report
}

func newBench(ctx context.Context, w *workshop.Workshop) (*bench, error) {
	c, err := findClients(ctx, w)
	if err != nil {
		return nil, err
	}
	return &bench{Workshop: w, clients: *c}, nil
}
