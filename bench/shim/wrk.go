package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// load is what wrk says of one run.
type load struct {
	rate        float64 // answers a second
	median, p99 time.Duration
	answers     int64
	errors      int64 // answers that are not 2xx or 3xx, and broken connections
}

var (
	rateLine   = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	medianLine = regexp.MustCompile(`(?m)^\s+50%\s+([0-9.]+)(us|ms|s)`)
	p99Line    = regexp.MustCompile(`(?m)^\s+99%\s+([0-9.]+)(us|ms|s)`)
	countLine  = regexp.MustCompile(`(?m)^\s+([0-9]+) requests in`)
	socketLine = regexp.MustCompile(`Socket errors: connect ([0-9]+), read ([0-9]+), write ([0-9]+), timeout ([0-9]+)`)
	statusLine = regexp.MustCompile(`Non-2xx or 3xx responses: ([0-9]+)`)
)

// wrk loads addr over so many connections.
func wrk(ctx context.Context, addr string, connections int, d time.Duration) (load, error) {
	// One thread up to 16 connections: what is measured needs the cores.
	threads := 1 + connections/64
	out, err := exec.CommandContext(ctx, "wrk", "-t", strconv.Itoa(threads), "-c", strconv.Itoa(connections),
		"-d", fmt.Sprintf("%ds", max(1, int(d.Seconds()))), "--latency", "http://"+addr+"/").CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("wrk (apt-get install wrk): %w: %s", err, out)
	}
	return parseWrk(string(out))
}

func parseWrk(out string) (load, error) {
	var l load
	m := rateLine.FindStringSubmatch(out)
	n := countLine.FindStringSubmatch(out)
	if m == nil || n == nil {
		return l, fmt.Errorf("wrk said something else: %s", out)
	}
	l.rate, _ = strconv.ParseFloat(m[1], 64)
	l.answers, _ = strconv.ParseInt(n[1], 10, 64)
	for to, line := range map[*time.Duration]*regexp.Regexp{&l.median: medianLine, &l.p99: p99Line} {
		if m := line.FindStringSubmatch(out); m != nil {
			*to, _ = time.ParseDuration(m[1] + m[2])
		}
	}
	for _, line := range []*regexp.Regexp{socketLine, statusLine} {
		if m := line.FindStringSubmatch(out); m != nil {
			for _, s := range m[1:] {
				n, _ := strconv.ParseInt(s, 10, 64)
				l.errors += n
			}
		}
	}
	return l, nil
}

// middle is the median of f over loads.
func middle[T any, N int64 | float64 | time.Duration](samples []T, f func(T) N) N {
	var all []N
	for _, s := range samples {
		all = append(all, f(s))
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}
