package once

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
	"github.com/imgbuild/imgbuild/pkg/shim/program"
)

// call is an exchange that a test makes, and what came of it.
type call struct {
	request message.Request
	head    message.Head
	ended   bool
	aborted bool

	mu      sync.Mutex
	body    bytes.Buffer
	flushed int // bytes that were flushed
	refuse  bool
	gone    func()
}

type text struct{ io.Reader }

func (text) Buffered() int { return 0 }

func newCall(method, target, body string, fields ...string) *call {
	x := &call{request: message.Request{Method: method, Target: target, Version: message.HTTP11, Length: int64(len(body))}}
	if body != "" {
		x.request.Body = text{strings.NewReader(body)}
	}
	for i := 0; i < len(fields); i += 2 {
		x.request.Header.Add(fields[i], fields[i+1])
	}
	return x
}

func (x *call) Request() *message.Request         { return &x.request }
func (x *call) Interim(int, message.Header) error { return nil }
func (x *call) Head(h message.Head) error         { x.head = h; return nil }
func (x *call) Upgrade() (net.Conn, error)        { return nil, errors.New("none") }
func (x *call) End(message.Header) error          { x.ended = true; return nil }
func (x *call) Abort()                            { x.aborted = true }
func (x *call) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.refuse {
		return 0, net.ErrClosed
	}
	return x.body.Write(p)
}
func (x *call) Flush() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.flushed = x.body.Len()
	return nil
}
func (x *call) OnGone(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.gone = f
}
func (x *call) leave() {
	x.mu.Lock()
	f := x.gone
	x.mu.Unlock()
	if f != nil {
		f()
	}
}

// script is a Backend that runs a shell script.
func script(t *testing.T, text string) (*Backend, *lockedBuffer) {
	t.Helper()
	log := &lockedBuffer{}
	return New(Options{
		Start: func(env []string, files [3]*os.File) (Process, error) {
			return program.Start(&program.Command{Path: "/bin/sh", Argv: []string{"sh", "-c", text}}, env, files)
		},
		Environ: []string{"PATH=" + os.Getenv("PATH"), "HTTP_PROXY=http://proxy.example.com", "FC_REGION=cn-test", "FC_REGION=cn-last"},
		Log:     log, Lines: 3,
	}), log
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name, script, body string
		want, kind         string
	}{
		{"the event", `cat`, `{"a":1}`, `{"a":1}`, "application/json"},
		{"text", `printf 'hello é'`, "", "hello é", "text/plain; charset=utf-8"},
		{"nothing", `:`, "", "", "text/plain; charset=utf-8"},
		{"bytes", `printf '\377\000'`, "", "\xff\x00", "application/octet-stream"},
		{"an array", `echo ' [1]'`, "", " [1]\n", "application/json"},
		{"almost JSON", `echo '{not'`, "", "{not\n", "text/plain; charset=utf-8"},
		{"a body that nobody reads", `echo x`, strings.Repeat("y", 1<<20), "x\n", "text/plain; charset=utf-8"},
		{"big", `cat`, strings.Repeat("0123456789abcdef", 1<<18), strings.Repeat("0123456789abcdef", 1<<18), "text/plain; charset=utf-8"},
		{"exactly what is held", `head -c 65536 /dev/zero`, "", strings.Repeat("\x00", 65536), "text/plain; charset=utf-8"},
	} {
		b, _ := script(t, c.script)
		x := newCall("POST", "/invoke", c.body)
		if err := b.Do(x); err != nil || !x.ended || x.aborted || x.head.Status != 200 {
			t.Errorf("%s: %v, %+v", c.name, err, x.head)
		}
		if x.body.String() != c.want || x.head.Header.Get("Content-Type") != c.kind {
			t.Errorf("%s: %d bytes, %+v", c.name, x.body.Len(), x.head)
		}
	}
}

func TestFailures(t *testing.T) {
	b, log := script(t, `echo out; for i in 1 2 3 4; do echo line $i >&2; done; exit 3`)
	x := newCall("POST", "/invoke", "")
	var f *message.Failure
	if err := b.Do(x); !errors.As(err, &f) || f.Status != 502 || f.Type != message.ProgramExited || !strings.Contains(f.Message, "exit code 3") ||
		!slices.Equal(f.Lines, []string{"line 2", "line 3", "line 4"}) || x.head.Status != 0 || x.aborted {
		t.Errorf("%+v %+v", f, x)
	}
	if log.String() != "line 1\nline 2\nline 3\nline 4\n" {
		t.Errorf("the log: %q", log)
	}

	b, _ = script(t, `kill -9 $$`)
	if err := b.Do(newCall("POST", "/invoke", "")); !errors.As(err, &f) || !strings.Contains(f.Message, "signal 9") {
		t.Error(err)
	}

	b, _ = script(t, `head -c 100000 /dev/zero; exit 1`)
	x = newCall("POST", "/invoke", "")
	if err := b.Do(x); !errors.As(err, &f) || !x.aborted || x.ended || x.head.Status != 200 {
		t.Errorf("%v, %+v", err, x.head)
	}

	b.o.Start = func([]string, [3]*os.File) (Process, error) { return nil, errors.New("it is no program") }
	if err := b.Do(newCall("POST", "/invoke", "")); !errors.As(err, &f) || f.Type != message.ProgramNotStarted || f.Message != "it is no program" || f.Lines == nil {
		t.Error(err)
	}
}

func TestHooksDoNotRun(t *testing.T) {
	b, _ := script(t, `exit 1`)
	for _, x := range []*call{newCall("POST", "/initialize", ""), newCall("GET", "/pre-freeze", ""), newCall("GET", "/pre-stop", "")} {
		if err := b.Do(x); err != nil || x.head.Status != 200 || !x.ended {
			t.Errorf("%s: %v %+v", x.request.Target, err, x.head)
		}
	}
}

// TestStreams has a long answer come before its program has ended.
func TestStreams(t *testing.T) {
	b, _ := script(t, `head -c 65536 /dev/zero; echo first; read line; echo "$line"`)
	x := newCall("POST", "/invoke", "")
	r, w := io.Pipe()
	x.request.Body, x.request.Length = text{r}, -1
	done := make(chan error)
	go func() { done <- b.Do(x) }()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		x.mu.Lock()
		n := x.flushed
		x.mu.Unlock()
		if n == 65536+6 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("only %d bytes came", n)
		}
	}
	_, _ = io.WriteString(w, "second\n")
	w.Close()
	if err := <-done; err != nil || !strings.HasSuffix(x.body.String(), "first\nsecond\n") {
		t.Errorf("%v %q", err, x.body.String()[65536:])
	}
}

// alive says whether a process whose arguments have that in them lives.
func alive(mark string) bool {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if bytes.Contains(line, []byte(mark)) && e.Name() != fmt.Sprint(os.Getpid()) {
			return true
		}
	}
	return false
}

func TestClientLeaves(t *testing.T) {
	mark := fmt.Sprintf("3600.%d", os.Getpid()) // another run of this test has its own
	b, _ := script(t, `echo started >&2; sleep `+mark+` & sleep `+mark)
	log := b.o.Log.(*lockedBuffer)
	x := newCall("POST", "/invoke", "")
	done := make(chan error)
	go func() { done <- b.Do(x) }()
	for !alive(mark) || !strings.Contains(log.String(), "started") {
		time.Sleep(time.Millisecond)
	}
	x.leave()
	x.leave()
	select {
	case err := <-done:
		if !errors.Is(err, message.ErrAborted) || x.aborted { // nothing was begun: the time may be up, which has an answer
			t.Error(err, x.aborted)
		}
		// If the time is up, the answer carries the lines of this run.
		if f, ok := errors.AsType[*message.Failure](err); !ok || !slices.Equal(f.Lines, []string{"started"}) {
			t.Errorf("%+v", f)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Do did not return")
	}
	for end := time.Now().Add(30 * time.Second); alive(mark); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the program was not killed")
		}
	}

	b, _ = script(t, `echo started >&2; sleep `+mark)
	log = b.o.Log.(*lockedBuffer)
	go func() { done <- b.Do(newCall("POST", "/invoke", "")) }()
	for !alive(mark) || !strings.Contains(log.String(), "started") {
		time.Sleep(time.Millisecond)
	}
	b.End()
	if f, ok := errors.AsType[*message.Failure](<-done); !ok || f.Type != message.ProgramExited || !strings.Contains(f.Message, "the container stops") || !slices.Equal(f.Lines, []string{"started"}) {
		t.Errorf("%+v", f)
	}

	b, _ = script(t, `yes`) // without end, to nobody
	x = newCall("GET", "/", "")
	x.refuse = true
	if err := b.Do(x); !errors.Is(err, message.ErrAborted) || !x.aborted {
		t.Error(err)
	}
}

func TestBodyBreaksOff(t *testing.T) {
	b, _ := script(t, `cat`)
	x := newCall("POST", "/invoke", "")
	x.request.Body, x.request.Length = text{io.MultiReader(strings.NewReader("half"), broken{})}, 10
	var f *message.Failure
	if err := b.Do(x); !errors.As(err, &f) || f.Type != message.BadRequest || x.head.Status != 0 {
		t.Errorf("%v %+v", err, x.head)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestLeftBehind has a program end whose child keeps its output open.
func TestLeftBehind(t *testing.T) {
	b, _ := script(t, `sleep 30 & echo done; echo $! >&2`)
	x := newCall("POST", "/invoke", "")
	began := time.Now()
	err := b.Do(x)
	if d := time.Since(began); err != nil || x.body.String() != "done\n" || d > 20*time.Second {
		t.Errorf("%v %q after %s", err, x.body.String(), d)
	}
	var pid int
	fmt.Sscan(b.o.Log.(*lockedBuffer).String(), &pid)
	if p, err := os.FindProcess(pid); err == nil && pid > 1 {
		_ = p.Kill()
	}
}

func TestConcurrent(t *testing.T) {
	b, _ := script(t, `read a; echo "$a $FC_REQUEST_ID"`)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			x := newCall("POST", "/invoke", fmt.Sprintf("%d\n", i), "x-fc-request-id", fmt.Sprint("id-", i))
			if err := b.Do(x); err != nil || x.body.String() != fmt.Sprintf("%d id-%d\n", i, i) {
				t.Errorf("%v %q", err, x.body.String())
			}
		})
	}
	all.Wait()
	if n := openFiles(); n > 30 {
		t.Errorf("%d files are open", n)
	}
}

func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}
