package conformance

import (
	"fmt"
	"strings"
	"time"
)

// smuggling are requests that two servers may read in two ways (RFC 9112,
// section 11.2). Each stands before a second request that must never be
// answered.
var smuggling = map[string]string{
	"both length fields":                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"both length fields, other order":   "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	"two lengths":                       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
	"a list of lengths":                 "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 5\r\n\r\n",
	"a length with a sign":              "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n",
	"a negative length":                 "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
	"a length in hex":                   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x0\r\n\r\n",
	"a length that overflows":           "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n",
	"an empty length":                   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n",
	"space before the colon":            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 0\r\n\r\n",
	"an unknown coding":                 "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	"chunked not last":                  "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
	"chunked twice":                     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"chunked in HTTP/1.0":               "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"obsolete folding":                  "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c: d\r\n\r\n",
	"folding of the first field":        "GET / HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n",
	"bare CR in a value":                "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\rX-B: c\r\n\r\n",
	"NUL in a value":                    "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\x00c\r\n\r\n",
	"a name with a space":               "GET / HTTP/1.1\r\nHost: x\r\nX A: b\r\n\r\n",
	"a name with CR":                    "GET / HTTP/1.1\r\nHost: x\r\n\rX-A: b\r\n\r\n",
	"a line without a colon":            "GET / HTTP/1.1\r\nHost: x\r\nX-A\r\n\r\n",
	"an empty name":                     "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
	"no Host":                           "GET / HTTP/1.1\r\n\r\n",
	"two Hosts":                         "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
	"a Host with a space":               "GET / HTTP/1.1\r\nHost: x y\r\n\r\n",
	"a space in the target":             "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
	"a control character in the target": "GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n",
	"no such version":                   "GET / HTTP/1.7x\r\nHost: x\r\n\r\n",
	"a lower-case version":              "GET / http/1.1\r\nHost: x\r\n\r\n",
	"HTTP/0.9":                          "GET /\r\n\r\n",
	"a method that is no token":         "G(T / HTTP/1.1\r\nHost: x\r\n\r\n",
	"chunk size is no number":           "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n0\r\n\r\n",
	"chunk size with 0x":                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
	"chunk size overflows":              "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\n",
	"negative chunk size":               "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n",
	"empty chunk size":                  "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\r\na\r\n0\r\n\r\n",
	"no CRLF after a chunk":             "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n",
	"bare LF after a chunk size":        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
	"bare CR in a chunk's line":         "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\rx\r\na\r\n0\r\n\r\n",
	"garbage in the trailer":            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nno colon\r\n\r\n",
}

var malformedRules = []Rule{
	{
		Name: "malformed/smuggling", Source: sourceHTTP1 + ", section 11.2",
		Doc: "a request that could be read in two ways is refused with 400 and its connection closed; nothing after it is answered",
		Run: func(t *Trial) {
			c := t.Raw()
			for name, text := range smuggling {
				conn := c.Dial()
				_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
				conn.Send(text + "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
				all := conn.Rest()
				conn.Close()
				if strings.Contains(all, "/smuggled HTTP/1.1\r\n") || strings.Count(all, "HTTP/1.1 200") > 0 {
					t.Errorf("%s: what follows was answered: %.200q", name, all)
				} else if !strings.HasPrefix(all, "HTTP/1.1 400 ") && !strings.HasPrefix(all, "HTTP/1.0 400 ") && !strings.HasPrefix(all, "HTTP/1.1 501 ") && !strings.HasPrefix(all, "HTTP/1.1 505 ") {
					t.Errorf("%s: not refused: %.200q", name, all)
				}
			}
		},
	},
	{
		Name: "malformed/never-sent-on", Source: sourceHTTP1 + ", section 11.2",
		Doc: "a request with a malformed head never reaches the program",
		Run: func(t *Trial) {
			c := t.Raw()
			before := c.Count()
			for name, text := range smuggling {
				if strings.Contains(name, "chunk size") || strings.Contains(name, "a chunk") || strings.Contains(name, "trailer") {
					continue // the head is right, and was sent on before the body came
				}
				conn := c.Dial()
				_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
				conn.Send(text)
				conn.Rest()
				conn.Close()
			}
			if after := c.Count(); after != before {
				t.Errorf("the program had %s requests before and %s after", before, after)
			}
		},
	},
	{
		Name: "malformed/equal-lengths", Source: sourceHTTP1 + ", section 6.3",
		Doc: "the program gets one Content-Length or none, whatever came",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			conn.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab")
			a := conn.Answer("POST")
			if a.Status == 200 && strings.Count(strings.ToLower(a.Body), "content-length:") != 1 || a.Status != 200 && a.Status != 400 {
				t.Errorf("%+v", a)
			}
		},
	},
	{
		Name: "malformed/garbage", Source: sourceHTTP1 + ", section 2.2",
		Doc: "what is not HTTP is refused, and hurts nobody else",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, text := range []string{"\x00\x01\x02\x03\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", strings.Repeat("A", 100000) + "\r\n\r\n", " / HTTP/1.1\r\n\r\n", "GET\r\n\r\n", "SSH-2.0-x\r\n\r\n"} {
				conn := c.Dial()
				_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
				_, _ = conn.Write([]byte(text)) // it may be refused before all of it is sent
				if all := conn.Rest(); all != "" && !strings.HasPrefix(all, "HTTP/1.1 4") && !strings.HasPrefix(all, "HTTP/1.1 5") {
					t.Errorf("%.40q: %.100q", text, all)
				}
				conn.Close()
				if a := c.Ask("GET", "/", ""); a.Status != 200 {
					t.Fatalf("after %.40q: %+v", text, a)
				}
			}
		},
	},
	{
		Name: "malformed/endless-head", Source: sourceShim,
		Doc: "a head without end is refused with 431, in bounded memory and bounded time",
		Run: func(t *Trial) {
			c := t.Raw()
			before := c.warm()
			for _, line := range []string{"X-A: " + strings.Repeat("y", 1000) + "\r\n", strings.Repeat("z", 1000)} {
				conn := c.Dial()
				conn.Send("GET / HTTP/1.1\r\nHost: x\r\n")
				var err error
				for n := 0; err == nil && n < 16<<10; n++ {
					_, err = conn.Write([]byte(line))
				}
				for begin := time.Now(); err == nil; time.Sleep(50 * time.Millisecond) {
					if time.Since(begin) > 8*time.Second {
						t.Errorf("the connection is open after 8 s")
						break
					}
					_, err = conn.Write([]byte(line))
				}
				if all := conn.Rest(); all != "" && !strings.HasPrefix(all, "HTTP/1.1 431 ") {
					t.Errorf("%.100q", all)
				}
				conn.Close()
			}
			c.expectGrowth(before)
		},
	},
	{
		Name: "malformed/answers", Source: sourceHTTP1 + ", section 6.3",
		Doc: "an answer of the program that is not HTTP, or could be read in two ways, becomes 502 and is never passed on",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, text := range []string{
				"hello\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 99 Low\r\n\r\n", "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "\r\n\r\n\r\n",
				"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
				"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nno colon\r\n\r\n",
				"HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nX-A: b\x00\r\nContent-Length: 0\r\n\r\n",
				"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
			} {
				a := c.Ask("POST", "/", "", "X-Do", Do("read", send(text), "close"))
				if a.Status != 502 || !strings.Contains(a.Body, `"errorType":"Program`) {
					t.Errorf("%q came out as %d %.100q, %v", text, a.Status, a.Body, a.Err)
				}
			}
			if a := c.Ask("GET", "/", ""); a.Status != 200 {
				t.Errorf("afterwards: %+v", a)
			}
		},
	},
	{
		Name: "malformed/answer-lines", Source: sourceHTTP1 + ", section 11.1",
		Doc: "bare CR or LF in a program's header fields cannot split the answer",
		Run: func(t *Trial) {
			c := t.Raw()
			a := c.Ask("GET", "/", "", "X-Do", Do(send("HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: forged=1\r\nContent-Length: 0\r\n\r\n"), "close"))
			if a.Header.Get("Set-Cookie") != "" || a.Status == 200 && strings.Contains(fmt.Sprint(a.Header), "\r") {
				t.Errorf("%+v", a)
			}
		},
	},
}
