package runtimeapi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

func TestRoutes(t *testing.T) {
	_, s := scripted(t)
	for request, status := range map[string]int{
		"GET " + prefix:                   404,
		"GET /":                           404,
		"GET /2018-06-01/runtime/x":       404,
		"POST " + prefix + "next":         405,
		"GET " + prefix + "a/response":    405,
		"POST " + prefix + "a/response":   404,
		"POST " + prefix + "a/error":      404,
		"POST " + prefix + "a/b/response": 404,
	} {
		method, path, _ := strings.Cut(request, " ")
		req, _ := http.NewRequest(method, "http://"+s.addr+path, nil)
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode != status || !strings.Contains(string(body), `"errorType"`) {
			t.Errorf("%s: %d %s", request, r.StatusCode, body)
		}
	}
}

func TestDoubleAnswer(t *testing.T) {
	a, s := scripted(t)
	x := newCall("POST", "/invoke", "{}", "X-Fc-Request-Id", "one")
	done := begin(a, x)
	if id := s.poll(); id != "one" {
		t.Fatal(id)
	}
	if s.post("one/response", "first") != 200 || await(t, done) != nil || x.body.String() != "first" {
		t.Error(x.body.String())
	}
	if got := s.post("one/response", "second"); got != 404 {
		t.Errorf("the second answer: %d", got)
	}
	if got := s.post("one/error", "{}"); got != 404 {
		t.Errorf("an error after the answer: %d", got)
	}
}

func TestOddIDs(t *testing.T) {
	a, s := scripted(t)
	for _, id := range []string{"a/b", "a b", "..", "é", "", strings.Repeat("x", 129)} {
		done := begin(a, newCall("POST", "/invoke", "{}", "X-Fc-Request-Id", id))
		got := s.poll()
		if !strings.HasPrefix(got, "shim-") || s.post(got+"/response", "") != 200 || await(t, done) != nil {
			t.Errorf("%q became %q", id, got)
		}
	}
}

func TestClientLeaves(t *testing.T) {
	a, s := scripted(t)
	x := newCall("POST", "/invoke", "{}") // while it waits for a poller
	done := begin(a, x)
	until(t, a, "it does not wait", func() bool { return len(a.waiting) == 1 })
	x.leave()
	x.leave()
	if err := await(t, done); !errors.Is(err, message.ErrAborted) || x.aborted || len(a.waiting) != 0 || len(a.outstanding) != 0 {
		t.Error(err, a.waiting)
	}

	x = newCall("POST", "/invoke", "{}", "X-Fc-Request-Id", "late") // while the program works
	done = begin(a, x)
	s.poll()
	x.leave()
	if err := await(t, done); !errors.Is(err, message.ErrAborted) {
		t.Error(err)
	}
	if got := s.post("late/response", "{}"); got != 200 {
		t.Errorf("the late answer: %d", got)
	}
	if got := s.post("late/response", "{}"); got != 404 || len(a.abandoned) != 0 {
		t.Errorf("the late answer, again: %d, %v", got, a.abandoned)
	}

	x = newCall("POST", "/invoke", "{}", "X-Fc-Request-Id", "stops") // while the answer comes
	x.refuse = true
	done = begin(a, x)
	s.poll()
	if got := s.post("stops/response", strings.Repeat("x", 1<<20)); got != 200 {
		t.Errorf("the answer to nobody: %d", got)
	}
	if err := await(t, done); !errors.Is(err, message.ErrAborted) || !x.aborted {
		t.Error(err)
	}
}

// TestProgramHangsInItsAnswer has a program stop in the middle of its answer,
// and the client go.
func TestProgramHangsInItsAnswer(t *testing.T) {
	a, s := scripted(t)
	for _, path := range []string{"/response", "/error"} {
		for _, sent := range []string{"", strings.Repeat("x", 64<<10)} {
			x := newCall("POST", "/invoke", "{}", "X-Fc-Request-Id", "hangs")
			done := begin(a, x)
			s.poll()
			c := s.raw("POST " + prefix + "hangs" + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + sent)
			until(t, a, "it is not taken", func() bool { return len(a.outstanding) == 0 })
			began := sent != "" && path == "/response"
			until(t, a, "it is not begun", func() bool { return !began || x.began.Load() })
			time.Sleep(20 * time.Millisecond)
			x.leave()
			if err := await(t, done); !errors.Is(err, message.ErrAborted) || x.aborted != began {
				t.Errorf("%s after %d bytes: %v, aborted %v", path, len(sent), err, x.aborted)
			}
			c.Close()
		}
	}
}

func TestAbandonedAreBounded(t *testing.T) {
	a, s := scripted(t)
	for i := range maxAbandoned + 10 {
		x := newCall("POST", "/invoke", "{}", "X-Fc-Request-Id", fmt.Sprint(i))
		done := begin(a, x)
		s.poll()
		x.leave()
		_ = await(t, done)
	}
	if len(a.outstanding) != maxAbandoned || len(a.abandoned) != maxAbandoned {
		t.Errorf("%d outstanding, %d abandoned", len(a.outstanding), len(a.abandoned))
	}
}

func TestPollerLeaves(t *testing.T) {
	a, s := scripted(t)
	for range 3 {
		c := s.raw("GET " + prefix + "next HTTP/1.1\r\nHost: a\r\n\r\n")
		until(t, a, "it does not wait", func() bool { return len(a.pollers) == 1 })
		c.Close()
		until(t, a, "it still waits", func() bool { return len(a.pollers) == 0 })
	}
	x := newCall("POST", "/invoke", "{}")
	done := begin(a, x)
	id := s.poll()
	if s.post(id+"/response", "ok") != 200 || await(t, done) != nil || x.body.String() != "ok" {
		t.Error(x.body.String())
	}
}

// TestGivenBack has a poller's connection fail while the call is handed over.
func TestGivenBack(t *testing.T) {
	a, s := scripted(t)
	x := newCall("POST", "/invoke", "{}", "X-Fc-Request-Id", "again")
	done := begin(a, x)
	until(t, a, "it does not wait", func() bool { return len(a.waiting) == 1 })
	dead := &failing{call: newCall("GET", prefix+"next", "")}
	a.Serve(dead)
	if !dead.aborted {
		t.Error("the dead poller was not aborted")
	}
	if id := s.poll(); id != "again" {
		t.Fatal(id)
	}
	if s.post("again/response", "ok") != 200 || await(t, done) != nil {
		t.Error("no answer")
	}
}

type failing struct{ *call }

func (f *failing) End(message.Header) error { return net.ErrClosed }

func TestHalfAnAnswer(t *testing.T) {
	a, s := scripted(t)
	for _, sent := range []string{"", strings.Repeat("x", 64<<10)} {
		x := newCall("POST", "/invoke", "{}", "X-Fc-Request-Id", "half")
		done := begin(a, x)
		s.poll()
		c := s.raw("POST " + prefix + "half/response HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + sent)
		time.Sleep(20 * time.Millisecond)
		c.Close()
		var f *message.Failure
		if err := await(t, done); !errors.As(err, &f) || f.Type != message.ProgramClosedConnection || x.aborted != (sent != "") || x.ended {
			t.Errorf("%v, aborted %v", err, x.aborted)
		}
	}
}

func TestProgramEnds(t *testing.T) {
	a, s := scripted(t)
	working := begin(a, newCall("POST", "/invoke", "{}"))
	s.poll()
	waiting := begin(a, newCall("POST", "/invoke", "{}"))
	until(t, a, "it does not wait", func() bool { return len(a.waiting) == 1 })
	want := &message.Failure{Type: message.ProgramExited}
	a.End(want)
	a.End(&message.Failure{})
	for _, done := range []<-chan error{working, waiting, begin(a, newCall("POST", "/invoke", "{}"))} {
		if err := await(t, done); err != want {
			t.Error(err)
		}
	}
	c := s.raw("GET " + prefix + "next HTTP/1.1\r\nHost: a\r\n\r\n")
	defer c.Close()
	if _, err := bufio.NewReader(c).ReadByte(); err != io.EOF {
		t.Errorf("a poll after the end: %v", err)
	}
}
