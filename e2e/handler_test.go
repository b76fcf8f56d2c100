package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// handled is a handler and what one call of it comes to.
type handled struct {
	handler string
	method  string // "" is an event: POST /invoke
	target  string
	body    string
	status  int    // 0 is 200
	fc      string // x-fc-status, where it is looked at
	headers map[string]string
	answer  string // pattern of the body
	log     string // pattern of the log
	env     []string
}

// handlersInJavaScript are what the adapter promises of any handler.
var handlersInJavaScript = []handled{
	{handler: "index.echo", body: "é", fc: "200", answer: `^\{"event":"é","buffer":true,"awaited":"top-level await","id":"1-id"\}$`},
	{handler: "index.callback", answer: `^called back$`},
	{handler: "index.sync", body: "abc", answer: `^bc$`},
	{handler: "index.nothing", fc: "200", answer: `^$`, log: `(?m)^20\S+Z 1-id \[info\] a line of function$`},
	{handler: "index.nested.deep", answer: `^CommonJS$`},
	{handler: "index.api.handle", answer: `^an instance$`},
	{handler: "common.handler", body: `{"a":1}`, answer: `^\{"from":"/code/common\.cjs","event":\{"a":1\}\}$`, log: `(?m)^20\S+Z 1-id \[error\] to stderr$`},
	{handler: "index.context", answer: `^\{"requestId":"1-id","credentials":\{"accessKeyId":"ak","accessKeySecret":"sk","securityToken":"token"\},` +
		`"function":\{"name":"function","handler":"index\.handler","memory":512,"timeout":60,.*"service":\{.*"qualifier":"LATEST".*"region":"cn-hangzhou","accountId":"1"\}$`},
	{handler: "index.generated", answer: `^one two$`},
	{handler: "index.web", answer: `^a web stream$`},
	{handler: "index.piped", answer: `^a readable$`},
	{handler: "index.structured", method: "GET", target: "/a/b?c=d", status: 418, headers: map[string]string{"X-Kind": "teapot"}, answer: `^/a/b$`},
	{handler: "index.response", method: "GET", target: "/", status: 201, headers: map[string]string{"X-Kind": "web"}, answer: `^made$`},
	{handler: "index.echo", method: "PUT", target: "/x%20y?a=1&a=2", body: "\x00\xff", headers: map[string]string{"Content-Type": "application/json"},
		answer: `"event":"\{\\"version\\":\\"v1\\",\\"rawPath\\":\\"/x%20y\\",\\"body\\":\\"AP8=\\",\\"isBase64Encoded\\":true,.*\\"queryParameters\\":\{\\"a\\":\\"1,2\\"\}.*\\"method\\":\\"PUT\\"`},
	{handler: "index.http", method: "POST", target: "/p?a=1&a=2&b=3", body: "body", status: 202,
		headers: map[string]string{"X-Path": "/p", "X-Queries": `{"a":["1","2"],"b":"3"}`, "X-Gone": ""}, answer: `^POST /p\?a=1&a=2&b=3 body body false$`},
	{handler: "index.http", env: []string{"SHIM_HTTP_HANDLER=event"}, method: "GET", target: "/", status: 502, answer: `^\{"errorMessage":"resp.setStatusCode is not a function","errorType":"TypeError"\}$`},
	{handler: "index.throws", status: 404, fc: "404", answer: `^\{"errorMessage":"thrown","errorType":"TypeError","stackTrace":\["TypeError: thrown","    at (?:Module\.)?throws \(file:///code/index\.mjs:\d+:9\)"\]\}$`, log: `1-id \[error\] TypeError: thrown\n    at (?:Module\.)?throws`},
	{handler: "index.throws", method: "GET", target: "/", status: 502, answer: `^\{"errorMessage":"thrown","errorType":"TypeError"\}$`},
	{handler: "index.handled", status: 404, fc: "404", answer: `"errorMessage":"handed over","errorType":"RangeError"`},
	{handler: "index.text", status: 404, fc: "404", answer: `^\{"errorMessage":"just text"\}$`},
	{handler: "index.rejection", status: 404, fc: "404", answer: `"errorMessage":"left alone"`, log: `1-id \[error\] RangeError: left alone`},
	{handler: "index.timer", status: 404, fc: "404", answer: `"errorMessage":"in a timer"`, log: `1-id \[error\] Error: in a timer`},
	{handler: "index.twice", answer: `^first$`, log: `1-id \[warn\] the callback was called again`},
	{handler: "index.circular", status: 404, fc: "404", answer: `circular structure`},
	{handler: "index.sync", body: strings.Repeat("x", 32<<20+1), status: 413, answer: `larger than 33554432 bytes`},
	{handler: "lib/typed.handler", body: "x", answer: `^stripped x$`},
	// What cannot be loaded is told by the shim.
	{handler: "index.none", status: 502, answer: `index\.mjs exports no function \\"none\\".*it exports api, callback, circular, `},
	{handler: "none.handler", status: 502, answer: `there is none of none\.js, none\.mjs, none\.cjs`},
	{handler: "handler", status: 502, answer: `not of the form FILE\.EXPORT`},
	{handler: "missing.handler", status: 502, answer: `Cannot find module 'not-installed'; is it installed`},
	{handler: "throws.handler", status: 502, answer: `as it is loaded`},
	{handler: "imports-syntax.handler", status: 502, answer: `/code/syntax\.mjs:\d`},
}

// handlersInTypeScript are files that nobody compiled.
var handlersInTypeScript = []handled{
	{handler: "src/index.handler", body: "x", fc: "200", answer: `^\{"event":"x","area":27,"twice":8,"level":"High","described":"describe: a7",` +
		`"esm":"esm\.m[tj]s","legacy":"CommonJS","platform":"linux","file":"/code/(src|dist)/index\.[tj]s","lazy":3\.6\}$`},
	{handler: "src/index.throws", body: "x", status: 404, fc: "404", answer: `"stackTrace":\["TypeError: on line 35: x","    at (?:Module|Object)?\.?throws \(/code/src/index\.ts:35:9\)"\]`},
	{handler: "modern/index.handler", answer: `^\{"awaited":"top-level await","say":"say: LOUD","other":27,"meta":"/code/modern/index\.mts"\}$`},
}

// brokenTypeScript has files that cannot be run, beside one that can.
var brokenTypeScript = []handled{
	{handler: "index.handler", answer: `^fine$`},
	{handler: "bad.handler", status: 502, answer: `/code/bad\.ts cannot be transpiled:.*bad\.ts:1:31`},
	{handler: "metadata/index.handler", status: 502, answer: `index\.ts has decorators, and tsconfig\.json asks for emitDecoratorMetadata.*run fc-build`},
}

// Handlers run in every series of Node.js, in containers, through the shim.
func TestHandlers(t *testing.T) {
	for _, series := range []string{"26", "24", "22"} {
		t.Run(series, func(t *testing.T) {
			b := bundle(t, pull(t, image(t, "typescript:"+series+"-slim"), "linux/amd64"))
			code(t, b, "handlers/javascript")
			for _, h := range handlersInJavaScript {
				t.Run(h.handler+h.method, func(t *testing.T) { try(t, b, h) })
			}
			t.Run("concurrent", func(t *testing.T) { concurrent(t, b) })
			t.Run("streams", func(t *testing.T) { streams(t, b) })
			t.Run("hooks", func(t *testing.T) { hooks(t, b) })
			code(t, b, "handlers/typescript")
			for _, h := range handlersInTypeScript {
				t.Run(h.handler, func(t *testing.T) { try(t, b, h) })
			}
			code(t, b, "handlers/broken")
			for _, h := range brokenTypeScript {
				t.Run("broken/"+h.handler, func(t *testing.T) { try(t, b, h) })
			}
		})
	}
}

// What fc-build makes in the full image, plain Node.js runs in the slim one.
// Errors are the compiler's, with its exit code, and nothing is written then.
func TestCompiledHandlers(t *testing.T) {
	full := bundle(t, pull(t, image(t, "typescript:latest"), "linux/amd64"), "fc-build")
	code(t, full, "handlers/typescript")
	main := filepath.Join(full.Dir, "rootfs/code/src/index.ts")
	right := readText(t, main)
	if err := os.WriteFile(main, []byte(right+"\nexport const wrong: number = handler;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := full.Run(t.Context()).CombinedOutput()
	if err == nil || !regexp.MustCompile(`(?m)^src/index\.ts\(\d+,14\): error TS2322: `).Match(out) {
		t.Errorf("with an error of types: %v: %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(full.Dir, "rootfs/code/dist")); err == nil {
		t.Error("there is a dist in spite of the error")
	}
	if err := os.WriteFile(main, []byte(right), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := full.Run(t.Context()).CombinedOutput(); err != nil {
		t.Fatalf("fc-build: %v: %s", err, out)
	}
	slim := bundle(t, pull(t, image(t, "node:latest-slim"), "linux/amd64"))
	for _, file := range []string{"tsconfig.json", "tsconfig.base.json", "dist"} {
		from := filepath.Join(full.Dir, "rootfs/code", file)
		to := filepath.Join(slim.Dir, "rootfs/code", file)
		if info, err := os.Stat(from); err != nil {
			t.Fatal(err)
		} else if info.IsDir() {
			if err := os.CopyFS(to, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(to, []byte(readText(t, from)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range handlersInTypeScript[:2] {
		t.Run(h.handler, func(t *testing.T) { try(t, slim, h) })
		h.handler = strings.Replace(h.handler, "src/", "dist/", 1)
		t.Run(h.handler, func(t *testing.T) { try(t, slim, h) })
	}
}

// code puts a folder of testdata in /code.
func code(t testing.TB, b *testtool.Bundle, folder string) {
	t.Helper()
	to := filepath.Join(b.Dir, "rootfs/code")
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(filepath.Join("testdata", folder))); err != nil {
		t.Fatal(err)
	}
}

// startHandler starts the shim of b with a handler and returns a client of it.
func startHandler(t testing.TB, b *testtool.Bundle, handler string, env ...string) (*runcContainer, *http.Client) {
	t.Helper()
	path := filepath.Join(b.Dir, "config.json")
	var spec map[string]any
	if err := json.Unmarshal([]byte(readText(t, path)), &spec); err != nil {
		t.Fatal(err)
	}
	process := spec["process"].(map[string]any)
	before := process["env"]
	process["env"] = append(slices.Clone(before.([]any)), "FC_FUNCTION_HANDLER="+handler, "SHIM_LINGER=20s")
	for _, e := range env {
		process["env"] = append(process["env"].([]any), e)
	}
	write := func() {
		data, err := json.Marshal(spec)
		if err == nil {
			err = os.WriteFile(path, data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write()
	t.Cleanup(func() {
		process["env"] = before
		write()
	})
	c := startInRunc(t, b)
	return c, clientOf(t, c)
}

// platform makes one request as the platform does.
func platform(t testing.TB, client *http.Client, method, target, control, id, body string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:8080"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"request-id": id, "control-path": control, "function-name": "function", "function-handler": "index.handler", "function-memory": "512",
		"function-timeout": "60", "access-key-id": "ak", "access-key-secret": "sk", "security-token": "token", "qualifier": "LATEST",
		"region": "cn-hangzhou", "account-id": "1",
	} {
		req.Header.Set("x-fc-"+name, value)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		res, err := client.Do(req)
		if err != nil && time.Now().Before(end) && strings.Contains(err.Error(), "refused") {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		defer res.Body.Close()
		data, err := io.ReadAll(res.Body)
		return res, string(data), err
	}
}

// try makes the one call.
func try(t *testing.T, b *testtool.Bundle, h handled) {
	c, client := startHandler(t, b, h.handler, h.env...)
	method, target, control := h.method, h.target, "/http-invoke"
	if method == "" {
		method, target, control = "POST", "/invoke", "/invoke"
	}
	res, answer, err := platform(t, client, method, target, control, "1-id", h.body)
	if err != nil {
		t.Fatalf("%v: %s", err, tail(c.logs(t)))
	}
	if want := max(h.status, http.StatusOK); res.StatusCode != want {
		t.Errorf("status %d, want %d", res.StatusCode, want)
	}
	if h.fc != "" && res.Header.Get("x-fc-status") != h.fc {
		t.Errorf("x-fc-status %q, want %q", res.Header.Get("x-fc-status"), h.fc)
	}
	for name, want := range h.headers {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !regexp.MustCompile(h.answer).MatchString(answer) {
		t.Errorf("the answer is %q, want %s", answer, h.answer)
	}
	if h.log != "" && !logs(t, c, h.log) {
		t.Errorf("the log has no %s", h.log)
	}
	if t.Failed() {
		t.Logf("log: %s", tail(c.logs(t)))
	}
}

// logs waits for the log to have pattern.
func logs(t testing.TB, c *runcContainer, pattern string) bool {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if regexp.MustCompile(pattern).MatchString(c.logs(t)) {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

// concurrent has requests overtake each other: context, answer and log lines
// of each are its own.
func concurrent(t *testing.T, b *testtool.Bundle) {
	c, client := startHandler(t, b, "index.concurrent")
	done := make(chan string)
	waits := []string{"300", "200", "100", "1"}
	for _, wait := range waits {
		go func() {
			_, answer, err := platform(t, client, "POST", "/invoke", "/invoke", "1-"+wait, wait)
			if err != nil {
				answer = err.Error()
			}
			done <- wait + " " + answer
		}()
	}
	for range waits {
		got := <-done
		wait, answer, _ := strings.Cut(got, " ")
		if answer != "1-"+wait {
			t.Errorf("the request 1-%s is answered with %s", wait, answer)
		}
		if !logs(t, c, `(?m)^20\S+Z 1-`+wait+` \[verbose\] after `+wait+`$`) {
			t.Errorf("the log has no line of 1-%s: %s", wait, tail(c.logs(t)))
		}
	}
}

// streams has the first part of an answer arrive before the second is made,
// and one that breaks look broken.
func streams(t *testing.T, b *testtool.Bundle) {
	c, client := startHandler(t, b, "index.generated")
	if _, _, err := platform(t, client, "POST", "/invoke", "/invoke", "1-warm", ""); err != nil {
		t.Fatal(err)
	}
	res, err := client.Post("http://127.0.0.1:8080/invoke", "", strings.NewReader("wait"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	first := make([]byte, 4)
	if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "one " {
		t.Errorf("the first part is %q: %v", first, err)
	}
	// Only now the second one is made.
	if _, _, err := platform(t, client, "POST", "/invoke", "/invoke", "1-go", "go"); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "two" {
		t.Errorf("the rest is %q: %v", rest, err)
	}
	if code := c.terminate(t); code != 0 {
		t.Errorf("ended with %d: %s", code, tail(c.logs(t)))
	}
	c, client = startHandler(t, b, "index.cut")
	if _, got, err := platform(t, client, "POST", "/invoke", "/invoke", "1-cut", ""); err == nil || !strings.HasPrefix("begun", got) {
		t.Errorf("a broken stream gives %q without an error", got)
	}
	if !logs(t, c, `1-cut \[error\] Error: broken off`) {
		t.Errorf("the log does not have the error: %s", tail(c.logs(t)))
	}
}

// hooks calls exports of the instance's life, and one that is not there.
func hooks(t *testing.T, b *testtool.Bundle) {
	c, client := startHandler(t, b, "index.echo")
	for _, h := range []struct {
		method, path, fc, answer string
		status                   int
	}{
		{"POST", "/initialize", "200", `^initialized 1-hook$`, 200},
		{"GET", "/pre-freeze", "", ``, 200}, // none: the shim answers
		{"GET", "/pre-stop", "404", `"errorMessage":"cannot stop"`, 404},
	} {
		res, answer, err := platform(t, client, h.method, h.path, h.path, "1-hook", "")
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != h.status || h.fc != "" && res.Header.Get("x-fc-status") != h.fc || !regexp.MustCompile(h.answer).MatchString(answer) {
			t.Errorf("%s: %d, x-fc-status %q, %q", h.path, res.StatusCode, res.Header.Get("x-fc-status"), answer)
		}
	}
	if t.Failed() {
		t.Log(tail(c.logs(t)))
	}
}
