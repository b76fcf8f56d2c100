package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
)

// long loads the shim over 64 connections until so many requests are answered,
// and looks at its memory after each tenth.
func (b *bench) long(ctx context.Context) error {
	if *requests == 0 {
		return nil
	}
	s, err := b.underShim(ctx, nil, "", b.path("program"))
	if err != nil {
		return err
	}
	defer s.stop()
	measure.Title(os.Stdout, fmt.Sprintf("%d requests over 64 connections", *requests))
	warm, err := wrk(ctx, s.addr, 64, 2*time.Second)
	if err != nil {
		return err
	}
	begin, answers, errors := time.Now(), warm.answers, warm.errors
	t := measure.Table{Head: []string{"answers", "resident memory of the shim", "errors"}}
	report := func() error {
		n, err := s.resident()
		t.Add(fmt.Sprint(answers), measure.MB(n), fmt.Sprint(errors))
		return err
	}
	if err := report(); err != nil {
		return err
	}
	for tenth := int64(1); answers < *requests; tenth++ {
		if answers >= tenth**requests/10 {
			continue // a short run: passed already
		}
		for answers < min(*requests, tenth**requests/10) {
			l, err := wrk(ctx, s.addr, 64, max(time.Second, min(30*time.Second, time.Duration(float64(*requests)/10/warm.rate*float64(time.Second)))))
			if err != nil {
				return err
			}
			answers, errors = answers+l.answers, errors+l.errors
		}
		if err := report(); err != nil {
			return err
		}
	}
	t.Print(os.Stdout)
	fmt.Printf("In %s. Target: no error, memory flat.\n\n", time.Since(begin).Round(time.Second))
	return nil
}
