// Command shim measures the shim beside its peers, a trivial Go program behind
// each: throughput, latency, start, memory, size, the cold start of handlers,
// and whether ten million requests leave it as it was. It needs wrk.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/internal/testtool"
)

var (
	rounds   = flag.Int("n", 5, "how often each is measured; tables have medians")
	duration = flag.Duration("d", 3*time.Second, "how long wrk runs each time")
	requests = flag.Int64("requests", 10_000_000, "how many requests the long run makes; 0 leaves it out")
	starts   = flag.Int("starts", 21, "how often each is started")
	only     = flag.String("only", "", "just one part: load, start, cold or long")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "imgbuild-bench-shim-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{dir: dir}
	for name, pkg := range map[string]string{"shim": "./cmd/shim", "program": "./bench/shim/program", "httputil": "./bench/shim/httputil", "relay": "./bench/shim/relay"} {
		// As pkg/shimbuild compiles the shim for images.
		_, err := measure.Run(ctx, []string{"CGO_ENABLED=0", "GOAMD64=v1", "GOFLAGS="}, "go", "-C", testtool.ModuleRoot(), "build", "-o", b.path(name),
			"-trimpath", "-buildvcs=false", "-pgo=off", "-ldflags", "-s -w -buildid=", pkg)
		if err != nil {
			return err
		}
	}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"load", b.load}, {"start", b.start}, {"cold", b.cold}, {"long", b.long}} {
		if *only == "" || *only == part.name {
			if err := part.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", part.name, err)
			}
		}
	}
	return nil
}

// bench has the compiled programs in dir.
type bench struct{ dir string }

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }
