package http2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
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
	_ = r.c.SetDeadline(time.Now().Add(5 * time.Second))
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

// TestWrong sends what RFC 9113 forbids.
func TestWrong(t *testing.T) {
	const ended = flagEndHeaders | flagEndStream
	get := request("GET")
	protocol, frameSize, flow := "GOAWAY PROTOCOL_ERROR", "GOAWAY FRAME_SIZE_ERROR", "GOAWAY FLOW_CONTROL_ERROR"
	reset, compression := "RST_STREAM PROTOCOL_ERROR", "GOAWAY COMPRESSION_ERROR"
	setting := func(id uint16, v uint32) string { return string(appendSetting(nil, id, v)) }
	head := func(fields ...string) func(*raw) {
		return func(r *raw) { r.begin().frame(frameHeaders, ended, 1, block(fields...)) }
	}
	with := func(fields ...string) func(*raw) { return func(r *raw) { r.begin().get(1, fields...) } }
	for _, c := range []struct {
		section string
		send    func(*raw)
		want    string
	}{
		{"3.4 not the preface", func(r *raw) { r.out = append(r.out, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"...) }, protocol},
		{"3.4 no SETTINGS", func(r *raw) { r.out = append(r.out, preface...); r.get(1) }, protocol},
		{"3.4 SETTINGS with ACK", func(r *raw) { r.out = append(r.out, preface...); r.frame(frameSettings, flagAck, 0, "") }, protocol},
		{"4.2 a long frame", func(r *raw) { r.begin().post(1).frame(frameData, 0, 1, strings.Repeat("x", maxFrame+1)) }, frameSize},
		{"4.3 not HPACK", func(r *raw) { r.begin().frame(frameHeaders, ended, 1, "\x80") }, compression},
		{"4.3 interleaved", func(r *raw) { r.begin().frame(frameHeaders, 0, 1, get).frame(framePing, 0, 0, "12345678") }, protocol},
		{"4.3 continued elsewhere", func(r *raw) { r.begin().frame(frameHeaders, 0, 1, get).frame(frameContinuation, 4, 3, "") }, protocol},
		{"5.1 DATA when idle", func(r *raw) { r.begin().frame(frameData, 0, 1, "x") }, protocol},
		{"5.1 RST_STREAM when idle", func(r *raw) { r.begin().frame(frameRSTStream, 0, 1, u32(8)) }, protocol},
		{"5.1 WINDOW_UPDATE when idle", func(r *raw) { r.begin().frame(frameWindowUpdate, 0, 1, u32(8)) }, protocol},
		{"5.1 DATA after END_STREAM", func(r *raw) { r.begin().get(1).frame(frameData, 0, 1, "x") }, "RST_STREAM STREAM_CLOSED"},
		{"5.1 HEADERS after RST_STREAM", func(r *raw) { r.begin().post(1).frame(frameRSTStream, 0, 1, u32(8)).get(1) }, "GOAWAY STREAM_CLOSED"},
		{"5.1.1 an even stream", func(r *raw) { r.begin().get(2) }, protocol},
		{"5.1.1 a lower stream", func(r *raw) { r.begin().get(5).get(3) }, protocol},
		{"5.1.1 stream 0", func(r *raw) { r.begin().get(0) }, protocol},
		{"5.5 an unknown type", func(r *raw) { r.begin().frame(99, 0xff, 77, "x").get(1) }, "200"},
		{"6.1 DATA on 0", func(r *raw) { r.begin().frame(frameData, 0, 0, "x") }, protocol},
		{"6.1 padding", func(r *raw) { r.begin().post(1).frame(frameData, flagPadded, 1, "\x03xx") }, protocol},
		{"6.1 no pad length", func(r *raw) { r.begin().post(1).frame(frameData, flagPadded, 1, "") }, frameSize},
		{"6.1 good padding", func(r *raw) { r.begin().post(1, "content-length", "1").frame(frameData, flagPadded|1, 1, "\x02xyy") }, "200"},
		{"6.2 padding", func(r *raw) { r.begin().frame(frameHeaders, ended|flagPadded, 1, "\xff"+get) }, protocol},
		{"6.2 short priority", func(r *raw) { r.begin().frame(frameHeaders, ended|flagPriority, 1, "xxxx") }, frameSize},
		{"6.2 good priority", func(r *raw) { r.begin().frame(frameHeaders, ended|flagPriority, 1, u32(3)+"x"+get) }, "200"},
		{"6.3 PRIORITY on 0", func(r *raw) { r.begin().frame(framePriority, 0, 0, "12345") }, protocol},
		{"6.3 short", func(r *raw) { r.begin().frame(framePriority, 0, 1, "1234") }, "RST_STREAM FRAME_SIZE_ERROR"},
		{"6.4 RST_STREAM on 0", func(r *raw) { r.begin().frame(frameRSTStream, 0, 0, u32(8)) }, protocol},
		{"6.4 short", func(r *raw) { r.begin().post(1).frame(frameRSTStream, 0, 1, "123") }, frameSize},
		{"6.5 on a stream", func(r *raw) { r.begin().frame(frameSettings, 0, 1, "") }, protocol},
		{"6.5 ACK with more", func(r *raw) { r.begin().frame(frameSettings, flagAck, 0, setting(1, 1)) }, frameSize},
		{"6.5 not of six", func(r *raw) { r.begin().frame(frameSettings, 0, 0, "1234567") }, frameSize},
		{"6.5.2 push", func(r *raw) { r.begin().frame(frameSettings, 0, 0, setting(2, 2)) }, protocol},
		{"6.5.2 window", func(r *raw) { r.begin().frame(frameSettings, 0, 0, setting(4, 1<<31)) }, flow},
		{"6.5.2 frame small", func(r *raw) { r.begin().frame(frameSettings, 0, 0, setting(5, 16383)) }, protocol},
		{"6.5.2 frame large", func(r *raw) { r.begin().frame(frameSettings, 0, 0, setting(5, 1<<24)) }, protocol},
		{"6.5.2 unknown", func(r *raw) { r.begin().frame(frameSettings, 0, 0, setting(99, 1)).get(1) }, "200"},
		{"6.6 PUSH_PROMISE", func(r *raw) { r.begin().frame(framePushPromise, 4, 1, u32(2)) }, protocol},
		{"6.7 on a stream", func(r *raw) { r.begin().frame(framePing, 0, 1, "12345678") }, protocol},
		{"6.7 short", func(r *raw) { r.begin().frame(framePing, 0, 0, "1234567") }, frameSize},
		{"6.8 on a stream", func(r *raw) { r.begin().frame(frameGoAway, 0, 1, u32(0, 0)) }, protocol},
		{"6.8 short", func(r *raw) { r.begin().frame(frameGoAway, 0, 0, u32(0)) }, frameSize},
		{"6.8 the client goes away", func(r *raw) { r.begin().get(1).frame(frameGoAway, 0, 0, u32(0, 0)) }, "200"},
		{"6.9 short", func(r *raw) { r.begin().frame(frameWindowUpdate, 0, 0, "123") }, frameSize},
		{"6.9 zero", func(r *raw) { r.begin().frame(frameWindowUpdate, 0, 0, u32(0)) }, protocol},
		{"6.9 zero on a stream", func(r *raw) { r.begin().post(1).frame(frameWindowUpdate, 0, 1, u32(0)) }, reset},
		{"6.9.1 overflow", func(r *raw) { r.begin().frame(frameWindowUpdate, 0, 0, u32(maxWindow)) }, flow},
		{"6.9.1 overflow of a stream", func(r *raw) { r.begin().post(1).frame(frameWindowUpdate, 0, 1, u32(maxWindow)) }, "RST_STREAM FLOW_CONTROL_ERROR"},
		{"6.9.2 overflow by SETTINGS", func(r *raw) {
			r.begin().post(1).frame(frameWindowUpdate, 0, 1, u32(1<<30)).frame(frameSettings, 0, 0, setting(4, maxWindow))
		}, flow},
		{"6.10 alone", func(r *raw) { r.begin().frame(frameContinuation, 4, 1, get) }, protocol},
		{"6.10 in pieces", func(r *raw) {
			r.begin().frame(frameHeaders, flagEndStream, 1, get[:2]).frame(frameContinuation, 0, 1, get[2:3]).frame(frameContinuation, 4, 1, get[3:])
		}, "200"},
		{"8.1 HEADERS in between", func(r *raw) { r.begin().post(1).frame(frameHeaders, flagEndHeaders, 1, block("a", "b")) }, reset},
		{"8.1 pseudo-field in the trailer", func(r *raw) { r.begin().post(1).frame(frameHeaders, ended, 1, block(":path", "/")) }, reset},
		{"8.1 length in the trailer", func(r *raw) { r.begin().post(1).frame(frameHeaders, ended, 1, block("content-length", "0")) }, reset},
		{"8.1.1 less than content-length", func(r *raw) { r.begin().post(1, "content-length", "2").frame(frameData, 1, 1, "x") }, reset},
		{"8.1.1 more than content-length", func(r *raw) { r.begin().post(1, "content-length", "2").frame(frameData, 0, 1, "xxx") }, reset},
		{"8.1.1 less before a trailer", func(r *raw) {
			r.begin().post(1, "content-length", "2").frame(frameHeaders, ended, 1, block("a", "b"))
		}, reset},
		{"8.1.1 no body", with("content-length", "2"), reset},
		{"8.1.1 two lengths", with("content-length", "0", "content-length", "0"), reset},
		{"8.1.1 signed length", with("content-length", "+0"), reset},
		{"8.2.1 large letters", with("A", "b"), reset},
		{"8.2.1 name with space", with("a ", "b"), reset},
		{"8.2.1 name with colon", with("a:b", "b"), reset},
		{"8.2.1 name of 8 bits", with("\xe4", "b"), reset},
		{"8.2.1 empty name", with("", "b"), reset},
		{"8.2.1 CR LF", with("a", "b\r\nc: d"), reset},
		{"8.2.1 LF", with("a", "b\nc"), reset},
		{"8.2.1 NUL", with("a", "b\x00c"), reset},
		{"8.2.1 space before", with("a", " b"), reset},
		{"8.2.1 tab after", with("a", "b\t"), reset},
		{"8.2.1 good", with("a", "b\tc \xe4", "c", ""), "200"},
		{"8.2.2 connection", with("connection", "close"), reset},
		{"8.2.2 proxy-connection", with("proxy-connection", "close"), reset},
		{"8.2.2 keep-alive", with("keep-alive", "1"), reset},
		{"8.2.2 transfer-encoding", with("transfer-encoding", "chunked"), reset},
		{"8.2.2 upgrade", with("upgrade", "websocket"), reset},
		{"8.2.2 te", with("te", "trailers, gzip"), reset},
		{"8.2.2 te: trailers", with("te", "trailers"), "200"},
		{"8.3 unknown", with(":x", "y"), reset},
		{"8.3 response's", head(":status", "200"), reset},
		{"8.3 after others", head(":method", "GET", ":scheme", "http", ":authority", "a", "b", "c", ":path", "/"), reset},
		{"8.3 twice", head(":method", "GET", ":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/"), reset},
		{"8.3.1 no method", head(":scheme", "http", ":authority", "a", ":path", "/"), reset},
		{"8.3.1 wrong method", head(":method", "GET / HTTP/1.1\r\na:", ":scheme", "http", ":authority", "a", ":path", "/"), reset},
		{"8.3.1 no scheme", head(":method", "GET", ":authority", "a", ":path", "/"), reset},
		{"8.3.1 no path", head(":method", "GET", ":scheme", "http", ":authority", "a"), reset},
		{"8.3.1 empty path", head(":method", "GET", ":scheme", "http", ":authority", "a", ":path", ""), reset},
		{"8.3.1 relative path", head(":method", "GET", ":scheme", "http", ":authority", "a", ":path", "x"), reset},
		{"8.3.1 path with space", head(":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/ HTTP/1.1"), reset},
		{"8.3.1 star for GET", head(":method", "GET", ":scheme", "http", ":authority", "a", ":path", "*"), reset},
		{"8.3.1 star", head(":method", "OPTIONS", ":scheme", "http", ":authority", "a", ":path", "*"), "200"},
		{"8.3.1 no host", head(":method", "GET", ":scheme", "http", ":path", "/"), reset},
		{"8.3.1 host", head(":method", "GET", ":scheme", "http", ":path", "/", "host", "a"), "200"},
		{"8.3.1 another host", with("host", "b"), reset},
		{"8.3.1 the same host", with("host", "A"), "200"},
		{"8.3.1 two hosts", with("host", "a", "host", "a"), reset},
		{"8.3.1 user", head(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "me@a"), reset},
		{"8.5 CONNECT", head(":method", "CONNECT", ":authority", "a:1"), "501"},
		{"8.5 CONNECT with path", head(":method", "CONNECT", ":authority", "a:1", ":path", "/"), reset},
		{"RFC 8441", head(":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/", ":authority", "a"), reset},
		{"RFC 6585", with("a", strings.Repeat("x", 9000)), "431"},
	} {
		t.Run(c.section, func(t *testing.T) {
			addr, _ := listen(t, readAll, Options{HeaderLimit: 8192})
			r := dialRaw(t, addr)
			c.send(r)
			stream := uint32(1)
			if got := r.flush().outcome(stream); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			_ = r.c.Close()
		})
	}
}

// TestFlood sends what costs nothing, or what must not pile up.
func TestFlood(t *testing.T) {
	calm := "GOAWAY ENHANCE_YOUR_CALM"
	many := func(n int, f func(i int)) {
		for i := range n {
			f(i)
		}
	}
	for name, send := range map[string]func(*raw){
		"CONTINUATION": func(r *raw) { // CVE-2024-27316
			r.frame(frameHeaders, flagEndStream, 1, request("GET"))
			many(maxContinuations+1, func(int) { r.frame(frameContinuation, 0, 1, "") })
		},
		"large CONTINUATION": func(r *raw) {
			r.frame(frameHeaders, flagEndStream, 1, request("GET"))
			many(100, func(int) { r.frame(frameContinuation, 0, 1, strings.Repeat("\x00", maxFrame)) })
		},
		"rapid reset": func(r *raw) { // CVE-2023-44487
			many(5000, func(i int) { r.get(uint32(2*i+1)).frame(frameRSTStream, 0, uint32(2*i+1), u32(8)) })
		},
		"PING":       func(r *raw) { many(100_000, func(int) { r.frame(framePing, 0, 0, "12345678") }) },
		"SETTINGS":   func(r *raw) { many(100_000, func(int) { r.frame(frameSettings, 0, 0, "") }) },
		"PRIORITY":   func(r *raw) { many(100_000, func(int) { r.frame(framePriority, 0, 1, "12345") }) },
		"unknown":    func(r *raw) { many(100_000, func(int) { r.frame(77, 0, 1, "") }) },
		"empty DATA": func(r *raw) { r.post(1); many(100_000, func(int) { r.frame(frameData, 0, 1, "") }) },
		"malformed":  func(r *raw) { many(5000, func(i int) { r.get(uint32(2*i+1), "A", "b") }) },
	} {
		t.Run(name, func(t *testing.T) {
			var running, most gauge
			addr, _ := listen(t, func(x message.Exchange) {
				most.max(running.add(1))
				defer running.add(-1)
				time.Sleep(20 * time.Millisecond)
				readAll(x)
			}, Options{})
			r := dialRaw(t, addr).begin()
			send(r)
			if got := r.flush().outcome(0); got != calm {
				t.Error(got)
			}
			if most.value() > 250 {
				t.Errorf("%d handlers at once", most.value())
			}
			_ = r.c.Close()
		})
	}
}

// TestUnread asks for answers and does not read them.
func TestUnread(t *testing.T) {
	server, clientEnd := net.Pipe() // has no buffer
	ended := make(chan bool)
	go func() {
		Serve(server, []byte(preface[:10]), message.HandlerFunc(readAll), Options{})
		close(ended)
	}()
	r := &raw{t: t, c: clientEnd}
	r.begin()
	out := r.out[10:]
	for range 20_000 {
		out = append(appendFrame(out, framePing, 0, 0, 8), "12345678"...)
	}
	_ = clientEnd.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = clientEnd.Write(out)
	select {
	case <-ended:
	case <-time.After(2 * farewell):
		t.Error("the connection lives")
	}
	_ = clientEnd.Close()
}

// TestSlow is about clients that stop in the middle.
func TestSlow(t *testing.T) {
	o := Options{HeaderTimeout: 100 * time.Millisecond}
	for name, c := range map[string]struct {
		send func(*raw)
		want string
	}{
		"preface":      {func(r *raw) { r.out = append(r.out, preface[:20]...) }, io.EOF.Error()},
		"no SETTINGS":  {func(r *raw) { r.out = append(r.out, preface...) }, "EOF or GOAWAY SETTINGS_TIMEOUT"},
		"no ACK":       {func(r *raw) { r.out = append(r.out, preface...); r.frame(frameSettings, 0, 0, "") }, "GOAWAY SETTINGS_TIMEOUT"},
		"half HEADERS": {func(r *raw) { r.begin().get(1); r.out = r.out[:len(r.out)-1] }, "GOAWAY ENHANCE_YOUR_CALM"},
		"no CONTINUATION": {func(r *raw) { r.begin().frame(frameHeaders, 1, 1, request("GET")) },
			"GOAWAY ENHANCE_YOUR_CALM"},
	} {
		t.Run(name, func(t *testing.T) {
			addr, _ := listen(t, readAll, o)
			r := dialRaw(t, addr)
			c.send(r)
			start := time.Now()
			if got := r.flush().outcome(1); !strings.Contains(c.want, got) || time.Since(start) > 3*time.Second {
				t.Errorf("%s after %v", got, time.Since(start))
			}
			_ = r.c.Close()
		})
	}
	t.Run("a connection at rest stays", func(t *testing.T) {
		addr, _ := listen(t, readAll, o)
		r := dialRaw(t, addr).begin().get(1)
		if got := r.flush().outcome(1); got != "200" {
			t.Fatal(got)
		}
		time.Sleep(300 * time.Millisecond)
		if got := r.get(3).flush().outcome(3); got != "200" {
			t.Error(got)
		}
		_ = r.c.Close()
	})
}

// TestTooManyStreams counts handlers whose streams the client has reset.
func TestTooManyStreams(t *testing.T) {
	goOn := make(chan bool)
	addr, _ := listen(t, func(x message.Exchange) { <-goOn; readAll(x) }, Options{Streams: 3})
	r := dialRaw(t, addr).begin()
	r.get(1).get(3).get(5).frame(frameRSTStream, 0, 5, u32(8)).get(7)
	if got := r.flush().outcome(7); got != "RST_STREAM REFUSED_STREAM" {
		t.Error(got)
	}
	close(goOn)
	if got := r.outcome(1); got != "200" {
		t.Error(got)
	}
	time.Sleep(50 * time.Millisecond)
	if got := r.get(9).flush().outcome(9); got != "200" {
		t.Error(got)
	}
	_ = r.c.Close()
}

// TestWindows sends more than was granted.
func TestWindows(t *testing.T) {
	stop := make(chan bool)
	addr, _ := listen(t, func(x message.Exchange) { <-stop }, Options{})
	data := strings.Repeat("x", maxFrame)
	r := dialRaw(t, addr).begin().post(1)
	for range streamWindow/maxFrame + 1 {
		r.frame(frameData, 0, 1, data)
	}
	if got := r.flush().outcome(1); got != "RST_STREAM FLOW_CONTROL_ERROR" {
		t.Error(got)
	}
	r2 := dialRaw(t, addr).begin()
	for i := range uint32(5) {
		r2.post(2*i + 1)
	}
	for i := range uint32(connWindow/maxFrame + 1) {
		r2.frame(frameData, 0, 2*(i%5)+1, data)
	}
	if got := r2.flush().outcome(0); got != "GOAWAY FLOW_CONTROL_ERROR" {
		t.Error(got)
	}
	close(stop)
	_ = r.c.Close()
}

// TestCookiesAndHost is what becomes of a request's fields.
func TestCookiesAndHost(t *testing.T) {
	got := make(chan string, 1)
	addr, _ := listen(t, func(x message.Exchange) {
		r := x.Request()
		got <- fmt.Sprint(r.Method, " ", r.Target, " ", r.Version, " ", r.Header, " ", r.Length, " ", r.Body != nil, " ", r.Remote != nil)
		readAll(x)
	}, Options{})
	r := dialRaw(t, addr).begin().get(1, "cookie", "a=b", "x", "y", "cookie", "c=d", "cookie", "e=f")
	if out := r.flush().outcome(1); out != "200" {
		t.Fatal(out)
	}
	if s := <-got; s != "GET / 20 [{Host a} {cookie a=b; c=d; e=f} {x y}] 0 false true" {
		t.Error(s)
	}
	if out := r.post(3, "content-length", "1").frame(frameData, 1, 3, "x").flush().outcome(3); out != "200" {
		t.Fatal(out)
	}
	if s := <-got; s != "POST / 20 [{Host a} {content-length 1}] 1 true true" {
		t.Error(s)
	}
	_ = r.c.Close()
}

// TestTruncated ends the connection at each byte of an exchange.
func TestTruncated(t *testing.T) {
	addr, _ := listen(t, readAll, Options{})
	whole := dialRaw(t, addr).begin().post(1, "content-length", "3").frame(frameData, flagPadded|flagEndStream, 1, "\x01abc0").out
	for n := range whole {
		r := dialRaw(t, addr)
		if _, err := r.c.Write(whole[:n]); err != nil {
			t.Fatal(err)
		}
		_ = r.c.Close()
	}
}
