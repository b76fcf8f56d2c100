package http2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// checked has the tests that noLeaks looks after.
var checked sync.Map

// noLeaks fails the test where a goroutine of ours remains after it. It must
// be called before what it checks is cleaned up by t.
func noLeaks(t testing.TB) {
	if _, known := checked.LoadOrStore(t, true); known {
		return
	}
	t.Cleanup(func() {
		for deadline := time.Now().Add(3 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			if !bytes.Contains(stacks, []byte("shim/http2.(*conn)")) && !bytes.Contains(stacks, []byte("shim/http2.(*stream)")) {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("goroutines remain:\n%s", stacks)
				return
			}
		}
	})
}

// listen serves h on a port of its own until the test ends.
func listen(t testing.TB, h message.HandlerFunc, o Options) (addr string, s *Server) {
	t.Helper()
	noLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = &Server{Handler: h, Options: o}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.ServeConn(c, nil) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		all.Wait()
	})
	return l.Addr().String(), s
}

// httpClient is net/http's, with prior knowledge.
func httpClient(t testing.TB) *http.Client {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: p}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

// echo answers with the request's body as it comes.
func echo(x message.Exchange) {
	r := x.Request()
	h := message.Header{{Name: "X-Method", Value: r.Method}, {Name: "X-Target", Value: r.Target},
		{Name: "X-Host", Value: r.Header.Get("Host")}, {Name: "X-Length", Value: fmt.Sprint(r.Length)}}
	if x.Head(message.Head{Status: 200, Header: h, Length: r.Length}) != nil {
		return
	}
	if r.Body != nil {
		buf := make([]byte, 32<<10)
		for {
			n, err := r.Body.Read(buf)
			if _, werr := x.Write(buf[:n]); werr != nil {
				return
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				x.Abort()
				return
			}
			if r.Body.Buffered() == 0 {
				_ = x.Flush()
			}
		}
	}
	_ = x.End(r.Trailer)
}

func TestNetHTTP(t *testing.T) {
	addr, _ := listen(t, echo, Options{})
	c := httpClient(t)
	r, err := c.Get("http://" + addr + "/a?b=c")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.ProtoMajor != 2 || r.StatusCode != 200 || r.Header.Get("X-Target") != "/a?b=c" || r.Header.Get("X-Host") != addr || r.Header.Get("X-Method") != "GET" || r.Header.Get("X-Length") != "0" {
		t.Errorf("%v", r)
	}

	body := strings.Repeat("0123456789", 100_000)
	req, _ := http.NewRequest("POST", "http://"+addr, struct{ io.Reader }{strings.NewReader(body)})
	req.Trailer = http.Header{"X-Sum": {"of it"}}
	if r, err = c.Do(req); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r.Body)
	if err != nil || string(got) != body || r.Trailer.Get("X-Sum") != "of it" || r.Header.Get("X-Length") != "-1" {
		t.Errorf("%d bytes, %v, %v", len(got), err, r.Trailer)
	}

	if r, err = c.Head("http://" + addr); err != nil || r.StatusCode != 200 || r.Header.Get("X-Method") != "HEAD" {
		t.Errorf("%v %v", r, err)
	}
	if r, err = c.Post("http://"+addr, "text/plain", strings.NewReader("abc")); err != nil || r.ContentLength != 3 {
		t.Errorf("%v %v", r, err)
	}
}

func TestConcurrent(t *testing.T) {
	addr, _ := listen(t, echo, Options{})
	c := httpClient(t)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			for j := range 5 {
				body := bytes.Repeat(fmt.Appendf(nil, "%d-%d ", i, j), 30_000)
				r, err := c.Post("http://"+addr, "text/plain", bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(r.Body)
				if err != nil || !bytes.Equal(got, body) {
					t.Errorf("%d bytes of %d: %v", len(got), len(body), err)
				}
			}
		})
	}
	all.Wait()
}

// TestMemory sends 32 MB both ways, to readers that are slow at times.
func TestMemory(t *testing.T) {
	addr, _ := listen(t, echo, Options{})
	c := httpClient(t)
	var most atomic.Uint64
	done := make(chan struct{})
	var measured sync.WaitGroup
	measured.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most.Store(max(most.Load(), m.HeapAlloc))
			}
		}
	})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			r, err := c.Post("http://"+addr, "", io.LimitReader(zeros{}, 32<<20))
			if err != nil {
				t.Error(err)
				return
			}
			n := int64(0)
			for range 4 {
				m, err := io.CopyN(io.Discard, r.Body, 8<<20)
				if n += m; err != nil && err != io.EOF {
					t.Error(err)
				}
				time.Sleep(20 * time.Millisecond)
			}
			if n != 32<<20 {
				t.Errorf("%d bytes came back", n)
			}
		})
	}
	all.Wait()
	close(done)
	measured.Wait()
	if most.Load() > 64<<20 { // net/http's client, which keeps up to 4 MB a stream, is in it
		t.Errorf("%d MB in use", most.Load()>>20)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestStreaming(t *testing.T) {
	step := make(chan string)
	addr, _ := listen(t, func(x message.Exchange) {
		if err := x.Head(message.Head{Status: 200, Length: -1}); err != nil {
			t.Error(err)
		}
		for s := range step {
			_, _ = io.WriteString(x, s)
			_ = x.Flush()
		}
		_ = x.End(message.Header{{Name: "Grpc-Status", Value: "0"}})
	}, Options{})
	r, err := func() (*http.Response, error) {
		go func() { step <- "one" }()
		return httpClient(t).Get("http://" + addr)
	}()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two", "three"} {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r.Body, got); err != nil || string(got) != want {
			t.Fatalf("%q %v", got, err)
		}
		switch want {
		case "one":
			step <- "two"
		case "two":
			step <- "three"
		default:
			close(step)
		}
	}
	if rest, err := io.ReadAll(r.Body); err != nil || len(rest) > 0 || r.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("%q %v %v", rest, err, r.Trailer)
	}
}

func TestInterimAndExpect(t *testing.T) {
	addr, _ := listen(t, func(x message.Exchange) {
		if err := x.Interim(103, message.Header{{Name: "Link", Value: "</a>"}}); err != nil {
			t.Error(err)
		}
		if x.Interim(101, nil) == nil {
			t.Error("101 was sent")
		}
		if !x.Request().Expect {
			t.Error("Expect is not seen")
		}
		echo(x)
		if _, err := x.Upgrade(); err == nil {
			t.Error("Upgrade")
		}
	}, Options{})
	var interim []int
	continued := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			if interim = append(interim, code); code == 103 && h.Get("Link") != "</a>" {
				t.Errorf("%v", h)
			}
			return nil
		},
		Got100Continue: func() { continued = true },
	})
	req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+addr, strings.NewReader("body"))
	req.Header.Set("Expect", "100-continue")
	c := httpClient(t)
	c.Transport.(*http.Transport).ExpectContinueTimeout = 10 * time.Second
	start := time.Now()
	r, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r.Body); err != nil || string(got) != "body" {
		t.Errorf("%q %v", got, err)
	}
	if fmt.Sprint(interim) != "[103 100]" || !continued || time.Since(start) > 5*time.Second {
		t.Errorf("%v, %v", interim, continued)
	}
}

func TestGone(t *testing.T) {
	gone, failed := make(chan bool, 1), make(chan error, 1)
	addr, _ := listen(t, func(x message.Exchange) {
		x.OnGone(func() { gone <- true })
		_ = x.Head(message.Head{Status: 200, Length: -1})
		_ = x.Flush()
		<-gone
		_, err := x.Write(make([]byte, 1<<20))
		failed <- errors.Join(err)
	}, Options{})
	for _, how := range []string{"reset", "close"} {
		ctx, cancel := context.WithCancel(t.Context())
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+addr, nil)
		c := httpClient(t)
		var conn net.Conn
		c.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			var err error
			conn, err = new(net.Dialer).DialContext(ctx, network, addr)
			return conn, err
		}
		if _, err := c.Do(req); err != nil {
			t.Fatal(err)
		}
		if how == "close" {
			_ = conn.Close()
		}
		cancel()
		select {
		case err := <-failed:
			if err == nil {
				t.Errorf("%s: Write succeeded", how)
			}
		case <-time.After(time.Second):
			t.Fatalf("%s: not told", how)
		}
	}
}

func TestAbort(t *testing.T) {
	for name, h := range map[string]message.HandlerFunc{
		"return": func(message.Exchange) {},
		"abort": func(x message.Exchange) {
			_ = x.Head(message.Head{Status: 200, Length: -1})
			_ = x.Flush()
			x.Abort()
		},
		"short": func(x message.Exchange) {
			_ = x.Head(message.Head{Status: 200, Length: 5})
			_, _ = io.WriteString(x, "1234")
			if x.End(nil) == nil {
				t.Error("End of a short body succeeded")
			}
		},
		"long": func(x message.Exchange) {
			_ = x.Head(message.Head{Status: 200, Length: 5})
			if _, err := io.WriteString(x, "123456"); err == nil {
				t.Error("a long body was taken")
			}
			if x.End(nil) == nil {
				t.Error("End of a long body succeeded")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr, _ := listen(t, h, Options{})
			r, err := httpClient(t).Get("http://" + addr)
			if err == nil {
				_, err = io.ReadAll(r.Body)
			}
			if err == nil || !strings.Contains(err.Error(), "INTERNAL_ERROR") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestEarlyAnswer answers before the body has come, and does not read it.
func TestEarlyAnswer(t *testing.T) {
	addr, _ := listen(t, func(x message.Exchange) { message.Answer(x, 413, nil, []byte("no")) }, Options{})
	c := httpClient(t)
	for range 20 {
		r, err := c.Post("http://"+addr, "", io.LimitReader(zeros{}, 8<<20))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r.Body); err != nil || string(got) != "no" || r.StatusCode != 413 {
			t.Fatalf("%q %v", got, err)
		}
	}
}

func TestShutdown(t *testing.T) {
	begun, goOn := make(chan bool, 2), make(chan bool)
	addr, s := listen(t, func(x message.Exchange) {
		begun <- true
		<-goOn
		message.Answer(x, 200, nil, []byte("whole"))
	}, Options{})
	c := httpClient(t)
	got := make(chan string)
	go func() {
		r, err := c.Get("http://" + addr)
		if err != nil {
			got <- err.Error()
			return
		}
		b, _ := io.ReadAll(r.Body)
		got <- string(b)
	}()
	<-begun
	stopped := make(chan error)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	select {
	case <-stopped:
		t.Fatal("did not wait")
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	if body := <-got; body != "whole" {
		t.Error(body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	// What was under way when the listener closed is still answered.
	r, err := c.Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r.Body); err != nil || string(b) != "whole" {
		t.Errorf("%q %v", b, err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestShutdownInTime(t *testing.T) {
	begun := make(chan bool, 1)
	addr, s := listen(t, func(x message.Exchange) {
		gone := make(chan bool)
		x.OnGone(func() { close(gone) })
		begun <- true
		<-gone
	}, Options{})
	go func() { _, _ = httpClient(t).Get("http://" + addr) }()
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestPanic(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan any, 1)
	s := &Server{Handler: message.HandlerFunc(func(message.Exchange) { panic("oh") }), Panicked: func(v any) { told <- v }}
	go func() {
		if c, err := l.Accept(); err == nil {
			s.ServeConn(c, nil)
		}
	}()
	if _, err := httpClient(t).Get("http://" + l.Addr().String()); err == nil {
		t.Error("an answer came")
	}
	if v := <-told; v != "oh" {
		t.Error(v)
	}
	_ = l.Close()
	_ = s.Shutdown(t.Context())
}

func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Log("no curl here; other clients are tested")
		return
	}
	addr, _ := listen(t, echo, Options{})
	cmd := exec.Command(curl, "-sS", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code}", "--data-binary", "@-", "http://"+addr+"/x")
	cmd.Stdin = strings.NewReader(strings.Repeat("x", 3<<20))
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) != 3<<20+len("2 200") || !bytes.HasSuffix(out, []byte("2 200")) {
		t.Errorf("%d bytes, %v: %s", len(out), err, out[max(0, len(out)-100):])
	}
}
