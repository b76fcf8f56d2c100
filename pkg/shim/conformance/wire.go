package conformance

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Conn is a client's connection on which a rule decides about every byte.
type Conn struct {
	net.Conn
	t *Trial
	r *bufio.Reader
}

// patience is the longest wait for the next byte of an answer.
const patience = 15 * time.Second

func newConn(t *Trial, c net.Conn) *Conn {
	_ = c.SetDeadline(time.Now().Add(patience))
	context.AfterFunc(t.ctx, func() { c.Close() }) // nobody waits for an answer any more
	return &Conn{Conn: c, t: t, r: bufio.NewReaderSize(c, 128<<10)}
}

// Send writes bytes as they are.
func (c *Conn) Send(text string) {
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Errorf("sending: %v", err)
	}
}

// Answer is what came back for a request.
type Answer struct {
	Status  int
	Proto   string
	Header  http.Header
	Body    string
	Trailer http.Header
	// Interim are the 1xx answers before it.
	Interim []*http.Response
	// Close says that the other side closes the connection after it.
	Close bool
	// Err is why the answer is not complete.
	Err error
}

// Head reads an answer up to its body, 1xx answers included.
func (c *Conn) Head(method string) (*Answer, *http.Response) {
	a := &Answer{}
	for {
		resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
		if err != nil {
			a.Err = err
			return a, nil
		}
		if resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			a.Interim = append(a.Interim, resp)
			continue
		}
		a.Status, a.Proto, a.Header, a.Close = resp.StatusCode, resp.Proto, resp.Header, resp.Close
		return a, resp
	}
}

// Answer reads a whole answer.
func (c *Conn) Answer(method string) *Answer {
	a, resp := c.Head(method)
	if resp == nil {
		return a
	}
	b, err := io.ReadAll(resp.Body)
	a.Body, a.Err, a.Trailer = string(b), err, resp.Trailer
	return a
}

// Rest reads until the other side closes.
func (c *Conn) Rest() string {
	b, _ := io.ReadAll(c.r)
	return string(b)
}

// Closed says whether the other side closes the connection within d, without
// sending anything more.
func (c *Conn) Closed(d time.Duration) bool {
	_ = c.SetReadDeadline(time.Now().Add(d))
	n, err := io.Copy(io.Discard, c.r)
	e, timeout := err.(net.Error)
	return n == 0 && !(timeout && e.Timeout())
}

// Request renders a request. fields are names and values in turn; Host and
// Content-Length are added where they are needed and not among them.
func Request(method, target, body string, fields ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, target)
	host, framed := false, false
	for i := 0; i+1 < len(fields); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", fields[i], fields[i+1])
		host = host || strings.EqualFold(fields[i], "Host")
		framed = framed || strings.EqualFold(fields[i], "Content-Length") || strings.EqualFold(fields[i], "Transfer-Encoding")
	}
	if !host {
		b.WriteString("Host: function.example\r\n")
	}
	if !framed && (body != "" || method == "POST") {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n" + body
}

// Do joins steps of the test program to a value of X-Do.
func Do(steps ...string) string { return strings.Join(steps, ";") }

// send is the step that writes those bytes to the client.
func send(text string) string { return "send:" + base64.RawURLEncoding.EncodeToString([]byte(text)) }

// print is the step that writes to the program's standard output.
func print(text string) string {
	return "out:" + base64.RawURLEncoding.EncodeToString([]byte(text))
}

// status is the program's whole answer with that status, and header lines
// that each end in CRLF.
func status(code int, lines string) string {
	return send(fmt.Sprintf("HTTP/1.1 %d Test\r\n%sContent-Length: 4\r\n\r\nbody", code, lines))
}
