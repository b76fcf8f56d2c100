package relay

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestExpect: the body is asked for when the program asks for it.
func TestExpect(t *testing.T) {
	asked := false
	addr := behind(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(403)
			return
		}
		b, _ := io.ReadAll(r.Body)
		_, _ = w.Write(b)
	}, func(r *Relay) { r.expectPatience = time.Hour }) // a program that is held up still decides
	for path, want := range map[string]string{"/yes": "100 200 body", "/no": "403 "} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n", path)
		r := bufio.NewReader(conn)
		got := ""
		resp, err := http.ReadResponse(r, nil)
		if err == nil && resp.StatusCode == 100 {
			asked, got = true, "100 "
			fmt.Fprint(conn, "body")
			resp, err = http.ReadResponse(r, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		if got += fmt.Sprint(resp.StatusCode, " ") + string(b); got != want {
			t.Errorf("%s: %q", path, got)
		}
		conn.Close()
	}
	if !asked {
		t.Error("no 100 came")
	}
}

// TestExpectIsNotHeardOf: a program that knows nothing of Expect gets the body
// after a second.
func TestExpectIsNotHeardOf(t *testing.T) {
	t.Parallel()
	p := peer(t, func(c net.Conn, n int) { reply(c, number(n)) })
	addr := front(t, p.relay())
	began := time.Now()
	req, _ := http.NewRequest("POST", "http://"+addr+"/", strings.NewReader("body"))
	req.Header.Set("Expect", "100-continue")
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if d := time.Since(began); d < 900*time.Millisecond || d > 30*time.Second { // the client waits for a minute
		t.Error(d)
	}
}

// TestEarlyAnswer: a program that answers before it has read the body.
func TestEarlyAnswer(t *testing.T) {
	for name, after := range map[string]func(c net.Conn){
		"and closes":      func(c net.Conn) { c.Close() },
		"and never reads": func(c net.Conn) {},
		"and reads on":    func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := peer(t, func(c net.Conn, n int) {
				readHead(c)
				_, _ = io.WriteString(c, "HTTP/1.1 413 Much\r\nContent-Length: 3\r\n\r\nbig")
				after(c)
			})
			addr := front(t, p.relay())
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
			fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n")
			go func() { _, _ = io.Copy(conn, &noise{50000000}) }()
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(resp.Body); string(b) != "big" || err != nil {
				t.Errorf("%q %v", b, err)
			}
		})
	}
	t.Run("to a client that does not send", func(t *testing.T) {
		t.Parallel()
		p := peer(t, func(c net.Conn, n int) {
			readHead(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
		})
		conn, err := net.Dial("tcp", front(t, p.relay()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err != nil {
			t.Error(err)
		}
	})
}
