package front

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// bounds are the histogram's upper limits in seconds: Prometheus' own default
// ones, and those of what the shim itself adds.
var bounds = [...]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

// classes of answers: by hundreds, and those that were broken off.
var classes = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

// Metrics counts what Prometheus asks for. The zero value is ready.
type Metrics struct {
	inFlight atomic.Int64
	// calls counts by kind of call and class of answer.
	calls [fc.PreStop + 1][len(classes)]atomic.Int64
	// durations counts calls that are no hooks, each in its smallest bound.
	durations [len(bounds) + 1]atomic.Int64
	nanos     atomic.Int64

	mu       sync.Mutex
	failures map[string]int64
}

func (m *Metrics) begin() { m.inFlight.Add(1) }

func (m *Metrics) end(c *call) {
	m.inFlight.Add(-1)
	m.calls[c.kind][min(c.status/100, len(classes)-1)].Add(1)
	if c.kind.Hook() || c.upgraded {
		return
	}
	d := time.Since(c.began)
	m.nanos.Add(int64(d))
	i := 0
	for i < len(bounds) && d.Seconds() > bounds[i] {
		i++
	}
	m.durations[i].Add(1)
}

func (m *Metrics) fail(kind string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failures == nil {
		m.failures = map[string]int64{}
	}
	m.failures[kind]++
}

// Text is the Prometheus text format, version 0.0.4.
func (m *Metrics) Text() string {
	var b strings.Builder
	b.WriteString("# HELP shim_requests_total Calls that were answered, by kind and class of status; none: broken off.\n# TYPE shim_requests_total counter\n")
	for kind := range m.calls {
		for class := range classes {
			if n := m.calls[kind][class].Load(); n > 0 {
				fmt.Fprintf(&b, "shim_requests_total{call=%q,status=%q} %d\n", strings.TrimPrefix(fc.Call(kind).Path(), "/"), classes[class], n)
			}
		}
	}
	fmt.Fprintf(&b, "# HELP shim_requests_in_flight Calls being answered.\n# TYPE shim_requests_in_flight gauge\nshim_requests_in_flight %d\n", m.inFlight.Load())
	b.WriteString("# HELP shim_request_duration_seconds Time from a request's head to the end of its answer, without hooks.\n# TYPE shim_request_duration_seconds histogram\n")
	total := int64(0)
	for i := range m.durations {
		total += m.durations[i].Load()
		limit := "+Inf"
		if i < len(bounds) {
			limit = fmt.Sprint(bounds[i])
		}
		fmt.Fprintf(&b, "shim_request_duration_seconds_bucket{le=%q} %d\n", limit, total)
	}
	fmt.Fprintf(&b, "shim_request_duration_seconds_sum %g\nshim_request_duration_seconds_count %d\n", time.Duration(m.nanos.Load()).Seconds(), total)
	b.WriteString("# HELP shim_failures_total Calls that the shim had to answer itself, by reason.\n# TYPE shim_failures_total counter\n")
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, kind := range slices.Sorted(maps.Keys(m.failures)) {
		fmt.Fprintf(&b, "shim_failures_total{type=%q} %d\n", kind, m.failures[kind])
	}
	return b.String()
}

// Serve answers GET /metrics. It is a message.Handler.
func (m *Metrics) Serve(x message.Exchange) {
	r := x.Request()
	h := message.Header{{Name: "Content-Type", Value: "text/plain; version=0.0.4; charset=utf-8"}}
	switch {
	case r.Path() != "/metrics":
		message.Answer(x, 404, h, []byte("metrics are at /metrics\n"))
	case r.Method != "GET" && r.Method != "HEAD":
		h.Add("Allow", "GET, HEAD")
		message.Answer(x, 405, h, nil)
	default:
		message.Answer(x, 200, h, []byte(m.Text()))
	}
}
