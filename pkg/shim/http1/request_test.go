package http1

import (
	"errors"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// crlfs makes line ends of the | in a test's text.
func crlfs(s string) string { return strings.ReplaceAll(s, "|", "\r\n") }

// TestParseRequestStatus has a line for each reason to refuse a request. 0 is
// a request that is taken.
func TestParseRequestStatus(t *testing.T) {
	const get = "GET / HTTP/1.1|Host: a|"
	for _, c := range []struct {
		name, head string
		want       int
	}{
		{"plain", get + "|", 0},
		{"no fields", "GET / HTTP/1.0||", 0},
		{"method of all signs", "!#$%&'*+-.^_`~09azAZ / HTTP/1.0||", 0},

		{"bare LF after request line", "GET / HTTP/1.1\nHost: a||", 400},
		{"bare LF after field", "GET / HTTP/1.1|Host: a\n|", 400},
		{"bare LF as empty line", get + "\n", 400},
		{"bare CR in value", get + "A: b\rc||", 400},
		{"CR CR LF", get + "A: b\r||", 400},
		{"bare CR in name", get + "A\rB: c||", 400},
		{"bare CR in target", "GET /\r HTTP/1.1|Host: a||", 400},
		{"NUL in value", get + "A: b\x00c||", 400},
		{"escape in value", get + "A: \x1b[31m||", 400},
		{"DEL in value", get + "A: \x7f||", 400},
		{"tab and obs-text in value", get + "A: b\tc \xff||", 0},
		{"empty value", get + "A:||", 0},
		{"obs-fold", get + "A: b| c||", 400},
		{"obs-fold by tab", get + "A: b|\tc||", 400},
		{"fold on the first line", "GET / HTTP/1.1| A: b|Host: a||", 400},
		{"space before colon", get + "A : b||", 400},
		{"tab before colon", get + "A\t: b||", 400},
		{"space in name", get + "A B: c||", 400},
		{"no name", get + ": c||", 400},
		{"no colon", get + "A||", 400},
		{"name with obs-text", get + "\xc3\xa4: c||", 400},
		{"name with a separator", get + "A(B): c||", 400},
		{"no end", get, 400},
		{"more after the end", get + "|GET", 400},
		{"too many fields", get + strings.Repeat("A: b|", maxFields) + "|", 431},
		{"as many fields as may be", get + strings.Repeat("A: b|", maxFields-1) + "|", 0},

		{"no method", " / HTTP/1.1|Host: a||", 400},
		{"method with a separator", "G(T / HTTP/1.1|Host: a||", 400},
		{"method of the user's own", "PURGE-all / HTTP/1.1|Host: a||", 0},
		{"two spaces", "GET  / HTTP/1.1|Host: a||", 400},
		{"two spaces before the version", "GET /  HTTP/1.1|Host: a||", 400},
		{"tab for space", "GET\t/ HTTP/1.1|Host: a||", 400},
		{"space after the version", "GET / HTTP/1.1 |Host: a||", 400},
		{"space in target", "GET /a b HTTP/1.1|Host: a||", 400},
		{"control in target", "GET /\x01 HTTP/1.1|Host: a||", 400},
		{"raw UTF-8 in target", "GET /\xc3\xbc HTTP/1.1|Host: a||", 0},
		{"HTTP/0.9", "GET /||", 400},
		{"no target", "GET HTTP/1.1|Host: a||", 400},
		{"target is no path", "GET a/b HTTP/1.1|Host: a||", 400},
		{"asterisk", "OPTIONS * HTTP/1.1|Host: a||", 0},
		{"asterisk with GET", "GET * HTTP/1.1|Host: a||", 400},
		{"URL", "GET http://b:80/c?d HTTP/1.1|Host: a||", 0},
		{"URL with user", "GET http://u@b/c HTTP/1.1|Host: a||", 400},
		{"URL without host", "GET http:///c HTTP/1.1|Host: a||", 400},
		{"URL of another scheme", "GET file://a/c HTTP/1.1|Host: a||", 400},
		{"CONNECT", "CONNECT a:443 HTTP/1.1|Host: a||", 501},

		{"HTTP/2.0", "GET / HTTP/2.0|Host: a||", 505},
		{"HTTP/0.9 said", "GET / HTTP/0.9|Host: a||", 505},
		{"HTTP/1.2", "GET / HTTP/1.2|Host: a||", 0},
		{"HTTP/1.10", "GET / HTTP/1.10|Host: a||", 400},
		{"HTTP/1", "GET / HTTP/1|Host: a||", 400},
		{"http/1.1", "GET / http/1.1|Host: a||", 400},
		{"HTTP/+1.1", "GET / HTTP/+1.1|Host: a||", 400},
		{"HTTPS/1.1", "GET / HTTPS/1.1|Host: a||", 400},

		{"no Host", "GET / HTTP/1.1|A: b||", 400},
		{"two Hosts", get + "host: a||", 400},
		{"two Hosts in 1.0", "GET / HTTP/1.0|Host: a|Host: a||", 400},
		{"empty Host", "GET / HTTP/1.1|Host:||", 0},
		{"IPv6 Host", "GET / HTTP/1.1|Host: [::1%25lo]:8080||", 0},
		{"Host with space", "GET / HTTP/1.1|Host: a b||", 400},
		{"Host with slash", "GET / HTTP/1.1|Host: a/b||", 400},
		{"Host with user", "GET / HTTP/1.1|Host: u@a||", 400},

		{"length", get + "Content-Length: 5||", 0},
		{"both lengths", get + "Content-Length: 5|Transfer-Encoding: chunked||", 400},
		{"both lengths, other order", get + "transfer-encoding: chunked|content-length: 0||", 400},
		{"two lengths", get + "Content-Length: 5|Content-Length: 6||", 400},
		{"the same length twice", get + "Content-Length: 5|Content-Length: 5||", 0},
		{"list of lengths", get + "Content-Length: 5, 5||", 400},
		{"empty length", get + "Content-Length:||", 400},
		{"negative length", get + "Content-Length: -1||", 400},
		{"length with plus", get + "Content-Length: +1||", 400},
		{"length in hex", get + "Content-Length: 0x10||", 400},
		{"length with underscore", get + "Content-Length: 1_0||", 400},
		{"length with letters", get + "Content-Length: 10a||", 400},
		{"length with inner space", get + "Content-Length: 1 0||", 400},
		{"length that overflows", get + "Content-Length: 18446744073709551621||", 400},
		{"length of 2^60", get + "Content-Length: 1152921504606846976||", 400},
		{"length that is Arabic-Indic", get + "Content-Length: \xd9\xa5||", 400},

		{"chunked", get + "Transfer-Encoding: chunked||", 0},
		{"Chunked", get + "TRANSFER-ENCODING:\tChunked ||", 0},
		{"gzip", get + "Transfer-Encoding: gzip||", 400},
		{"gzip, chunked", get + "Transfer-Encoding: gzip, chunked||", 501},
		{"chunked, gzip", get + "Transfer-Encoding: chunked, gzip||", 400},
		{"chunked twice", get + "Transfer-Encoding: chunked, chunked||", 400},
		{"chunked in two fields", get + "Transfer-Encoding: chunked|Transfer-Encoding: chunked||", 400},
		{"coding in two fields", get + "Transfer-Encoding: identity|Transfer-Encoding: chunked||", 400},
		{"identity", get + "Transfer-Encoding: identity||", 400},
		{"empty coding", get + "Transfer-Encoding:||", 400},
		{"coding with vertical tab", get + "Transfer-Encoding: \vchunked||", 400},
		{"coding with comma", get + "Transfer-Encoding: ,chunked||", 501},
		{"xchunked", get + "Transfer-Encoding: xchunked||", 400},
		{"quoted", get + "Transfer-Encoding: \"chunked\"||", 400},
		{"coding with parameter", get + "Transfer-Encoding: chunked;a=b||", 400},
		{"coding in 1.0", "POST / HTTP/1.0|Transfer-Encoding: chunked||", 400},

		{"expects what is not known", get + "Content-Length: 1|Expect: payment||", 417},
		{"expects in 1.0", "POST / HTTP/1.0|Expect: payment||", 0},
	} {
		var r message.Request
		_, err := parseRequest(crlfs(c.head), &r)
		got := 0
		var e *Error
		if errors.As(err, &e) {
			got = e.Status
		} else if err != nil {
			t.Errorf("%s: the error is no *Error: %v", c.name, err)
		}
		if got != c.want {
			t.Errorf("%s: %d (%v), want %d", c.name, got, err, c.want)
		}
	}
}

func TestParseRequest(t *testing.T) {
	r := &message.Request{Header: make(message.Header, 0, 8)}
	f, err := parseRequest(crlfs("POST /a?b HTTP/1.1|Host: h|connection:  Keep-Alive ,UPGRADE|Upgrade: websocket|X: \t a  b\t |Content-Length: 07|Content-Length: 7|Expect: 100-Continue||"), r)
	if err != nil {
		t.Fatal(err)
	}
	if r.Method != "POST" || r.Target != "/a?b" || r.Version != message.HTTP11 || r.Upgrade != "websocket" || !r.Expect || r.Length != 7 ||
		f != (Framing{Kind: Length, Length: 7, KeepAlive: true}) {
		t.Errorf("%+v %+v", r, f)
	}
	if r.Header.Get("x") != "a  b" || len(r.Header) != 6 {
		t.Errorf("%q", r.Header)
	}

	for _, c := range []struct {
		head string
		want Framing
		host string
	}{
		{"GET / HTTP/1.1|Host: a||", Framing{KeepAlive: true}, "a"},
		{"GET / HTTP/1.1|Host: a|Connection: x, Close||", Framing{}, "a"},
		{"GET / HTTP/1.1|Host: a|Connection: closed||", Framing{KeepAlive: true}, "a"},
		{"GET / HTTP/1.0||", Framing{}, ""},
		{"GET / HTTP/1.0|Connection: keep-alive||", Framing{KeepAlive: true}, ""},
		{"GET / HTTP/1.0|Connection: keep-alive|Connection: close||", Framing{}, ""},
		{"POST / HTTP/1.1|Host: a|Content-Length: 0||", Framing{KeepAlive: true}, "a"},
		{"POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked||", Framing{Kind: Chunked, Length: -1, KeepAlive: true}, "a"},
		{"GET http://real:1/ HTTP/1.1|Host: a||", Framing{KeepAlive: true}, "real:1"},
		{"GET HTTP://real HTTP/1.0||", Framing{}, "real"},
		{"GET http://real?q HTTP/1.1|Host:||", Framing{KeepAlive: true}, "real"},
		{"GET /://other/ HTTP/1.1|Host: a||", Framing{KeepAlive: true}, "a"},
	} {
		f, err := parseRequest(crlfs(c.head), r)
		if err != nil || f != c.want || r.Header.Get("Host") != c.host || r.Length != f.Length || r.Expect || r.Upgrade != "" {
			t.Errorf("%q: %+v, %+v, %v", c.head, f, r, err)
		}
	}

	for head, want := range map[string]string{
		"GET / HTTP/1.1|Host: a|Upgrade: websocket||":                       "", // not in Connection
		"GET / HTTP/1.0|Connection: upgrade|Upgrade: websocket||":           "",
		"GET / HTTP/1.1|Host: a|Connection: upgrade|Upgrade: h2c||":         "",
		"GET / HTTP/1.1|Host: a|Connection: upgrade|Upgrade: a/1, b||":      "a/1, b",
		"GET / HTTP/1.1|Host: a|Connection: upgrade|Expect: 100-continue||": "", // and nothing to wait for
	} {
		if _, err := parseRequest(crlfs(head), r); err != nil || r.Upgrade != want || r.Expect {
			t.Errorf("%q: %q %v %v", head, r.Upgrade, r.Expect, err)
		}
	}
}

func TestParseRequestAllocates(t *testing.T) {
	r := &message.Request{Header: make(message.Header, 0, 16)}
	head := crlfs("POST /a HTTP/1.1|Host: a|Connection: keep-alive|Content-Length: 5|A: b|Expect: 100-continue||")
	if n := testing.AllocsPerRun(100, func() {
		if _, err := parseRequest(head, r); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
