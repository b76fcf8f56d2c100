package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// TestDeadConnections: the program closes connections when they are idle.
func TestDeadConnections(t *testing.T) {
	fin := func(c net.Conn) { c.Close() }
	reset := func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); c.Close() }
	unasked := func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n") }
	for name, how := range map[string]func(net.Conn){"FIN": fin, "reset": reset, "unasked": unasked} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done := make(chan bool, 1)
			r := peer(t, func(c net.Conn, n int) {
				reply(c, number(n))
				how(c)
				done <- true
			}).relay()
			for i := range 3 {
				if got := mustDo(t, r, get("/")); got != number(i+1) {
					t.Error(got)
				}
				<-done
				eventually(t, "it arrives", func() bool { return !quiet(r) })
			}
		})
	}
	t.Run("after its end", func(t *testing.T) {
		t.Parallel()
		// A late part of an answer is not taken for the next one, although
		// the connection was idle for a moment only.
		late := make(chan bool, 1)
		var r *Relay
		r = peer(t, func(c net.Conn, n int) {
			reply(c, number(n))
			eventually(t, "the connection is idle", func() bool { return idle(r) == 1 })
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
			late <- true
		}).relay()
		for i := range 3 {
			if got := mustDo(t, r, get("/")); got != number(i+1) {
				t.Error(got)
			}
			<-late
			eventually(t, "it arrives", func() bool { return !quiet(r) })
		}
	})
	t.Run("at that moment", func(t *testing.T) {
		t.Parallel()
		// The second request on each connection is read, and the connection
		// closed: nobody can know whether it was carried out.
		var seen atomic.Int64
		r := peer(t, func(c net.Conn, n int) {
			reply(c, number(n), "Keep-Alive: timeout=60\r\n")
			if head := readHead(c); head != "" {
				seen.Add(1)
			}
			c.Close()
		}).relay()
		got := mustDo(t, r, get("/"))
		ago(r, time.Hour) // not too old, however busy the machine is
		got += mustDo(t, r, get("/"))
		if got != "12" || seen.Load() != 1 {
			t.Error(got, seen.Load())
		}
		ago(r, time.Hour)
		x := post()
		var f *message.Failure
		if err := r.Do(x); !errors.As(err, &f) || f.Type != message.ProgramClosedConnection || seen.Load() != 2 {
			t.Error(err, x, seen.Load())
		}
	})
	t.Run("new ones too", func(t *testing.T) {
		t.Parallel()
		var seen atomic.Int64
		r := peer(t, func(c net.Conn, n int) { readHead(c); seen.Add(1); c.Close() }).relay()
		var f *message.Failure
		if err := r.Do(get("/")); !errors.As(err, &f) || seen.Load() != 1 {
			t.Error(err, seen.Load())
		}
	})
	t.Run("after a byte of the answer", func(t *testing.T) {
		t.Parallel()
		var seen atomic.Int64
		r := peer(t, func(c net.Conn, n int) {
			reply(c, number(n))
			readHead(c)
			seen.Add(1)
			_, _ = io.WriteString(c, "H")
			c.Close()
		}).relay()
		mustDo(t, r, get("/"))
		ago(r, time.Hour)
		var f *message.Failure
		if err := r.Do(get("/")); !errors.As(err, &f) || f.Type != message.ProgramClosedConnection || seen.Load() != 1 {
			t.Error(err, seen.Load())
		}
	})
}

// deaf fails each write.
type deaf struct{ net.Conn }

func (deaf) Write([]byte) (int, error) { return 0, errors.New("deaf") }

// TestNothingWritten: what did not reach the program may be sent again, also a
// POST, but not for ever.
func TestNothingWritten(t *testing.T) {
	p := peer(t, func(c net.Conn, n int) { reply(c, number(n)) })
	for broken, want := range map[int]int{1: 2, 2: 3, 100: 4} {
		dials := 0
		r := New(Options{Dial: func(ctx context.Context) (net.Conn, error) {
			c, err := net.Dial("tcp", p.Addr().String())
			if dials++; dials <= broken {
				c = deaf{c}
			}
			return c, err
		}})
		x := post()
		err := r.Do(x)
		if dials != want || (err == nil) != (broken < 100) || err == nil && !x.ended {
			t.Errorf("%d broken: %d dials, %v %v", broken, dials, err, x)
		}
	}
}
