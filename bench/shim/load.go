package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
)

// names are who is loaded, in the order of the table.
var names = []string{"the program alone", "bare relay", "shim", "httputil.ReverseProxy"}

// connections that wrk opens.
var connections = []int{1, 16, 64}

// load measures throughput and latency, one after the other in each round, so
// that what else the machine does hits all alike.
func (b *bench) load(ctx context.Context) error {
	servers, stop, err := b.all(ctx)
	if err != nil {
		return err
	}
	defer stop()
	measure.Title(os.Stdout, "The shim and its peers, a trivial Go program behind")
	shim := servers[2]
	time.Sleep(2 * time.Second)
	idle, err := shim.resident()
	if err != nil {
		return err
	}
	samples := map[int]map[string][]load{}
	errors := int64(0)
	for range *rounds {
		for _, c := range connections {
			for i, s := range servers {
				l, err := wrk(ctx, s.addr, c, *duration)
				if err != nil {
					return err
				}
				errors += l.errors
				if samples[c] == nil {
					samples[c] = map[string][]load{}
				}
				samples[c][names[i]] = append(samples[c][names[i]], l)
			}
		}
	}
	after, err := shim.resident()
	if err != nil {
		return err
	}
	rate := func(c int, name string) float64 {
		return middle(samples[c][name], func(l load) float64 { return l.rate })
	}
	t := measure.Table{Head: []string{"answers a second, median of " + measure.Times(*rounds)}}
	for _, c := range connections {
		t.Head = append(t.Head, measureConnections(c), "of httputil's")
	}
	for _, name := range names {
		cells := []string{name}
		for _, c := range connections {
			cells = append(cells, fmt.Sprintf("%.0f", rate(c, name)), fmt.Sprintf("%.2f×", rate(c, name)/rate(c, names[3])))
		}
		t.Add(cells...)
	}
	t.Print(os.Stdout)
	fmt.Print("Target for the shim: at least 1.5× at 16 and 64 connections, aim 2×.\n\n")

	t = measure.Table{Head: []string{"latency at 1 connection", "median", "over the program alone", "99th percentile"}}
	median := func(name string) time.Duration {
		return middle(samples[1][name], func(l load) time.Duration { return l.median })
	}
	for _, name := range names {
		t.Add(name, micro(median(name)), micro(median(name)-median(names[0])), micro(middle(samples[1][name], func(l load) time.Duration { return l.p99 })))
	}
	t.Print(os.Stdout)
	fmt.Printf("The shim's median is %s over the bare relay's. Targets: at most 20 µs; 99th percentile under 250 µs.\n\n", micro(median("shim")-median("bare relay")))
	fmt.Printf("The shim's memory: %s idle (limit 10 MB), %s after the load. Errors of all runs: %d.\n", measure.MB(idle), measure.MB(after), errors)
	fmt.Print("Not measured: of-watchdog, whose module the Go proxy refuses to serve.\n\n")
	return nil
}

// all starts the program, alone and behind each peer.
func (b *bench) all(ctx context.Context) (servers []*server, stop func(), err error) {
	stop = func() {
		for _, s := range servers {
			s.stop()
		}
	}
	add := func(s *server, err error) error {
		if err == nil {
			servers = append(servers, s)
		}
		return err
	}
	if err = add(b.alone(ctx, nil, "", b.path("program"))); err == nil {
		addr := servers[0].addr
		if err = add(b.before(ctx, "relay", addr)); err == nil {
			if err = add(b.underShim(ctx, nil, "", b.path("program"))); err == nil {
				err = add(b.before(ctx, "httputil", addr))
			}
		}
	}
	if err != nil {
		stop()
	}
	return servers, stop, err
}

func measureConnections(n int) string {
	if n == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", n)
}

func micro(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }
