package http2

import (
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

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
	// /open stays open until the client or its stream has gone, for what only
	// matters before there is an answer.
	answer := func(x message.Exchange) {
		if x.Request().Target == "/open" {
			gone := make(chan struct{})
			x.OnGone(func() { close(gone) })
			<-gone
			x.Abort()
			return
		}
		readAll(x)
	}
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
		{"5.1 DATA after END_STREAM", func(r *raw) {
			r.begin().frame(frameHeaders, ended, 1, block(":method", "GET", ":scheme", "http", ":path", "/open", ":authority", "a"))
			r.frame(frameData, 0, 1, "x")
		}, "RST_STREAM STREAM_CLOSED"},
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
		{"RFC 6585, several frames", func(r *raw) {
			b := request("GET", "a", strings.Repeat("&", 16000))
			r.begin().frame(frameHeaders, flagEndStream, 1, b[:9000]).frame(frameContinuation, 4, 1, b[9000:])
		}, "431"},
		{"RFC 6585", with("a", strings.Repeat("x", 9000)), "431"},
	} {
		t.Run(c.section, func(t *testing.T) {
			addr, _ := listen(t, answer, Options{HeaderLimit: 8192})
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
