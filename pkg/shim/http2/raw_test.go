package http2

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// raw is a client that sends frames as a test writes them.
type raw struct {
	t      testing.TB
	c      net.Conn
	frames *frameReader
	out    []byte

	requests uint32 // that came, where it is a server
}

func dialRaw(t testing.TB, addr string) *raw {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &raw{t: t, c: c, frames: newFrameReader(c, nil)}
}

// begin does what every client does first.
func (r *raw) begin() *raw {
	r.out = append(r.out, preface...)
	r.frame(frameSettings, 0, 0, "")
	r.frame(frameSettings, flagAck, 0, "")
	return r
}

func (r *raw) frame(kind frameType, flags uint8, stream uint32, payload string) *raw {
	r.out = append(appendFrame(r.out, kind, flags, stream, len(payload)), payload...)
	return r
}

// block encodes fields, which are given as names and values in turn.
func block(fields ...string) string {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	e.SetMaxDynamicTableSize(0)
	for i := 0; i < len(fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return b.String()
}

// request is a header block of a good request and fields that come after.
func request(method string, more ...string) string {
	return block(append([]string{":method", method, ":scheme", "http", ":path", "/", ":authority", "a"}, more...)...)
}

func (r *raw) get(stream uint32, more ...string) *raw {
	return r.frame(frameHeaders, flagEndHeaders|flagEndStream, stream, request("GET", more...))
}

func (r *raw) post(stream uint32, more ...string) *raw {
	return r.frame(frameHeaders, flagEndHeaders, stream, request("POST", more...))
}

func (r *raw) flush() *raw {
	_ = r.c.SetDeadline(time.Now().Add(30 * time.Second))
	go func(b []byte) { _, _ = r.c.Write(b) }(r.out)
	r.out = nil
	return r
}

func u32(n ...uint32) string {
	var b []byte
	for _, v := range n {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return string(b)
}

// outcome reads frames until the stream or the connection has ended and says
// how: GOAWAY or RST_STREAM with its code, END_STREAM with the status, or the
// error that reading gave.
func (r *raw) outcome(stream uint32) string {
	d := newDecoder()
	status := ""
	for {
		h, err := r.frames.header()
		if err != nil {
			return err.Error()
		}
		p, err := r.frames.payload(h)
		if err != nil {
			return err.Error()
		}
		switch {
		case h.kind == frameGoAway:
			return "GOAWAY " + Code(binary.BigEndian.Uint32(p[4:])).String()
		case h.kind == frameRSTStream && h.stream == stream:
			return "RST_STREAM " + Code(binary.BigEndian.Uint32(p)).String()
		case h.kind == frameHeaders:
			f, _, err := d.decode(nil, p, 1<<20)
			if err != nil {
				return err.Error()
			}
			if h.stream == stream {
				status = f.Get(":status")
			}
		}
		if h.has(flagEndStream) && h.stream == stream && (h.kind == frameHeaders || h.kind == frameData) {
			return status
		}
	}
}

// readAll reads the body and answers 200, or breaks off.
func readAll(x message.Exchange) {
	if b := x.Request().Body; b != nil {
		if _, err := io.Copy(io.Discard, b); err != nil {
			x.Abort()
			return
		}
	}
	message.Answer(x, 200, nil, nil)
}
