package front

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// exchange is one call that a test makes, and what came of it.
type exchange struct {
	request message.Request
	mu      sync.Mutex
	head    *message.Head
	body    strings.Builder
	trailer message.Header
	ended   bool
	aborted bool
	gone    func()
}

func (x *exchange) Request() *message.Request         { return &x.request }
func (x *exchange) Interim(int, message.Header) error { return nil }
func (x *exchange) Head(h message.Head) error         { x.head = &h; return nil }
func (x *exchange) Write(p []byte) (int, error)       { return x.body.Write(p) }
func (x *exchange) Flush() error                      { return nil }
func (x *exchange) End(t message.Header) error        { x.trailer, x.ended = t, true; return nil }
func (x *exchange) Abort()                            { x.aborted = !x.ended }
func (x *exchange) Upgrade() (net.Conn, error)        { return nil, errors.New("none") }
func (x *exchange) OnGone(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.gone = f
}

// text is the answer in a form to compare.
func (x *exchange) text() string {
	if x.aborted || x.head == nil {
		return "aborted"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d", x.head.Status)
	for _, f := range x.head.Header {
		fmt.Fprintf(&b, " %s=%s", strings.ToLower(f.Name), f.Value)
	}
	return b.String() + " " + x.body.String()
}

func ask(method, target string, fields ...string) *exchange {
	x := &exchange{request: message.Request{Method: method, Target: target, Version: message.HTTP11}}
	x.request.Header = message.Header{{Name: "X-Fc-Request-Id", Value: "id-1"}}
	for i := 0; i < len(fields); i += 2 {
		x.request.Header.Add(fields[i], fields[i+1])
	}
	return x
}

// program is a backend made of a function.
type program func(message.Exchange) error

func (p program) Do(x message.Exchange) error { return p(x) }

// says is a program that always gives the same answer.
func says(status int, body string, fields ...string) program {
	return func(x message.Exchange) error {
		var h message.Header
		for i := 0; i < len(fields); i += 2 {
			h.Add(fields[i], fields[i+1])
		}
		message.Answer(x, status, h, []byte(body))
		return nil
	}
}

// log keeps lines.
type log struct {
	mu    sync.Mutex
	lines []string
	tail  []string
}

func (l *log) add(line string) { l.mu.Lock(); l.lines = append(l.lines, line); l.mu.Unlock() }
func (l *log) Begin(c fc.Call, id string) {
	l.add(c.StartLine(id))
}
func (l *log) End(c fc.Call, id string, failed bool) { l.add(c.EndLine(id, failed)) }
func (l *log) Say(format string, args ...any)        { l.add(fmt.Sprintf(format, args...)) }
func (l *log) Tail() []string                        { return l.tail }
func (l *log) Hide(message.Header)                   {}
func (l *log) Masked(text string) string             { return strings.ReplaceAll(text, "secret", "***") }

func newFront(p program, set ...func(*Options)) (*Front, *log) {
	l := &log{}
	o := Options{Backend: func() message.Backend { return p }, Log: l, ErrorFrom: 400, ErrorLines: 2}
	for _, s := range set {
		s(&o)
	}
	return New(o), l
}

const control = "x-fc-control-path"

func TestAnswers(t *testing.T) {
	pass := func(o *Options) { o.PassHooks = true }
	only5xx := func(o *Options) { o.ErrorFrom = 500 }
	never := func(o *Options) { o.ErrorFrom = 0 }
	for _, c := range []struct {
		name   string
		call   *exchange
		answer program
		want   string
		log    string
		set    []func(*Options)
	}{
		{"an event", ask("POST", "/invoke", control, "/invoke"), says(200, "x"), "200 x-fc-status=200 x", "", nil},
		{"an event that fails", ask("POST", "/invoke", control, "/invoke"), says(500, "x"), "500 x-fc-status=404 x", "failed", nil},
		{"an event that is refused", ask("POST", "/invoke"), says(404, "x"), "404 x-fc-status=404 x", "failed", nil},
		{"its own status", ask("POST", "/invoke"), says(500, "x", "X-Fc-Status", "200"), "500 x-fc-status=200 x", "", nil},
		{"its own failure", ask("POST", "/invoke"), says(200, "x", "x-fc-status", "404"), "200 x-fc-status=404 x", "failed", nil},
		{"from 500", ask("POST", "/invoke"), says(404, "x"), "404 x-fc-status=200 x", "", []func(*Options){only5xx}},
		{"never", ask("POST", "/invoke"), says(500, "x"), "500 x-fc-status=200 x", "", []func(*Options){never}},
		{"an HTTP trigger", ask("GET", "/a"), says(500, "x"), "500 x", "", nil},
		{"a client that asks for /invoke", ask("POST", "/invoke", control, "/http-invoke"), says(500, "x"), "500 x", "", nil},
		{"an unknown initializer", ask("POST", "/initialize"), says(404, "none"), "200 x-fc-status=200 ", "", nil},
		{"a method not allowed", ask("POST", "/initialize"), says(405, "no", "Allow", "GET"), "200 x-fc-status=200 ", "", nil},
		{"an unknown hook passed", ask("GET", "/pre-stop"), says(404, "none"), "404 x-fc-status=200 none", "", []func(*Options){pass}},
		{"a hook that fails", ask("POST", "/initialize"), says(500, "x"), "500 x-fc-status=404 x", "failed", nil},
		{"a hook's own 404", ask("GET", "/pre-freeze"), says(404, "x", "x-fc-status", "404"), "404 x-fc-status=404 x", "failed", nil},
		{"reserved headers, platform", ask("GET", "/", control, "/http-invoke"),
			says(200, "", "Server", "s", "Date", "d", "X-Fc-Other", "o", "Content-Disposition", "attachment; filename=a", "X-A", "1"), "200 x-a=1 ", "", nil},
		{"reserved headers, elsewhere", ask("GET", "/"),
			says(200, "", "Server", "s", "Date", "d", "X-Fc-Other", "o", "Content-Disposition", "attachment", "X-A", "1"),
			"200 date=d content-disposition=attachment x-a=1 ", "", nil},
		{"reserved headers, Lambda", ask("GET", "/", control, "/http-invoke", "Lambda-Runtime-Deadline-Ms", "1"),
			says(200, "", "Date", "d", "X-A", "1"), "200 date=d x-a=1 ", "", nil},
	} {
		f, l := newFront(c.answer, c.set...)
		f.Serve(c.call)
		if got := c.call.text(); got != c.want || !c.call.ended {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		failed := strings.HasSuffix(l.lines[len(l.lines)-1], fc.LogFailed)
		if failed != (c.log == "failed") {
			t.Errorf("%s: log %q", c.name, l.lines)
		}
	}
}

func TestHookIsSaidOnce(t *testing.T) {
	f, l := newFront(says(404, ""))
	for range 3 {
		f.Serve(ask("POST", "/initialize"))
	}
	if n := strings.Count(strings.Join(l.lines, "\n"), "does not know /initialize"); n != 1 {
		t.Errorf("said %d times: %q", n, l.lines)
	}
}

func TestFailures(t *testing.T) {
	gone := program(func(message.Exchange) error {
		return &message.Failure{Status: 502, Type: message.ProgramExited, Message: "it ended"}
	})
	f, l := newFront(gone)
	l.tail = []string{"one", "two", "secret"}
	x := ask("POST", "/invoke")
	f.Serve(x)
	want := `502 content-type=application/json x-fc-status=404 {"errorType":"ProgramExited","errorMessage":"it ended; its last lines were:\ntwo\n***","requestId":"id-1"}` + "\n"
	if x.text() != want {
		t.Errorf("%q, want %q", x.text(), want)
	}

	own := program(func(message.Exchange) error {
		return &message.Failure{Status: 502, Type: message.ProgramExited, Message: "it ended", Lines: []string{"a", "b", "c"}}
	})
	f, l = newFront(own)
	l.tail = []string{"of another"}
	x = ask("GET", "/")
	if f.Serve(x); !strings.Contains(x.text(), `were:\nb\nc"`) {
		t.Errorf("%q does not carry the run's own lines", x.text())
	}

	refused := program(func(message.Exchange) error {
		return &message.Failure{Status: 400, Type: message.BadRequest, Message: "a bad chunk"}
	})
	f, l = newFront(refused)
	l.tail = []string{"of the program"}
	x = ask("POST", "/")
	if f.Serve(x); x.head.Status != 400 || strings.Contains(x.text(), "of the program") {
		t.Errorf("%q: a client's own fault shows the log", x.text())
	}

	broken := program(func(x message.Exchange) error {
		_ = x.Head(message.Head{Status: 200, Length: 10})
		return &message.Failure{Status: 502, Type: message.ProgramExited}
	})
	f, l = newFront(broken)
	x = ask("GET", "/")
	f.Serve(x)
	if x.text() != "aborted" || !strings.HasSuffix(l.lines[1], fc.LogFailed) {
		t.Errorf("%q, %q", x.text(), l.lines)
	}

	left := program(func(message.Exchange) error { return message.ErrAborted })
	f, l = newFront(left)
	x = ask("GET", "/")
	f.Serve(x)
	if x.text() != "aborted" || strings.HasSuffix(l.lines[1], fc.LogFailed) {
		t.Errorf("%q, %q", x.text(), l.lines)
	}
}

func TestRequestID(t *testing.T) {
	for id, kept := range map[string]bool{"1-a": true, "": false, "a b": false, "a,b": false, "a\u00e9": false, strings.Repeat("a", 129): false} {
		r := &message.Request{Header: message.Header{{Name: "X-FC-Request-Id", Value: id}}}
		got := requestID(r)
		if (got == id) != kept || r.Header.Get(fc.HeaderRequestID) != got || !validID(got) {
			t.Errorf("%q became %q", id, got)
		}
	}
	if a, b := newID(), newID(); a == b || len(a) != 36 || a[14] != '4' {
		t.Error(a, b)
	}
}

// body is a request's body of unknown length.
type body struct{ io.Reader }

func (body) Buffered() int { return 0 }

func TestBodyLimit(t *testing.T) {
	reads := program(func(x message.Exchange) error {
		if _, err := io.Copy(io.Discard, x.Request().Body); err != nil {
			return message.ErrAborted
		}
		message.Answer(x, 200, nil, nil)
		return nil
	})
	for n, want := range map[int]int{9: 200, 10: 200, 11: 413} {
		for _, known := range []bool{true, false} {
			f, _ := newFront(reads, func(o *Options) { o.BodyLimit = 10 })
			x := ask("POST", "/")
			x.request.Length, x.request.Body = -1, body{strings.NewReader(strings.Repeat("x", n))}
			if known {
				x.request.Length = int64(n)
			}
			f.Serve(x)
			if x.head == nil || x.head.Status != want {
				t.Errorf("%d bytes, length known %v: %q", n, known, x.text())
			}
		}
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := program(func(x message.Exchange) error {
			ended := make(chan struct{})
			x.OnGone(func() { close(ended) })
			<-ended
			return message.ErrAborted
		})
		f, _ := newFront(hangs, func(o *Options) { o.Timeout = time.Second })
		x := ask("GET", "/")
		began := time.Now()
		f.Serve(x)
		if x.head == nil || x.head.Status != 504 || time.Since(began) != time.Second {
			t.Errorf("%q after %s", x.text(), time.Since(began))
		}
	})
}

// Where each call has a program of its own, none shows the lines of another.
func TestTimeoutHasTheLinesOfItsRun(t *testing.T) {
	for _, lines := range [][]string{{"of this run"}, {}} {
		synctest.Test(t, func(t *testing.T) {
			hangs := program(func(x message.Exchange) error {
				ended := make(chan struct{})
				x.OnGone(func() { close(ended) })
				<-ended
				return errors.Join(message.ErrAborted, &message.Failure{Status: 502, Lines: lines})
			})
			f, log := newFront(hangs, func(o *Options) { o.Timeout = time.Second })
			log.tail = []string{"of another"}
			x := ask("GET", "/")
			f.Serve(x)
			if text := x.text(); x.head.Status != 504 || strings.Contains(text, "of another") || strings.Contains(text, "of this run") != (len(lines) > 0) {
				t.Error(text)
			}
		})
	}
}

func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := program(func(x message.Exchange) error {
			time.Sleep(time.Second)
			message.Answer(x, 200, nil, nil)
			return nil
		})
		f, _ := newFront(slow, func(o *Options) { o.Concurrency, o.Queue = 2, 1 })
		counts := map[int]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				x := ask("GET", "/")
				f.Serve(x)
				mu.Lock()
				counts[x.head.Status]++
				mu.Unlock()
			})
		}
		hook := ask("GET", "/pre-freeze")
		all.Go(func() { f.Serve(hook) })
		began := time.Now()
		all.Wait()
		if counts[200] != 3 || counts[429] != 2 || time.Since(began) != 2*time.Second || hook.head.Status != 200 {
			t.Errorf("%v after %s, the hook %s", counts, time.Since(began), hook.text())
		}
	})
}

func TestQueueIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		slow := program(func(x message.Exchange) error {
			<-release
			message.Answer(x, 200, nil, nil)
			return nil
		})
		f, _ := newFront(slow, func(o *Options) { o.Concurrency, o.Queue, o.Timeout = 1, 2, time.Minute })
		first := ask("GET", "/")
		go f.Serve(first)
		synctest.Wait()
		left, late := ask("GET", "/"), ask("GET", "/")
		go f.Serve(left)
		go f.Serve(late)
		synctest.Wait()
		left.gone()
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if left.head.Status != 429 || late.head.Status != 504 || len(f.gate.queue) != 0 {
			t.Errorf("%q, %q, %d wait", left.text(), late.text(), len(f.gate.queue))
		}
		close(release)
	})
}

// TestTimeoutCountsTheQueue: a call has its time once, not once in the queue
// and once more with the program.
func TestTimeoutCountsTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := program(func(x message.Exchange) error {
			ended := make(chan struct{})
			x.OnGone(sync.OnceFunc(func() { close(ended) }))
			<-ended
			return message.ErrAborted
		})
		f, _ := newFront(hangs, func(o *Options) { o.Concurrency, o.Queue, o.Timeout = 1, 1, time.Minute })
		began := time.Now()
		go f.Serve(ask("GET", "/"))
		time.Sleep(30 * time.Second)
		second := ask("GET", "/")
		f.Serve(second) // its turn is after half of its time
		if second.head.Status != 504 || time.Since(began) != 90*time.Second {
			t.Errorf("%q after %s", second.text(), time.Since(began))
		}
	})
}

func TestPreStopWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		f, _ := newFront(func(x message.Exchange) error {
			if x.Request().Path() == "/" {
				time.Sleep(5 * time.Second)
			}
			order = append(order, x.Request().Path())
			message.Answer(x, 200, nil, nil)
			return nil
		})
		go f.Serve(ask("GET", "/"))
		synctest.Wait()
		f.Serve(ask("GET", "/pre-stop"))
		if strings.Join(order, " ") != "/ /pre-stop" {
			t.Error(order)
		}
	})
}

func TestWarnings(t *testing.T) {
	f, l := newFront(says(200, ""))
	for range 2 {
		x := ask("POST", "/"+strings.Repeat("a", 5000), "X-Big", strings.Repeat("b", 9000))
		x.request.Length, x.request.Body = 33<<20, body{strings.NewReader("")}
		f.Serve(x)
	}
	text := strings.Join(l.lines, "\n")
	for _, want := range []string{"a body of 34603008 bytes", "a path and query of 5001 bytes", "bytes of headers"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is not said once in %q", want, text)
		}
	}
}

func TestMetrics(t *testing.T) {
	f, _ := newFront(says(200, ""))
	f.Serve(ask("POST", "/invoke"))
	f.Serve(ask("GET", "/"))
	f.Serve(ask("GET", "/pre-freeze"))
	f.Backend = func() message.Backend {
		return program(func(message.Exchange) error { return &message.Failure{Status: 502, Type: message.ProgramExited} })
	}
	f.Serve(ask("GET", "/"))
	x := ask("GET", "/metrics?a")
	f.Metrics.Serve(x)
	text := x.body.String()
	for _, want := range []string{
		`shim_requests_total{call="http-invoke",status="2xx"} 1`, `shim_requests_total{call="http-invoke",status="5xx"} 1`,
		`shim_requests_total{call="invoke",status="2xx"} 1`, `shim_requests_total{call="pre-freeze",status="2xx"} 1`,
		"shim_requests_in_flight 0", `shim_request_duration_seconds_bucket{le="+Inf"} 3`, "shim_request_duration_seconds_count 3",
		`shim_failures_total{type="ProgramExited"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	for target, want := range map[string]int{"/": 404} {
		x := ask("GET", target)
		if f.Metrics.Serve(x); x.head.Status != want {
			t.Errorf("%s: %d", target, x.head.Status)
		}
	}
	x = ask("POST", "/metrics")
	if f.Metrics.Serve(x); x.head.Status != 405 {
		t.Error(x.text())
	}
}
