package http2

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
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
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
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
	serve(t, l, s, 0)
	return l.Addr().String(), s
}

// serve has s serve the connections of l until the test ends, each from when
// so many bytes of it have come.
func serve(t testing.TB, l net.Listener, s *Server, first int) {
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				start := make([]byte, first)
				if _, err := io.ReadFull(c, start); err != nil {
					t.Error(err)
				}
				s.ServeConn(c, start)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		all.Wait()
	})
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

// gauge counts what runs at once.
type gauge struct{ n atomic.Int64 }

func (g *gauge) add(n int64) int64 { return g.n.Add(n) }
func (g *gauge) value() int64      { return g.n.Load() }

func (g *gauge) max(n int64) {
	for old := g.n.Load(); n > old && !g.n.CompareAndSwap(old, n); old = g.n.Load() {
	}
}
