package emulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/template"
)

func echo(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }

func TestColdAndWarm(t *testing.T) {
	rt := &fake{handle: echo}
	e := play(t, template.Function{Name: "hello"}, rt, emulator.Options{})
	for n, cold := range []bool{true, false, false} {
		r := invoke(t, e, fmt.Sprint("event ", n))
		says(t, r, fmt.Sprint("event ", n))
		if r.Cold != cold || r.Memory != 12<<20 || r.Duration <= 0 || r.Start <= 0 || r.RequestID == "" || r.InstanceID == "" {
			t.Errorf("call %d: %+v", n, r)
		}
	}
	if n := rt.started.Load(); n != 1 {
		t.Errorf("%d instances", n)
	}
	if err := e.Close(); err != nil || rt.closed.Load() != 1 {
		t.Errorf("%d instances are closed, %v", rt.closed.Load(), err)
	}
	if _, err := e.Invoke(t.Context(), nil); err == nil {
		t.Error("a closed emulator takes calls")
	}
}

func TestBilled(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{0: 0, 1: time.Millisecond, time.Millisecond: time.Millisecond, 1500 * time.Microsecond: 2 * time.Millisecond} {
		if got := (emulator.Result{Duration: d}).Billed(); got != want {
			t.Errorf("%s is billed as %s, want %s", d, got, want)
		}
	}
}

// TestHeaders: what the platform tells a function, and that no caller can.
func TestHeaders(t *testing.T) {
	var mu sync.Mutex
	got := map[string]http.Header{}
	rt := &fake{handle: func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got[r.Method+" "+r.URL.Path] = r.Header
	}}
	e := play(t, template.Function{
		Name: "hello", Service: "greetings", LogProject: "logs", LogStore: "store", Handler: "index.handler", Memory: 256, Timeout: 7 * time.Second,
		Environment: map[string]string{"LEVEL": "debug"},
		Initializer: template.Hook{Set: true, Handler: "index.init", Timeout: 9 * time.Second},
		PreStop:     template.Hook{Set: true, Handler: "index.stop"}, PreFreeze: template.Hook{Set: true, Handler: "index.freeze"},
		Triggers: []template.Trigger{{Type: "http"}},
	}, rt, emulator.Options{AccountID: "123", Credentials: emulator.Credentials{AccessKeyID: "id", AccessKeySecret: "secret", SecurityToken: "token"}, FreezeAfter: -1})
	r := invoke(t, e, "x")
	if _, err := e.Request(t.Context(), "PUT", "/a?b", http.Header{"X-Fc-Account-Id": {"forged"}, "X-Mine": {"stays"}}, nil); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	common := map[string]string{
		"x-fc-access-key-id": "id", "x-fc-access-key-secret": "secret", "x-fc-security-token": "token", "x-fc-account-id": "123",
		"x-fc-function-name": "hello", "x-fc-function-handler": "index.handler", "x-fc-function-memory": "256", "x-fc-function-timeout": "7",
		"x-fc-region": "cn-hangzhou", "x-fc-qualifier": "LATEST", "x-fc-version-id": "LATEST", "x-fc-service-name": "greetings",
		"x-fc-service-logproject": "logs", "x-fc-service-logstore": "store",
		"x-fc-function-initializer": "index.init", "x-fc-initialization-timeout": "9",
		"x-fc-instance-lifecycle-pre-stop-handler": "index.stop", "x-fc-instance-lifecycle-pre-freeze-handler": "index.freeze",
	}
	for call, path := range map[string]string{"POST /invoke": "/invoke", "POST /initialize": "/initialize", "PUT /a": "/http-invoke", "GET /pre-stop": "/pre-stop"} {
		h := got[call]
		if h.Get(fc.HeaderControlPath) != path || len(h.Get(fc.HeaderRequestID)) != 36 {
			t.Errorf("%s: control path %q, id %q", call, h.Get(fc.HeaderControlPath), h.Get(fc.HeaderRequestID))
		}
		for name, want := range common {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", call, name, h.Get(name), want)
			}
		}
	}
	if id := got["POST /invoke"].Get(fc.HeaderRequestID); id != r.RequestID {
		t.Errorf("the function's id is %s, the caller's %s", id, r.RequestID)
	}
	if got["PUT /a"].Get("X-Mine") != "stays" {
		t.Error("a header of the caller's is lost")
	}
	env := strings.Join(rt.all[0].spec.Env, "\n")
	for _, want := range []string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID=id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=secret", "ALIBABA_CLOUD_SECURITY_TOKEN=token", "FC_ACCOUNT_ID=123",
		"FC_CUSTOM_LISTEN_PORT=9000", "FC_FUNCTION_HANDLER=index.handler", "FC_FUNCTION_MEMORY_SIZE=256", "FC_FUNCTION_NAME=hello", "FC_FUNCTION_VERSION=LATEST",
		"FC_FUNC_CODE_PATH=/code", "FC_INSTANCE_ID=" + r.InstanceID, "FC_REGION=cn-hangzhou", "LEVEL=debug",
	} {
		if !strings.Contains("\n"+env+"\n", "\n"+want+"\n") {
			t.Errorf("the environment has no %s:\n%s", want, env)
		}
	}
}

// TestErrors: the platform's answers, by what the function does.
func TestErrors(t *testing.T) {
	exit := func(_ http.ResponseWriter, r *http.Request) { of(r).exit(3); panic(http.ErrAbortHandler) }
	init := template.Hook{Set: true, Timeout: 100 * time.Millisecond}
	for name, test := range map[string]struct {
		fn     template.Function
		rt     *fake
		status int
		code   string
		text   string
		ready  time.Duration
	}{
		"never listens": {rt: &fake{never: true}, ready: 200 * time.Millisecond, status: 412, code: emulator.FunctionNotStarted, text: "on port 9000 in 0.2 seconds"},
		"no such file":  {rt: &fake{refuse: errors.New("starting /x of the image: no such file or directory")}, status: 412, code: emulator.CAFileNotFound, text: "/x"},
		"no right":      {rt: &fake{refuse: errors.New("starting /x of the image: permission denied")}, status: 412, code: emulator.CAFilePermission, text: "chmod +x"},
		"no first line": {rt: &fake{refuse: errors.New("starting /x of the image: exec format error")}, status: 412, code: emulator.CAExited, text: "#!/bin/sh"},
		"ends":          {rt: &fake{handle: exit}, status: 502, code: emulator.UnhandledInvocationError, text: "Process exited unexpectedly before completing request (exit code 3)"},
		"hangs": {rt: &fake{handle: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}, fn: template.Function{Timeout: 100 * time.Millisecond},
			status: 504, code: emulator.UnhandledInvocationError, text: "Function timed out after 0.1 seconds (maxMemoryUsage: 12.00MB)"},
		"hangs in its answer": {rt: &fake{handle: func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "so far")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}}, fn: template.Function{Timeout: 100 * time.Millisecond}, status: 504, code: emulator.UnhandledInvocationError, text: "timed out"},
		"initializer fails": {rt: &fake{handle: func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no database", 500) }}, fn: template.Function{Initializer: template.Hook{Set: true}},
			status: 502, code: emulator.UnhandledInitializationError, text: "no database"},
		"initializer hangs": {rt: &fake{handle: func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}, fn: template.Function{Initializer: init},
			status: 502, code: emulator.UnhandledInitializationError, text: "no answer within 100ms"},
		"answers too much": {rt: &fake{handle: func(w http.ResponseWriter, r *http.Request) {
			for range 33 {
				_, _ = w.Write(make([]byte, 1<<20))
			}
		}}, status: 502, code: "ResponseSizeTooLarge", text: "33554432"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.fn.Name = "hello"
			e := play(t, test.fn, test.rt, emulator.Options{Ready: test.ready, FreezeAfter: -1})
			r := invoke(t, e, "x")
			fails(t, r, test.status, test.code)
			var body struct{ RequestId, ErrorCode, ErrorMessage string }
			if err := json.Unmarshal(r.Body, &body); err != nil || body.ErrorCode != test.code || !strings.Contains(body.ErrorMessage, test.text) || body.RequestId != r.RequestID {
				t.Errorf("the body is %s (%v), want %q in it", r.Body, err, test.text)
			}
			// Whoever ends in the middle is not called again.
			until(t, "the end of the instance", func() bool {
				return test.rt.closed.Load() == test.rt.started.Load() || name == "answers too much"
			})
		})
	}
}

// TestEndSeenLate: a program that takes no connections any more has ended, which
// may be seen only after a while.
func TestEndSeenLate(t *testing.T) {
	e := play(t, template.Function{}, &fake{handle: func(_ http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); string(b) == "end" {
			i := of(r)
			i.listener.Close()
			time.AfterFunc(300*time.Millisecond, func() { i.exit(3) })
			panic(http.ErrAbortHandler)
		}
	}}, emulator.Options{})
	r := invoke(t, e, "end")
	fails(t, r, 502, emulator.UnhandledInvocationError)
	if !strings.Contains(string(r.Body), "(exit code 3)") {
		t.Errorf("the error is %s", r.Body)
	}
	if r := invoke(t, e, ""); !r.Cold || r.Failed() {
		t.Errorf("the next call: cold %t, %d %s", r.Cold, r.Status, r.Body)
	}
}

func TestMachineFails(t *testing.T) {
	e := play(t, template.Function{}, &fake{refuse: errMachine}, emulator.Options{})
	if _, err := e.Invoke(t.Context(), nil); !errors.Is(err, errMachine) {
		t.Errorf("%v", err)
	}
}

func TestGivenUp(t *testing.T) {
	e := play(t, template.Function{}, &fake{handle: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}, emulator.Options{})
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errMachine)
	defer cancel()
	if _, err := e.Invoke(ctx, nil); !errors.Is(err, errMachine) {
		t.Errorf("%v", err)
	}
}

// TestStatus: the platform reads x-fc-status, and without it counts success.
func TestStatus(t *testing.T) {
	e := play(t, template.Function{}, &fake{handle: func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if status, ok := strings.CutPrefix(string(b), "fc "); ok {
			w.Header().Set(fc.HeaderStatus, status)
		} else {
			w.WriteHeader(500)
		}
	}}, emulator.Options{})
	for event, failed := range map[string]bool{"fc 200": false, "fc 404": true, "http": false} {
		if r := invoke(t, e, event); r.Failed() != failed || r.Error != nil {
			t.Errorf("%s: %q, %v", event, r.ErrorType, r.Error)
		}
	}
}

func TestRefusedConfigurations(t *testing.T) {
	for name, fn := range map[string]template.Function{
		"port": {Port: 70000}, "timeout": {Timeout: 25 * time.Hour}, "instanceConcurrency": {Concurrency: 201},
		"environment": {Environment: map[string]string{"A": strings.Repeat("x", 4096)}},
	} {
		_, err := emulator.New(fn, &fake{}, emulator.Options{})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), emulator.InvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEventTooLarge(t *testing.T) {
	rt := &fake{handle: func(w http.ResponseWriter, r *http.Request) { n, _ := io.Copy(io.Discard, r.Body); fmt.Fprint(w, n) }}
	e := play(t, template.Function{}, rt, emulator.Options{})
	fails(t, invoke(t, e, strings.Repeat("x", fc.MaxBodyBytes+1)), 400, emulator.InvalidArgument)
	if rt.started.Load() != 0 {
		t.Error("an instance was started for it")
	}
	says(t, invoke(t, e, strings.Repeat("x", fc.MaxBodyBytes)), fmt.Sprint(fc.MaxBodyBytes))
	if _, _, err := e.InvokeAsync(make([]byte, fc.MaxAsyncBytes+1)); err == nil || !strings.Contains(err.Error(), "131072 are allowed") {
		t.Errorf("an asynchronous one: %v", err)
	}
}

// TestConcurrency: never more calls in an instance than it may have, never more
// instances, and each is full before another one is started.
func TestConcurrency(t *testing.T) {
	for _, test := range []struct{ most, instances, calls, want int }{{1, 3, 12, 3}, {4, 10, 8, 2}, {5, 1, 20, 1}} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			var all sync.WaitGroup
			var over atomic.Bool
			var mu sync.Mutex
			busy := map[*fakeInstance]int{}
			// No call ends before as many are under way as can be.
			places := min(test.calls, test.most*test.instances)
			full := make(chan struct{})
			rt := &fake{slow: 50 * time.Millisecond, handle: func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				if busy[of(r)]++; busy[of(r)] > test.most {
					over.Store(true)
				}
				if places--; places == 0 {
					close(full)
				}
				mu.Unlock()
				select {
				case <-full:
				case <-r.Context().Done():
				}
				mu.Lock()
				busy[of(r)]--
				mu.Unlock()
			}}
			e := play(t, template.Function{Concurrency: test.most}, rt, emulator.Options{Instances: test.instances, Wait: time.Minute})
			for range test.calls {
				all.Go(func() { says(t, invoke(t, e, ""), "") })
			}
			all.Wait()
			if n := rt.started.Load(); over.Load() || n != int64(test.want) {
				t.Errorf("%d instances, want %d; one was over its concurrency: %t", n, test.want, over.Load())
			}
		})
	}
}

func TestAllBusy(t *testing.T) {
	in, let := make(chan bool), make(chan bool)
	e := play(t, template.Function{}, &fake{handle: func(http.ResponseWriter, *http.Request) { in <- true; <-let }}, emulator.Options{Instances: 1})
	done := make(chan emulator.Result)
	go func() { done <- invoke(t, e, "") }()
	<-in
	fails(t, invoke(t, e, ""), 429, emulator.ResourceExhausted)
	close(let)
	says(t, <-done, "")
	go func() { done <- invoke(t, e, "") }()
	<-in
	says(t, <-done, "")
}

func TestFreezes(t *testing.T) {
	var mu sync.Mutex
	var calls []string
	rt := &fake{handle: func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		calls = append(calls, r.URL.Path)
		mu.Unlock()
	}}
	e := play(t, template.Function{PreFreeze: template.Hook{Set: true}, PreStop: template.Hook{Set: true}}, rt, emulator.Options{FreezeAfter: 10 * time.Millisecond})
	for n := range int64(3) {
		invoke(t, e, "")
		until(t, "a freeze", func() bool { return rt.frozen.Load() == n+1 })
	}
	if rt.thawed.Load() != 2 {
		t.Errorf("thawed %d times, want 2", rt.thawed.Load())
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(calls, " "), strings.Repeat("/invoke /pre-freeze ", 3)+"/pre-stop"; got != want || rt.thawed.Load() != 3 {
		t.Errorf("called %s, want %s; thawed %d times", got, want, rt.thawed.Load())
	}
}

func TestHealth(t *testing.T) {
	var sick atomic.Pointer[fakeInstance]
	rt := &fake{handle: func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/well" && sick.Load() == of(r) {
			w.WriteHeader(503)
		}
	}}
	var log lockedBuffer
	e := play(t, template.Function{Health: &template.Health{Path: "/well", Period: 10 * time.Millisecond, Timeout: time.Minute, FailureThreshold: 3}}, rt, emulator.Options{FreezeAfter: -1, Log: &log})
	first := invoke(t, e, "").InstanceID
	time.Sleep(50 * time.Millisecond)
	if got := invoke(t, e, "").InstanceID; got != first {
		t.Error("one that is well was ended")
	}
	sick.Store(rt.all[0])
	until(t, "its end", func() bool { return rt.closed.Load() == 1 })
	if got := invoke(t, e, "").InstanceID; got == first || !strings.Contains(log.String(), "/well failed 3 times: it answers 503") {
		t.Errorf("called %s again; the log: %s", got, log.String())
	}
}

func TestInitializerOnce(t *testing.T) {
	var first atomic.Bool
	rt := &fake{handle: func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/initialize" && first.CompareAndSwap(false, true) {
			w.WriteHeader(500)
		}
	}}
	e := play(t, template.Function{Initializer: template.Hook{Set: true}}, rt, emulator.Options{})
	says(t, invoke(t, e, ""), "")
	if rt.started.Load() != 2 || rt.closed.Load() != 1 {
		t.Errorf("%d instances, %d of them closed; a failed initializer gets a second one", rt.started.Load(), rt.closed.Load())
	}
}

func TestAsync(t *testing.T) {
	var calls atomic.Int64
	var mu sync.Mutex
	ids := map[string]bool{}
	rt := &fake{handle: func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		ids[r.Header.Get(fc.HeaderRequestID)] = true
		mu.Unlock()
		if n := calls.Add(1); string(b) == "never" || n < 3 {
			w.Header().Set(fc.HeaderStatus, "404")
		}
	}}
	e := play(t, template.Function{}, rt, emulator.Options{RetryDelay: time.Millisecond})
	for event, want := range map[string]struct {
		retries int
		failed  bool
	}{"third": {2, false}, "never": {3, true}} {
		calls.Store(0)
		clear(ids)
		id, done, err := e.InvokeAsync([]byte(event))
		if err != nil {
			t.Fatal(err)
		}
		r := <-done
		if r.Retries != want.retries || r.Failed() != want.failed || r.RequestID != id || len(ids) != 1 || !ids[id] {
			t.Errorf("%s: %d retries, failed %t, ids %v; want %+v", event, r.Retries, r.Failed(), ids, want)
		}
	}
	calls.Store(0)
	slow := play(t, template.Function{}, rt, emulator.Options{RetryDelay: time.Hour})
	_, done, err := slow.InvokeAsync([]byte("never"))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the first try", func() bool { return calls.Load() == 1 })
	if err := slow.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-done; ok {
		t.Error("a call that was given up has a result")
	}
}
