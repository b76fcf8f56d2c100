package relay

import (
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

func TestRequestHead(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *message.Request)
		fields string // name: value lines
		want   string
	}{
		"as it came": {nil, "hOST: a:1\nX-One: 1\nx-two:\nX-One: 2\nAuthorization: b\nProxy-Authorization: c\nForwarded: for=x\nVia: 1.1 y\nTrailer: z",
			"GET /a%2f/%41?b=c;d HTTP/1.1\nhOST: a:1\nX-One: 1\nx-two: \nX-One: 2\nAuthorization: b\nProxy-Authorization: c\nForwarded: for=x\nVia: 1.1 y\nTrailer: z"},
		"hop by hop": {nil, "Host: a\nConnection: X-Hop, close\nX-Hop: 1\nKeep-Alive: 5\nProxy-Connection: keep-alive\nTE: gzip\nUpgrade: x\nX-Stays: 1\nconnection: x-HOP-2\nX-Hop-2: 1",
			"GET /a%2f/%41?b=c;d HTTP/1.1\nHost: a\nX-Stays: 1"},
		"what a client cannot take off": {nil, "Host: a\nConnection: host, x-fc-request-id, content-length\nX-Fc-Request-Id: 1",
			"GET /a%2f/%41?b=c;d HTTP/1.1\nHost: a\nX-Fc-Request-Id: 1"},
		"TE": {nil, "Host: a\nTE: gzip, trailers;q=1\nTE: trailers\nConnection: TE",
			"GET /a%2f/%41?b=c;d HTTP/1.1\nHost: a\nTE: trailers\nConnection: TE"},
		"TE of HTTP/2": {func(r *message.Request) { r.Version = message.HTTP2 }, "Host: a\nte: trailers\ncookie: a=1\nx: y\ncookie: b=2\ncookie: c",
			"GET /a%2f/%41?b=c;d HTTP/1.1\nHost: a\nte: trailers\ncookie: a=1; b=2; c\nx: y\nConnection: TE"},
		"upgrade": {func(r *message.Request) { r.Upgrade = "websocket" }, "Host: a\nconnection: keep-alive, Upgrade\nUpgrade: websocket\nSec-WebSocket-Key: k",
			"GET /a%2f/%41?b=c;d HTTP/1.1\nHost: a\nconnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Key: k"},
		"upgrade to h2c": {func(r *message.Request) { r.Upgrade = "h2c" }, "Host: a\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: k",
			"GET /a%2f/%41?b=c;d HTTP/1.1\nHost: a"},
		"absolute": {func(r *message.Request) { r.Target = "http://user@other:8/x?y" }, "X: y\nHost: a",
			"GET /x?y HTTP/1.1\nHost: other:8\nX: y"},
		"absolute without a path": {func(r *message.Request) { r.Target = "http://other?y" }, "Host: a", "GET /?y HTTP/1.1\nHost: other"},
		"absolute OPTIONS":        {func(r *message.Request) { r.Target, r.Method = "http://other", "OPTIONS" }, "Host: a", "OPTIONS * HTTP/1.1\nHost: other"},
		"OPTIONS *":               {func(r *message.Request) { r.Target, r.Method = "*", "OPTIONS" }, "Host: a", "OPTIONS * HTTP/1.1\nHost: a"},
		"two slashes":             {func(r *message.Request) { r.Target = "//a/http://b" }, "Host: a", "GET //a/http://b HTTP/1.1\nHost: a"},
		"HTTP/1.0":                {func(r *message.Request) { r.Version = message.HTTP10 }, "Connection: keep-alive\nX: y", "GET /a%2f/%41?b=c;d HTTP/1.1\nX: y\nHost: localhost"},
		"counted": {func(r *message.Request) { r.Body, r.Length, r.Method = &stringBody{}, 7, "POST" }, "Host: a\ncontent-LENGTH: 7\nX: y\nContent-Length: 7",
			"POST /a%2f/%41?b=c;d HTTP/1.1\nHost: a\ncontent-LENGTH: 7\nX: y"},
		"chunked": {func(r *message.Request) { r.Body, r.Length, r.Method = &stringBody{}, -1, "POST" }, "Host: a\nTransfer-encoding: chunked\nX: y",
			"POST /a%2f/%41?b=c;d HTTP/1.1\nHost: a\nTransfer-encoding: chunked\nX: y"},
		"chunked from HTTP/2": {func(r *message.Request) { r.Body, r.Length, r.Version = &stringBody{}, -1, message.HTTP2 }, "Host: a",
			"GET /a%2f/%41?b=c;d HTTP/1.1\nHost: a\nTransfer-Encoding: chunked"},
		"trailers from HTTP/2": {func(r *message.Request) { r.Body, r.Length, r.Version = &stringBody{}, 3, message.HTTP2 }, "Host: a\ncontent-length: 3\ntrailer: x",
			"GET /a%2f/%41?b=c;d HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\ntrailer: x"},
		"empty POST":      {func(r *message.Request) { r.Method = "POST" }, "Host: a", "POST /a%2f/%41?b=c;d HTTP/1.1\nHost: a\nContent-Length: 0"},
		"empty GET":       {nil, "Host: a\nContent-Length: 0", "GET /a%2f/%41?b=c;d HTTP/1.1\nHost: a\nContent-Length: 0"},
		"authority":       {func(r *message.Request) { r.Target, r.Method = "a:1", "CONNECT" }, "Host: a", ""},
		"space":           {func(r *message.Request) { r.Target = "/a HTTP/1.1" }, "Host: a", ""},
		"bad method":      {func(r *message.Request) { r.Method = "GET /" }, "Host: a", ""},
		"bad name":        {nil, "Host: a\nContent-Length : 5", ""},
		"line break":      {func(r *message.Request) { r.Header.Add("a", "b\r\nc: d") }, "Host: a", ""},
		"bare line feed":  {func(r *message.Request) { r.Header.Add("a", "b\nc: d") }, "Host: a", ""},
		"bare CR, two LF": {func(r *message.Request) { r.Header.Add("a", "b\rc"); r.Header.Add("a", "b\nc") }, "Host: a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := message.Request{Method: "GET", Target: "/a%2f/%41?b=c;d", Version: message.HTTP11}
			for line := range strings.Lines(c.fields) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
				r.Header.Add(name, strings.TrimSpace(value))
			}
			if c.change != nil {
				c.change(&r)
			}
			var out strings.Builder
			var w http1.Writer
			w.Reset(&out)
			ok := writeHead(&w, &r, framingOf(&r))
			ok = w.Begin(http1.Framing{}) == nil && w.Flush() == nil && ok
			if c.want == "" {
				if ok {
					t.Fatalf("written as %q", out.String())
				}
				return
			}
			if want := strings.ReplaceAll(c.want, "\n", "\r\n") + "\r\n\r\n"; out.String() != want || !ok {
				t.Fatalf("%q, want %q", out.String(), want)
			}
		})
	}
}
