package http2

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// speak serves one connection with a server of frames that a test writes.
func speak(t *testing.T, answer func(*raw)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := &raw{t: t, c: c, frames: newFrameReader(c, nil)}
				if r.frames.preface() != nil {
					return
				}
				r.frame(frameSettings, 0, 0, "").frame(frameSettings, flagAck, 0, "")
				_, _ = c.Write(r.out)
				r.out = nil
				for { // until the request
					h, err := r.frames.header()
					if err != nil {
						return
					}
					if _, err = r.frames.payload(h); err != nil {
						return
					}
					if h.kind == frameHeaders {
						r.requests++
						answer(r)
						_, _ = c.Write(r.out)
						r.out = nil
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// TestBadAnswers is what a client gets for answers that are wrong.
func TestBadAnswers(t *testing.T) {
	const ended = flagEndHeaders | flagEndStream
	for name, c := range map[string]struct {
		answer func(*raw)
		want   string
	}{
		"good":              {func(r *raw) { r.frame(frameHeaders, ended, 1, block(":status", "204")) }, "204"},
		"no status":         {func(r *raw) { r.frame(frameHeaders, ended, 1, block("a", "b")) }, message.ProgramBadAnswer},
		"a wrong status":    {func(r *raw) { r.frame(frameHeaders, ended, 1, block(":status", "20")) }, message.ProgramBadAnswer},
		"101":               {func(r *raw) { r.frame(frameHeaders, 4, 1, block(":status", "101")) }, message.ProgramBadAnswer},
		"interim that ends": {func(r *raw) { r.frame(frameHeaders, ended, 1, block(":status", "103")) }, message.ProgramBadAnswer},
		"endless interim": {func(r *raw) {
			for range 200 {
				r.frame(frameHeaders, 4, 1, block(":status", "103"))
			}
		}, message.ProgramBadAnswer},
		"a field of connections": {func(r *raw) { r.frame(frameHeaders, ended, 1, block(":status", "200", "connection", "close")) }, message.ProgramBadAnswer},
		"DATA first":             {func(r *raw) { r.frame(frameData, 1, 1, "x") }, message.ProgramBadAnswer},
		"another stream":         {func(r *raw) { r.frame(frameHeaders, ended, 7, block(":status", "200")) }, message.ProgramBadAnswer},
		"push":                   {func(r *raw) { r.frame(framePushPromise, 4, 1, u32(2)+block(":status", "200")) }, message.ProgramBadAnswer},
		"not HPACK":              {func(r *raw) { r.frame(frameHeaders, ended, 1, "\x80") }, message.ProgramBadAnswer},
		"reset":                  {func(r *raw) { r.frame(frameRSTStream, 0, 1, u32(2)) }, message.ProgramClosedConnection},
		"refused": {func(r *raw) {
			if r.requests == 1 {
				r.frame(frameRSTStream, 0, 1, u32(7))
			} else {
				r.frame(frameHeaders, ended, 3, block(":status", "299"))
			}
		}, "299"},
		"refused for ever": {func(r *raw) { r.frame(frameRSTStream, 0, 2*r.requests-1, u32(7)) }, message.ProgramClosedConnection},
		"goes away":        {func(r *raw) { _ = r.c.Close() }, message.ProgramClosedConnection},
		"less than it says": {func(r *raw) {
			r.frame(frameHeaders, 4, 1, block(":status", "200", "content-length", "3")).frame(frameData, 1, 1, "ab")
		}, "aborted"},
		"reset within the body": {func(r *raw) {
			r.frame(frameHeaders, 4, 1, block(":status", "200")).frame(frameData, 0, 1, "ab").frame(frameRSTStream, 0, 1, u32(2))
		}, "aborted"},
		"whole, and then reset": {func(r *raw) {
			r.frame(frameHeaders, 4, 1, block(":status", "200")).frame(frameData, 1, 1, "ab").frame(frameRSTStream, 0, 1, u32(0))
		}, "200"},
	} {
		t.Run(name, func(t *testing.T) {
			k := dialing(t, speak(t, c.answer))
			got := make(chan string, 1)
			addr, _ := listen(t, func(x message.Exchange) {
				err := k.Do(x)
				var f *message.Failure
				switch {
				case errors.As(err, &f):
					got <- f.Type
					message.Answer(x, f.Status, nil, f.JSON())
				case err != nil:
					got <- err.Error()
				default:
					got <- ""
				}
			}, Options{})
			r, err := httpClient(t).Get("http://" + addr)
			if err == nil {
				_, err = io.ReadAll(r.Body)
			}
			told := <-got
			switch {
			case c.want == "aborted":
				if err == nil || told == "" {
					t.Errorf("%v %q", r, told)
				}
			case strings.HasPrefix(c.want, "2"):
				if err != nil || fmt.Sprint(r.StatusCode) != c.want || told != "" {
					t.Errorf("%v %v %s", r, err, told)
				}
			case told != c.want:
				t.Errorf("%q, want %s", told, c.want)
			}
		})
	}
}
