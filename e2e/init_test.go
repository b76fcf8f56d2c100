package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/scaffold"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/toolbox"
)

// calls are what each template's function is asked, by whether it is for HTTP.
// An event is one that has no path.
var calls = map[bool][]struct {
	method, path, body string
	status             int
	fc                 string // x-fc-status
	answer             string // pattern
}{
	false: {
		{body: `"Serverless"`, status: 200, fc: "200", answer: `^"?hello, Serverless"?\n?$`},
		{body: `""`, status: 404, fc: "404", answer: `"errorMessage":"the event names nobody"`},
	},
	true: {
		{method: "GET", path: "/hello/Server%20less", status: 200, answer: `^\{"message":"hello, Server less"\}\n?$`},
		{method: "POST", path: "/echo", body: "a body \x00\xff", status: 200, answer: "^a body \x00\uFFFD$"},
		{method: "GET", path: "/nowhere", status: 404},
	},
}

// Each function that `imgbuild init` writes passes its own tests, is built
// without its Dockerfile, and answers in a container.
func TestInit(t *testing.T) {
	for _, s := range scaffold.Templates("") {
		t.Run(s.Language+"/"+s.Name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "hello")
			run{}.ok(t, "init", s.Language, dir, "--template", s.Name)
			if s.Name == "go-sdk" {
				standIn(t, dir)
			}
			ownTests(t, s, dir)
			for _, made := range []string{"node_modules", "dist"} {
				if err := os.RemoveAll(filepath.Join(dir, made)); err != nil {
					t.Fatal(err)
				}
			}
			b := bundle(t, layoutOf(t, dir))
			c := startInRunc(t, b)
			client := clientOf(t, c)
			for i, call := range calls[s.HTTP] {
				method, target, control := call.method, call.path, "/http-invoke"
				if target == "" {
					method, target, control = "POST", "/invoke", "/invoke"
				}
				id := "1-" + string(rune('a'+i))
				res, answer, err := platform(t, client, method, target, control, id, call.body)
				if err != nil {
					t.Fatalf("%v: %s", err, tail(c.logs(t)))
				}
				answer = strings.ToValidUTF8(answer, "\uFFFD")
				if res.StatusCode != call.status || !regexp.MustCompile(call.answer).MatchString(answer) ||
					call.fc != "" && res.Header.Get("x-fc-status") != call.fc {
					t.Errorf("%s %s: %d %q, x-fc-status %q: %s", method, target, res.StatusCode, answer, res.Header.Get("x-fc-status"), tail(c.logs(t)))
				}
			}
			if code := c.terminate(t); code != 0 && code != 143 {
				t.Errorf("after SIGTERM it ended with %d: %s", code, tail(c.logs(t)))
			}
		})
	}
}

// The Dockerfiles that are not like one of the examples', built by BuildKit on
// bases that are nowhere but in the definitions.
func TestInitInBuildKit(t *testing.T) {
	r := buildKit(t)
	for _, c := range []struct{ language, name, base string }{
		{"node", "express", "node:latest"}, {"typescript", "ts-decorators", "typescript:latest"},
	} {
		t.Run(c.language+"/"+c.name, func(t *testing.T) {
			dir, dest := filepath.Join(t.TempDir(), "hello"), filepath.Join(t.TempDir(), "layout")
			run{}.ok(t, "init", c.language, dir, "--template", c.name)
			args := []string{"build", dir, "--local-bases=always", "--output", "type=oci,dest=" + dest}
			for k, v := range buildArgs(t, elsewhere+c.base) {
				args = append(args, "--build-arg", k+"="+v)
			}
			r.ok(t, args...)
			running := startInRunc(t, bundle(t, onlyImage(t, dest)))
			res, answer, err := platform(t, clientOf(t, running), "GET", "/hello/BuildKit", "/http-invoke", "1-buildkit", "")
			if err != nil || res.StatusCode != 200 || !strings.Contains(answer, `"hello, BuildKit"`) {
				t.Errorf("%v %q: %s", err, answer, tail(running.logs(t)))
			}
			running.terminate(t)
		})
	}
}

// standIn puts a package of our own in the place of the SDK.
func standIn(t *testing.T, dir string) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(dir, "sdk"), os.DirFS("testdata/sdk")); err != nil {
		t.Fatal(err)
	}
	do(t, dir, nil, "go", "mod", "edit", "-replace", "github.com/aliyun/fc-runtime-go-sdk=./sdk")
}

// ownTests runs the tests that come with a function: with this machine's Go,
// and with the Node.js and npm of the images, which no machine must have.
func ownTests(t *testing.T, s scaffold.Template, dir string) {
	t.Helper()
	if s.Language == "golang" {
		do(t, dir, nil, "go", "test", ".")
		return
	}
	tools, err := nodeTools()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=" + filepath.Dir(tools.Node) + ":" + os.Getenv("PATH")}
	if _, err := os.Stat(filepath.Join(dir, "package-lock.json")); err == nil {
		do(t, dir, env, tools.Node, tools.NPM, "ci", "--no-audit", "--no-fund")
	}
	do(t, dir, env, tools.Node, tools.NPM, "test")
}

func do(t *testing.T, dir string, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, tail(out.String()))
	}
}

// nodeTools are the newest Node.js of the images and its npm.
var nodeTools = sync.OnceValues(func() (*toolbox.NodeTools, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	st, err := store.Open(sharedStore)
	if err != nil {
		return nil, err
	}
	m, err := mirror.New(mirror.Options{})
	if err != nil {
		return nil, err
	}
	f, err := fetch.New(st, m)
	if err != nil {
		return nil, err
	}
	d, err := definition.Load("node")
	if err != nil {
		return nil, err
	}
	l, err := lock.Load(d)
	if err != nil {
		return nil, err
	}
	all, err := lock.Select(d.Definition, l, lock.Query{Platforms: []string{toolbox.ThisMachine()}})
	if err != nil {
		return nil, err
	}
	return toolbox.Node(ctx, st, d.Definition, l, all[0].Platforms[0], f.All)
})
