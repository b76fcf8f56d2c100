package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// peer is a program of which each connection is served by a function, which
// gets the connection and its number, from 1.
func peer(t *testing.T, serve func(c net.Conn, n int)) *program {
	p := listen(t)
	go func() {
		for n := 1; ; n++ {
			c := p.accept()
			if c == nil {
				return
			}
			go serve(c, n)
		}
	}()
	return p
}

// reply answers one request with s, and says whether one came.
func reply(c net.Conn, s string, fields ...string) bool {
	head := readHead(c)
	if !strings.HasSuffix(head, "\r\n\r\n") {
		return false
	}
	if strings.Contains(head, "Content-Length: 4\r\n") {
		_, _ = io.ReadFull(c, make([]byte, 4))
	}
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+strings.Join(fields, "\r\n")+"Content-Length: 1\r\n\r\n"+s)
	return true
}

func number(n int) string { return string(rune('0' + n)) }

func post() *recorder { return ask("POST", "/", "body", "Content-Length", "4") }

// mustDo does x and returns the body, which tells the connection.
func mustDo(t *testing.T, r *Relay, x *recorder) string {
	t.Helper()
	if err := r.Do(x); err != nil {
		t.Fatal(err)
	}
	return x.body.String()
}

// ago says when the only idle connection was used.
func ago(r *Relay, d time.Duration) {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	r.pool.idle[0].idleSince = time.Now().Add(d)
}

func idle(r *Relay) int {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	return len(r.pool.idle)
}

// quiet says whether there is an idle connection that nothing has come on.
func quiet(r *Relay) bool {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	return len(r.pool.idle) > 0 && r.pool.idle[0].Quiet()
}

// TestWhichConnection: the body of each answer is the number of its
// connection.
func TestWhichConnection(t *testing.T) {
	forever := func(fields ...string) func(net.Conn, int) {
		return func(c net.Conn, n int) {
			for reply(c, number(n), fields...) {
			}
		}
	}
	t.Run("GET", func(t *testing.T) {
		r := peer(t, forever()).relay()
		for range 3 {
			if got := mustDo(t, r, get("/")); got != "1" {
				t.Error(got)
			}
		}
	})
	t.Run("POST", func(t *testing.T) {
		r := peer(t, forever()).relay()
		got := mustDo(t, r, post()) + mustDo(t, r, get("/")) + mustDo(t, r, post()) + mustDo(t, r, get("/")) + mustDo(t, r, ask("GET", "/", "body", "Content-Length", "4"))
		if got != "11223" {
			t.Error(got)
		}
	})
	t.Run("POST, announced", func(t *testing.T) {
		for _, c := range []struct {
			field string
			ago   time.Duration
			want  string
		}{
			{"timeout=5", 0, "11"}, {"timeout=5", 1900 * time.Millisecond, "11"}, {"timeout=5", 2100 * time.Millisecond, "12"},
			{"max=7, timeout=1", 0, "11"}, {"max=7, timeout=1", 600 * time.Millisecond, "12"},
		} {
			got, soon := "", false
			for i := 0; i < 20 && got != c.want && !soon; i++ { // a pause makes a connection older than meant
				r := peer(t, forever("Keep-Alive: "+c.field+"\r\n")).relay()
				got = mustDo(t, r, post())
				began := time.Now()
				ago(r, -c.ago)
				got += mustDo(t, r, post())
				soon = time.Since(began) < 50*time.Millisecond
			}
			if got != c.want {
				t.Errorf("%s, %s ago: %s, want %s", c.field, c.ago, got, c.want)
			}
		}
	})
	t.Run("another address", func(t *testing.T) {
		var generation atomic.Int64
		p := peer(t, forever())
		r := p.relay()
		r.pool.generation = func() int { return int(generation.Load()) }
		got := mustDo(t, r, get("/"))
		generation.Add(1)
		if got += mustDo(t, r, get("/")); got != "12" || idle(r) != 1 {
			t.Error(got, idle(r))
		}
	})
	t.Run("too old", func(t *testing.T) {
		r := peer(t, forever()).relay()
		got := mustDo(t, r, get("/"))
		ago(r, -maxIdle)
		if got += mustDo(t, r, get("/")); got != "12" {
			t.Error(got)
		}
	})
	t.Run("closed", func(t *testing.T) {
		r := New(Options{Dial: func(context.Context) (net.Conn, error) { return nil, errors.New("unreachable") }})
		r.Close()
		var f *message.Failure
		if err := r.Do(get("/")); !errors.As(err, &f) || f.Type != message.Stopping {
			t.Error(err)
		}
	})
}

// TestIdleAreClosed: also when no further request comes.
func TestIdleAreClosed(t *testing.T) {
	t.Parallel()
	took := time.Hour
	for i := 0; i < 5 && took > maxIdle+time.Second; i++ { // a busy machine may be late once
		p := listen(t)
		r := p.relay()
		closed := make(chan time.Time, 1)
		go func() {
			c := p.accept()
			reply(c, "1")
			_, _ = io.ReadAll(c)
			closed <- time.Now()
		}()
		began := time.Now()
		mustDo(t, r, get("/"))
		answered := time.Now()
		at := <-closed
		if d := at.Sub(began); d < maxIdle {
			t.Error(d)
		}
		took = at.Sub(answered)
		r.pool.mu.Lock()
		if len(r.pool.idle) != 0 || r.pool.active != 0 || r.pool.tending {
			t.Errorf("%+v", &r.pool)
		}
		r.pool.mu.Unlock()
	}
	if took > maxIdle+time.Second {
		t.Error(took)
	}
}

// counted tells of its end.
type counted struct {
	*net.TCPConn
	closed func()
}

func (c counted) Close() error {
	c.closed()
	return c.TCPConn.Close()
}

// TestPoolIsBounded: no more connections are kept than requests were made at
// a time.
func TestPoolIsBounded(t *testing.T) {
	p := peer(t, func(c net.Conn, n int) {
		for reply(c, "x") {
		}
	})
	// They are counted at this end: the other sees them end when it has time.
	var mu sync.Mutex
	open, most := 0, 0
	add := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		open += n
		most = max(most, open)
	}
	r := New(Options{Dial: func(context.Context) (net.Conn, error) {
		c, err := net.Dial("tcp", p.Addr().String())
		if err != nil {
			return nil, err
		}
		add(1)
		return counted{c.(*net.TCPConn), sync.OnceFunc(func() { add(-1) })}, nil
	}})
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 50 {
				_ = r.Do(post())
			}
		})
	}
	wait.Wait()
	if n := idle(r); n == 0 || n > 4 {
		t.Errorf("%d are idle", n)
	}
	if open > 4 || most > 12 {
		t.Errorf("%d are open, and there were %d", open, most)
	}
	r.Close()
	if open != 0 {
		t.Errorf("%d are open", open)
	}
}

// TestOneAtATime: a server that answers one connection until it is closed, as
// simple ones do, is not kept busy by a connection that is kept.
func TestOneAtATime(t *testing.T) {
	p := listen(t)
	go func() {
		for {
			c := p.accept()
			if c == nil {
				return
			}
			for reply(c, "x") {
			}
			c.Close()
		}
	}()
	r := p.relay()
	// The first time it is found out after 100 to 200 ms, then it is known; on a
	// busy machine it may be found out more than once.
	deadline := time.Now().Add(time.Minute)
	for quick := 0; quick < 20; {
		mustDo(t, r, get("/"))
		began := time.Now()
		mustDo(t, r, post()) // over a connection of its own
		if quick++; time.Since(began) >= starving {
			quick = 0
		}
		if time.Now().After(deadline) {
			t.Fatal("it takes its time each time")
		}
	}
}

// TestUnixSocket: the program may listen on one.
func TestUnixSocket(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := &program{Listener: l, t: t}
	go func() {
		for n := 1; ; n++ {
			c := p.accept()
			if c == nil {
				return
			}
			go func() {
				for i := 0; i < 3 && reply(c, number(n)); i++ {
				}
				c.Close()
			}()
		}
	}()
	r := New(Options{Dial: dialer(l.Addr())})
	defer r.Close()
	got := ""
	for range 5 {
		got += mustDo(t, r, get("/"))
	}
	if got += mustDo(t, r, post()); got != "111223" {
		t.Error(got)
	}
}
