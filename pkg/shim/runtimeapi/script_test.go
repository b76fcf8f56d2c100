package runtimeapi

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
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
	case <-time.After(30 * time.Second):
		t.Fatal("Do did not return")
		return nil
	}
}

// until waits for a condition that the API's lock guards.
func until(t *testing.T, a *API, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
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
