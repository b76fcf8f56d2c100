package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// TestAnswers has a program answer in bytes. keep: it leaves the connection
// open, and the answer must end all the same.
func TestAnswers(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for name, c := range map[string]struct {
		method, answer string
		keep           bool
		want           string // as recorder says it, or the Type of the Failure
		reused         bool   // the connection serves another request
	}{
		"counted":                   {"GET", "HTTP/1.1 200 Fine\nX: y\nContent-Length: 2\n\nab", true, `200 [{X y}] "ab" ended`, true},
		"counted, empty":            {"GET", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", true, `200 [] "" ended`, true},
		"counted, same twice":       {"GET", "HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 1\n\na", true, `200 [] "a" ended`, true},
		"counted, too much":         {"GET", "HTTP/1.1 200 OK\nContent-Length: 1\n\nabc", true, `200 [] "a" ended`, false},
		"counted, another answer":   {"GET", "HTTP/1.1 200 OK\nContent-Length: 1\n\naHTTP/1.1 200 OK\nContent-Length: 1\n\nb", true, `200 [] "a" ended`, false},
		"counted, close":            {"GET", "HTTP/1.1 200 OK\nContent-Length: 1\nConnection: close\n\na", true, `200 [] "a" ended`, false},
		"counted, cut off":          {"GET", "HTTP/1.1 200 OK\nContent-Length: 9\n\na", false, `200 [] "a" aborted`, false},
		"counted, large":            {"GET", "HTTP/1.1 200 OK\nContent-Length: 70000\n\n" + long, true, `200 [] "` + long + `" ended`, true},
		"chunked":                   {"GET", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nab\n1;x=y\nc\n0\n\n", true, `200 [] "abc" ended`, true},
		"chunked, empty":            {"GET", "HTTP/1.1 200 OK\nTransfer-Encoding: Chunked\n\n0\n\n", true, `200 [] "" ended`, true},
		"chunked, trailers":         {"GET", "HTTP/1.1 200 OK\nTrailer: X-T\nTransfer-Encoding: chunked\n\n1\na\n0\nX-T: 1\nX-U: 2\n\n", true, `200 [{Trailer X-T}] "a" [{X-T 1} {X-U 2}] ended`, true},
		"chunked, cut off":          {"GET", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nab\n", false, `200 [] "ab" aborted`, false},
		"chunked, cut off late":     {"GET", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nab\n0\n", false, `200 [] "ab" aborted`, false},
		"chunked, bad size":         {"GET", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nab\nx\n", true, `200 [] "ab" aborted`, false},
		"until close":               {"GET", "HTTP/1.1 200 OK\n\nab", false, `200 [] "ab" ended`, false},
		"until close, HTTP/1.0":     {"GET", "HTTP/1.0 200 OK\nA: b\n\n" + long, false, `200 [{A b}] "` + long + `" ended`, false},
		"HTTP/1.0":                  {"GET", "HTTP/1.0 200 OK\nContent-Length: 1\n\na", true, `200 [] "a" ended`, false},
		"HTTP/1.0, keep-alive":      {"GET", "HTTP/1.0 200 OK\nConnection: Keep-Alive\nContent-Length: 1\n\na", true, `200 [] "a" ended`, true},
		"HEAD":                      {"HEAD", "HTTP/1.1 200 OK\nContent-Length: 5\n\n", true, `200 [] "" ended`, true},
		"HEAD, chunked":             {"HEAD", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", true, `200 [] "" ended`, true},
		"HEAD with a body":          {"HEAD", "HTTP/1.1 200 OK\nContent-Length: 5\n\nabcde", true, `200 [] "" ended`, false},
		"204":                       {"GET", "HTTP/1.1 204 None\nContent-Length: 5\n\n", true, `204 [] "" ended`, true},
		"304":                       {"GET", "HTTP/1.1 304 Same\nContent-Length: 5\nEtag: e\n\n", true, `304 [{Etag e}] "" ended`, true},
		"hints":                     {"GET", "HTTP/1.1 103 Early\nLink: l\n\nHTTP/1.1 102 Wait\n\nHTTP/1.1 200 OK\nContent-Length: 1\n\na", true, `103 102 200 [] "a" ended`, true},
		"100 that nobody waits for": {"GET", "HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nContent-Length: 0\n\n", true, `100 200 [] "" ended`, true},
		"hop by hop": {"GET", "HTTP/1.1 200 OK\nConnection: X-Hop, keep-alive\nX-Hop: 1\nKeep-Alive: timeout=5\nProxy-Connection: a\nUpgrade: h2c\nTE: a\nSet-Cookie: a\nSET-Cookie: b\nProxy-Authenticate: c\nDate: d\nContent-Length: 0\n\n",
			true, `200 [{Set-Cookie a} {SET-Cookie b} {Proxy-Authenticate c} {Date d}] "" ended`, true},
		"426":             {"GET", "HTTP/1.1 426 Other\nUpgrade: a/2\nConnection: Upgrade\nContent-Length: 0\n\n", true, `426 [{Upgrade a/2}] "" ended`, true},
		"odd status":      {"GET", "HTTP/1.1 799\nContent-Length: 0\n\n", true, `799 [] "" ended`, true},
		"large head":      {"GET", "HTTP/1.1 200 OK\nA: " + long + "\nContent-Length: 0\n\n", true, `200 [{A ` + long + `}] "" ended`, true},
		"nothing":         {"GET", "", false, message.ProgramClosedConnection, false},
		"half a head":     {"GET", "HTTP/1.1 200 OK\nA: b", false, message.ProgramClosedConnection, false},
		"hints only":      {"GET", "HTTP/1.1 103 Early\n\n", false, message.ProgramClosedConnection, false},
		"not HTTP":        {"GET", "SSH-2.0-x\n\n", true, message.ProgramBadAnswer, false},
		"binary":          {"GET", "\x15\x03\x01\x00\x02\x02\x16\n\n", true, message.ProgramBadAnswer, false},
		"no status":       {"GET", "HTTP/1.1 OK\n\n", true, message.ProgramBadAnswer, false},
		"folded":          {"GET", "HTTP/1.1 200 OK\nA: b\n c\nContent-Length: 0\n\n", true, message.ProgramBadAnswer, false},
		"two lengths":     {"GET", "HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 2\n\nab", true, message.ProgramBadAnswer, false},
		"a bad length":    {"GET", "HTTP/1.1 200 OK\nContent-Length: +1\n\na", true, message.ProgramBadAnswer, false},
		"both lengths":    {"GET", "HTTP/1.1 200 OK\nContent-Length: 1\nTransfer-Encoding: chunked\n\n0\n\n", true, message.ProgramBadAnswer, false},
		"both, HEAD":      {"HEAD", "HTTP/1.1 200 OK\nContent-Length: 1\nTransfer-Encoding: chunked\n\n", true, message.ProgramBadAnswer, false},
		"another coding":  {"GET", "HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n0\n\n", true, message.ProgramBadAnswer, false},
		"chunked, 1.0":    {"GET", "HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n0\n\n", true, message.ProgramBadAnswer, false},
		"unasked upgrade": {"GET", "HTTP/1.1 101 Switching\nConnection: upgrade\nUpgrade: websocket\n\n", true, message.ProgramBadAnswer, false},
		"endless head":    {"GET", "HTTP/1.1 200 OK\nA: " + strings.Repeat("x", 1<<20) + "\nContent-Length: 0\n\n", true, message.ProgramBadAnswer, false},
		"endless hints":   {"GET", strings.Repeat("HTTP/1.1 103 Early\n\n", 200), true, message.ProgramBadAnswer, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := listen(t)
			r := p.relay()
			served := make(chan bool, 1)
			go func() {
				conn := p.accept()
				readHead(conn)
				// What tests have as one LF is CRLF; long bodies have none.
				_, _ = io.WriteString(conn, strings.ReplaceAll(c.answer, "\n", "\r\n"))
				if c.keep {
					again := readHead(conn)
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain")
					served <- again != ""
				} else {
					served <- false
				}
				conn.Close()
				if conn := p.accept(); conn != nil { // another one for the second request
					readHead(conn)
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain")
				}
			}()
			x := ask(c.method, "/", "")
			err := r.Do(x)
			var failure *message.Failure
			if errors.As(err, &failure) && x.head == nil {
				if failure.Type != c.want {
					t.Fatalf("%s %s, want %s", failure.Type, failure.Message, c.want)
				}
				if failure.Status != 502 || failure.Message == "" || strings.Contains(failure.Message, "127.0.0.1") {
					t.Errorf("%+v", failure)
				}
				if x.ended || x.aborted {
					t.Error("the exchange was ended, and the caller cannot answer")
				}
			} else if x.String() != c.want {
				t.Fatalf("%.300s (%v), want %.300s", x, err, c.want)
			} else if (err != nil) != x.aborted {
				t.Errorf("the error is %v", err)
			}
			y := get("/")
			if err := r.Do(y); err != nil || y.body.String() != "again" {
				t.Fatalf("the second request: %s %v", y, err)
			}
			if got := <-served; got != c.reused {
				t.Errorf("the connection was reused: %v, want %v", got, c.reused)
			}
		})
	}
}

// TestLength: a length without a body goes on, too.
func TestLength(t *testing.T) {
	for answer, want := range map[string]int64{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n": 5, "HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n": 5,
		"HTTP/1.1 200 OK\r\n\r\n": -1, "HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n": 0,
	} {
		p := listen(t)
		r := p.relay()
		go func() {
			conn := p.accept()
			readHead(conn)
			_, _ = io.WriteString(conn, answer)
		}()
		x := ask("HEAD", "/", "")
		if err := r.Do(x); err != nil || x.head.Length != want {
			t.Errorf("%q: %v %v", answer, x.head, err)
		}
	}
}

// TestFlush: what came goes on before more is waited for, and the head before
// the first of the body.
func TestFlush(t *testing.T) {
	for name, c := range map[string]struct{ head, piece, end string }{
		"counted":     {"Content-Length: 7\r\n", "ab", "c"},
		"chunked":     {"Transfer-Encoding: chunked\r\n", "2\r\nab\r\n", "0\r\n\r\n"},
		"half chunks": {"Transfer-Encoding: chunked\r\n", "2\r\nab\r\n00", "0\r\n\r\n"},
		"until close": {"", "ab", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := listen(t)
			r := p.relay()
			x := get("/")
			done := make(chan error, 1)
			go func() { done <- r.Do(x) }()
			conn := p.accept()
			readHead(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+c.head+"\r\n")
			eventually(t, "the head", func() bool { x.mu.Lock(); defer x.mu.Unlock(); return x.head != nil && x.flushed == 0 })
			for i := range 3 {
				_, _ = io.WriteString(conn, c.piece)
				eventually(t, "the piece", func() bool { x.mu.Lock(); defer x.mu.Unlock(); return x.flushed == 2*i+2 })
				if strings.HasSuffix(c.piece, "00") {
					c.piece = "2\r\nab\r\n00" // the zeros belong to the next size
				}
			}
			_, _ = io.WriteString(conn, c.end)
			conn.Close()
			if err := <-done; err != nil || !strings.HasPrefix(x.body.String(), "ababab") || !x.ended {
				t.Fatal(x, err)
			}
		})
	}
}

// TestOneWriteForAll: a short answer is not flushed before its end.
func TestOneWriteForAll(t *testing.T) {
	for _, answer := range []string{"Content-Length: 2\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"} {
		p := listen(t)
		r := p.relay()
		go func() {
			conn := p.accept()
			readHead(conn)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+answer)
		}()
		x := get("/")
		x.flushed = -1
		if err := r.Do(x); err != nil || x.body.String() != "ab" || x.flushed != -1 {
			t.Error(x, err, x.flushed)
		}
	}
}

// TestClientGone: the program sees that its client has gone, in each state.
func TestClientGone(t *testing.T) {
	for name, answer := range map[string]string{"before the answer": "", "within the head": "HTTP/1.1 2", "within the body": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na"} {
		t.Run(name, func(t *testing.T) {
			p := listen(t)
			r := p.relay()
			x := get("/")
			done := make(chan error, 1)
			go func() { done <- r.Do(x) }()
			conn := p.accept()
			readHead(conn)
			_, _ = io.WriteString(conn, answer)
			if strings.HasSuffix(answer, "a") {
				eventually(t, "the piece", func() bool { x.mu.Lock(); defer x.mu.Unlock(); return x.flushed == 1 })
			}
			x.leave()
			if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the program's connection stayed open")
			}
			if err := <-done; !errors.Is(err, message.ErrAborted) || x.aborted != strings.HasSuffix(answer, "a") {
				t.Error(err, x)
			}
			if x.gone != nil {
				t.Error("OnGone was not taken back")
			}
		})
	}
	t.Run("while writing", func(t *testing.T) {
		p := listen(t)
		r := p.relay()
		x := get("/")
		x.fail = true
		done := make(chan error, 1)
		go func() { done <- r.Do(x) }()
		conn := p.accept()
		readHead(conn)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na")
		if _, err := io.ReadAll(conn); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, message.ErrAborted) || !x.aborted {
			t.Error(err, x)
		}
	})
	t.Run("while connecting", func(t *testing.T) {
		began := make(chan bool)
		r := New(Options{Dial: blockedDial(began)})
		x := get("/")
		done := make(chan error, 1)
		go func() { done <- r.Do(x) }()
		<-began
		x.leave()
		select {
		case err := <-done:
			if !errors.Is(err, message.ErrAborted) {
				t.Error(err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the dial went on")
		}
	})
}

// TestExplain: what is known of the program's end comes before what is known
// of its connection.
func TestExplain(t *testing.T) {
	p := listen(t)
	r := p.relay()
	want := &message.Failure{Type: message.ProgramExited}
	var got error
	r.options.Explain = func(err error) *message.Failure { got = err; return want }
	go func() { c := p.accept(); readHead(c); c.Close() }()
	if err := r.Do(get("/")); err != error(want) || got != io.EOF {
		t.Error(err, got)
	}
	refused := errors.New("refused")
	r.options.Dial = func(context.Context) (net.Conn, error) { return nil, refused }
	if err := r.Do(get("/")); err != error(want) || got != refused {
		t.Error(err, got)
	}
}
