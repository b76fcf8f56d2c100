package http2

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// backend stands for the relay by HTTP/1.1.
type backend func(message.Exchange) error

func (b backend) Do(x message.Exchange) error { return b(x) }

// TestEither asks programs of both kinds for gRPC and for something else.
func TestEither(t *testing.T) {
	defer func(d time.Duration) { probeTime = d }(probeTime)
	probeTime = time.Minute
	grpc, _ := program(t, "127.0.0.1:0", nil)
	silent := speakRaw(t, "")
	for _, c := range []struct {
		program  string
		requests []string // content types; GET where empty
		want     string   // the way that each went
	}{
		{grpc.String(), []string{"application/grpc", "text/plain"}, "2 1"},                                      // nothing else is known of it
		{grpc.String(), []string{"", "text/plain", "application/grpc"}, "1+2 2 2"},                              // it turns out with the first
		{grpc.String(), []string{"text/plain", "text/plain"}, "1 2"},                                            // a POST is not sent twice
		{silent, []string{"application/grpc", "application/grpc", "application/grpc", "text/plain"}, "1 1 1 1"}, // it is asked once
		{silent, []string{"", "", "application/grpc", "application/grpc"}, "1 1 1 1"},
	} {
		var way []string
		dials := 0
		k := &Client{Dial: dialing(t, c.program).Dial}
		dial := k.Dial
		k.Dial = func(ctx context.Context) (conn net.Conn, err error) { dials++; return dial(ctx) }
		speaksOne := c.program == silent
		e := &Either{HTTP2: k, HTTP1: backend(func(x message.Exchange) error {
			way = append(way, "1")
			if !speaksOne {
				return &message.Failure{Status: 502, Type: message.ProgramClosedConnection}
			}
			message.Answer(x, 299, nil, nil)
			return nil
		})}
		addr, _ := listen(t, func(x message.Exchange) { answerFor(t, e, x) }, Options{})
		t.Cleanup(e.Close)
		for _, kind := range c.requests {
			before := len(way)
			var r *http.Response
			var err error
			if kind == "" {
				r, err = httpClient(t).Get("http://" + addr)
			} else {
				r, err = httpClient(t).Post("http://"+addr+"/a/b", kind, strings.NewReader("\x00\x00\x00\x00\x00"))
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.StatusCode != 299 && r.StatusCode != 502 { // gRPC's server
				if len(way) > before {
					way[before] += "+2"
				} else {
					way = append(way, "2")
				}
			}
			_ = r.Body.Close()
		}
		if got := strings.Join(way, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.requests, got, c.want)
		}
		if speaksOne && dials != 1 {
			t.Errorf("%d connections to ask", dials)
		}
	}
}
