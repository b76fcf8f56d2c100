package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// A binary that polls the runtime API, as those built with Function Compute's
// Go SDK do, runs in the slim image, which has no libc. It is a hand-written
// one, since the SDK's module cannot be had through every module proxy.
func TestProgramOfTheGoSDK(t *testing.T) {
	b := bundle(t, pull(t, image(t, "golang:1.27-slim"), "linux/amd64"))
	bootstrap := filepath.Join(b.Dir, "rootfs/code/bootstrap")
	if err := os.MkdirAll(filepath.Dir(bootstrap), 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bootstrap, "../pkg/shim/runtimeapi/testdata/program")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, h := range []struct {
		kind, method, target, control, body string
		status                              int
		answer                              string
	}{
		{"event", "POST", "/invoke", "/invoke", `{"key":"value"}`, 200, `"event":\{"key":"value"\}`},
		{"http", "PUT", "/a/b?a=d", "/http-invoke", "body", 418, `^PUT /a/b /a/b\?a=d \S* 127\.0\.0\.1:8080 \["d"\] 4`},
	} {
		t.Run(h.kind, func(t *testing.T) {
			c, client := startHandler(t, b, "main", "KIND="+h.kind)
			res, answer, err := platform(t, client, h.method, h.target, h.control, "1-sdk", h.body)
			if err != nil {
				t.Fatalf("%v: %s", err, tail(c.logs(t)))
			}
			if res.StatusCode != h.status || !regexp.MustCompile(h.answer).MatchString(answer) {
				t.Errorf("%d %q, want %d %s: %s", res.StatusCode, answer, h.status, h.answer, tail(c.logs(t)))
			}
			if !logs(t, c, `FC Invoke End RequestId: 1-sdk`) {
				t.Errorf("log: %s", tail(c.logs(t)))
			}
			if code := c.terminate(t); code != 0 && code != 143 {
				t.Errorf("ended with %d: %s", code, tail(c.logs(t)))
			}
		})
	}
}
