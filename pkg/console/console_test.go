package console

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// program is a Runtime whose instances are handlers in this process: what the
// console does with real ones is tested with the command.
type program struct{ handler http.Handler }

func (program) Name() string { return "test" }

func (p program) Start(_ context.Context, s emulator.Spec) (emulator.Running, error) {
	r := &running{done: make(chan struct{})}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprintln(s.Output, fc.Invoke.StartLine(req.Header.Get(fc.HeaderRequestID)))
		p.handler.ServeHTTP(w, req)
		fmt.Fprintln(s.Output, fc.Invoke.EndLine(req.Header.Get(fc.HeaderRequestID), false))
	}))
	return r, nil
}

type running struct {
	server *httptest.Server
	done   chan struct{}
	once   sync.Once
}

func (r *running) Dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", r.server.Listener.Addr().String())
}
func (*running) Freeze(context.Context) error { return nil }
func (*running) Thaw(context.Context) error   { return nil }
func (r *running) Signal(context.Context, syscall.Signal) error {
	return r.Close()
}
func (r *running) Done() <-chan struct{} { return r.done }
func (*running) Code() int               { return 0 }
func (*running) Memory() int64           { return 1 << 20 }
func (r *running) Close() error {
	r.once.Do(func() { r.server.CloseClientConnections(); close(r.done) })
	return nil
}

// function answers with its generation; stopped counts those that have ended.
func function(name string, handler func(generation int32) http.Handler, stopped *atomic.Int32) Function {
	var n atomic.Int32
	return Function{Name: name, Trigger: true, Start: func(_ context.Context, log io.Writer) (*emulator.Emulator, func() error, error) {
		h := handler(n.Add(1))
		if h == nil {
			return nil, nil, errors.New("main.go:3: the reason is here")
		}
		f := template.Function{Name: name, Triggers: []template.Trigger{{Type: "http", Auth: "anonymous"}}, Concurrency: 10, Timeout: time.Minute}
		e, err := emulator.New(f, program{h}, emulator.Options{Log: log, FreezeAfter: -1})
		return e, func() error { stopped.Add(1); return e.Close() }, err
	}}
}

func echo(generation int32) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get(fc.HeaderControlPath) == fc.Invoke.Path() && string(body) == "bad" {
			w.Header().Set(fc.HeaderStatus, "404")
		}
		fmt.Fprintf(w, "%d: %s %s %s", generation, r.Method, r.URL.RequestURI(), body)
	})
}

type served struct {
	*Console
	url     string
	stopped atomic.Int32
	log     *safe
}

// safe is a buffer for several writers.
type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func serve(t testing.TB, handler func(int32) http.Handler) *served {
	t.Helper()
	s := &served{log: &safe{}}
	other := function("other", echo, &s.stopped)
	other.Trigger = false // none that the page shows
	s.Console = New([]Function{function("hello", handler, &s.stopped), other}, s.log)
	server := httptest.NewServer(s.Console)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	s.url = server.URL
	return s
}

func ask(t testing.TB, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

const invocations = "/2023-03-30/functions/hello/invocations"

func TestCalls(t *testing.T) {
	s := serve(t, echo)
	for _, c := range []struct {
		method, path, body string
		header             []string
		status             int
		want               string
	}{
		{"GET", "/http/hello/a/b?c=d", "", nil, 200, "1: GET /a/b?c=d "},
		{"PUT", "/http/hello/a%2Fb", "x", nil, 200, "1: PUT /a%2Fb x"},
		{"GET", "/x", "", []string{"Host", "hello.localhost:8000"}, 200, "1: GET /x "},
		{"GET", "/x", "", []string{"Host", "HELLO.localhost"}, 200, "1: GET /x "},
		{"POST", invocations, "event", nil, 200, "1: POST /invoke event"},
		{"POST", invocations, "event", []string{"Origin", s.url, "Sec-Fetch-Site", "same-origin"}, 200, "1: POST /invoke event"},
		{"POST", invocations, "event", []string{"Origin", "http://example.com"}, 403, "another site"},
		{"POST", invocations, "event", []string{"Sec-Fetch-Site", "cross-site"}, 403, "another site"},
		{"POST", "/http/hello/", "x", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403, "another site"},
		{"POST", "/http/hello/", "x", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 403, "another site"},
		{"GET", "/http/hello/", "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 200, "1: GET / "},
		{"POST", "/http/hello/", "x", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors"}, 200, "1: POST / x"},
		// A WebSocket's handshake has no Sec-Fetch-Site.
		{"GET", "/http/hello/", "", []string{"Origin", "https://example.com"}, 403, "another site"},
		{"GET", "/http/hello/", "", []string{"Origin", "null"}, 403, "another site"},
		{"GET", "/http/hello/", "", []string{"Origin", "http://localhost:3000"}, 200, "1: GET / "},
		{"GET", "/http/hello/", "", []string{"Origin", "https://example.com", "Sec-Fetch-Site", "none"}, 200, "1: GET / "},
		{"POST", invocations, strings.Repeat("x", fc.MaxBodyBytes+1), nil, 400, "InvalidArgument"},
		{"POST", invocations, strings.Repeat("x", fc.MaxAsyncBytes+1), []string{headerInvocation, "Async"}, 400, `"ErrorCode":"InvalidArgument"`},
		{"GET", "/", "", []string{"Host", "example.com"}, 403, "localhost only"},
		{"GET", "/", "", []string{"Host", "localhost.example.com"}, 403, "localhost only"},
		{"GET", "/", "", []string{"Host", "nobody.localhost"}, 404, "no function nobody"},
		{"GET", "/http/nobody/", "", nil, 404, "no function nobody"},
		{"POST", "/2023-03-30/functions/nobody/invocations", "", nil, 404, "no function nobody"},
		{"GET", "/-/functions", "", nil, 200, `[{"name":"hello","trigger":true},{"name":"other","trigger":false}]`},
		{"GET", "/", "", nil, 200, "<title>imgbuild start</title>"},
	} {
		res, body := ask(t, c.method, s.url+c.path, c.body, c.header...)
		if res.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s %v: %d %.200q; want %d, %q", c.method, c.path, c.header, res.StatusCode, body, c.status, c.want)
		}
	}
}

// The headers of the platform's call.
func TestInvocationHeaders(t *testing.T) {
	s := serve(t, echo)
	res, _ := ask(t, "POST", s.url+invocations, "bad", headerLogType, "Tail")
	log, err := base64.StdEncoding.DecodeString(res.Header.Get(headerLogResult))
	id := res.Header.Get(fc.HeaderRequestID)
	if err != nil || !strings.Contains(string(log), fc.Invoke.StartLine(id)) {
		t.Errorf("log %q: %v", log, err)
	}
	if res.StatusCode != 200 || res.Header.Get(headerErrorType) == "" || res.Header.Get(headerCold) != "true" {
		t.Errorf("%d, %v", res.StatusCode, res.Header)
	}
	if res, _ := ask(t, "POST", s.url+invocations, "good"); res.Header.Get(headerErrorType) != "" || res.Header.Get(headerCold) != "false" {
		t.Errorf("%v", res.Header)
	}
	if res, _ := ask(t, "POST", s.url+invocations, "later", headerInvocation, "Async"); res.StatusCode != 202 || res.Header.Get(fc.HeaderRequestID) == "" {
		t.Errorf("%d, %v", res.StatusCode, res.Header)
	}
}

// A change: a call that the old one has is answered by it, the next call gets
// the new one, and the old one is stopped.
func TestChanged(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{})
	s := serve(t, func(n int32) http.Handler {
		if n > 1 {
			return echo(n)
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(held)
			<-hold
			echo(n).ServeHTTP(w, r)
		})
	})
	s.Changed("hello") // it has not been started
	old := make(chan string, 1)
	go func() {
		_, body := ask(t, "GET", s.url+"/http/hello/", "")
		old <- body
	}()
	<-held
	s.Changed("hello")
	if _, body := ask(t, "GET", s.url+"/http/hello/", ""); body != "2: GET / " {
		t.Errorf("after the change: %q", body)
	}
	if n := s.stopped.Load(); n != 0 {
		t.Errorf("%d were stopped while they had a call", n)
	}
	close(hold)
	if body := <-old; body != "1: GET / " {
		t.Errorf("the call that was under way: %q", body)
	}
	for until := time.Now().Add(time.Minute); s.stopped.Load() != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the old one is not stopped")
		}
	}
}

// A function that cannot be built says why, and works once it can.
func TestFailed(t *testing.T) {
	s := serve(t, func(n int32) http.Handler {
		if n == 2 || n == 3 {
			return nil
		}
		return echo(n)
	})
	ask(t, "GET", s.url+"/http/hello/", "")
	s.Changed("hello")
	for range 2 {
		if res, body := ask(t, "POST", s.url+invocations, ""); res.StatusCode != 503 || !strings.Contains(body, "main.go:3: the reason is here") {
			t.Errorf("%d %q", res.StatusCode, body)
		}
	}
	if _, body := ask(t, "GET", s.url+"/http/hello/", ""); body != "4: GET / " {
		t.Errorf("%q", body)
	}
	if !strings.Contains(s.log.String(), "[hello] failed: main.go:3") {
		t.Errorf("the log: %s", s.log)
	}
}

// A page that is opened later gets what was, and then what comes.
func TestEvents(t *testing.T) {
	s := serve(t, echo)
	ask(t, "POST", s.url+invocations, "")
	res, err := http.Get(s.url + "/-/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	until := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Errorf("%s does not come: %v", text, lines.Err())
	}
	until(`{"function":"hello","state":"ready"`)
	until(": that was")
	ask(t, "POST", s.url+"/2023-03-30/functions/other/invocations", "")
	until(`{"function":"other","text":"FC Invoke End RequestId`)
}

// Close ends who waits, and everything that runs.
func TestClose(t *testing.T) {
	s := serve(t, echo)
	ask(t, "GET", s.url+"/http/hello/", "")
	ask(t, "GET", s.url+"/http/other/", "")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := s.stopped.Load(); n != 2 {
		t.Errorf("%d of 2 are stopped", n)
	}
	if res, _ := ask(t, "GET", s.url+"/http/hello/", ""); res.StatusCode != 503 {
		t.Errorf("after Close: %d", res.StatusCode)
	}
}

// Close does not wait for calls that an old generation still has.
func TestCloseWithOld(t *testing.T) {
	held, hold := make(chan struct{}), make(chan struct{})
	defer close(hold)
	s := serve(t, func(n int32) http.Handler {
		if n > 1 {
			return echo(n)
		}
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			close(held)
			<-hold
		})
	})
	go func() {
		if res, err := http.Post(s.url+"/http/hello/", "", nil); err == nil {
			res.Body.Close()
		}
	}()
	<-held
	s.Changed("hello")
	ask(t, "GET", s.url+"/http/hello/", "")
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		if err != nil || s.stopped.Load() != 2 {
			t.Errorf("%d of 2 are stopped: %v", s.stopped.Load(), err)
		}
	case <-time.After(time.Minute):
		t.Fatal("Close waits for a call")
	}
}

// Watch tells of a change once, and of nothing else.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	beside := filepath.Join(t.TempDir(), "new")
	write := func(name, text string) { // in one step
		t.Helper()
		if err := errors.Join(os.WriteFile(beside, []byte(text), 0o644), os.Rename(beside, filepath.Join(dir, name))); err != nil {
			t.Fatal(err)
		}
	}
	write("a", "1")
	if err := os.Mkdir(filepath.Join(dir, "node_modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	var changes atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Watch(ctx, []string{dir}, func() { changes.Add(1) }) }()
	// It looks once it tells of a change, and has told of all when it tells no more.
	for n := 0; changes.Load() == 0 && n < 100; n++ {
		write("c", strings.Repeat("x", n))
		time.Sleep(5 * every)
	}
	for n, told := 0, int32(-1); told != changes.Load() && n < 60; n++ {
		told = changes.Load()
		time.Sleep(10 * every)
	}
	before := changes.Load()
	for n, change := range []func(){
		func() { write("a", "2") }, // as long as before
		func() { write("b", "") },
		func() { os.Remove(filepath.Join(dir, "a")) },
	} {
		change()
		for until := time.Now().Add(time.Minute); int(changes.Load()-before) != n+1; time.Sleep(time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("%d changes, want %d", changes.Load()-before, n+1)
			}
		}
	}
	write("node_modules/x", "1")
	time.Sleep(10 * every)
	if n := changes.Load() - before; n != 3 {
		t.Errorf("%d changes, want 3", n)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
