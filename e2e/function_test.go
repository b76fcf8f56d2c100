package e2e

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// container is a function that runs.
type container interface {
	// pid is a process in the container's network, 0 while there is none.
	pid(t testing.TB) int
	// logs is what it has written so far.
	logs(t testing.TB) string
	// terminate sends SIGTERM and returns the exit code.
	terminate(t testing.TB) int
}

// answers is what a function of the examples says.
type answers struct {
	hello string // pattern of the answer to GET /
	// logged: requests go through the shim, which logs them. A function that
	// has port 8080 itself is only supervised.
	logged bool
}

// check asks the function on port 8080 as the platform does, looks at its log
// lines, and ends it.
func check(t testing.TB, c container, want answers) {
	t.Helper()
	client := clientOf(t, c)
	ask(t, c, client, "GET", "/some/path", "1-first", "", want.hello)
	ask(t, c, client, "POST", "/invoke", "1-second", `{"key":"value é"}`, `^got 18 bytes: \{"key":"value é"\}\n$`)
	checkLog(t, c, want.logged, "1-first", "1-second")
	start := time.Now()
	if code := c.terminate(t); code != 0 {
		t.Errorf("after SIGTERM it ended with %d: %s", code, tail(c.logs(t)))
	}
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("SIGTERM took %s", took)
	}
}

// checkLog wants the platform's two lines of each request, each once. The last
// one is written after the answer, and engines take their time too.
func checkLog(t testing.TB, c container, logged bool, ids ...string) {
	t.Helper()
	want := map[string]int{}
	for _, id := range ids {
		for _, line := range []string{"FC Invoke Start RequestId: ", "FC Invoke End RequestId: "} {
			want[line+id+"\n"] = map[bool]int{true: 1}[logged]
		}
	}
	got := map[string]int{}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		text := c.logs(t)
		for line := range want {
			got[line] = strings.Count(text, line)
		}
		if maps.Equal(got, want) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("the log has the lines %v: %s", got, tail(c.logs(t)))
}

func clientOf(t testing.TB, c container) *http.Client {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if pid := c.pid(t); pid != 0 {
			return testtool.ClientIn(pid)
		}
	}
	t.Fatalf("the container does not run: %s", tail(c.logs(t)))
	return nil
}

// ask makes one request with the platform's headers. The container may still
// be starting: the platform tries for as long as nobody listens on 8080.
func ask(t testing.TB, c container, client *http.Client, method, path, id, body, want string) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var status int
		var got string
		if status, got, err = call(t, client, method, path, id, body); err != nil {
			continue
		}
		if status != http.StatusOK || !regexp.MustCompile(want).MatchString(got) {
			t.Fatalf("%s %s answers %d %q, want %s: %s", method, path, status, got, want, tail(c.logs(t)))
		}
		return
	}
	t.Fatalf("%s %s: %v: %s", method, path, err, tail(c.logs(t)))
}

func call(t testing.TB, client *http.Client, method, path, id, body string) (status int, answer string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:8080"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("x-fc-request-id", id)
	req.Header.Set("x-fc-function-name", "function")
	req.Header.Set("x-fc-function-handler", "index.handler")
	if path == "/invoke" {
		req.Header.Set("x-fc-control-path", "/invoke")
		req.Header.Set("content-type", "application/octet-stream")
	} else {
		req.Header.Set("x-fc-control-path", "/http-invoke")
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, "", fmt.Errorf("reading the answer: %w", err)
	}
	return res.StatusCode, string(data), nil
}
