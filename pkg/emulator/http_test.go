package emulator_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// lockedBuffer is a log that many write to.
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

var open = []template.Trigger{{Type: "http", Auth: "anonymous"}}

func request(t testing.TB, e *emulator.Emulator, method, target, body string, header ...string) emulator.Result {
	t.Helper()
	h := http.Header{}
	for n := 0; n < len(header); n += 2 {
		h.Add(header[n], header[n+1])
	}
	r, err := e.Request(t.Context(), method, target, h, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTrigger(t *testing.T) {
	rt := &fake{handle: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Fc-Status", "404")
		w.Header().Set("Server", "mine")
		w.Header().Set("Content-Disposition", `attachment; filename="x"`)
		w.Header().Set("X-Own", "kept")
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		b, _ := io.ReadAll(r.Body)
		w.WriteHeader(201)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.RequestURI, b)
	}}
	e := play(t, template.Function{Triggers: open}, rt, emulator.Options{})
	r := request(t, e, "POST", "/invoke/%2F?a=b;c&d=%zz", "the body")
	says(t, r, "POST /invoke/%2F?a=b;c&d=%zz the body")
	for name, want := range map[string]string{"X-Own": "kept", "Server": "", "X-Fc-Status": "", "Content-Disposition": "", "X-Fc-Request-Id": r.RequestID, "X-Fc-Instance-Id": r.InstanceID} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if r.Status != 201 || len(r.Header["Set-Cookie"]) != 2 || !r.Cold {
		t.Errorf("%+v", r)
	}
}

func TestTriggerRefuses(t *testing.T) {
	rt := &fake{handle: echo}
	signed := []template.Trigger{{Type: "http", Auth: "function", Methods: []string{"GET"}}}
	for name, test := range map[string]struct {
		triggers []template.Trigger
		method   string
		target   string
		header   []string
		status   int
		code     string
		text     string
	}{
		"no trigger":  {nil, "GET", "/", nil, 404, emulator.TriggerNotFound, "no HTTP trigger"},
		"a timer":     {[]template.Trigger{{Type: "timer"}}, "GET", "/", nil, 404, emulator.TriggerNotFound, "no HTTP trigger"},
		"method":      {signed, "PUT", "/", nil, 405, emulator.MethodNotAllowed, "takes GET, not PUT"},
		"unsigned":    {signed, "GET", "/", nil, 403, emulator.AccessDenied, "auth type is function"},
		"signed":      {signed, "GET", "/", []string{"Authorization", "acs x"}, 200, "", ""},
		"long path":   {open, "GET", "/" + strings.Repeat("x", fc.MaxTargetBytes), nil, 400, emulator.InvalidArgument, "4097 bytes"},
		"long enough": {open, "GET", "/" + strings.Repeat("x", fc.MaxTargetBytes-1), nil, 200, "", ""},
		"big headers": {open, "GET", "/", []string{"X", strings.Repeat("x", fc.MaxHeaderBytes)}, 400, emulator.InvalidArgument, "the headers have"},
	} {
		e := play(t, template.Function{Name: "hello", Triggers: test.triggers}, rt, emulator.Options{})
		r := request(t, e, test.method, test.target, "", test.header...)
		if r.Status != test.status || r.ErrorType != test.code || !strings.Contains(string(r.Body), test.text) {
			t.Errorf("%s: %d %s %.200s; want %d %s %s", name, r.Status, r.ErrorType, r.Body, test.status, test.code, test.text)
		}
	}
}

// TestBodyTooLarge: whether its length is said or not.
func TestBodyTooLarge(t *testing.T) {
	e := play(t, template.Function{Triggers: open}, &fake{handle: func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }}, emulator.Options{})
	s := httptest.NewServer(e)
	defer s.Close()
	big := make([]byte, fc.MaxBodyBytes+1)
	for name, body := range map[string]func() io.Reader{
		"a length":  func() io.Reader { return bytes.NewReader(big) },
		"no length": func() io.Reader { return io.MultiReader(bytes.NewReader(big)) },
	} {
		// The answer may come before all is sent, and who is slow to read it sees
		// the connection's end first.
		res, err := http.Post(s.URL, "", body())
		for n := 0; n < 5 && err != nil; n++ {
			res, err = http.Post(s.URL, "", body())
		}
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 400 || !strings.Contains(string(b), emulator.InvalidArgument) {
			t.Errorf("%s: %s %s", name, res.Status, b)
		}
	}
}

// TestRetries: GET and its like are sent once more, POST is not.
func TestRetries(t *testing.T) {
	var drops atomic.Int64
	rt := &fake{handle: func(w http.ResponseWriter, r *http.Request) {
		if drops.Add(-1) >= 0 {
			panic(http.ErrAbortHandler)
		}
	}}
	e := play(t, template.Function{Triggers: open}, rt, emulator.Options{})
	for _, test := range []struct {
		method string
		drops  int64
		status int
	}{{"GET", 2, 200}, {"GET", 100, 502}, {"HEAD", 1, 200}, {"OPTIONS", 1, 200}, {"TRACE", 1, 200}, {"POST", 1, 502}, {"PATCH", 1, 502}, {"PUT", 1, 502}, {"DELETE", 1, 502}} {
		drops.Store(test.drops)
		r := request(t, e, test.method, "/", "")
		if r.Status != test.status {
			t.Errorf("%s, dropped %d times: %d %s, want %d", test.method, test.drops, r.Status, r.Body, test.status)
		}
		if test.status == 502 && !strings.Contains(string(r.Body), "Process exited unexpectedly before completing request") {
			t.Errorf("%s: %s", test.method, r.Body)
		}
	}
}

// TestRequestFails: what cannot be told any more in the answer's head.
func TestRequestFails(t *testing.T) {
	rt := &fake{handle: func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "so far")
		w.(http.Flusher).Flush()
		if r.URL.Path == "/cut" {
			panic(http.ErrAbortHandler)
		}
		<-r.Context().Done()
	}}
	r := request(t, play(t, template.Function{Triggers: open}, rt, emulator.Options{}), "GET", "/cut", "")
	fails(t, r, 502, emulator.UnhandledInvocationError)
	r = request(t, play(t, template.Function{Triggers: open, Timeout: 200 * time.Millisecond}, rt, emulator.Options{}), "GET", "/late", "")
	fails(t, r, 504, emulator.UnhandledInvocationError)
}

func TestLog(t *testing.T) {
	rt := &fake{handle: func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		i, id := of(r), r.Header.Get(fc.HeaderRequestID)
		switch string(b) {
		case "bare":
			i.print("one\ntw")
			i.print("o\n")
			return
		case "much":
			i.print(fc.Invoke.StartLine(id) + "\n" + strings.Repeat("x", 100_000) + "\nlast\n" + fc.Invoke.EndLine(id, true) + "\n")
			return
		}
		i.print("of nobody\n" + fc.Invoke.StartLine(id) + "\nmine\n")
		go func() { // as the shim does, after the answer
			time.Sleep(20 * time.Millisecond)
			i.print("late\n" + fc.Invoke.EndLine(id, false) + "\nof nobody\n")
		}()
	}}
	var log lockedBuffer
	e := play(t, template.Function{}, rt, emulator.Options{Log: &log})
	r := invoke(t, e, "cut")
	if want := fmt.Sprintf("FC Invoke Start RequestId: %s\nmine\nlate\nFC Invoke End RequestId: %[1]s\n", r.RequestID); string(r.Log) != want {
		t.Errorf("the log is %q, want %q", r.Log, want)
	}
	until(t, "the rest of the log", func() bool { return strings.Count(log.String(), "of nobody\n") == 2 })
	if r := invoke(t, e, "bare"); string(r.Log) != "one\ntwo\n" {
		t.Errorf("the log is %q", r.Log)
	}
	r = invoke(t, e, "much")
	if len(r.Log) != 4096 || !strings.HasSuffix(string(r.Log), "xxx\nlast\nFC Invoke End RequestId: "+r.RequestID+fc.LogFailed+"\n") {
		t.Errorf("the log has %d bytes: %.100q", len(r.Log), r.Log[max(0, len(r.Log)-100):])
	}
	if n := strings.Count(log.String(), "x"); n != 100_000 {
		t.Errorf("%d of 100000 bytes came through", n)
	}
}
