package runtimeapi

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "runtimeapi")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "program")
	build := exec.Command("go", "build", "-o", binary, "./testdata/program")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as others compile
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// start runs the test program of that kind under an API.
func start(t *testing.T, o Options, env ...string) *API {
	t.Helper()
	a := New(o)
	c := exec.Command(binary)
	c.Env = append(env, "FC_RUNTIME_API="+listen(t, a))
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = c.Wait()
		a.End(&message.Failure{Status: 502, Type: message.ProgramExited, Message: "it ended"})
		close(ended)
	}()
	t.Cleanup(func() { _ = c.Process.Kill(); <-ended })
	select {
	case <-a.Polled():
	case <-time.After(10 * time.Second):
		t.Fatal("the program did not poll")
	}
	return a
}

// do has the program answer x, and says what came of it.
func do(t *testing.T, a *API, x *call) string {
	t.Helper()
	if err := a.Do(x); err != nil {
		var f *message.Failure
		if errors.As(err, &f) {
			return f.Type
		}
		return err.Error()
	}
	if !x.ended {
		t.Errorf("%s was not ended", x.request.Target)
	}
	return x.body.String()
}

func TestEvent(t *testing.T) {
	a := start(t, Options{Getenv: func(name string) string {
		return map[string]string{"FC_FUNCTION_NAME": "not this", "FC_REGION": "cn-test", "ALIBABA_CLOUD_SECURITY_TOKEN": "not this"}[name]
	}}, "KIND=event")
	x := newCall("POST", "/invoke", `{"a":1}`, "X-Fc-Request-Id", "1-a", "X-Fc-Control-Path", "/invoke",
		"x-fc-access-key-id", "id", "x-fc-access-key-secret", "secret", "x-fc-function-name", "f", "x-fc-function-timeout", "60",
		"x-fc-retry-count", "many", "x-fc-tracing-opentracing-span-baggages", "%", "x-fc-service-logproject", "p", "X-Other", "o")
	var got struct {
		Event   map[string]any
		Context map[string]string
		Left    string
	}
	if err := json.Unmarshal([]byte(do(t, a, x)), &got); err != nil {
		t.Fatal(err, x.body.String())
	}
	want := map[string]string{"X-Fc-Request-Id": "1-a", "X-Fc-Function-Type": "0", "X-Fc-Function-Timeout": "60", "X-Fc-Access-Key-Id": "id",
		"X-Fc-Access-Key-Secret": "secret", "X-Fc-Function-Name": "f", "X-Fc-Region": "cn-test", "X-Fc-Service-Logproject": "p"}
	for name, v := range want {
		if got.Context[name] != v {
			t.Errorf("%s: %q, want %q", name, got.Context[name], v)
		}
	}
	if len(got.Context) != len(want) {
		t.Errorf("the context is %v", got.Context)
	}
	if got.Left != "1m0s" || got.Event["a"] != 1.0 {
		t.Errorf("%+v", got)
	}
	if x.head.Status != 200 || x.head.Header.Get("x-fc-status") != "200" || x.head.Header.Get("content-type") != "application/json" {
		t.Errorf("%+v", x.head)
	}
}

func TestErrors(t *testing.T) {
	a := start(t, Options{}, "KIND=event")
	for _, c := range []struct {
		name   string
		x      *call
		status int
		fc     string
		want   string
	}{
		{"an error", newCall("POST", "/invoke", `{"do":"fail"}`), 404, "404", `{"errorMessage":"as you wish","errorType":"MyError"}`},
		{"a panic", newCall("POST", "/invoke", `{"do":"panic"}`), 404, "404",
			`{"errorMessage":"as you wish","errorType":"string","stackTrace":[{"path":"program/main.go","line":100,"label":"handler"},{"path":"runtime/panic.go","line":770,"label":"gopanic"}]}`},
		{"no JSON", newCall("POST", "/invoke", `{`), 404, "404", `{"errorMessage":"unexpected end of JSON input","errorType":"SyntaxError"}`},
		{"no body", newCall("POST", "/invoke", ``), 404, "404", `{"errorMessage":"unexpected end of JSON input","errorType":"SyntaxError"}`},
		{"an unknown hook", newCall("POST", "/initialize", ``), 404, "", "no initializer handler registered"},
		{"another", newCall("GET", "/pre-freeze", ``), 404, "", "no prefreeze handler registered"},
		{"a third", newCall("GET", "/pre-stop", ``), 404, "", "no prestop handler registered"},
	} {
		got := do(t, a, c.x)
		if c.x.head.Status != c.status || c.x.head.Header.Get("x-fc-status") != c.fc || !strings.Contains(got, c.want) {
			t.Errorf("%s: %+v %s", c.name, c.x.head, got)
		}
	}
	if got := do(t, a, newCall("POST", "/invoke", `{"do":"exit"}`)); got != message.ProgramExited {
		t.Errorf("after its end: %s", got)
	}
	if got := do(t, a, newCall("POST", "/invoke", `{}`)); got != message.ProgramExited {
		t.Errorf("later: %s", got)
	}
}

func TestHooks(t *testing.T) {
	a := start(t, Options{}, "KIND=event", "HOOKS=on")
	for path, status := range map[string]int{"/initialize": 500, "/pre-freeze": 400, "/pre-stop": 400} {
		method := "GET"
		if path == "/initialize" {
			method = "POST"
		}
		x := newCall(method, path, "")
		if got := do(t, a, x); got != "" || x.head.Status != 200 {
			t.Errorf("%s: %+v %s", path, x.head, got)
		}
		x = newCall(method, path, "", "x-fc-function-name", "bad")
		if got := do(t, a, x); !strings.Contains(got, "the hook failed") || x.head.Status != status || x.head.Header.Get("x-fc-status") != "404" {
			t.Errorf("%s: %+v %s", path, x.head, got)
		}
	}
}

func TestHTTPFunction(t *testing.T) {
	for _, known := range []form{unknown, inParams} {
		a := start(t, Options{}, "KIND=http")
		a.mu.Lock()
		a.form = known
		a.mu.Unlock()
		for range 2 { // the first one finds the form out
			x := newCall("PUT", "/p%20q?a=1&a=2", "body", "Host", "h:1", "x-forwarded-for", "1.2.3.4, 5.6.7.8", "X-Fc-Security-Token", "t", "connection", "x-hop", "x-hop", "1", "x-two", "1", "X-Two", "2")
			got := do(t, a, x)
			for _, want := range []string{`PUT /p q /p%20q?a=1&a=2 1.2.3.4 h:1 ["1" "2"] 4`, `X-Two=["1" "2"]`} {
				if !strings.Contains(got, want) {
					t.Errorf("%s is not in %s", want, got)
				}
			}
			if strings.Contains(got, "Hop") || strings.Contains(got, "Token") || x.head.Status != 418 || x.head.Header[1].Value != "pot" || x.head.Header[2].Value != "cup" {
				t.Errorf("%s %+v", got, x.head)
			}
		}
		x := newCall("GET", "/fail", "")
		if got := do(t, a, x); x.head.Status != 502 || x.head.Header.Has("x-fc-status") || got != `{"errorMessage":"as you wish","errorType":"MyError"}` {
			t.Errorf("%+v %s", x.head, got)
		}
		x = newCall("GET", "/empty", "")
		if got := do(t, a, x); x.head.Status != 200 || got != "" {
			t.Errorf("%+v %s", x.head, got)
		}
		big := strings.Repeat("0123456789abcdef", 512<<10)
		x = newCall("POST", "/echo", big, "Content-Type", "a/b")
		if got := do(t, a, x); got != big || x.head.Header.Get("content-type") != "a/b" || len(x.head.Header) != 1 {
			t.Errorf("%d bytes, %+v", len(got), x.head)
		}
		// An event is a request like others to it, as to any server.
		for _, learned := range []form{inParams, asEvent} {
			a.form = learned
			x = newCall("POST", "/invoke", "body", "X-Fc-Control-Path", "/invoke")
			if got := do(t, a, x); !strings.HasPrefix(got, "POST /invoke /invoke") {
				t.Errorf("%+v %s", x.head, got)
			}
		}
	}
}

func TestHTTPEvent(t *testing.T) {
	a := start(t, Options{}, "KIND=event")
	x := newCall("PUT", "/p%20q?a=1&a=2", "body \"é\" \x01", "Host", "d.example.com", "X-Fc-Request-Id", "i", "x-fc-account-id", "1", "User-Agent", "u", "x-b", "1", "x-B", "2")
	var got struct {
		Event struct {
			Version, RawPath string
			Headers          map[string]string
			QueryParameters  map[string]string
			IsBase64Encoded  bool
			RequestContext   struct {
				AccountID, DomainName, DomainPrefix, RequestID, Time, TimeEpoch string
				HTTP                                                            map[string]string
			}
		}
		Body string
	}
	if err := json.Unmarshal([]byte(do(t, a, x)), &got); err != nil {
		t.Fatal(err, x.body.String())
	}
	e, c := got.Event, got.Event.RequestContext
	if e.Version != "v1" || e.RawPath != "/p%20q" || e.Headers["X-B"] != "1,2" || e.QueryParameters["a"] != "1,2" || e.IsBase64Encoded ||
		got.Body != "body \"é\" \x01" || e.Headers["Host"] != "d.example.com" || len(e.Headers) != 3 ||
		c.AccountID != "1" || c.DomainPrefix != "d" || c.RequestID != "i" || c.HTTP["method"] != "PUT" || c.HTTP["path"] != "/p q" || c.HTTP["protocol"] != "HTTP/1.1" || c.HTTP["userAgent"] != "u" {
		t.Errorf("%+v", got)
	}
	x = newCall("POST", "/", "\xff\x00")
	if got := do(t, a, x); !strings.Contains(got, `"isBase64Encoded":true`) || x.head.Status != 200 {
		t.Errorf("%+v %s", x.head, got)
	}
	x = newCall("GET", "/object", "")
	if got := do(t, a, x); got != "\xff\x00" || x.head.Status != 201 || x.head.Header[0].Value != "a" || x.head.Header[2] != (message.Field{Name: "X-A", Value: "1"}) {
		t.Errorf("%+v %q", x.head, got)
	}
	big := "x" + strings.Repeat("éàüö", 1<<17) // comes back in a string; no piece of it ends with a character
	x = newCall("POST", "/", big)
	if got := do(t, a, x); strings.Count(got, big) != 2 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestConcurrent(t *testing.T) {
	a := start(t, Options{}, "KIND=event")
	began := time.Now()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if got := do(t, a, newCall("POST", "/invoke", `{"do":"sleep"}`, "X-Fc-Request-Id", "same")); !strings.Contains(got, "context") {
				t.Error(got)
			}
		})
	}
	all.Wait()
	if d := time.Since(began); d > 9*time.Second { // one after the other they take 10 s
		t.Errorf("50 calls of 0.2 s took %s", d)
	}
	if len(a.outstanding) != 0 || len(a.waiting) != 0 || a.memory.free != a.memory.total {
		t.Errorf("%d outstanding, %d waiting, %d of %d bytes free", len(a.outstanding), len(a.waiting), a.memory.free, a.memory.total)
	}
}
