package conformance

import (
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

var headerRules = []Rule{
	{
		Name: "headers/reserved", Source: sourceContainer + ", reserved response headers",
		Doc: "response headers that are the platform's own never leave the container",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, control := range []string{"", "/invoke", "/http-invoke"} {
				fields := []string{"X-Do", Do("read", status(200,
					"X-Fc-Secret: 1\r\nx-FC-request-ID: forged\r\nServer: mine\r\nKeep-Alive: timeout=5\r\nX-Own: kept\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Disposition: attachment; filename=a\r\n"))}
				if control != "" {
					fields = append(fields, fc.HeaderControlPath, control)
				}
				a := c.Ask("POST", "/invoke", "", fields...)
				for name, values := range a.Header {
					switch {
					case strings.EqualFold(name, fc.HeaderStatus):
					case strings.HasPrefix(strings.ToLower(name), fc.Prefix), name == "Server", name == "Keep-Alive":
						t.Errorf("%q: the answer has %s: %q", control, name, values)
					case control == "": // a caller that is not the platform may have use for the rest
					case name == "Content-Disposition", name == "Date" && strings.Contains(values[0], "1970"):
						t.Errorf("%q: the answer has the program's %s: %q", control, name, values)
					}
				}
				if a.Header.Get("X-Own") != "kept" || a.Status != 200 {
					t.Errorf("%q: status %d, header %v", control, a.Status, a.Header)
				}
			}
			a := c.Ask("GET", "/", "", fc.HeaderControlPath, "/http-invoke", "X-Do", Do(status(200, "Content-Disposition: inline\r\n")))
			if a.Header.Get("Content-Disposition") != "inline" {
				t.Errorf("Content-Disposition: inline is the program's to set, and was taken off")
			}
		},
	},
	{
		Name: "headers/hop-request", Source: sourceHTTP + ", section 7.6.1",
		Doc: "hop-by-hop fields of a request, and what Connection names, end at the shim",
		Run: func(t *Trial) {
			c := t.Raw()
			a := c.Ask("GET", "/", "", "Connection", "X-Hop, keep-alive", "X-Hop", "1", "x-hop", "2", "Keep-Alive", "timeout=5",
				"Proxy-Connection", "keep-alive", "TE", "gzip", "Upgrade", "h2c", "X-Own", "kept")
			b := c.Ask("GET", "/", "", "Keep-Alive", "timeout=5") // not named
			for _, name := range []string{"x-hop", "keep-alive", "proxy-connection", "upgrade"} {
				if strings.Contains(strings.ToLower(a.Body+b.Body), "\r\n"+name+":") {
					t.Errorf("the program got %s: %q", name, a.Body+b.Body)
				}
			}
			if te := field(a.Body, "TE"); te != "" && te != "trailers" {
				t.Errorf("the program got TE: %s", te)
			}
			if !hasLine(a.Body, "X-Own: kept") || a.Status != 200 {
				t.Errorf("the program got %q (status %d)", a.Body, a.Status)
			}
		},
	},
	{
		Name: "headers/hop-request-end-to-end", Source: sourceHTTP + ", section 7.6.1",
		Doc: "a Connection field cannot take fields away that the contract needs",
		Run: func(t *Trial) {
			c := t.Raw()
			a := c.Ask("POST", "/", "four", "Connection", "close, x-fc-request-id, Content-Length, Host", fc.HeaderRequestID, "kept-id")
			if a.Status == 400 {
				return // refused is as good
			}
			if !hasLine(a.Body, "Host: function.example") || !strings.HasSuffix(a.Body, "\r\n\r\nfour") || !hasLine(a.Body, fc.HeaderRequestID+": kept-id") {
				t.Errorf("the program got %q (status %d)", a.Body, a.Status)
			}
		},
	},
	{
		Name: "headers/hop-response", Source: sourceHTTP + ", section 7.6.1",
		Doc: "hop-by-hop fields of an answer, and what its Connection names, end at the shim",
		Run: func(t *Trial) {
			c := t.Raw()
			a := c.Ask("GET", "/", "", "X-Do", Do("read", status(200,
				"Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nX-Own: kept\r\n")))
			for _, name := range []string{"X-Hop", "Keep-Alive", "Proxy-Connection", "Upgrade"} {
				if a.Header.Get(name) != "" {
					t.Errorf("the answer has %s: %q", name, a.Header.Get(name))
				}
			}
			if strings.Contains(a.Header.Get("Connection"), "X-Hop") || a.Header.Get("X-Own") != "kept" || a.Body != "body" {
				t.Errorf("header %v, body %q", a.Header, a.Body)
			}
		},
	},
	{
		Name: "headers/connection-close", Source: sourceHTTP1 + ", section 9.6",
		Doc: "a program that closes its connection after an answer does not end the client's",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			for n := range 4 {
				conn.Send(Request("GET", "/", "", "X-Do", Do("read", status(200, "Connection: close\r\n"), "close")))
				if a := conn.Answer("GET"); a.Status != 200 || a.Body != "body" {
					t.Fatalf("request %d: %d %q %v", n, a.Status, a.Body, a.Err)
				}
			}
		},
	},
	{
		Name: "headers/nothing-added", Source: sourceContainer,
		Doc: "the program gets the fields that were sent and no others but the request id: no proxy's fields, no User-Agent, no Accept-Encoding",
		Run: func(t *Trial) {
			c := t.Raw()
			a := c.Ask("GET", "/", "", fc.HeaderRequestID, "i", "Host", "own.example:123", "X-Forwarded-For", "192.0.2.1", "Forwarded", "for=192.0.2.1")
			for l := range strings.SplitSeq(strings.TrimSuffix(a.Body, "\r\n\r\n"), "\r\n") {
				switch name, value, _ := strings.Cut(l, ":"); strings.ToLower(name) {
				case fc.HeaderRequestID, "get / http/1.1", "connection":
				case "host", "x-forwarded-for", "forwarded":
					if strings.Contains(value, "127.0.0.1") {
						t.Errorf("the program got %q", l)
					}
				default:
					t.Errorf("the program got %q", l)
				}
			}
			for _, want := range []string{"Host: own.example:123", "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1"} {
				if !hasLine(a.Body, want) {
					t.Errorf("the program did not get %q: %q", want, a.Body)
				}
			}
			if a.Header.Get("Via") != "" || a.Header.Get("X-Powered-By") != "" || a.Header.Get("Content-Type") != "" {
				t.Errorf("the answer has fields that nobody set: %v", a.Header)
			}
		},
	},
	{
		Name: "headers/order", Source: sourceHTTP + ", section 5.3",
		Doc: "fields of one name keep their number and order, both ways",
		Run: func(t *Trial) {
			c := t.Raw()
			a := c.Ask("GET", "/", "", "X-Many", "b", "Cookie", "c=1", "x-many", "a", "X-Many", "", "X-Odd", "ü\t'\"")
			var got []string
			for l := range strings.SplitSeq(a.Body, "\r\n") {
				if n, v, ok := strings.Cut(l, ":"); ok && strings.EqualFold(n, "X-Many") {
					got = append(got, strings.TrimSpace(v))
				}
			}
			if !slices.Equal(got, []string{"b", "a", ""}) || !strings.Contains(a.Body, "ü\t'\"") {
				t.Errorf("the program got %q", a.Body)
			}
			a = c.Ask("GET", "/", "", "X-Do", Do(status(200, "Set-Cookie: b=1\r\nX-Other: 1\r\nset-cookie: a=2\r\n")))
			if got := a.Header.Values("Set-Cookie"); !slices.Equal(got, []string{"b=1", "a=2"}) {
				t.Errorf("the client got cookies %q", got)
			}
		},
	},
	{
		Name: "headers/64k", Source: sourceShim,
		Doc: "64 KB of header fields pass both ways: eight times what the platform lets through",
		Run: func(t *Trial) {
			c := t.Raw()
			big := strings.Repeat("0123456789abcdef", 4096)
			if a := c.Ask("GET", "/", "", "X-Big", big); field(a.Body, "X-Big") != big {
				t.Errorf("a field of 64 KB: status %d, %v", a.Status, a.Err)
			}
			var many []string
			for range 500 {
				many = append(many, "X-Many", big[:100])
			}
			if a := c.Ask("GET", "/", "", many...); strings.Count(a.Body, "X-Many: ") != 500 {
				t.Errorf("500 fields: status %d, %v", a.Status, a.Err)
			}
			a := c.Ask("GET", "/", "", "X-Do", Do(status(200, "X-Big: "+big[:40000]+"\r\n")))
			if len(a.Header.Get("X-Big")) != 40000 {
				t.Errorf("an answer with a field of 40 KB: status %d, %v", a.Status, a.Err)
			}
		},
	},
	{
		Name: "headers/proxy-variables", Source: sourceShim,
		Doc: "HTTP_PROXY is for the program's calls to others and not used on the way to the program",
		Run: func(t *Trial) {
			c := t.Raw("HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1", "ALL_PROXY=http://127.0.0.1:1")
			if a := c.Ask("GET", "/", "", "X-Do", "env:HTTP_PROXY"); a.Status != 200 || a.Body != "http://127.0.0.1:1" {
				t.Errorf("status %d, the program has HTTP_PROXY %q", a.Status, a.Body)
			}
		},
	},
}
