package emulator_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// TestCloseWhileStarting: what is only starting has been ended, too, when Close
// returns.
func TestCloseWhileStarting(t *testing.T) {
	rt := &fake{handle: echo, slow: 300 * time.Millisecond}
	e := play(t, template.Function{}, rt, emulator.Options{})
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _ = e.Invoke(t.Context(), nil) // it cannot be answered
	}()
	until(t, "a start", func() bool { return rt.started.Load() == 1 })
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if n := rt.closed.Load(); n != 1 {
		t.Errorf("%d of 1 instance were ended", n)
	}
	<-answered
}

// TestSocketTimeOut: a connection that has become a WebSocket's ends with the
// function's time, and so does the instance.
func TestSocketTimeOut(t *testing.T) {
	rt := &fake{handle: func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			echo(w, r)
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(conn, buffered)
	}}
	enough(t, time.Second, func(within time.Duration) (bool, string) {
		e := play(t, template.Function{Triggers: open, Timeout: within}, rt, emulator.Options{})
		s := httptest.NewServer(e)
		defer s.Close()
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(within + time.Minute)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		in := bufio.NewReader(conn)
		if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			return false, fmt.Sprintf("%+v, %v", res, err)
		}
		fmt.Fprint(conn, "hello\n")
		if got, err := in.ReadString('\n'); got != "hello\n" {
			return false, fmt.Sprintf("%q came back, %v", got, err)
		}
		if _, err := in.ReadString('\n'); err != io.EOF {
			t.Errorf("after the time-out: %v, want the end", err)
		}
		until(t, "the instance's end", func() bool { return rt.closed.Load() == rt.started.Load() })
		return true, ""
	})
}

// TestHealthWhileFreezing: a check that a freeze has cut off says nothing of the
// instance.
func TestHealthWhileFreezing(t *testing.T) {
	var called, asked atomic.Bool
	cut := make(chan struct{})
	rt := &fake{handle: func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/well":
			echo(w, r)
			called.Store(true)
		case called.Load():
			asked.Store(true)
			<-cut
			panic(http.ErrAbortHandler)
		}
	}}
	health := &template.Health{Path: "/well", Period: 10 * time.Millisecond, Timeout: time.Minute, FailureThreshold: 1}
	e := play(t, template.Function{Health: health}, rt, emulator.Options{FreezeAfter: 100 * time.Millisecond})
	frozen := func() bool { return rt.frozen.Load() > rt.thawed.Load() }
	invoke(t, e, "a")
	until(t, "a check", func() bool {
		if frozen() { // before it came to one
			invoke(t, e, "a")
		}
		return asked.Load()
	})
	until(t, "a freeze", frozen)
	close(cut)
	time.Sleep(500 * time.Millisecond) // the check has failed
	if r := invoke(t, e, "b"); r.Cold {
		t.Error("the instance was ended")
	}
}
