package relay

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// front serves r by an http1.Server and returns its address.
func front(t *testing.T, r *Relay) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http1.Server{Handler: message.HandlerFunc(func(x message.Exchange) {
		err := r.Do(x)
		var f *message.Failure
		if errors.As(err, &f) {
			message.Answer(x, f.Status, nil, f.JSON())
		}
	})}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-ended })
	return l.Addr().String()
}

// behind starts a relay, with a server before it, to a net/http program.
func behind(t *testing.T, h http.HandlerFunc, set ...func(*Relay)) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	r := New(Options{Dial: dialer(l.Addr())})
	for _, s := range set {
		s(r)
	}
	t.Cleanup(r.Close)
	return front(t, r)
}

func dialer(a net.Addr) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, a.Network(), a.String())
	}
}

func client(t *testing.T) *http.Client {
	tr := &http.Transport{ExpectContinueTimeout: time.Minute}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 2 * time.Minute}
}

// noise is bytes that are not all the same, n of them.
type noise struct{ n int64 }

func (z *noise) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), z.n)]
	for i := range p {
		p[i] = byte(z.n>>8 ^ z.n*7)
		z.n--
	}
	return len(p), nil
}

// TestLargeBodies goes both ways at a time, with a length and in chunks, in
// little memory.
func TestLargeBodies(t *testing.T) {
	const size = 40 << 20
	addr := behind(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 0 {
			w.Header().Set("Content-Length", fmt.Sprint(r.ContentLength))
		}
		w.Header().Set("Trailer", "X-Trailer")
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("X-Trailer", r.Trailer.Get("X-Sent"))
	})
	want := sha256.New()
	_, _ = io.Copy(want, &noise{size})
	for _, length := range []int64{size, -1} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		req, _ := http.NewRequest("POST", "http://"+addr+"/", &noise{size})
		req.ContentLength = length
		if length < 0 {
			req.Trailer = http.Header{"X-Sent": {"yes"}}
		}
		resp, err := client(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got := sha256.New()
		n, err := io.Copy(got, resp.Body)
		if err != nil || n != size || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
			t.Fatal(n, err, length)
		}
		if length < 0 && resp.Trailer.Get("X-Trailer") != "yes" {
			t.Error("trailers:", resp.Trailer)
		}
		runtime.ReadMemStats(&after)
		if d := after.TotalAlloc - before.TotalAlloc; d > size {
			t.Errorf("%d bytes were allocated for %d", d, size)
		}
	}
}

// TestConversation: an answer comes before its request has ended.
func TestConversation(t *testing.T) {
	addr := behind(t, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		lines := bufio.NewReader(r.Body)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprint(w, strings.ToUpper(line))
			_ = c.Flush()
		}
	})
	in, out := io.Pipe()
	req, _ := http.NewRequest("POST", "http://"+addr+"/", in)
	_, _ = client(t), req
	answered := make(chan *http.Response, 1)
	go func() {
		resp, err := client(t).Do(req)
		if err != nil {
			t.Error(err)
		}
		answered <- resp
	}()
	fmt.Fprintln(out, "first")
	resp := <-answered
	lines := bufio.NewReader(resp.Body)
	for i, say := range []string{"first", "second", "third"} {
		if i > 0 {
			fmt.Fprintln(out, say)
		}
		if got, err := lines.ReadString('\n'); err != nil || got != strings.ToUpper(say)+"\n" {
			t.Fatal(got, err)
		}
	}
	out.Close()
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Error(rest, err)
	}
}

// TestBrokenRequest: the program does not take half a body for a whole one.
func TestBrokenRequest(t *testing.T) {
	for name, c := range map[string]struct{ head, body, answer string }{
		"the client goes": {"Content-Length: 10", "half", ""},
		"a bad chunk":     {"Transfer-Encoding: chunked", "4\r\nhalf\r\nx\r\n", "HTTP/1.1 400 "},
		"half a chunk":    {"Transfer-Encoding: chunked", "9\r\nhalf", ""},
	} {
		t.Run(name, func(t *testing.T) {
			read := make(chan error, 1)
			addr := behind(t, func(w http.ResponseWriter, r *http.Request) {
				_, err := io.ReadAll(r.Body)
				read <- err
			})
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n%s", c.head, c.body)
			if c.answer == "" {
				conn.Close()
			} else if b, _ := io.ReadAll(conn); !strings.HasPrefix(string(b), c.answer) {
				t.Errorf("%q", b)
			}
			select {
			case err := <-read:
				if err == nil {
					t.Error("it was taken for whole")
				}
			case <-time.After(30 * time.Second):
				t.Error("the program was not told")
			}
		})
	}
}

// TestCrash: a client sees that an answer is not whole.
func TestCrash(t *testing.T) {
	for _, head := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"} {
		p := peer(t, func(c net.Conn, n int) { readHead(c); _, _ = io.WriteString(c, head); c.Close() })
		resp, err := client(t).Get("http://" + front(t, p.relay()) + "/")
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err == nil || string(b) != "half" {
			t.Errorf("%q %v", b, err)
		}
	}
}
