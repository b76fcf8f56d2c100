package front

import (
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

func TestMetrics(t *testing.T) {
	f, _ := newFront(says(200, ""))
	f.Serve(ask("POST", "/invoke"))
	f.Serve(ask("GET", "/"))
	f.Serve(ask("GET", "/pre-freeze"))
	f.Backend = func() message.Backend {
		return program(func(message.Exchange) error { return &message.Failure{Status: 502, Type: message.ProgramExited} })
	}
	f.Serve(ask("GET", "/"))
	x := ask("GET", "/metrics?a")
	f.Metrics.Serve(x)
	text := x.body.String()
	for _, want := range []string{
		`shim_requests_total{call="http-invoke",status="2xx"} 1`, `shim_requests_total{call="http-invoke",status="5xx"} 1`,
		`shim_requests_total{call="invoke",status="2xx"} 1`, `shim_requests_total{call="pre-freeze",status="2xx"} 1`,
		"shim_requests_in_flight 0", `shim_request_duration_seconds_bucket{le="+Inf"} 3`, "shim_request_duration_seconds_count 3",
		`shim_failures_total{type="ProgramExited"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	for target, want := range map[string]int{"/": 404} {
		x := ask("GET", target)
		if f.Metrics.Serve(x); x.head.Status != want {
			t.Errorf("%s: %d", target, x.head.Status)
		}
	}
	x = ask("POST", "/metrics")
	if f.Metrics.Serve(x); x.head.Status != 405 {
		t.Error(x.text())
	}
}
