package http2

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// memory is a connection whose peer has sent all it will, and keeps what it
// gets.
type memory struct {
	in  io.Reader
	out bytes.Buffer // of the writing goroutine until Serve has returned
}

func (m *memory) Read(p []byte) (int, error)       { return m.in.Read(p) }
func (m *memory) Write(p []byte) (int, error)      { return m.out.Write(p) }
func (m *memory) Close() error                     { return nil }
func (m *memory) LocalAddr() net.Addr              { return nil }
func (m *memory) RemoteAddr() net.Addr             { return nil }
func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }

// FuzzServer sends anything after a good beginning. The server must come to an
// end, and what it sends must be frames.
func FuzzServer(f *testing.F) {
	seed := func(send func(*raw)) {
		r := new(raw)
		send(r)
		f.Add(r.out)
	}
	seed(func(r *raw) { r.get(1) })
	seed(func(r *raw) { r.post(1, "content-length", "3").frame(frameData, flagPadded|1, 1, "\x01abc0") })
	seed(func(r *raw) { r.post(1).frame(frameData, 0, 1, "abc").frame(frameHeaders, 5, 1, block("a", "b")) })
	seed(func(r *raw) { r.frame(frameHeaders, 1, 1, "\x82").frame(frameContinuation, 4, 1, "\x84\x86") })
	seed(func(r *raw) {
		r.post(1).frame(frameRSTStream, 0, 1, u32(8)).frame(frameWindowUpdate, 0, 1, u32(1)).get(3)
	})
	seed(func(r *raw) {
		r.frame(frameSettings, 0, 0, string(appendSetting(nil, 4, 0))).get(1).frame(framePing, 0, 0, "12345678")
	})
	seed(func(r *raw) {
		r.frame(framePriority, 0, 1, "12345").frame(frameGoAway, 0, 0, u32(0, 0)).frame(99, 9, 9, "x")
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		start := new(raw).begin().out
		m := &memory{in: bytes.NewReader(b)}
		(&Server{Handler: message.HandlerFunc(readAll)}).ServeConn(m, start)
		frames := xhttp2.NewFramer(io.Discard, &m.out)
		for {
			if _, err := frames.ReadFrame(); err == io.EOF {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzClient has a program answer anything after its SETTINGS. Do must return,
// and where an answer was begun, end or abort it.
func FuzzClient(f *testing.F) {
	seed := func(send func(*raw)) {
		r := new(raw)
		send(r)
		f.Add(r.out)
	}
	const ended = flagEndHeaders | flagEndStream
	seed(func(r *raw) { r.frame(frameHeaders, ended, 1, block(":status", "204")) })
	seed(func(r *raw) {
		r.frame(frameHeaders, 4, 1, block(":status", "103")).frame(frameHeaders, 4, 1, block(":status", "200", "content-length", "3"))
		r.frame(frameData, 0, 1, "abc").frame(frameHeaders, ended, 1, block("a", "b"))
	})
	seed(func(r *raw) {
		r.frame(frameHeaders, 4, 1, block(":status", "200")).frame(frameData, flagPadded|1, 1, "\x01abc0").frame(frameRSTStream, 0, 1, u32(0))
	})
	seed(func(r *raw) { r.frame(frameGoAway, 0, 0, u32(0, 0)).frame(frameGoAway, 0, 0, u32(1, 0)) })
	seed(func(r *raw) { r.frame(frameRSTStream, 0, 1, u32(7)).frame(frameRSTStream, 0, 3, u32(8)) })
	settings := new(raw).frame(frameSettings, 0, 0, "").out
	f.Fuzz(func(t *testing.T, b []byte) {
		k := &Client{Dial: func(context.Context) (net.Conn, error) {
			return &memory{in: io.MultiReader(bytes.NewReader(settings), bytes.NewReader(b))}, nil
		}}
		x := &recorder{request: message.Request{Method: "GET", Target: "/", Header: fields("Host", "a")}}
		err := k.Do(x)
		if x.ended && x.aborted || (x.ended || x.aborted) != x.begun || x.ended != (err == nil) {
			t.Errorf("%v: %+v", err, x)
		}
	})
}

// recorder is an exchange whose client takes everything.
type recorder struct {
	message.Exchange
	request               message.Request
	begun, ended, aborted bool
}

func (x *recorder) Request() *message.Request         { return &x.request }
func (x *recorder) OnGone(func())                     {}
func (x *recorder) Interim(int, message.Header) error { return nil }
func (x *recorder) Head(message.Head) error           { x.begun = true; return nil }
func (x *recorder) Write(p []byte) (int, error)       { return len(p), nil }
func (x *recorder) Flush() error                      { return nil }
func (x *recorder) End(message.Header) error          { x.ended = true; return nil }
func (x *recorder) Abort()                            { x.aborted = true }
