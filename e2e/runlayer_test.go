package e2e

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// Scripts by the variant that runs them.
const (
	// compiling compiles, writes files with the time of now, removes some and
	// changes others.
	compiling = `
tcc -o /usr/local/bin/hello /run/imgbuild/src/hello.c
echo "$GREETING at $SOURCE_DATE_EPOCH" > /etc/greeting
touch /etc/now; mkdir -p /opt/a/b; cp /run/imgbuild/src/hello.c /opt/a/b/
rm -r /usr/share/doc; chmod 700 /root; ln -s hello /usr/local/bin/hello2
echo x > /tmp/gone; test ! -e /run/imgbuild/nothing
! touch /run/imgbuild/src/mine 2>/dev/null
`
	// sleeping is how long a command of another variant sleeps, a number that
	// no other program is called with.
	sleeping = "31536.25"
)

// commands is a definition with layers that are scripts, on one that has a shell
// and a compiler, and its lock.
func commands(t testing.TB) string {
	t.Helper()
	once.commands.Do(func() {
		once.dir = commandsIn(t, filepath.Join(scratch, "commands"))
	})
	if once.dir == "" {
		t.Fatal("the definition of commands cannot be locked")
	}
	return once.dir
}

var once struct {
	commands sync.Once
	dir      string
}

func commandsIn(t testing.TB, dir string) string {
	t.Helper()
	text := `name: commands
versions: {series: ["1"]}
platforms: [linux/amd64, linux/arm64]
variants:
`
	for _, v := range []struct{ name, suffix, script string }{
		{"full", "", compiling},
		{"failing", "-failing", "echo the reason is here; exit 7"},
		{"sleeping", "-sleeping", "echo it sleeps; sleep " + sleeping},
		{"lonely", "-lonely", `test "$(ls /sys/class/net)" = lo`},
	} {
		script, err := json.Marshal(v.script)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf(`  - name: %s
    suffix: %q
    layers:
      - name: os
        debian:
          suite: trixie
          essential: true
          packages: [tcc, libc6-dev]
          accept:
            - {package: tcc, script: postinst, sha256: db8b975771d04a267a6806962f2f5b8ae0925cc2720bde697686e3e0c1a1937b, reason: it makes the alternative cc alone}
      - name: command
        run:
          script: %s
          files: [{path: /src/hello.c, source: hello.c}]
          date: "2026-01-02T03:04:05Z"
      - {name: after, files: [{path: /etc/after, content: "a\n"}]}
    config:
      cmd: [/usr/local/bin/hello]
      env: [{name: GREETING, value: "hello {version}"}]
`, v.name, v.suffix, script)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"image.yaml": text,
		"hello.c":    "#include <stdio.h>\nint main(void) { puts(\"compiled\"); return 0; }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run{}.ok(t, "lock", dir, "--update")
	return dir
}

func exitCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// A command that compiles, writes files with the time of now, removes some and
// changes others gives one digest on two builders, and what it made runs.
func TestRunLayerIsReproducible(t *testing.T) {
	dir := commands(t)
	r := buildKit(t)
	r.store = t.TempDir()
	args := []string{dir, "--engine", "buildkit", "--platform", "linux/amd64"}
	first := r.ok(t, args...)
	second := run{store: t.TempDir()}.ok(t, append(args, "--buildkit", testtool.BuildKitd(t).Address)...)
	if first != second {
		t.Errorf("built %sand %s", first, second)
	}
	// Nothing has changed: nothing is asked of the builder.
	r.env = append(r.env, "BUILDKIT_HOST="+mustShared(t).Address)
	if again := r.ok(t, args...); again != first {
		t.Errorf("the second time: %s", again)
	}
	out := filepath.Join(t.TempDir(), "layout")
	r.ok(t, append(args, "--output", "type=oci,dest="+out)...)
	names := strings.Join(secondLayer(t, out), "\n")
	for want, in := range map[string]bool{
		"usr/local/bin/hello": true, "etc/greeting": true, "etc/now": true, "opt/a/b/hello.c": true, "usr/share/.wh.doc": true,
		"usr/local/bin/hello2": true, "tmp/gone": false, "run/imgbuild/": false, "etc/resolv.conf": false, "etc/hosts": false,
	} {
		if got := strings.Contains("\n"+names+"\n", "\n"+want+"\n"); got != in {
			t.Errorf("%s is in the layer: %v", want, got)
		}
	}
}

// What BuildKit has made is a base for commands that have no --engine; what it
// has not made is refused with a way that there is.
func TestRunLayerIsABase(t *testing.T) {
	dir := commands(t)
	r := buildKit(t)
	r.store = t.TempDir()
	app := t.TempDir()
	ref := elsewhere + "commands:1"
	writeFile(t, filepath.Join(app, "Dockerfile"), "FROM "+ref+"\nCOPY Dockerfile /\n")
	args := []string{"build", app, "--local-bases=always", "--definition", dir}
	s := r.do(t, args...)
	if want := "imgbuild DEFINITION --engine buildkit"; s.code != 1 || !strings.Contains(s.stderr, want) {
		t.Errorf("exit %d, no %q: %s", s.code, want, tail(s.stderr))
	}
	digest := strings.TrimSpace(r.ok(t, dir, "--engine", "buildkit"))
	_, digest, _ = strings.Cut(digest, "@")
	s = r.do(t, args...)
	if want := "base " + ref + ": from the definitions here, " + digest; s.code != 0 || !strings.Contains(s.stderr, want) {
		t.Errorf("exit %d, no %q: %s", s.code, want, tail(s.stderr))
	}
}

// secondLayer lists the second layer of the image in a layout.
func secondLayer(t testing.TB, dir string) (names []string) {
	t.Helper()
	layers, err := onlyImage(t, dir).Layers()
	if err != nil || len(layers) != 3 {
		t.Fatalf("the image has %d layers: %v", len(layers), err)
	}
	r, err := layers[1].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for files := tar.NewReader(r); ; {
		h, err := files.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

func mustShared(t testing.TB) *testtool.BuildKit {
	t.Helper()
	b, err := sharedBuildKit()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRunLayerRefused(t *testing.T) {
	r := buildKit(t)
	r.store = t.TempDir()
	failing := commands(t) + ":1-failing"
	s := r.do(t, failing, "--engine", "buildkit")
	if s.code != 1 || s.stdout != "" || !strings.Contains(s.stderr, "run layer command (commands 1) for linux/amd64: the reason is here") {
		t.Errorf("exit %d, %q: %s", s.code, s.stdout, tail(s.stderr))
	}
	s = run{}.do(t, failing)
	for _, want := range []string{"layer command of commands runs a command, which needs BuildKit", "--engine buildkit", "docs/engines.md"} {
		if s.code != 1 || s.stdout != "" || !strings.Contains(s.stderr, want) {
			t.Errorf("exit %d, no %q: %s", s.code, want, tail(s.stderr))
		}
	}
	// A command has no network unless it asks for it.
	s = r.do(t, commands(t)+":1-lonely", "--engine", "buildkit")
	if s.code != 0 {
		t.Errorf("exit %d: %s", s.code, tail(s.stderr))
	}
	s = r.do(t, failing, "--engine", "buildkit", "--platform", "linux/arm64")
	if strings.Contains(s.stderr, "the reason is here") {
		t.Skip("this machine runs programs of arm64")
	}
	for _, want := range []string{"runs a command on linux/arm64, which no builder does", "linux/amd64", "binfmt"} {
		if s.code != 1 || !strings.Contains(s.stderr, want) {
			t.Errorf("exit %d, no %q: %s", s.code, want, tail(s.stderr))
		}
	}
}
