package http1

import (
	"testing"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

func TestParseResponse(t *testing.T) {
	keep := func(f Framing) Framing { f.KeepAlive = true; return f }
	length := func(n int64) Framing { return Framing{Kind: Length, Length: n} }
	chunked, until := Framing{Kind: Chunked, Length: -1}, Framing{Kind: UntilClose, Length: -1}
	none := func(n int64) Framing { return Framing{Length: n} }
	for _, c := range []struct {
		name, method, head string
		status             int
		reason             string
		want               Framing
	}{
		{"length", "GET", "HTTP/1.1 200 OK|Content-Length: 5||", 200, "OK", keep(length(5))},
		{"nothing", "GET", "HTTP/1.1 200 OK|Content-Length: 0||", 200, "OK", keep(none(0))},
		{"chunked", "GET", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||", 200, "OK", keep(chunked)},
		{"until close", "GET", "HTTP/1.1 200 OK||", 200, "OK", until},
		{"until close, though it says otherwise", "GET", "HTTP/1.1 200 OK|Connection: keep-alive||", 200, "OK", until},
		{"close", "GET", "HTTP/1.1 200 OK|Content-Length: 5|Connection: close||", 200, "OK", length(5)},
		{"1.0", "GET", "HTTP/1.0 200 OK|Content-Length: 5||", 200, "OK", length(5)},
		{"1.0 kept", "GET", "HTTP/1.0 200 OK|Content-Length: 5|Connection: Keep-Alive||", 200, "OK", keep(length(5))},
		{"HEAD", "HEAD", "HTTP/1.1 200 OK|Content-Length: 5||", 200, "OK", keep(none(5))},
		{"HEAD chunked", "HEAD", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||", 200, "OK", keep(none(-1))},
		{"HEAD of nothing known", "HEAD", "HTTP/1.1 200 OK||", 200, "OK", keep(none(-1))},
		{"204", "GET", "HTTP/1.1 204 No Content||", 204, "No Content", keep(none(-1))},
		{"304", "GET", "HTTP/1.1 304 Not Modified|Content-Length: 9||", 304, "Not Modified", keep(none(9))},
		{"103", "GET", "HTTP/1.1 103 Early Hints|Link: a||", 103, "Early Hints", keep(none(-1))},
		{"no phrase", "GET", "HTTP/1.1 200 |Content-Length: 1||", 200, "", keep(length(1))},
		{"no space either", "GET", "HTTP/1.1 200|Content-Length: 1||", 200, "", keep(length(1))},
		{"shell script", "GET", "HTTP/1.1 200 OK\nContent-Length: 1\n\n", 200, "OK", keep(length(1))},
		{"mixed", "GET", "HTTP/1.1 200 OK\nContent-Length: 1|\n", 200, "OK", keep(length(1))},
		{"space before colon", "GET", "HTTP/1.1 200 OK|A : b|Content-Length: 1||", 200, "OK", keep(length(1))},
		{"phrase of many words", "GET", "HTTP/1.1 299 \xc3\xa4 b\tc|Content-Length: 1||", 299, "\xc3\xa4 b\tc", keep(length(1))},
		{"status over 599", "GET", "HTTP/1.1 999 No|Content-Length: 1||", 999, "No", keep(length(1))},
		{"the same length twice", "GET", "HTTP/1.1 200 OK|Content-Length: 1|Content-Length: 1||", 200, "OK", keep(length(1))},

		{name: "not HTTP", head: "hello||"},
		{name: "HTTP/2", head: "HTTP/2.0 200 OK||"},
		{name: "HTTP/2 without minor version", head: "HTTP/2 200 OK    ||"},
		{name: "ICY", head: "ICY 200 OK HTTP/1.1||"},
		{name: "status of two digits", head: "HTTP/1.1 20 OK||"},
		{name: "status of four digits", head: "HTTP/1.1 2000||"},
		{name: "status below 100", head: "HTTP/1.1 099 X||"},
		{name: "sign in the status", head: "HTTP/1.1 +20 X||"},
		{name: "space before status", head: "HTTP/1.1  200||"},
		{name: "control in phrase", head: "HTTP/1.1 200 \x00||"},
		{name: "bare CR in phrase", head: "HTTP/1.1 200 O\rK||"},
		{name: "bare CR in value", head: "HTTP/1.1 200 OK|A: b\rc||"},
		{name: "obs-fold", head: "HTTP/1.1 200 OK|A: b| c||"},
		{name: "no colon", head: "HTTP/1.1 200 OK|A||"},
		{name: "both lengths", head: "HTTP/1.1 200 OK|Content-Length: 5|Transfer-Encoding: chunked||"},
		{name: "both lengths, one with space", head: "HTTP/1.1 200 OK|Content-Length: 5|Transfer-Encoding : chunked||"},
		{name: "space before a length's colon", head: "HTTP/1.1 200 OK|Content-Length : 5||"},
		{name: "two lengths", head: "HTTP/1.1 200 OK|Content-Length: 5|Content-Length: 6||"},
		{name: "bad length", head: "HTTP/1.1 200 OK|Content-Length: five||"},
		{name: "bad length with HEAD", method: "HEAD", head: "HTTP/1.1 200 OK|Content-Length: five||"},
		{name: "gzip", head: "HTTP/1.1 200 OK|Transfer-Encoding: gzip||"},
		{name: "gzip, chunked", head: "HTTP/1.1 200 OK|Transfer-Encoding: gzip, chunked||"},
		{name: "chunked in 1.0", head: "HTTP/1.0 200 OK|Transfer-Encoding: chunked||"},
		{name: "no end", head: "HTTP/1.1 200 OK|A: b|"},
		{name: "more after the end", head: "HTTP/1.1 200 OK\n\nA: b||"},
	} {
		var r Response
		err := parseResponse(crlfs(c.head), c.method, &r)
		switch {
		case c.status == 0 && err == nil:
			t.Errorf("%s: was taken: %+v", c.name, r)
		case c.status == 0:
		case err != nil || r.Status != c.status || r.Reason != c.reason || r.Framing != c.want:
			t.Errorf("%s: %+v, %v", c.name, r, err)
		}
	}

	var r Response
	if err := parseResponse(crlfs("HTTP/1.1 101 Go|Connection: Upgrade|Upgrade: websocket|X : y||"), "GET", &r); err != nil || r.Upgrade != "websocket" ||
		r.Framing.Kind != None || r.Version != message.HTTP11 || r.Header[2] != (message.Field{Name: "X", Value: "y"}) {
		t.Errorf("%+v %v", r, err)
	}
}
