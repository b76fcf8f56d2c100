package deploy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imgbuild/imgbuild/pkg/deploy/deploytest"
	"github.com/imgbuild/imgbuild/pkg/openapi/openapitest"
)

// TestCreate: a function that is not there, with all that the platform gets.
func TestCreate(t *testing.T) {
	p := deploytest.New()
	p.Looks = 3
	d := serve(t, p)
	r, err := deployment(t, d, hello("a")).Apply(t.Context(), Options{Event: []byte(`{"n":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	if r.Action != Created || r.Image != pinned("a") || r.Before != "" || r.Test == nil || r.Test.RequestID != "1-test-request" {
		t.Errorf("result %+v", r)
	}
	if diff := cmp.Diff([]URL{{"web", "https://web.example.com"}}, r.URLs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`{"n":1}`}, p.Events()); diff != "" {
		t.Error(diff)
	}
	f := p.Function("hello")
	for k, want := range map[string]any{
		"runtime": "custom-container", "handler": "index.handler", "memorySize": 1024.0, "cpu": 1.0, "timeout": 10.0, "instanceConcurrency": 20.0,
		"environmentVariables":  map[string]any{"PASSWORD": secret, "MODE": "a"},
		"customContainerConfig": map[string]any{"image": pinned("a"), "port": 8080.0, "entrypoint": []any{}, "command": []any{}},
		"instanceLifecycleConfig": map[string]any{
			"initializer": map[string]any{"handler": "index.init", "timeout": 5.0},
		},
	} {
		if diff := cmp.Diff(want, f[k]); diff != "" {
			t.Errorf("%s: %s", k, diff)
		}
	}
	if got := p.Trigger("hello", "web")["triggerConfig"]; got != `{"authType":"anonymous","methods":["GET","POST"]}` {
		t.Errorf("trigger %v", got)
	}
	// It is seen that the test comes after the image is ready, triggers last.
	want := []string{"GetFunction", "CreateFunction", "GetFunction", "GetFunction", "GetFunction", "GetFunction", "InvokeFunction", "TagResources", "CreateTrigger"}
	if diff := cmp.Diff(want, p.Calls()); diff != "" {
		t.Error(diff)
	}
	if p.Tag("hello", tagImage) != digest("a") || p.Tag("hello", tagBefore) != "" {
		t.Errorf("tags %q, %q", p.Tag("hello", tagImage), p.Tag("hello", tagBefore))
	}
}

// TestHosts: which address is asked for what where no endpoint is given.
func TestHosts(t *testing.T) {
	p := deploytest.New()
	d := serve(t, p)
	d.endpoint, d.transport = nil, openapitest.Anywhere(t, p)
	apply(t, d, hello("a"))
	for _, c := range p.Requests() {
		want := "fcv3.cn-hangzhou.aliyuncs.com"
		if c.Action == "InvokeFunction" {
			want = deploytest.Account + ".cn-hangzhou.fc.aliyuncs.com"
		}
		if c.Host != want {
			t.Errorf("%s asks %s; want %s", c.Action, c.Host, want)
		}
	}
}

// TestUpdate: what differs is changed, what the template does not say stays.
func TestUpdate(t *testing.T) {
	p := deploytest.New()
	p.Looks = 1
	d := serve(t, p)
	apply(t, d, hello("a"))
	p.Put("hello", map[string]any{"vpcConfig": "of the console", "cpu": 2.0, "role": "acs:ram::1:role/old"})
	f := hello("b")
	f.CPU, f.Memory, f.Initializer.Set = 0, 2048, false
	f.Environment = map[string]string{"PASSWORD": secret + "2", "NEW": "x"}
	f.Triggers[0].Auth = "function"
	r := apply(t, d, f)
	if r.Action != Updated || r.Before != pinned("a") || r.Image != pinned("b") {
		t.Errorf("result %+v", r)
	}
	want := []Change{
		{"customContainerConfig.image", pinned("a"), pinned("b")},
		{"memorySize", "1024", "2048"},
		{"instanceLifecycleConfig.initializer", "index.init (5 s)", ""},
		{"environmentVariables.MODE", "a value", ""},
		{"environmentVariables.NEW", "", "a value"},
		{"environmentVariables.PASSWORD", "a value", "another value"},
		{"triggers.web", "http, anonymous, GET POST", "http, function, GET POST"},
	}
	if diff := cmp.Diff(want, r.Changes); diff != "" {
		t.Error(diff)
	}
	got := p.Function("hello")
	if got["vpcConfig"] != "of the console" || got["cpu"] != 2.0 || got["memorySize"] != 2048.0 || got["role"] != "acs:ram::1:role/old" {
		t.Errorf("function %v", got)
	}
	if p.Tag("hello", tagImage) != digest("b") || p.Tag("hello", tagBefore) != digest("a") {
		t.Error("the digest before is not kept")
	}
	if got := p.Trigger("hello", "web")["triggerConfig"]; got != `{"authType":"function","methods":["GET","POST"]}` {
		t.Errorf("trigger %v", got)
	}
	// The same again changes nothing, and asks for no more than it has to.
	before := len(p.Calls())
	r = apply(t, d, f)
	if r.Action != Unchanged || len(r.Changes) != 0 {
		t.Errorf("result %+v", r)
	}
	if diff := cmp.Diff([]string{"GetFunction", "GetTrigger"}, p.Calls()[before:]); diff != "" {
		t.Error(diff)
	}
}

// TestPlan changes nothing, and shows no value of a variable.
func TestPlan(t *testing.T) {
	p := deploytest.New()
	d := serve(t, p)
	c, err := deployment(t, d, hello("a")).Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !c.Create || c.None() || c.Image != pinned("a") || len(c.Changes) < 8 {
		t.Errorf("changes %+v", c)
	}
	if text := fmt.Sprint(c); strings.Contains(text, secret) {
		t.Errorf("the plan shows a secret: %s", text)
	}
	apply(t, d, hello("a"))
	before := len(p.Calls())
	if c, err = deployment(t, d, hello("a")).Plan(t.Context()); err != nil || !c.None() {
		t.Errorf("changes %+v, %v", c, err)
	}
	if c, err = deployment(t, d, hello("b")).Plan(t.Context()); err != nil || len(c.Changes) != 1 {
		t.Errorf("changes %+v, %v", c, err)
	}
	for _, a := range p.Calls()[before:] {
		if !strings.HasPrefix(a, "Get") {
			t.Errorf("a plan calls %s", a)
		}
	}
}

// TestFailed: an image that the platform cannot make ready. What was there
// comes back, its configuration and its tags, too.
func TestFailed(t *testing.T) {
	p := deploytest.New()
	p.Looks = 2
	p.Fail = func(image string) string {
		if strings.HasSuffix(image, digest("b")) {
			return "manifest unknown for " + secret
		}
		return ""
	}
	d := serve(t, p)
	_, err := deployment(t, d, hello("b")).Apply(t.Context(), Options{})
	wants(t, err, "deploying hello in cn-hangzhou", "could not make the image ready: state Failed ImageError (manifest unknown for …)", "there is nothing before it to go back to")

	p.Put("hello", nil)
	apply(t, d, hello("a")) // out of the failed state
	apply(t, d, hello("c"))
	f := hello("b")
	f.Memory = 4096
	r, err := deployment(t, d, f).Apply(t.Context(), Options{})
	wants(t, err, "last update Failed ImageError", "the function is back at "+pinned("c"))
	if r == nil || r.Action != RolledBack || r.Image != pinned("c") {
		t.Errorf("result %+v", r)
	}
	if got := p.Function("hello"); p.Image("hello") != pinned("c") || got["memorySize"] != 1024.0 || got["lastUpdateStatus"] != "Successful" {
		t.Errorf("function %v", got)
	}
	if p.Tag("hello", tagImage) != digest("c") || p.Tag("hello", tagBefore) != digest("a") {
		t.Errorf("tags %q, %q", p.Tag("hello", tagImage), p.Tag("hello", tagBefore))
	}
	_, err = deployment(t, d, f).Apply(t.Context(), Options{NoRollback: true})
	wants(t, err, "as --no-rollback says")
	if p.Image("hello") != pinned("b") {
		t.Errorf("image %s", p.Image("hello"))
	}
}

// TestTestFails: the test request ends in an error of the function, of the
// platform, or in no answer.
func TestTestFails(t *testing.T) {
	for name, tc := range map[string]struct {
		run  func(event []byte) deploytest.Reply
		want string
	}{
		"function": {func([]byte) deploytest.Reply {
			return deploytest.Reply{Header: map[string]string{
				"X-Fc-Error-Type": "UnhandledInvocationError",
				"X-Fc-Log-Result": base64.StdEncoding.EncodeToString([]byte("connecting with " + secret + "\nrefused\x1b[31m\n")),
			}, Body: `{"errorType":"Error","errorMessage":"no such user ` + secret + `"}`}
		}, "the function ends in UnhandledInvocationError (Error: no such user …), request 1-test-request"},
		"exits": {func([]byte) deploytest.Reply {
			return deploytest.Reply{Status: 412, Body: `{"Code":"CAExited","Message":"exec format error","RequestId":"R-2"}`}
		}, `InvokeFunction: the image's program exited; see its log, and that its entrypoint is for linux/amd64 ("exec format error"; the API answers 412 CAExited, request R-2)`},
		"silent": {func([]byte) deploytest.Reply { return deploytest.Reply{Drop: true} }, "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			p := deploytest.New()
			runs := 0
			p.Run = func(image string, event []byte) deploytest.Reply {
				if image == pinned("b") {
					runs++
					return tc.run(event)
				}
				return deploytest.Reply{}
			}
			d := serve(t, p)
			apply(t, d, hello("a"))
			f := hello("b")
			f.Triggers[0].Auth = "function"
			r, err := deployment(t, d, f).Apply(t.Context(), Options{})
			wants(t, err, "the test request fails: ", tc.want, "the function is back at "+pinned("a"))
			if p.Image("hello") != pinned("a") || runs != 1 {
				t.Errorf("image %s after %d runs", p.Image("hello"), runs)
			}
			if c := p.Trigger("hello", "web")["triggerConfig"].(string); !strings.Contains(c, "anonymous") {
				t.Errorf("the trigger was changed: %s", c)
			}
			if name == "function" && (r.Test == nil || r.Test.Log != "connecting with …\nrefused[31m") {
				t.Errorf("test %+v", r.Test)
			}
			_, err = deployment(t, d, f).Apply(t.Context(), Options{NoRollback: true})
			wants(t, err, tc.want, "as --no-rollback says")
			_, err = deployment(t, d, f).Apply(t.Context(), Options{})
			wants(t, err, tc.want, "nothing was changed: --rollback goes to the digest before")
			if r, err := deployment(t, d, byName()).Rollback(t.Context(), Options{}); err != nil || r.Image != pinned("a") {
				t.Errorf("result %+v, %v", r, err)
			}
			if r, err := deployment(t, d, f).Apply(t.Context(), Options{NoTest: true}); err != nil || r.Test != nil || r.Action != Updated {
				t.Errorf("without a test: %+v, %v", r, err)
			}
		})
	}
}

// TestNeverReady: the end of all time says what the platform said last, and the
// same deployment again waits on.
func TestNeverReady(t *testing.T) {
	var p *deploytest.Platform
	var d *Deployer
	for timeout := 1500 * time.Millisecond; ; timeout *= 5 { // a busy machine may need more to come as far
		p = deploytest.New()
		d = serve(t, p)
		apply(t, d, hello("a"))
		p.Looks = 1 << 30
		_, err := deployment(t, d, hello("b")).Apply(t.Context(), Options{Timeout: timeout})
		if timeout < 30*time.Second && err != nil && !strings.Contains(err.Error(), "last update InProgress") {
			t.Log(err)
			continue
		}
		wants(t, err, fmt.Sprintf("it is not done after %s; --timeout gives more", timeout), "last update InProgress", "the same command again waits on")
		if p.Image("hello") != pinned("b") {
			t.Errorf("image %s", p.Image("hello"))
		}
		break
	}
	p.Put("hello", map[string]any{"lastUpdateStatus": "Successful"})
	before := len(p.Events())
	p.Put("hello", map[string]any{"lastUpdateStatus": "InProgress"})
	go func() {
		time.Sleep(50 * time.Millisecond)
		p.Put("hello", map[string]any{"lastUpdateStatus": "Successful"})
	}()
	r := apply(t, d, hello("b"))
	if r.Action != Unchanged || r.Test == nil || len(p.Events()) != before+1 {
		t.Errorf("result %+v", r)
	}
}

// TestCancelled: an interrupted deployment leaves things as they are and says so.
func TestCancelled(t *testing.T) {
	for at, want := range map[string]string{
		"GetFunction":    "the function stays as it is, with the image " + pinned("b"),
		"UpdateFunction": "whether the function has the image " + pinned("b") + " is not known, --plan tells",
		"InvokeFunction": "the function stays as it is, with the image " + pinned("b"),
	} {
		t.Run(at, func(t *testing.T) {
			p := deploytest.New()
			d := serve(t, p)
			apply(t, d, hello("a"))
			stop := errors.New("stopped by a test")
			ctx, cancel := context.WithCancelCause(t.Context())
			updated := false
			p.Instead = func(c deploytest.Call) deploytest.Reply {
				updated = updated || c.Action == "UpdateFunction"
				if updated && c.Action == at {
					cancel(stop)
					return deploytest.Reply{Late: true, Drop: true}
				}
				return deploytest.Reply{}
			}
			_, err := deployment(t, d, hello("b")).Apply(ctx, Options{})
			wants(t, err, "stopped by a test", want)
			if !errors.Is(err, stop) || p.Image("hello") != pinned("b") {
				t.Errorf("image %s, error %v", p.Image("hello"), err)
			}
			// The same again tries what was never tried, once.
			p.Instead = nil
			if c, err := deployment(t, d, hello("b")).Plan(t.Context()); err != nil || !c.None() || len(c.Notes) != 1 {
				t.Errorf("changes %+v, %v", c, err)
			}
			if r := apply(t, d, hello("b")); r.Action != Unchanged || r.Test == nil {
				t.Errorf("result %+v", r)
			}
			if r := apply(t, d, hello("b")); r.Test != nil || p.Tag("hello", tagUntested) != "" {
				t.Errorf("result %+v, untested %q", r, p.Tag("hello", tagUntested))
			}
		})
	}
}

// TestTwoAtOnce: none undoes what the other did; the last one is there.
func TestTwoAtOnce(t *testing.T) {
	p := deploytest.New()
	p.Looks = 3
	d := serve(t, p)
	d.pace.tries = 6
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i, c := range []string{"a", "b"} {
		wg.Go(func() {
			_, errs[i] = deployment(t, d, hello(c)).Apply(t.Context(), Options{})
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			wants(t, err, "it is left alone")
		}
	}
	if errs[0] != nil && errs[1] != nil {
		t.Errorf("both failed: %v", errs)
	}
	if image := p.Image("hello"); image != pinned("a") && image != pinned("b") || slices.Contains(p.Calls(), "") {
		t.Errorf("image %s", image)
	}
}
