package http1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// TestShutdown: what is being answered is answered, what is idle ends at once,
// and a request that is on its way is served.
func TestShutdown(t *testing.T) {
	arrived, goOn := make(chan struct{}), make(chan struct{})
	s, addr := serve(t, func(x message.Exchange) {
		if x.Request().Target == "/slow" {
			arrived <- struct{}{}
			<-goOn
		}
		echo(x)
	}, func(s *Server) { s.settle = 3 * time.Second })
	idle, fresh, slow, late := dial(t, addr), dial(t, addr), dial(t, addr), dial(t, addr)
	idle.say("GET /1 HTTP/1.1|Host: a||").answer("GET")
	late.say("GET /1 HTTP/1.1|Host: a||").answer("GET")
	slow.say("GET /slow HTTP/1.1|Host: a||")
	<-arrived
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(context.Background()) }()
	for !s.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	arriving := dial(t, addr)
	late.say("POST /late HTTP/1.1|Host: a|Content-Length: 4||")
	arriving.say("POST /late HTTP/1.1|Host: a|Content-Length: 4||")
	time.Sleep(s.settle + time.Second/2) // their bodies take their time
	for _, c := range []*client{late, arriving} {
		if resp, body := c.say("body").answer("POST"); body != "POST /late body" || !resp.Close {
			t.Errorf("%q, close %v", body, resp.Close)
		}
	}
	if idle.rest()+fresh.rest()+late.rest()+arriving.rest() != "" {
		t.Error("more came")
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		_ = c.Close()
		if time.Now().After(deadline) {
			t.Fatal("it still listens")
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("ended before the request: %v", err)
	default:
	}
	close(goOn)
	if resp, body := slow.answer("GET"); body != "GET /slow " || !resp.Close || slow.rest() != "" {
		t.Errorf("%q, close %v", body, resp.Close)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error("again:", err)
	}
}

// TestShutdownCuts what is left when its time is over.
func TestShutdownCuts(t *testing.T) {
	gone := make(chan error, 1)
	s, addr := serve(t, func(x message.Exchange) {
		_ = x.Head(message.Head{Status: 200, Length: -1})
		_ = x.Flush()
		_, err := io.Copy(io.Discard, x.Request().Body)
		gone <- err
	})
	c := dial(t, addr).say("POST / HTTP/1.1|Host: a|Content-Length: 5||")
	if line, _ := c.r.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 200") {
		t.Error(line)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if err := <-gone; err == nil {
		t.Error("the body ended well")
	}
}

// TestShutdownUnderLoad loses no request of clients that heed "close".
func TestShutdownUnderLoad(t *testing.T) {
	// Each client sends its next request within the settle time.
	s, addr := serve(t, echo, func(s *Server) { s.settle = 2 * time.Second })
	lost := make(chan error)
	const clients = 8
	for range clients {
		c := dial(t, addr)
		go func() {
			for n := 0; ; n++ {
				if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
					lost <- err
					return
				}
				p := make([]byte, 500)
				m, err := c.TCPConn.Read(p)
				if err != nil {
					lost <- fmt.Errorf("request %d: %w", n, err)
					return
				}
				if strings.Contains(string(p[:m]), "Connection: close") {
					lost <- nil
					return
				}
			}
		}()
	}
	time.Sleep(50 * time.Millisecond)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for range clients {
		if err := <-lost; err != nil {
			t.Error(err)
		}
	}
}

// TestHTTP2 hands over what begins as HTTP/2, however it arrives.
func TestHTTP2(t *testing.T) {
	s, addr := serve(t, echo, func(s *Server) {
		s.H2 = func(c net.Conn, start []byte) {
			p := make([]byte, 5)
			for len(start) < len(preface)+5 {
				n, err := c.Read(p)
				if err != nil {
					t.Error(err)
					return
				}
				start = append(start, p[:n]...)
			}
			_, _ = c.Write(start)
		}
	})
	for _, step := range []int{1, 18, 20, 100} {
		c := dial(t, addr)
		for text := preface + "after"; text != ""; {
			n := min(step, len(text))
			_, _ = io.WriteString(c, text[:n])
			text = text[n:]
			time.Sleep(time.Millisecond)
		}
		if got := c.rest(); got != preface+"after" {
			t.Errorf("%q", got)
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestUpgrade: the connection is the handler's, from the byte after the
// request on, and Shutdown waits for it.
func TestUpgrade(t *testing.T) {
	s, addr := serve(t, func(x message.Exchange) {
		if x.Request().Upgrade != "echo" {
			t.Errorf("%q", x.Request().Upgrade)
		}
		_ = x.Head(message.Head{Status: 101, Header: message.Header{{Name: "Upgrade", Value: "echo/2"}}})
		c, err := x.Upgrade()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
		_, _ = io.WriteString(c, "bye")
		_ = c.(interface{ CloseWrite() error }).CloseWrite()
	})
	for _, method := range []string{"GET / HTTP/1.1|", "POST / HTTP/1.1|Content-Length: 4|"} {
		c := dial(t, addr).say(method + "Host: a|Connection: upgrade|Upgrade: echo||")
		if strings.HasPrefix(method, "POST") {
			c.say("body")
		}
		c.say("early ")
		want := crlfs("HTTP/1.1 101 Switching Protocols|Upgrade: echo/2|Connection: Upgrade||early ")
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c.r, got); err != nil || string(got) != want {
			t.Errorf("%q, %v", got, err)
		}
		if method == "GET / HTTP/1.1|" {
			c.say("late")
			_ = c.CloseWrite()
			if got := c.rest(); got != "latebye" {
				t.Errorf("%q", got)
			}
			continue
		}
		ended := make(chan error, 1)
		go func() { ended <- s.Shutdown(t.Context()) }()
		select {
		case <-ended:
			t.Error("Shutdown did not wait")
		case <-time.After(3 * settle):
		}
		_ = c.CloseWrite()
		if got := c.rest(); got != "bye" {
			t.Errorf("%q", got)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
