package http1

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// TestRoundTrip writes bodies in every framing and reads them back through
// readers that give one byte or all at a time.
func TestRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 5, 4000, 9000, 300_000} {
		for _, f := range []Framing{{Kind: Length, Length: int64(size)}, {Kind: Chunked, Length: -1}, {Kind: UntilClose, Length: -1}} {
			var wire bytes.Buffer
			var w Writer
			w.Reset(&wire)
			w.Line("HTTP/1.1", " ", "200 OK")
			w.Field("A", "b")
			w.Framing(f)
			if err := w.Begin(f); err != nil {
				t.Fatal(err)
			}
			body := bytes.Repeat([]byte("body\n"), size/5+1)[:size]
			step := 7
			if size > 9000 {
				step = size // in one piece, which is not copied
			}
			for i := 0; i < size; i += step {
				if _, err := w.Write(body[i:min(i+step, size)]); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.End(message.Header{{Name: "X-After", Value: "1"}, {Name: "Content-Length", Value: "1"}}); err != nil {
				t.Fatal(size, f, err)
			}
			for _, slow := range []bool{true, false} {
				var src io.Reader = bytes.NewReader(wire.Bytes())
				if slow {
					src = iotest.OneByteReader(src)
				}
				var r Reader
				r.Reset(src)
				head, err := r.Head(1000)
				if err != nil {
					t.Fatal(err)
				}
				var resp Response
				if err := parseResponse(head, "GET", &resp); err != nil {
					t.Fatal(err)
				}
				var b Body
				b.Reset(&r, resp.Framing, 1000)
				got, err := io.ReadAll(&b)
				if err != nil || !bytes.Equal(got, body) {
					t.Fatalf("%d bytes, %v, slow %v: %d, %v", size, f, slow, len(got), err)
				}
				if (f.Kind == Chunked) != (b.Trailer().Get("x-after") == "1") || b.Trailer().Has("content-length") {
					t.Errorf("trailer %v", b.Trailer())
				}
			}
		}
	}
}

func TestWriterLengths(t *testing.T) {
	var w Writer
	w.Reset(io.Discard)
	w.Line("HTTP/1.1 200")
	_ = w.Begin(Framing{Kind: Length, Length: 3})
	if _, err := w.Write([]byte("four")); err != ErrTooLong {
		t.Error(err)
	}
	if _, err := w.Write([]byte("tw")); err != nil {
		t.Error(err)
	}
	if err := w.End(nil); err != ErrTooShort {
		t.Error(err)
	}
}

func TestWriterLineBreak(t *testing.T) {
	for _, v := range []string{"a\r\nB: c", "a\nB: c", "a\rb", "a\x00"} {
		var wire bytes.Buffer
		var w Writer
		w.Reset(&wire)
		w.Line("HTTP/1.1 103 x")
		_ = w.Begin(Framing{})
		w.Line("HTTP/1.1 200 OK")
		w.Field("A", v)
		if err := w.Begin(Framing{}); !errors.Is(err, ErrLineBreak) {
			t.Fatalf("%q: %v", v, err)
		}
		w.Line("HTTP/1.1 500 no")
		_ = w.Begin(Framing{Kind: Chunked})
		if err := w.End(message.Header{{Name: "T", Value: v}}); err != nil {
			t.Fatal(err)
		}
		if got, want := wire.String(), "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 500 no\r\n\r\n0\r\n\r\n"; got != want {
			t.Errorf("%q: %q", v, got)
		}
	}
}

func TestHeadLimit(t *testing.T) {
	for _, c := range []struct {
		in   string
		want error
	}{
		{"", io.EOF},
		{"GET", errIncomplete},
		{strings.Repeat("a", 20), errHeadTooLarge},
		{strings.Repeat("a", 16) + "\r\n\r\n", nil},
		{strings.Repeat("a", 17) + "\r\n\r\n", errHeadTooLarge},
		{"a: b\n\n", nil},
	} {
		for _, src := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in))} {
			var r Reader
			r.Reset(src)
			if _, err := r.Head(20); !errors.Is(err, c.want) {
				t.Errorf("%q: %v", c.in, err)
			}
		}
	}
}
