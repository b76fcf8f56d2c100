package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// FuzzParseRequest: what is taken is taken by net/http as well, and means the
// same; what is written of it again is the same request.
func FuzzParseRequest(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1|Host: a||", "POST /a?b HTTP/1.1|Host: a|Content-Length: 5|Expect: 100-continue||",
		"POST / HTTP/1.1|host:a|Transfer-Encoding: chunked|Connection: close, upgrade|Upgrade: x||",
		"GET http://b:1/c HTTP/1.1|Host: a|A:\t||", "OPTIONS * HTTP/1.0||", "GET / HTTP/1.0|Connection: keep-alive|Content-Length: 0||",
		"GET / HTTP/1.1|Host: a|Content-Length: 1|Content-Length: 1||",
	} {
		f.Add(crlfs(s))
	}
	f.Fuzz(func(t *testing.T, head string) {
		var r message.Request
		framing, err := parseRequest(head, &r)
		var e *Error
		if err != nil {
			if !errors.As(err, &e) || e.Status < 400 || Reason(e.Status) == "" {
				t.Fatalf("error %#v", err)
			}
			return
		}
		std, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
		if err != nil {
			// net/url knows targets that it does not like; they are not
			// about where a message ends.
			if strings.Contains(err.Error(), "parse ") || strings.Contains(err.Error(), "invalid URI") {
				return
			}
			t.Fatalf("%q is refused by net/http: %v", head, err)
		}
		if std.Method != r.Method || std.RequestURI != r.Target {
			t.Fatalf("%q: %q %q, net/http has %q %q", head, r.Method, r.Target, std.Method, std.RequestURI)
		}
		if std.ContentLength != framing.Length || (len(std.TransferEncoding) > 0) != (framing.Kind == Chunked) {
			t.Fatalf("%q: %+v, net/http has %d %q", head, framing, std.ContentLength, std.TransferEncoding)
		}
		if std.ProtoAtLeast(1, 1) && std.Close == framing.KeepAlive {
			t.Fatalf("%q: keep alive %v, net/http: close %v", head, framing.KeepAlive, std.Close)
		}
		if got := r.Header.Get("Host"); !strings.EqualFold(got, std.Host) && r.Target != "*" {
			t.Fatalf("%q: Host %q, net/http has %q", head, got, std.Host)
		}
		for _, field := range r.Header {
			switch strings.ToLower(field.Name) {
			case "host", "transfer-encoding", "trailer": // net/http takes them out
			default:
				if !slices.Contains(std.Header.Values(field.Name), field.Value) {
					t.Fatalf("%q: net/http does not have the field %q: %q", head, field, std.Header)
				}
			}
		}

		var wire bytes.Buffer
		var w Writer
		w.Reset(&wire)
		w.Line(r.Method, " ", r.Target, " HTTP/1.1")
		for _, field := range r.Header {
			w.Field(field.Name, field.Value)
		}
		if err := w.Begin(Framing{}); err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		_ = w.End(nil)
		var again message.Request
		if !r.Header.Has("Host") {
			return
		}
		f2, err := parseRequest(wire.String(), &again)
		if err != nil {
			// HTTP/1.0 has no expectations.
			if errors.As(err, &e) && e.Status == 417 {
				return
			}
			t.Fatalf("%q became %q: %v", head, wire.String(), err)
		}
		if f2.Kind != framing.Kind || f2.Length != framing.Length || again.Target != r.Target || len(again.Header) != len(r.Header) {
			t.Fatalf("%q became %q", head, wire.String())
		}
	})
}

// FuzzParseResponse: an answer that both take has the same body for both.
func FuzzParseResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK|Content-Length: 5||", "HTTP/1.1 200|Transfer-Encoding: chunked||", "HTTP/1.0 404 Not Found\nA: b\n\n",
		"HTTP/1.1 101 X|Connection: upgrade|Upgrade: y||", "HTTP/1.1 304 X|Content-Length: 9||", "HTTP/1.1 200 OK|A : 1|Content-Length: 1|Connection: close||",
	} {
		f.Add(crlfs(s), false)
	}
	f.Fuzz(func(t *testing.T, head string, isHead bool) {
		method := "GET"
		if isHead {
			method = "HEAD"
		}
		var r Response
		if err := parseResponse(head, method, &r); err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %#v", err)
			}
			return
		}
		for _, field := range r.Header {
			if !only(field.Name, token) || field.Name == "" || !only(field.Value, text) {
				t.Fatalf("%q: field %q", head, field)
			}
		}
		std, err := http.ReadResponse(bufio.NewReader(strings.NewReader(head)), &http.Request{Method: method})
		if err != nil {
			return // stricter in lines; framing is compared where it is read
		}
		if std.StatusCode != r.Status || (len(std.TransferEncoding) > 0) != (r.Framing.Kind == Chunked) && r.Framing.Kind != None {
			t.Fatalf("%q: %+v, net/http has %d %q", head, r, std.StatusCode, std.TransferEncoding)
		}
		if r.Framing.Kind == Length && std.ContentLength != r.Framing.Length || r.Framing.Kind == UntilClose && std.ContentLength != -1 {
			t.Fatalf("%q: %+v, net/http has length %d", head, r.Framing, std.ContentLength)
		}
		if r.Framing.KeepAlive && std.Close {
			t.Fatalf("%q: kept alive, not so by net/http", head)
		}
	})
}

// FuzzChunks: a chunked body that is taken is the same for net/http, ends at
// the same byte, and does not depend on how it arrives.
func FuzzChunks(f *testing.F) {
	for _, s := range []string{"5|hello|0||next", "1;a=b|x|0|A: b||", "0||", "00a|0123456789|0|A: b|C: d||x", "ffffffffffffffff|", "1|x\n0||"} {
		f.Add(crlfs(s))
	}
	f.Fuzz(func(t *testing.T, in string) {
		body, rest, trailer, err := chunks(strings.NewReader(in))
		body2, rest2, _, err2 := chunks(iotest.OneByteReader(strings.NewReader(in)))
		if body != body2 || rest != rest2 || (err == nil) != (err2 == nil) {
			t.Fatalf("%q: %q %q %v at once, %q %q %v byte by byte", in, body, rest, err, body2, rest2, err2)
		}
		if err != nil {
			return
		}
		src := bufio.NewReader(io.MultiReader(strings.NewReader("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), strings.NewReader(in)))
		std, err := http.ReadRequest(src)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(std.Body)
		if err != nil {
			t.Fatalf("%q is refused by net/http: %v", in, err)
		}
		after, _ := io.ReadAll(src)
		if string(got) != body || string(after) != rest {
			t.Fatalf("%q: %q and %q, net/http has %q and %q", in, body, rest, got, after)
		}
		for _, field := range trailer {
			if !slices.Contains(std.Trailer.Values(field.Name), field.Value) {
				t.Fatalf("%q: trailer %q, net/http has %v", in, trailer, std.Trailer)
			}
		}
	})
}

// FuzzPipeline: a connection's bytes are the same requests, with the same
// bodies, for us and for net/http, up to where we refuse one: a request that
// only one of two sees is a smuggled one.
func FuzzPipeline(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1|Host: a||GET /2 HTTP/1.1|Host: a||",
		"POST / HTTP/1.1|Host: a|Content-Length: 5||helloGET / HTTP/1.1|Host: a||",
		"POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked||5|hello|0|A: b||GET / HTTP/1.1|Host: a||",
		"POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked|Content-Length: 0||0||GET / HTTP/1.1|Host: a||",
		"GET / HTTP/1.0|Connection: keep-alive|Content-Length: 3||abcGET / HTTP/1.0||",
	} {
		f.Add(crlfs(s))
	}
	f.Fuzz(func(t *testing.T, in string) {
		var r Reader
		r.Reset(strings.NewReader(in))
		std := bufio.NewReader(strings.NewReader(in))
		for {
			head, err := r.Head(1 << 20)
			if err != nil {
				return
			}
			var own message.Request
			framing, err := parseRequest(head, &own)
			if err != nil {
				return
			}
			theirs, err := http.ReadRequest(std)
			if err != nil {
				if strings.Contains(err.Error(), "parse ") || strings.Contains(err.Error(), "invalid URI") {
					return
				}
				t.Fatalf("%q: net/http refuses %q: %v", in, head, err)
			}
			var b Body
			b.Reset(&r, framing, 1<<20)
			body, err := io.ReadAll(&b)
			theirBody, theirErr := io.ReadAll(theirs.Body)
			if err != nil {
				return
			}
			if theirErr != nil || string(body) != string(theirBody) || own.Target != theirs.RequestURI || own.Method != theirs.Method {
				t.Fatalf("%q: %s %q with %q, net/http has %s %q with %q, %v", in, own.Method, own.Target, body, theirs.Method, theirs.RequestURI, theirBody, theirErr)
			}
			if !framing.KeepAlive {
				return
			}
		}
	})
}
