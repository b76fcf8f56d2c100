package http1

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// chunks reads a chunked body, and what follows it.
func chunks(src io.Reader) (body, rest string, trailer message.Header, err error) {
	var r Reader
	r.Reset(src)
	var b Body
	b.Reset(&r, Framing{Kind: Chunked, Length: -1}, 100)
	got, err := io.ReadAll(&b)
	if err == nil {
		after, _ := io.ReadAll(&r)
		rest = string(after)
	}
	return string(got), rest, b.Trailer(), err
}

func TestChunks(t *testing.T) {
	const taken, broken = "", "400"
	for _, c := range []struct{ name, in, body, err string }{
		{"empty", "0||", "", taken},
		{"one", "5|hello|0||", "hello", taken},
		{"two, what follows is left", "5|hello|1| |0||GET", "hello ", taken},
		{"leading zeros, capitals", "00005|hello|A|0123456789|000||", "hello0123456789", taken},
		{"extension", "1;a=b;c=\"d e\"|x|0;z||", "x", taken},
		{"space before extension", "1 ;a|x|0||", "x", taken},
		{"trailer", "0|A: b|c: d||", "", taken},

		{"no size", "|x|0||", "", broken},
		{"no number", "x|x|0||", "", broken},
		{"0x", "0x1|x|0||", "", broken},
		{"minus", "-1|x|0||", "", broken},
		{"plus", "+1|x|0||", "", broken},
		{"space before", " 1|x|0||", "", broken},
		{"space after", "1 |x|0||", "", broken},
		{"space within", "1 1|x|0||", "", broken},
		{"bare LF after size", "1\nx|0||", "", broken},
		{"bare CR in extension", "1;a\rb|x|0||", "", broken},
		{"NUL in extension", "1;\x00|x|0||", "", broken},
		{"not an extension", "1,a|x|0||", "", broken},
		{"overflow", "10000000000000001|x|0||", "", broken},
		{"nearly overflow", "ffffffffffffffff|x|0||", "", broken},
		{"too many digits", "00000000000000001|x|0||", "", broken},
		{"data longer than size", "1|xy|0||", "x", broken},
		{"data shorter than size", "3|x|0||", "x\r\n", broken},
		{"bare LF after data", "1|x\n0||", "x", broken},
		{"CR and another byte after data", "1|x\r0||", "x", broken},
		{"bare LF after last chunk", "0|\n", "", broken},
		{"bare CR after last chunk", "0|\rx", "", broken},
		{"bare LF in trailer", "0|A: b\n|", "", broken},
		{"fold in trailer", "0|A: b| c||", "", broken},
		{"space before colon in trailer", "0|A : b||", "", broken},
		{"long trailer", "0|A: " + strings.Repeat("b", 100) + "||", "", "431"},
		{"long extension", "1;" + strings.Repeat("b", chunkLine) + "|x|0||", "", broken},
		{"many extensions", strings.Repeat("1;"+strings.Repeat("b", 1000)+"|x|", 18) + "0||", strings.Repeat("x", 16), broken},

		{"cut in size", "5", "", "EOF"},
		{"cut in data", "5|he", "he", "EOF"},
		{"cut after data", "5|hello", "hello", "EOF"},
		{"cut before last chunk", "5|hello|", "hello", "EOF"},
		{"cut before the end", "0|", "", "EOF"},
		{"cut in trailer", "0|A: b|", "", "EOF"},
		{"nothing", "", "", "EOF"},
	} {
		for _, slow := range []bool{false, true} {
			var src io.Reader = strings.NewReader(crlfs(c.in))
			if slow {
				src = iotest.OneByteReader(src)
			}
			body, rest, trailer, err := chunks(src)
			got := taken
			var e *Error
			switch {
			case errors.Is(err, io.ErrUnexpectedEOF):
				got = "EOF"
			case errors.As(err, &e):
				got = digits(e.Status)
			case err != nil:
				got = err.Error()
			}
			if got != c.err || body != c.body {
				t.Errorf("%s, slow %v: %q, %v, want %q", c.name, slow, body, err, c.err)
			}
			if want := strings.Contains(c.in, "GET"); want != (rest == "GET") {
				t.Errorf("%s: %q follows", c.name, rest)
			}
			if c.name == "trailer" && (trailer.Get("a") != "b" || trailer.Get("C") != "d") {
				t.Errorf("trailer %q", trailer)
			}
		}
	}
}

func TestTrailerWithoutControl(t *testing.T) {
	_, _, trailer, err := chunks(strings.NewReader(crlfs("0|Content-Length: 5|Host: h|X-Fc-Status: 200|Sum: 1|authorization: a||")))
	if err != nil || len(trailer) != 1 || trailer[0].Name != "Sum" {
		t.Errorf("%q, %v", trailer, err)
	}
}

// TestBuffered says what Read has at hand, over the framing between chunks.
func TestBuffered(t *testing.T) {
	in, out := io.Pipe()
	var r Reader
	r.Reset(in)
	var b Body
	b.Reset(&r, Framing{Kind: Chunked}, 100)
	go func() { _, _ = out.Write([]byte(crlfs("3|abc|2|de|0||"))) }()
	if b.Buffered() != 0 || b.Done() {
		t.Error("before anything was read")
	}
	p := make([]byte, 2)
	for _, want := range []int{1, 2, 0} {
		if n, err := b.Read(p); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		if got := b.Buffered(); got != want {
			t.Errorf("%d buffered, want %d", got, want)
		}
	}
	if !b.Done() || b.Left() != 0 {
		t.Error("not done at its end")
	}

	b.Reset(&r, Framing{Kind: Length, Length: 3}, 100)
	go func() { _, _ = out.Write([]byte("abcdef")) }()
	if n, _ := b.Read(p[:1]); n != 1 || b.Buffered() != 2 || b.Left() != 2 || b.Done() {
		t.Error("of a length", n, b.Buffered(), b.Left())
	}
	_, _ = b.Read(p)
	if !b.Done() || r.Buffered() != 3 {
		t.Error("the next message was touched")
	}
	b.Reset(&r, Framing{Kind: Length, Length: 5}, 100)
	go func() { _ = out.Close() }()
	if n, err := io.Copy(io.Discard, &b); n != 3 || err != io.ErrUnexpectedEOF || b.Done() {
		t.Error("cut off", n, err)
	}
}
