package http2

import (
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// TestFlood sends what costs nothing, or what must not pile up: so much that it
// is too much, too, where the server is held up for seconds, in which patience
// comes back.
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
			many(30_000, func(i int) { r.get(uint32(2*i+1)).frame(frameRSTStream, 0, uint32(2*i+1), u32(8)) })
		},
		"PING":       func(r *raw) { many(300_000, func(int) { r.frame(framePing, 0, 0, "12345678") }) },
		"SETTINGS":   func(r *raw) { many(300_000, func(int) { r.frame(frameSettings, 0, 0, "") }) },
		"PRIORITY":   func(r *raw) { many(300_000, func(int) { r.frame(framePriority, 0, 1, "12345") }) },
		"unknown":    func(r *raw) { many(300_000, func(int) { r.frame(77, 0, 1, "") }) },
		"empty DATA": func(r *raw) { r.post(1); many(300_000, func(int) { r.frame(frameData, 0, 1, "") }) },
		"malformed":  func(r *raw) { many(30_000, func(i int) { r.get(uint32(2*i+1), "A", "b") }) },
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
		(&Server{Handler: message.HandlerFunc(readAll)}).ServeConn(server, []byte(preface[:10]))
		close(ended)
	}()
	r := &raw{t: t, c: clientEnd}
	r.begin()
	out := r.out[10:]
	for range 20_000 {
		out = append(appendFrame(out, framePing, 0, 0, 8), "12345678"...)
	}
	_ = clientEnd.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = clientEnd.Write(out)
	select {
	case <-ended:
	case <-time.After(farewell + 30*time.Second):
		t.Error("the connection lives")
	}
	_ = clientEnd.Close()
}

// TestSlow is about clients that stop in the middle. What they do send is there
// before the server's time for it begins to run.
func TestSlow(t *testing.T) {
	slow := func(t *testing.T, send func(*raw)) *raw {
		t.Helper()
		noLeaks(t)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r := dialRaw(t, l.Addr().String())
		send(r)
		serve(t, l, &Server{Handler: message.HandlerFunc(readAll), Options: Options{HeaderTimeout: 100 * time.Millisecond}}, len(r.out))
		t.Cleanup(func() { _ = r.c.Close() })
		return r.flush()
	}
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
			if got := slow(t, c.send).outcome(1); !strings.Contains(c.want, got) {
				t.Error(got)
			}
		})
	}
	t.Run("a connection at rest stays", func(t *testing.T) {
		r := slow(t, func(r *raw) { r.begin().get(1) })
		if got := r.outcome(1); got != "200" {
			t.Fatal(got)
		}
		time.Sleep(300 * time.Millisecond)
		if got := r.get(3).flush().outcome(3); got != "200" {
			t.Error(got)
		}
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

// TestStalledClientCostsNothing: a client opens the windows of its streams, but
// not that of the connection. Those who wait for it must not wake each other.
func TestStalledClientCostsNothing(t *testing.T) {
	addr, _ := listen(t, func(x message.Exchange) {
		_ = x.Head(message.Head{Status: 200, Length: -1})
		for p := make([]byte, maxFrame); ; {
			if _, err := x.Write(p); err != nil {
				return
			}
		}
	}, Options{})
	r := dialRaw(t, addr).begin()
	for i := range uint32(4) {
		r.post(2*i+1).frame(frameWindowUpdate, 0, 2*i+1, "\x00\x10\x00\x00").frame(frameData, flagEndStream, 2*i+1, "")
	}
	r.flush()
	time.Sleep(200 * time.Millisecond) // until the window is full
	// On a busy machine that may last longer, and something else of this process
	// may still run: who wakes each other do so in every half second.
	used := time.Hour
	for range 10 {
		before := cpu(t)
		time.Sleep(500 * time.Millisecond)
		if used = min(used, cpu(t)-before); used <= 20*time.Millisecond {
			break
		}
	}
	if used > 20*time.Millisecond {
		t.Errorf("%s of processor time in half a second of waiting", used)
	}
	_ = r.c.Close()
}

func cpu(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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
