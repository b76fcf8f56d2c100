package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// received counts requests of mode raw, but for those that ask for it.
var received atomic.Int64

// raw is a server that does with each request what the request's X-Do field
// says, byte for byte. Its arguments are where to listen, NETWORK:ADDRESS or
// DELAY>NETWORK:ADDRESS (none: the port that it is told), and idle=DURATION
// after which it closes connections on which no request comes.
func raw(args []string) int {
	idle, args := option(args, "idle")
	patience, _ := time.ParseDuration(idle)
	if len(args) == 0 {
		args = []string{"tcp::" + portOf()}
	}
	failed := make(chan error)
	for _, a := range args {
		go func() { failed <- listen(a, patience) }()
	}
	fmt.Fprintln(os.Stderr, "program:", <-failed)
	return 7
}

func listen(where string, idle time.Duration) error {
	if delay, rest, ok := strings.Cut(where, ">"); ok {
		d, err := time.ParseDuration(delay)
		if err != nil {
			return err
		}
		time.Sleep(d)
		where = rest
	}
	network, addr, _ := strings.Cut(where, ":")
	if network == "unix" {
		_ = os.Remove(addr) // of a server that was here before
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go (&conn{Conn: c, r: bufio.NewReader(c), where: where, idle: idle}).serve()
	}
}

// conn is one connection to mode raw.
type conn struct {
	net.Conn
	r     *bufio.Reader
	where string
	idle  time.Duration

	head   string    // of the request: all lines, with the empty one
	body   io.Reader // nil once it was read
	read   []byte    // what was read of it, as it came, framing included
	length int64     // of what was read without framing
}

func (c *conn) serve() {
	defer c.Close()
	for {
		if c.idle > 0 {
			_ = c.SetReadDeadline(time.Now().Add(c.idle))
		}
		if !c.request() {
			return
		}
		_ = c.SetReadDeadline(time.Time{})
		do := c.field("X-Do")
		if do == "" {
			do = "read;echo"
		}
		if do != "count" {
			received.Add(1)
		}
		for step := range strings.SplitSeq(do, ";") {
			name, arg, _ := strings.Cut(step, ":")
			if f := steps[name]; f == nil || !f(c, arg) {
				return
			}
		}
	}
}

// request reads a request's head.
func (c *conn) request() bool {
	var b strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return false
		}
		b.WriteString(line)
		if line == "\r\n" {
			break
		}
	}
	c.head, c.body, c.read, c.length = b.String(), nil, nil, 0
	tee := io.TeeReader(c.r, writerFunc(func(p []byte) {
		if len(c.read) < 1<<20 {
			c.read = append(c.read, p...)
		}
	}))
	switch {
	case strings.EqualFold(c.field("Transfer-Encoding"), "chunked"):
		c.body = &chunked{r: tee}
	case c.field("Content-Length") != "":
		n, _ := strconv.ParseInt(c.field("Content-Length"), 10, 64)
		c.body = &counted{tee, n}
	}
	return true
}

// field is the first value of a header field.
func (c *conn) field(name string) string {
	for line := range strings.SplitSeq(c.head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// chunked reads a chunked body with its trailer, and not one byte more.
type chunked struct {
	r     io.Reader
	left  int64 // of the chunk
	ended bool
}

func (c *chunked) Read(p []byte) (int, error) {
	if c.ended {
		return 0, io.EOF
	}
	if c.left == 0 {
		line, err := c.line()
		if err != nil {
			return 0, err
		}
		size, _, _ := strings.Cut(line, ";")
		if c.left, err = strconv.ParseInt(size, 16, 64); err != nil {
			return 0, err
		}
	}
	if c.left == 0 {
		for {
			if line, err := c.line(); err != nil || line == "" {
				c.ended = err == nil
				return 0, cmp.Or(err, io.EOF)
			}
		}
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	if c.left -= int64(n); c.left == 0 && err == nil {
		_, err = c.line()
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// line reads up to CRLF.
func (c *chunked) line() (string, error) {
	var line []byte
	for b := make([]byte, 1); !bytes.HasSuffix(line, []byte("\r\n")); line = append(line, b[0]) {
		if _, err := io.ReadFull(c.r, b); err != nil {
			return "", io.ErrUnexpectedEOF
		}
	}
	return string(line[:len(line)-2]), nil
}

// counted reads a body with Content-Length.
type counted struct {
	r    io.Reader
	left int64
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	if c.left -= int64(n); err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func (c *conn) answer(body string) bool {
	_, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	return err == nil
}

func decode(arg string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(arg)
	if err != nil {
		fmt.Fprintln(os.Stderr, "program: bad base64:", arg)
		os.Exit(98)
	}
	return b
}
