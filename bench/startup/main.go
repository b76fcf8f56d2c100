// Command startup measures how long the smallest call of imgbuild takes, with
// all that is linked in, and which packages' initialization it goes to.
package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
)

func main() {
	runs := flag.Int("n", 50, "how often it is run")
	workshop.Main(func(ctx context.Context, w *workshop.Workshop) error { return bench(ctx, w, *runs) })
}

func bench(ctx context.Context, w *workshop.Workshop, runs int) error {
	measure.Title(os.Stdout, "Start: imgbuild list")
	// A program that does nothing says what starting any costs here.
	nothing, err := exec.LookPath("true")
	if err != nil {
		return err
	}
	var list, version, none []measure.Sample
	for range runs {
		for _, c := range []struct {
			samples *[]measure.Sample
			name    string
			args    []string
		}{{&list, w.Imgbuild, []string{"list"}}, {&version, w.Imgbuild, []string{"--version"}}, {&none, nothing, nil}} {
			s, err := measure.Run(ctx, []string{"IMGBUILD_STORE=" + w.Store}, c.name, c.args...)
			if err != nil {
				return err
			}
			*c.samples = append(*c.samples, s)
		}
	}
	t := measure.Table{Head: []string{"median of " + measure.Times(runs), "time", "CPU"}}
	for _, row := range []struct {
		name    string
		samples []measure.Sample
	}{{"imgbuild list", list}, {"imgbuild --version", version}, {"true, a program that does nothing", none}} {
		t.Add(row.name, measure.Time(measure.Median(row.samples)), measure.Time(measure.MedianCPU(row.samples)))
	}
	t.Print(os.Stdout)
	fmt.Printf("Target: `imgbuild list` in 30 ms.\n\n")
	return initialization(ctx, w, min(runs, 20))
}

// cost is what the initialization of a package takes.
type cost struct {
	name  string
	clock []time.Duration
	bytes int64
}

func (c cost) median() time.Duration {
	slices.Sort(c.clock)
	return c.clock[len(c.clock)/2]
}

// initialization says which packages do the most before main (runtime's
// GODEBUG=inittrace=1).
func initialization(ctx context.Context, w *workshop.Workshop, runs int) error {
	costs := map[string]*cost{}
	var totals []time.Duration
	for range runs {
		cmd := exec.CommandContext(ctx, w.Imgbuild, "--version")
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil {
			return err
		}
		total := time.Duration(0)
		for lines := bufio.NewScanner(&said); lines.Scan(); {
			// init internal/bytealg @0.008 ms, 0 ms clock, 0 bytes, 0 allocs
			f := strings.Fields(lines.Text())
			if len(f) < 9 || f[0] != "init" {
				continue
			}
			ms, err := strconv.ParseFloat(f[4], 64)
			if err != nil {
				return fmt.Errorf("reading %q: %w", lines.Text(), err)
			}
			n, err := strconv.ParseInt(f[7], 10, 64)
			if err != nil {
				return fmt.Errorf("reading %q: %w", lines.Text(), err)
			}
			d := time.Duration(ms * float64(time.Millisecond))
			total += d
			if costs[f[1]] == nil {
				costs[f[1]] = &cost{name: f[1]}
			}
			costs[f[1]].clock, costs[f[1]].bytes = append(costs[f[1]].clock, d), n
		}
		totals = append(totals, total)
	}
	slices.Sort(totals)
	var all []*cost
	for _, c := range costs {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *cost) int { return int(b.median() - a.median()) })
	t := measure.Table{Head: []string{"initialization of", "time", "allocated"}}
	t.Add(fmt.Sprintf("all %d packages that have some", len(all)), microseconds(totals[len(totals)/2]), "")
	for _, c := range all[:min(12, len(all))] {
		t.Add(c.name, microseconds(c.median()), fmt.Sprintf("%d kB", c.bytes/1000))
	}
	t.Print(os.Stdout)
	fmt.Println()
	return nil
}

func microseconds(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }
