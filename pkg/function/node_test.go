package function

import (
	"bytes"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/toolbox"
)

// nodeBases have no shell.
func nodeBases(t testing.TB) []Base {
	return []Base{fakeBase(t, "usr/local/bin/node"), fakeBase(t, "usr/local/bin/node")}
}

// project copies an example of the repository, so that a test may change it.
func example(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(testtool.ModuleRoot(), "examples", name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestNodeWithout needs no tools: a function that depends on nothing is its files.
func TestNodeWithout(t *testing.T) {
	m, st, notes := plainMaker(t)
	dir := example(t, "node")
	made, err := m.Node(t.Context(), NodeSource{Dir: dir, Bases: nodeBases(t)}, []string{"linux/amd64", "linux/arm64"})
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 2 || len(made[0].Layers) != 1 || digest(t, made[0].Layers[0]) != digest(t, made[1].Layers[0]) || !slices.Equal(made[0].Cmd, []string{"node", "server.js"}) {
		t.Errorf("got %+v", made)
	}
	got := slices.Sorted(maps.Keys(content(t, made[0].Layers[0])))
	if want := []string{"code/README.md", "code/package.json", "code/server.js"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !strings.Contains(notes.String(), "bootstrap is left out") {
		t.Errorf("notes: %s", notes)
	}
	// With a shell its bootstrap is what starts.
	base := []Base{fakeBase(t, "bin/sh")}
	if made, err = m.Node(t.Context(), NodeSource{Dir: dir, Bases: base}, []string{"linux/amd64"}); err != nil || made[0].Cmd != nil {
		t.Errorf("got %+v, %v", made, err)
	}
	if _, err = m.Node(t.Context(), NodeSource{Dir: dir, Bases: base, Handler: "server.handler"}, []string{"linux/amd64"}); err == nil {
		t.Error("a handler that will never be called is taken")
	}
	tidy(t, st)
}

func TestHandler(t *testing.T) {
	m, _, _ := plainMaker(t)
	dir := folder(t, "index.js", "exports.other = 1", "lib/a.mjs", "export const f = 1")
	for name, want := range map[string]string{
		"index.other": "index.other", "lib/a.f": "lib/a.f", "./lib/a.f": "lib/a.f",
		"none.f": "there is no none.js", "index": "is no handler", "../index.f": "is no handler", "a b.f": "is no handler",
	} {
		made, err := m.Node(t.Context(), NodeSource{Dir: dir, Bases: nodeBases(t), Handler: name}, []string{"linux/amd64"})
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", name, err)
			}
		} else if got := made[0].Env; !slices.Equal(got, []string{"FC_FUNCTION_HANDLER=" + want}) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestNodePackages installs real packages by the real npm: for both platforms,
// twice with another HOME and umask, and never what is secret.
func TestNodePackages(t *testing.T) {
	testtool.Whole(t)
	m, w, _ := maker(t)
	const token = "npm_SECRETSECRETSECRET"
	source := func() NodeSource {
		dir := example(t, "typescript")
		fill(t, dir, "server.js", "require('http').createServer().listen(9000)", ".env", "A="+token,
			".npmrc", "//registry.example.com/:_authToken="+token+"\n", ".dockerignore", "*.ts\nbootstrap\ntsconfig.json\n")
		return NodeSource{Dir: dir, Bases: nodeBases(t), Tools: w.tools("node")}
	}
	platforms := []string{"linux/amd64", "linux/arm64"}
	first, err := m.Node(t.Context(), source(), platforms)
	if err != nil {
		t.Fatal(err)
	}
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NPM_CONFIG_USERCONFIG", filepath.Join(home, ".npmrc"))
	for name, value := range map[string]string{"HOME": t.TempDir(), "NODE_ENV": "development", "npm_config_include": "dev", "npm_config_install_strategy": "nested", "NODE_OPTIONS": "--nosuch"} {
		t.Setenv(name, value)
	}
	if err := os.RemoveAll(filepath.Join(w.store.Root(), "records", "layer")); err != nil {
		t.Fatal(err)
	}
	second, err := m.Node(t.Context(), source(), platforms)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range first {
		if len(f.Layers) != 2 || len(second[i].Layers) != 2 {
			t.Fatalf("got %d and %d layers", len(f.Layers), len(second[i].Layers))
		}
		for k, l := range f.Layers {
			if a, b := digest(t, l), digest(t, second[i].Layers[k]); a != b {
				t.Errorf("%s, layer %s: %s and %s", platforms[i], l.Name(), a, b)
			}
			r, err := l.Uncompressed()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			r.Close()
			if err != nil || bytes.Contains(b, []byte(token)) || bytes.Contains(b, []byte(w.store.Root())) {
				t.Errorf("layer %s has a secret or a path of this machine in it (%v)", l.Name(), err)
			}
		}
	}
	packages := content(t, first[0].Layers[0])
	if _, ok := packages["code/node_modules/typescript/package.json"]; !ok || packages["code/node_modules/.bin/tsc"] != "-> ../typescript/bin/tsc" || packages["code/node_modules/.package-lock.json"] != "" {
		t.Errorf("of %d files some are wrong", len(packages))
	}
	code := slices.Sorted(maps.Keys(content(t, first[0].Layers[1])))
	if want := []string{"code/README.md", "code/package-lock.json", "code/package.json", "code/server.js"}; !slices.Equal(code, want) {
		t.Errorf("code: %q", code)
	}
	tidy(t, w.store)
}

// TestNodePlatform: what a package has for one architecture alone is in the
// image of that one.
func TestNodePlatform(t *testing.T) {
	testtool.Whole(t)
	m, w, notes := maker(t)
	dir := esbuildProject(t)
	made, err := m.Node(t.Context(), NodeSource{Dir: dir, Bases: nodeBases(t), Tools: w.tools("node")}, []string{"linux/amd64", "linux/arm64"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"x64", "arm64"} {
		for _, arch := range []string{"x64", "arm64"} {
			_, has := content(t, made[i].Layers[0])["code/node_modules/@esbuild/linux-"+arch+"/bin/esbuild"]
			if has != (arch == want) {
				t.Errorf("linux/%s: the program for %s is there: %v", want, arch, has)
			}
		}
	}
	if !strings.Contains(notes.String(), "install scripts are not run, of esbuild") {
		t.Errorf("notes: %s", notes)
	}
	_, err = m.Node(t.Context(), NodeSource{Dir: dir, Bases: nodeBases(t), Tools: w.tools("node"), AllowScripts: true}, []string{"linux/amd64", "linux/arm64"})
	if err == nil || !strings.Contains(err.Error(), "--allow-scripts runs scripts on this machine") {
		t.Errorf("got %v", err)
	}
	made, err = m.Node(t.Context(), NodeSource{Dir: dir, Bases: nodeBases(t), Tools: w.tools("node"), AllowScripts: true}, []string{toolbox.ThisMachine()})
	if err != nil {
		t.Fatal(err)
	}
	// Its script puts the program in place of a stub that is a script.
	if p := content(t, made[0].Layers[0])["code/node_modules/esbuild/bin/esbuild"]; !strings.HasPrefix(p, "\x7fELF") {
		t.Error("the install script was not run")
	}
}

// esbuildProject depends on esbuild, whose lock npm itself writes.
func esbuildProject(t testing.TB) string {
	t.Helper()
	dir := folder(t, "package.json", `{"name": "fn", "version": "1.0.0", "dependencies": {"esbuild": "0.25.10"}}`, "server.js", "require('http').createServer().listen(9000)")
	_, w, _ := maker(t)
	tools, err := w.tools("node")(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cmd := toolbox.Command(t.Context(), tools.Node, tools.NPM, "install", "--package-lock-only", "--no-audit")
	cmd.Dir, cmd.Env = dir, nodeEnv(tools.Node)
	if bases, err := w.mirrors.Bases(t.Context(), "npm"); err == nil {
		cmd.Env = append(cmd.Env, "npm_config_registry="+bases[0].URL)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

func TestNodeErrors(t *testing.T) {
	testtool.Whole(t)
	m, w, _ := maker(t)
	for name, tt := range map[string]struct {
		files []string
		want  []string
	}{
		"another lock than package.json": {[]string{"package.json", `{"name": "a", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}}`,
			"package-lock.json", `{"name": "a", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": {"dependencies": {"ms": "2.0.0"}}, "node_modules/ms": {"version": "2.0.0"}}}`}, []string{"npm ci", "in sync"}},
		"another content": {[]string{"package.json", `{"name": "a", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}}`,
			"package-lock.json", `{"name": "a", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": {"name": "a", "version": "1.0.0", "dependencies": {"ms": "2.1.3"}}, "node_modules/ms": {"version": "2.1.3", "integrity": "sha512-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="}}}`}, []string{"npm ci", "EINTEGRITY"}},
		"nothing to start": {[]string{"package.json", `{"name": "a"}`, "lib.js", ""}, []string{"does not say how it starts", "--handler"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, append([]string{"server.js", "1"}, tt.files...)...)
			if name == "nothing to start" {
				os.Remove(filepath.Join(dir, "server.js"))
			}
			_, err := m.Node(t.Context(), NodeSource{Dir: dir, Bases: nodeBases(t), Tools: w.tools("node")}, []string{"linux/amd64"})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nwant %q", err, want)
				}
			}
			tidy(t, w.store)
		})
	}
}

func TestNPMSaid(t *testing.T) {
	got := npmSaid("npm error code E401\nnpm error 401 - GET https://user:hunter2@npm.example/x\nnpm error //npm.example/:_authToken=hunter2 is refused\nnpm error\nnpm error A complete log of this run can be found in: /root/.npm/_logs/x.log\n")
	const want = "code E401\n401 - GET https://xxxxx@npm.example/x\n//npm.example/:_authToken=xxxxx is refused"
	if got != want {
		t.Errorf("got %q", got)
	}
}
