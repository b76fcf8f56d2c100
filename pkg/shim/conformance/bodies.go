package conformance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const bigBody = 32 << 20 // the platform's limit

var bodyRules = []Rule{
	{
		Name: "bodies/big-request", Source: sourceContainer + ", limits",
		Doc: "32 MB to the program pass in constant memory, with Content-Length and in chunks",
		Run: func(t *Trial) {
			c := t.Raw()
			before := c.warm()
			for _, length := range []int64{bigBody, -1} {
				resp, err := c.upload(length)
				if err != nil {
					t.Fatalf("%v", err)
				}
				b, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if string(b) != strconv.Itoa(bigBody) {
					t.Errorf("the program got %s of %d bytes (status %d)", b, bigBody, resp.StatusCode)
				}
			}
			c.expectGrowth(before)
		},
	},
	{
		Name: "bodies/big-answer", Source: sourceContainer + ", limits",
		Doc: "32 MB from the program pass in constant memory, to a slow reader too",
		Run: func(t *Trial) {
			c := t.Raw()
			before := c.warm()
			for _, slow := range []bool{false, true} {
				conn := c.Dial()
				conn.Send(Request("GET", "/", "", "X-Do", Do("read", fmt.Sprintf("zeros:%d", bigBody))))
				if slow {
					time.Sleep(500 * time.Millisecond)
				}
				a, resp := conn.Head("GET")
				if resp == nil {
					t.Fatalf("%v", a.Err)
				}
				if n, err := io.Copy(io.Discard, resp.Body); n != bigBody || err != nil || resp.ContentLength != bigBody {
					t.Errorf("%d of %d bytes came (length %d), %v", n, bigBody, resp.ContentLength, err)
				}
				conn.Close()
			}
			c.expectGrowth(before)
		},
	},
	{
		Name: "bodies/slow-program", Source: sourceShim,
		Doc: "a program that does not read its request holds the sender up, not the shim's memory",
		Run: func(t *Trial) {
			c := t.Raw()
			before := c.warm()
			conn := c.Dial()
			defer conn.Close()
			conn.Send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nX-Do: sleep:20s\r\nContent-Length: %d\r\n\r\n", bigBody))
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			n, err := conn.Write(make([]byte, bigBody))
			if err == nil {
				t.Errorf("%d bytes were taken for a program that reads none", n)
			}
			c.expectGrowth(before)
		},
	},
	{
		Name: "bodies/empty-chunked", Source: sourceHTTP1 + ", section 7.1",
		Doc: "an empty chunked body arrives as such, both ways, and hangs nowhere",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			for range 2 {
				conn.Send("POST / HTTP/1.1\r\nHost: x\r\nX-Do: read;length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
				if a := conn.Answer("POST"); a.Body != "0" || a.Status != 200 {
					t.Fatalf("an empty chunked request: %d %q %v", a.Status, a.Body, a.Err)
				}
				conn.Send(Request("GET", "/", "", "X-Do", Do(send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))))
				if a := conn.Answer("GET"); a.Body != "" || a.Status != 200 || a.Err != nil {
					t.Fatalf("an empty chunked answer: %d %q %v", a.Status, a.Body, a.Err)
				}
			}
		},
	},
	{
		Name: "bodies/chunks", Source: sourceHTTP1 + ", section 7.1",
		Doc: "chunked bodies pass whole whatever their chunks look like, and the connection stays in step",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			for _, body := range []string{"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "3;ext=\"v\"\r\nabc\r\n0;last\r\n\r\n", "0003\r\nabc\r\n000\r\n\r\n", "3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"} {
				conn.Send("POST / HTTP/1.1\r\nHost: x\r\nX-Do: read;length\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
				if a := conn.Answer("POST"); a.Body != "3" || a.Status != 200 {
					t.Fatalf("a request with %q: %d %q %v", body, a.Status, a.Body, a.Err)
				}
				conn.Send(Request("GET", "/", "", "X-Do", Do(send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+body))))
				if a := conn.Answer("GET"); a.Body != "abc" || a.Err != nil {
					t.Fatalf("an answer with %q: %d %q %v", body, a.Status, a.Body, a.Err)
				}
			}
			big := strings.Repeat("x", 300000)
			conn.Send("POST / HTTP/1.1\r\nHost: x\r\nX-Do: read;length\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%X\r\n%s\r\n0\r\n\r\n", len(big), big))
			if a := conn.Answer("POST"); a.Body != "300000" {
				t.Errorf("a chunk of 300000 bytes: %d %q %v", a.Status, a.Body, a.Err)
			}
		},
	},
	{
		Name: "bodies/none", Source: sourceHTTP + ", section 6.4.1",
		Doc: "HEAD, 204 and 304 have no body, whatever their fields say, and the next answer is in step",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			for range 2 {
				conn.Send(Request("HEAD", "/", "", "X-Do", Do(send("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nX-Own: 1\r\n\r\n"))))
				a, resp := conn.Head("HEAD")
				if resp == nil || a.Status != 200 || resp.ContentLength != 1234 || a.Header.Get("X-Own") != "1" {
					t.Fatalf("HEAD: %+v", a)
				}
				conn.Send(Request("HEAD", "/", "", "X-Do", Do(send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))))
				if a, resp := conn.Head("HEAD"); resp == nil || a.Status != 200 {
					t.Fatalf("HEAD with chunks: %+v", a)
				}
				for _, head := range []string{"204 No Content\r\n", "304 Not Modified\r\nETag: \"e\"\r\n", "304 Not Modified\r\nContent-Length: 77\r\n"} {
					conn.Send(Request("GET", "/", "", "X-Do", Do(send("HTTP/1.1 "+head+"\r\n"))))
					if a := conn.Answer("GET"); fmt.Sprint(a.Status) != head[:3] || a.Body != "" || a.Err != nil {
						t.Fatalf("%q: %d %q %v", head, a.Status, a.Body, a.Err)
					}
				}
				conn.Send(Request("GET", "/next", ""))
				if a := conn.Answer("GET"); !strings.HasPrefix(a.Body, "GET /next ") {
					t.Fatalf("the next answer is %q, %v", a.Body, a.Err)
				}
			}
		},
	},
	{
		Name: "bodies/length", Source: sourceHTTP1 + ", section 6.3",
		Doc: "Content-Length passes both ways, and an answer that ends with its connection is whole",
		Run: func(t *Trial) {
			c := t.Raw()
			if a := c.Ask("POST", "/", "12345"); !hasLine(a.Body, "Content-Length: 5") || strings.Contains(strings.ToLower(a.Body), "transfer-encoding") {
				t.Errorf("the program got %q", a.Body)
			}
			if a := c.Ask("POST", "/", ""); !hasLine(a.Body, "Content-Length: 0") {
				t.Errorf("a POST without a body came to the program as %q", a.Body)
			}
			if a := c.Ask("GET", "/", "", "X-Do", Do(status(200, ""))); a.Header.Get("Content-Length") != "4" {
				t.Errorf("the answer has Content-Length %q", a.Header.Get("Content-Length"))
			}
			conn := c.Dial()
			defer conn.Close()
			for _, version := range []string{"HTTP/1.0", "HTTP/1.1"} {
				conn.Send(Request("GET", "/", "", "X-Do", Do(send(version+" 200 OK\r\nX-Own: 1\r\n\r\nuntil the end"), "close")))
				if a := conn.Answer("GET"); a.Body != "until the end" || a.Err != nil {
					t.Fatalf("%s: %q, %v", version, a.Body, a.Err)
				}
			}
		},
	},
}

// upload sends bigBody bytes, length -1 in chunks.
func (c *Container) upload(length int64) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(c.t.ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", "http://function.example/", io.LimitReader(zeros{}, bigBody))
	if err != nil {
		return nil, err
	}
	req.ContentLength = length
	req.Header.Set("X-Do", "read;length")
	client := &http.Client{Transport: &http.Transport{DialContext: c.DialContext, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(strings.NewReader(string(b)))
	return resp, err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// warm makes a few requests, so that what is made once is there, and returns
// the shim's peak memory.
func (c *Container) warm() int64 {
	for range 10 {
		c.Ask("POST", "/", "warm")
	}
	return c.memory("VmHWM")
}

// maxGrowth is what the shim may take for one body on its way: buffers, and
// the garbage of its runtime.
const maxGrowth = 8 << 20

func (c *Container) expectGrowth(before int64) {
	if grown := c.memory("VmHWM") - before; grown > maxGrowth {
		c.t.Errorf("the shim grew by %d KB", grown>>10)
	}
}

// memory is a field of the shim's /proc/PID/status in bytes.
func (c *Container) memory(name string) int64 {
	processes, err := c.instance.Processes()
	if err != nil {
		c.t.Fatalf("%v", err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", processes[0]))
	if err != nil {
		c.t.Fatalf("%v", err)
	}
	_, rest, _ := strings.Cut(string(b), name+":")
	var kb int64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		c.t.Fatalf("/proc/PID/status has no %s", name)
	}
	return kb << 10
}
