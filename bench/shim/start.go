package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
)

// start measures the time to the first answer, and what the binary weighs.
func (b *bench) start(ctx context.Context) error {
	measure.Title(os.Stdout, "From start to first answer of a Go program")
	alone, shim, err := b.compareStarts(
		func() (*server, error) { return b.alone(ctx, nil, "", b.path("program")) },
		func() (*server, error) { return b.underShim(ctx, nil, "", b.path("program")) },
	)
	if err != nil {
		return err
	}
	t := measure.Table{Head: []string{"median of " + measure.Times(*starts), "time", "more", "limit"}}
	t.Add("the program alone", milli(alone), "", "")
	t.Add("under the shim", milli(shim), milli(shim-alone), "10 ms")
	t.Print(os.Stdout)
	fi, err := os.Stat(b.path("shim"))
	if err != nil {
		return err
	}
	fmt.Printf("The shim's binary: %s (limit 6.5 MB).\n\n", measure.MB(fi.Size()))
	return nil
}

// compareStarts starts both in turn and returns the medians.
func (b *bench) compareStarts(first, second func() (*server, error)) (x, y time.Duration, err error) {
	var samples [2][]time.Duration
	for n := range *starts + 1 { // the first brings the files into memory
		for i, f := range []func() (*server, error){first, second} {
			s, err := f()
			if err != nil {
				return 0, 0, err
			}
			s.stop()
			if n > 0 {
				samples[i] = append(samples[i], s.first)
			}
		}
	}
	same := func(d time.Duration) time.Duration { return d }
	return middle(samples[0], same), middle(samples[1], same), nil
}

func milli(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
