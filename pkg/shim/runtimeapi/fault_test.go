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

// script is a program that does to the API what the test says, by hand.
type script struct {
	t    *testing.T
	addr string
}

// poll asks for a call and returns its id.
func (s script) poll() string {
	s.t.Helper()
	r, err := http.Get("http://" + s.addr + prefix + "next")
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	_, _ = io.Copy(io.Discard, r.Body)
	return r.Header.Get("x-fc-request-id")
}

func (s script) post(path, body string) int {
	s.t.Helper()
	r, err := http.Post("http://"+s.addr+prefix+path, "application/json", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	return r.StatusCode
}

// raw opens a connection and writes that.
func (s script) raw(text string) net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		s.t.Fatal(err)
	}
	return c
}

func scripted(t *testing.T) (*API, script) {
	a := New(Options{})
	return a, script{t, listen(t, a)}
}

// begin starts Do and returns where its error comes.
func begin(a *API, x *call) <-chan error {
	done := make(chan error, 1)
	go func() { done <- a.Do(x) }()
	return done
}

func await(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("Do did not return")
		return nil
	}
}

// until waits for a condition that the API's lock guards.
func until(t *testing.T, a *API, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		a.mu.Lock()
		yes := ok()
		a.mu.Unlock()
		if yes {
			return
		}
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

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
	if err := await(t, done); !errors.Is(err, message.ErrAborted) || !x.aborted || len(a.waiting) != 0 || len(a.outstanding) != 0 {
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

func TestOddAnswers(t *testing.T) {
	a, s := scripted(t)
	answer := func(path, params, body string) (*call, error) {
		t.Helper()
		x := newCall("GET", "/", "")
		done := begin(a, x)
		id := s.poll()
		req, _ := http.NewRequest("POST", "http://"+s.addr+prefix+id+path, strings.NewReader(body))
		if params != "" {
			req.Header.Set(headerParams, params)
		}
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != 200 {
			t.Errorf("the program got %d", r.StatusCode)
		}
		return x, await(t, done)
	}
	for _, params := range []string{"%", "e30", "bnVsbA=", "eyJzdGF0dXMiOjEwMH0="} { // bad base64, {"status":100}
		var f *message.Failure
		if _, err := answer("/response", params, "x"); !errors.As(err, &f) || f.Type != message.ProgramBadAnswer {
			t.Errorf("%s: %v", params, err)
		}
	}
	for body, want := range map[string]string{
		"not JSON": `{"errorMessage":"not JSON","errorType":"UnknownError"}`,
		"":         `{"errorMessage":"","errorType":"UnknownError"}`,
		"{}":       `{"errorMessage":"{}","errorType":"UnknownError"}`,
	} {
		x, err := answer("/error", "", body)
		if err != nil || x.head.Status != 502 || x.body.String() != want {
			t.Errorf("%q: %v %+v %s", body, err, x.head, x.body.String())
		}
	}
}

func TestBodies(t *testing.T) {
	a, s := scripted(t)
	for _, n := range []int{small, small + 1, 200_000, 32 << 20, 32<<20 + 1} {
		for _, known := range []bool{true, false} {
			x := newCall("POST", "/invoke", strings.Repeat("x", n))
			if !known {
				x.request.Length = -1
			}
			done := begin(a, x)
			if n > 32<<20 {
				var f *message.Failure
				if err := await(t, done); !errors.As(err, &f) || f.Status != 413 {
					t.Error(err)
				}
				continue
			}
			r, err := http.Get("http://" + s.addr + prefix + "next")
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.Copy(io.Discard, r.Body)
			r.Body.Close()
			if err != nil || got != int64(n) {
				t.Errorf("%d bytes of %d: %v", got, n, err)
			}
			s.post(r.Header.Get("x-fc-request-id")+"/response", "")
			_ = await(t, done)
			if a.memory.free != a.memory.total {
				t.Errorf("%d of %d bytes free", a.memory.free, a.memory.total)
			}
		}
	}
	x := newCall("POST", "/invoke", "{}")
	x.request.Body, x.request.Length = text{io.MultiReader(strings.NewReader("abc"), broken{})}, 10
	if err := await(t, begin(a, x)); !errors.Is(err, message.ErrAborted) || len(a.waiting) != 0 {
		t.Errorf("a client that breaks off: %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBudget(t *testing.T) {
	b := newBudget(10)
	if n, ok := b.take(25, nil); n != 10 || !ok {
		t.Fatal(n, ok)
	}
	stop := make(chan struct{})
	got := make(chan bool, 2)
	go func() { _, ok := b.take(8, stop); got <- ok }()
	for {
		b.mu.Lock()
		n := len(b.queue)
		b.mu.Unlock()
		if n == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	go func() { _, ok := b.take(2, nil); got <- ok }()
	b.give(3) // not enough for the first, who is waited for
	select {
	case <-got:
		t.Error("somebody was served out of turn")
	case <-time.After(10 * time.Millisecond):
	}
	close(stop)
	if a, b := <-got, <-got; a == b {
		t.Error("both the same")
	}
	b.give(7)
	if b.free != 8 {
		t.Errorf("%d free", b.free)
	}
}
