package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
)

// single: an image to one empty registry, without a wire between.
func (b *bench) single(ctx context.Context) error {
	golang, err := b.golang(ctx)
	if err != nil {
		return err
	}
	large, err := b.large(*mib)
	if err != nil {
		return err
	}
	for _, server := range []string{debian, embedded} {
		if err := b.race(ctx, server, golang, large); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) race(ctx context.Context, server string, images ...*image) (err error) {
	r, err := b.newRegion(ctx, server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	pushes := []push{b.copyFresh, b.cranePush, b.skopeoCopy}
	for _, i := range images {
		samples := make([][]measure.Sample, len(pushes))
		for n := range *runs + 1 { // the first is the warm-up
			for k := range pushes {
				k = (k + n) % len(pushes) // nobody is always the first
				if err := r.empty(); err != nil {
					return err
				}
				quiet()
				s, err := pushes[k](ctx, i, r.direct+"/base/image:bench")
				if err != nil {
					return err
				}
				if n > 0 {
					samples[k] = append(samples[k], s)
				}
			}
		}
		ours, crane, skopeo := measure.Median(samples[0]), measure.Median(samples[1]), measure.Median(samples[2])
		b.report.add(row{
			what:  fmt.Sprintf("%s to one registry, no limit, %s", measure.MB(i.size), server),
			asked: "crane's time", ours: measure.Time(ours), crane: measure.Time(crane), skopeo: measure.Time(skopeo),
			ratio: finer(min(crane, skopeo), ours), met: ours <= crane,
		})
	}
	return nil
}

// quiet lets the disk end what was written before, so that it does not weigh
// on what is measured next.
func quiet() {
	syscall.Sync()
	time.Sleep(100 * time.Millisecond)
}
