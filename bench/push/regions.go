package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
)

// count of regions.
const five = 5

// regions: an image to five registries of the same rate takes little longer
// than to one.
func (b *bench) regions(ctx context.Context) (err error) {
	rs, err := b.newRegions(ctx, debian, five)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll(rs)) }()
	i, err := b.golang(ctx)
	if err != nil {
		return err
	}
	for _, r := range rs {
		r.setRate(*speed)
	}
	measured := func(p push, rs []*region) (measure.Sample, error) {
		var to []string
		for _, r := range rs {
			if err := r.empty(); err != nil {
				return measure.Sample{}, err
			}
			to = append(to, r.addr+"/base/golang:bench")
		}
		quiet()
		return p(ctx, i, to...)
	}
	var one, all []measure.Sample
	for range *runs {
		s, err := measured(b.copyFresh, rs[:1])
		if err != nil {
			return err
		}
		one = append(one, s)
		if s, err = measured(b.copyFresh, rs); err != nil {
			return err
		}
		all = append(all, s)
	}
	// Five in turn are five measurements already.
	crane, err := measured(b.cranePush, rs)
	if err != nil {
		return err
	}
	skopeo, err := measured(b.skopeoCopy, rs)
	if err != nil {
		return err
	}
	ours, single := measure.Median(all), measure.Median(one)
	b.report.add(row{
		what:  fmt.Sprintf("golang, %s, to five registries of %d MB/s; peers in turn", measure.MB(i.size), *speed),
		asked: "1.2 × one", ours: fmt.Sprintf("%s, %s of %s", measure.Time(ours), finer(ours, single), measure.Time(single)),
		crane: measure.Time(crane.Wall), skopeo: measure.Time(skopeo.Wall),
		ratio: measure.Ratio(ours, min(crane.Wall, skopeo.Wall)), met: float64(ours) <= 1.2*float64(single),
	})
	return nil
}
