package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// steps are the words of X-Do. Each says whether to go on with the next step
// and then with the next request; false closes the connection.
var steps map[string]func(c *conn, arg string) bool

func init() {
	steps = map[string]func(*conn, string) bool{
		// read the request's body; drain does so without keeping count of it
		"read": func(c *conn, _ string) bool { return c.readBody() },
		// echo answers with the request, head and body, as it came
		"echo": func(c *conn, _ string) bool { return c.answer(c.head + string(c.read)) },
		// where answers with the address that the request came to
		"where": func(c *conn, _ string) bool { return c.answer(c.where) },
		// length answers with the number of bytes of the body
		"length": func(c *conn, _ string) bool { return c.answer(strconv.FormatInt(c.length, 10)) },
		// count answers with the number of requests until now
		"count": func(c *conn, _ string) bool { return c.answer(strconv.FormatInt(received.Load(), 10)) },
		// env answers with the value of a variable
		"env": func(c *conn, arg string) bool { return c.answer(os.Getenv(arg)) },
		// send writes bytes, in base64
		"send": func(c *conn, arg string) bool { _, err := c.Write(decode(arg)); return err == nil },
		// zeros answers with so many bytes
		"zeros": zeros,
		// sleep takes a while
		"sleep": func(_ *conn, arg string) bool { d, _ := time.ParseDuration(arg); time.Sleep(d); return true },
		// out and err write to standard output and error, in base64
		"out": func(_ *conn, arg string) bool { _, err := os.Stdout.Write(decode(arg)); return err == nil },
		"err": func(_ *conn, arg string) bool { _, err := os.Stderr.Write(decode(arg)); return err == nil },
		// outbody writes the request's body to standard output
		"outbody": func(c *conn, _ string) bool { _, err := io.Copy(os.Stdout, c.body); return err == nil },
		// outfield writes a field's value to standard output
		"outfield": func(c *conn, arg string) bool { fmt.Println(c.field(arg)); return true },
		// flood writes to standard output without end
		"flood": func(*conn, string) bool { go flood(); return true },
		// daemon starts a process that outlives the program
		"daemon": daemon,
		"exit":   func(_ *conn, arg string) bool { n, _ := strconv.Atoi(arg); os.Exit(n); return false },
		"close":  func(*conn, string) bool { return false },
		// reset closes with a RST
		"reset": func(c *conn, _ string) bool { _ = c.Conn.(*net.TCPConn).SetLinger(0); return false },
		// gone waits until the other side has closed, and says so on stdout
		"gone": func(c *conn, _ string) bool { _, err := c.r.ReadByte(); fmt.Println("gone:", err); return false },
		// duplex answers with each piece of the body as it comes
		"duplex": duplex,
		// tunnel sends back what comes after the request
		"tunnel": func(c *conn, _ string) bool {
			_, _ = io.Copy(c, c.r)
			fmt.Println("tunnel closed")
			return false
		},
		"idle": func(*conn, string) bool { return true },
	}
}

func (c *conn) readBody() bool {
	if c.body == nil {
		return true
	}
	n, err := io.Copy(io.Discard, c.body)
	c.length = n
	if err != nil {
		fmt.Println("body:", err)
	}
	return err == nil
}

func zeros(c *conn, arg string) bool {
	n, _ := strconv.ParseInt(arg, 10, 64)
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", n)
	b := make([]byte, 64<<10)
	for n > 0 {
		m, err := c.Write(b[:min(n, int64(len(b)))])
		if err != nil {
			return false
		}
		n -= int64(m)
	}
	return true
}

func daemon(*conn, string) bool {
	cmd := exec.Command(self, "lines", "sleep 60s")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd.Start() == nil
}

func flood() {
	w := bufio.NewWriterSize(os.Stdout, 64<<10)
	line := strings.Repeat("flood ", 30) + "\n"
	for {
		if _, err := w.WriteString(line); err != nil {
			return
		}
	}
}

func duplex(c *conn, _ string) bool {
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	b := make([]byte, 4096)
	for {
		n, err := c.body.Read(b)
		if n > 0 {
			fmt.Fprintf(c, "%x\r\n%s\r\n", n, b[:n])
		}
		if err != nil {
			_, _ = io.WriteString(c, "0\r\n\r\n")
			return err == io.EOF
		}
	}
}
