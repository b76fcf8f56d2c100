package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
)

// mount: a new repository of a registry that has the layers in another one.
func (b *bench) mount(ctx context.Context) (err error) {
	r, err := b.newRegion(ctx, debian)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	i, err := b.golang(ctx)
	if err != nil {
		return err
	}
	store := filepath.Join(b.Dir, "store-mount")
	remembering := func(ctx context.Context, i *image, to ...string) (measure.Sample, error) {
		return b.copyWith(ctx, store, i, to...)
	}
	within := func(ctx context.Context, _ *image, to ...string) (measure.Sample, error) {
		return b.craneCopy(ctx, r.addr+"/push/golang:bench", to[0])
	}
	ways := []struct {
		name string
		push push
	}{{"copy", remembering}, {"push", b.cranePush}, {"skopeo", b.skopeoCopy}, {"within", within}}
	// Each one's push of before is what it may remember.
	for _, w := range ways[:3] {
		if _, err := w.push(ctx, i, r.addr+"/"+w.name+"/golang:bench"); err != nil {
			return err
		}
	}
	r.setRate(*speed)
	sent := make([]int64, len(ways))
	times := make([][]measure.Sample, len(ways))
	for n := range *runs {
		for k, w := range ways {
			r.clear(nil)
			s, err := w.push(ctx, i, fmt.Sprintf("%s/new-%s-%d/golang:bench", r.addr, w.name, n))
			if err != nil {
				return err
			}
			_, bytes, _ := r.counted()
			sent[k] = max(sent[k], bytes)
			times[k] = append(times[k], s)
		}
	}
	cell := func(k int) string { return measure.MB(sent[k]) + ", " + measure.Time(measure.Median(times[k])) }
	best := min(measure.Median(times[1]), measure.Median(times[2]), measure.Median(times[3]))
	b.report.add(row{
		what:  "golang into a new repository of a registry that has it",
		asked: "nothing sent", ours: cell(0), crane: "push " + cell(1) + "; copy within it " + cell(3), skopeo: cell(2),
		ratio: measure.Ratio(measure.Median(times[0]), best), met: sent[0] == 0,
	})
	return nil
}
