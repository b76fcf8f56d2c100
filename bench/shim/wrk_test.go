package main

import (
	"testing"
	"time"
)

func TestParseWrk(t *testing.T) {
	l, err := parseWrk(`Running 1s test @ http://127.0.0.1:1/
  1 threads and 1 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    46.02us   36.62us   1.53ms   97.86%
    Req/Sec    21.30k     1.02k   22.48k    81.82%
  Latency Distribution
     50%   42.00us
     75%   47.00us
     90%   54.00us
     99%    1.12ms
  23312 requests in 1.10s, 3.20MB read
  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 5
Requests/sec:  21192.36
Transfer/sec:      2.91MB
`)
	want := load{21192.36, 42 * time.Microsecond, 1120 * time.Microsecond, 23312, 15}
	if err != nil || l != want {
		t.Errorf("%+v, %v, want %+v", l, err, want)
	}
	if _, err := parseWrk("unable to connect"); err == nil {
		t.Error("an error of wrk was taken for a result")
	}
}
