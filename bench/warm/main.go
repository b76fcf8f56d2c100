// Command warm measures whole processes when nothing has changed, beside
// BuildKit with everything cached.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/peer"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
	"github.com/imgbuild/imgbuild/internal/testtool"
)

func main() {
	runs := flag.Int("n", 15, "how often each is run")
	workshop.Main(func(ctx context.Context, w *workshop.Workshop) error { return bench(ctx, w, *runs) })
}

// row is one comparison; theirs may be nil.
type row struct {
	name, limit  string
	ours, theirs func() (measure.Sample, error)
}

func bench(ctx context.Context, w *workshop.Workshop, runs int) error {
	c, err := peer.NewContext(ctx, w)
	if err != nil {
		return err
	}
	b, err := peer.StartBuildKit(w)
	if err != nil {
		return err
	}
	defer b.Close()
	r, err := testtool.StartRegistry(w.Dir)
	if err != nil {
		return err
	}
	defer r.Close()
	imgbuild := func(args ...string) func() (measure.Sample, error) {
		return func() (measure.Sample, error) { return w.Run(ctx, args...) }
	}
	buildctl := func(args ...string) func() (measure.Sample, error) {
		return func() (measure.Sample, error) { return b.Build(ctx, c, args...) }
	}
	rows := []row{
		{"golang", "150 ms", imgbuild("golang"), buildctl("--output", "type=image,name=example.com/golang:1.27")},
		{"golang, pushed", "150 ms", imgbuild("golang", "--push", "--registry", r.Host+"/ours"),
			buildctl("--output", "type=image,push=true,registry.insecure=true,name="+r.Host+"/theirs/golang:1.27")},
		{"golang, pushed to the embedded registry", "150 ms", imgbuild("golang", "--push", "--registry", "embedded"), nil},
		{"golang, node, typescript, --all", "500 ms", imgbuild("golang", "node", "typescript", "--all"), nil},
	}
	samples := make([][2][]measure.Sample, len(rows))
	for n := range runs + 1 { // the first of each is what makes it cached
		if n == 1 {
			measure.Title(os.Stdout, "Warm: nothing has changed, the whole process")
		}
		for i, row := range rows {
			for k, run := range []func() (measure.Sample, error){row.ours, row.theirs} {
				if run == nil {
					continue
				}
				s, err := run()
				if err != nil {
					return err
				}
				if n > 0 {
					samples[i][k] = append(samples[i][k], s)
				}
			}
		}
	}
	t := measure.Table{Head: []string{"median of " + measure.Times(runs), "imgbuild", "limit", "buildctl build, cached", "ratio"}}
	for i, row := range rows {
		ours, theirs, ratio := measure.Median(samples[i][0]), "", ""
		if row.theirs != nil {
			m := measure.Median(samples[i][1])
			theirs, ratio = measure.Time(m), measure.Ratio(ours, m)
		}
		t.Add(row.name, measure.Time(ours), row.limit, theirs, ratio)
	}
	t.Print(os.Stdout)
	fmt.Print("Target: at least 10×.\n\n")
	return nil
}
