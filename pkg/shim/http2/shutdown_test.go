package http2

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

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
