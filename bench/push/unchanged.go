package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
)

// names of the images; each is pushed with all versions, variants and tags.
var names = []string{"golang", "node", "typescript"}

// unchanged: all images are in five registries already.
func (b *bench) unchanged(ctx context.Context) error {
	for _, server := range []string{embedded, debian} {
		if err := b.again(ctx, server); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) again(ctx context.Context, server string) (err error) {
	rs, err := b.newRegions(ctx, server, five+1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll(rs)) }()
	command := func(rs []*region) []string {
		args := append(slices.Clone(names), "--all", "--json", "--push")
		for _, r := range rs {
			args = append(args, "--registry", r.addr+"/base")
		}
		return args
	}
	// The last one is what crane copies from, for it knows no definitions.
	first, err := b.Run(ctx, command(rs)...)
	if err != nil {
		return err
	}
	regions, source := rs[:five], rs[five]
	tags, err := countTags(first.Stdout)
	if err != nil {
		return err
	}
	tags = tags / len(rs) * len(regions)
	for _, r := range regions {
		r.setRate(*speed)
	}
	var ours, theirs []measure.Sample
	var asked, craneAsked int
	for n := range *runs + 1 { // the first is the warm-up
		clearAll(regions)
		quiet()
		s, err := b.Run(ctx, command(regions)...)
		if err != nil {
			return err
		}
		asked = requests(regions)
		if n == 0 {
			continue
		}
		ours = append(ours, s)
		if n > 2 {
			continue // crane's take long, and are counted, not timed to the millisecond
		}
		clearAll(regions)
		sum := measure.Sample{}
		for _, r := range regions {
			for _, name := range names {
				s, err := b.craneCopy(ctx, source.direct+"/base/"+name, r.addr+"/base/"+name, "--all-tags")
				if err != nil {
					return err
				}
				sum.Wall += s.Wall
			}
		}
		craneAsked = requests(regions)
		theirs = append(theirs, sum)
	}
	t, c := measure.Median(ours), measure.Median(theirs)
	b.report.add(row{
		what:  fmt.Sprintf("nothing changed: %d tags in five registries, %s; crane copy --all-tags in turn", tags, server),
		asked: "300 ms", ours: measure.Time(t), crane: measure.Time(c), ratio: measure.Ratio(t, c), met: t <= 300*time.Millisecond,
	})
	each := func(n int) string { return fmt.Sprintf("%.2f", float64(n)/float64(tags)) }
	b.report.add(row{
		what: "requests a tag, " + server, asked: "2", ours: each(asked), crane: each(craneAsked),
		ratio: fmt.Sprintf("%.1f×", float64(craneAsked)/float64(asked)), met: asked <= 2*tags,
	})
	return nil
}

// countTags counts the tags of all results.
func countTags(stdout []byte) (n int, err error) {
	var results []struct{ Tags []string }
	if err := json.Unmarshal(stdout, &results); err != nil {
		return 0, fmt.Errorf("reading imgbuild's results: %w", err)
	}
	for _, r := range results {
		n += len(r.Tags)
	}
	if n == 0 {
		return 0, errors.New("imgbuild's results have no tags")
	}
	return n, nil
}

func clearAll(rs []*region) {
	for _, r := range rs {
		r.clear(nil)
	}
}

func requests(rs []*region) (n int) {
	for _, r := range rs {
		asked, _, _ := r.counted()
		n += asked
	}
	return n
}
