package deploy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgbuild/imgbuild/pkg/deploy/deploytest"
)

// TestTaken: another's image is not rolled back.
func TestTaken(t *testing.T) {
	p := deploytest.New()
	d := serve(t, p)
	apply(t, d, hello("a"))
	p.Run = func(string, []byte) deploytest.Reply {
		p.Put("hello", map[string]any{"customContainerConfig": map[string]any{"image": pinned("c")}})
		return deploytest.Reply{Header: map[string]string{"X-Fc-Error-Type": "UnhandledInvocationError"}}
	}
	_, err := deployment(t, d, hello("b")).Apply(t.Context(), Options{})
	wants(t, err, "UnhandledInvocationError", "something else has put the image "+pinned("c")+" there meanwhile")
	if p.Image("hello") != pinned("c") {
		t.Errorf("image %s", p.Image("hello"))
	}
}

// TestTakenWhileWaiting: the other's image is left alone then, too.
func TestTakenWhileWaiting(t *testing.T) {
	p := deploytest.New()
	d := serve(t, p)
	apply(t, d, hello("a"))
	p.Looks = 1 << 30
	updates := 0
	p.Instead = func(c deploytest.Call) deploytest.Reply {
		switch {
		case c.Action == "UpdateFunction":
			updates++
		case c.Action == "GetFunction" && updates == 1:
			p.Put("hello", map[string]any{"customContainerConfig": map[string]any{"image": pinned("c")}, "lastUpdateStatus": "Successful"})
		}
		return deploytest.Reply{}
	}
	_, err := deployment(t, d, hello("b")).Apply(t.Context(), Options{})
	wants(t, err, "something else has put the image "+pinned("c")+" there meanwhile; it is left alone")
	if err != nil && strings.Contains(err.Error(), "failed, too") {
		t.Errorf("going back was tried: %v", err)
	}
	if updates != 1 || p.Image("hello") != pinned("c") {
		t.Errorf("%d updates, image %s", updates, p.Image("hello"))
	}
}

// TestBroken: a function that runs no more is put there again, though nothing
// of it differs.
func TestBroken(t *testing.T) {
	for _, broken := range []map[string]any{
		{"state": "Failed", "stateReason": "the image is gone"},
		{"state": "Inactive"},
		{"lastUpdateStatus": "Failed", "lastUpdateStatusReasonCode": "ImageError"},
	} {
		p := deploytest.New()
		d := serve(t, p)
		apply(t, d, hello("a"))
		p.Put("hello", broken)
		c, err := deployment(t, d, hello("a")).Plan(t.Context())
		if err != nil || len(c.Changes) != 1 || c.Changes[0].Field != "state" {
			t.Errorf("%v: changes %+v, %v", broken, c, err)
		}
		if r := apply(t, d, hello("a")); r.Action != Updated || r.Test == nil || p.Function("hello")["state"] != "Active" {
			t.Errorf("%v: result %+v", broken, r)
		}
	}
}

// TestKept: what the template does not say stays, also what the platform keeps
// beside the image; and so it does when a deployment is put back.
func TestKept(t *testing.T) {
	p := deploytest.New()
	d := serve(t, p)
	health := map[string]any{"httpGetUrl": "/ready", "periodSeconds": 5.0}
	p.Put("hello", map[string]any{"runtime": "custom-container", "customContainerConfig": map[string]any{
		"image": repository + ":1.0", "resolvedImageUri": pinned("a"), "accelerationType": "None", "acrInstanceId": "cri-1", "healthCheckConfig": health, "command": []any{"serve"},
	}})
	p.Run = func(image string, _ []byte) deploytest.Reply {
		if image == pinned("b") {
			return deploytest.Reply{Header: map[string]string{"X-Fc-Error-Type": "HandledInvocationError"}}
		}
		return deploytest.Reply{}
	}
	kept := func(image string, command []any) {
		t.Helper()
		c := p.Function("hello")["customContainerConfig"].(map[string]any)
		want := map[string]any{"image": image, "accelerationType": "None", "acrInstanceId": "cri-1", "healthCheckConfig": health, "entrypoint": []any{}, "command": command}
		if _, ok := c["port"]; ok {
			want["port"] = 8080.0
		}
		if diff := cmp.Diff(want, c); diff != "" {
			t.Error(diff)
		}
	}
	_, err := deployment(t, d, hello("b")).Apply(t.Context(), Options{})
	wants(t, err, "HandledInvocationError", "the function is back at "+pinned("a"))
	kept(pinned("a"), []any{"serve"}) // by the digest, for the tag may have moved
	r := apply(t, d, hello("c"))
	kept(pinned("c"), []any{})
	if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "that of the function, /ready, stays") {
		t.Errorf("notes %q", notes)
	}
}

// TestAuth: a trigger is never open to everybody because nothing was said.
func TestAuth(t *testing.T) {
	p := deploytest.New()
	d := serve(t, p)
	f := hello("a")
	f.Triggers[0].Auth = ""
	apply(t, d, f)
	if got := p.Trigger("hello", "web")["triggerConfig"]; got != `{"authType":"function","methods":["GET","POST"]}` {
		t.Errorf("trigger %v", got)
	}
}

// TestCodePackage: a function whose template has code gets the image that was
// made of it, and the image's entrypoint stays.
func TestCodePackage(t *testing.T) {
	p := deploytest.New()
	d := serve(t, p)
	f := hello("a")
	f.Runtime, f.Entrypoint, f.Command = "custom.debian12", []string{"node"}, []string{"server.js"}
	apply(t, d, f)
	c := p.Function("hello")["customContainerConfig"].(map[string]any)
	if diff := cmp.Diff(map[string]any{"entrypoint": []any{}, "command": []any{"node", "server.js"}}, map[string]any{"entrypoint": c["entrypoint"], "command": c["command"]}); diff != "" || p.Function("hello")["runtime"] != "custom-container" {
		t.Errorf("function %v: %s", p.Function("hello"), diff)
	}
}
