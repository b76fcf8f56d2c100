package emulator_test

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/template"
)

var update = flag.Bool("update", false, "write the golden files anew")

// recording is a program that writes its arguments down, one call a line, and
// plays a container that never listens. It is told to remove it until its end has
// been seen, however often: that is one line.
const recording = `#!/bin/sh
while [ "$1" = rm ] && [ ! -f "$RECORD.pid" ]; do sleep 0.01; done
[ "$1" = rm ] && [ -f "$RECORD.removed" ] && exit 0
for a in "$@"; do printf ' %s' "$a"; done | tr '\n' '~' >> "$RECORD"
echo >> "$RECORD"
case "$1 $2" in
"run --rm")
	while [ "$1" != "" ]; do
		[ "$1" = --env-file ] && sed 's/^/  /' "$2" >> "$RECORD"
		shift
	done
	echo $$ > "$RECORD.new"
	mv "$RECORD.new" "$RECORD.pid"
	exec sleep 100;;
"rm --force")
	touch "$RECORD.removed"
	kill $(cat "$RECORD.pid");;
esac
exit 0
`

// TestCommandLines: what docker, podman and nerdctl are called with.
func TestCommandLines(t *testing.T) {
	ids := regexp.MustCompile(`c-[0-9a-f]{16}`)
	owners := regexp.MustCompile(`imgbuild-[0-9a-f]{12}-\d+-\d+-`)
	ports := regexp.MustCompile(`127.0.0.1:\d+:`)
	files := regexp.MustCompile(`/proc/\d+/fd/\d+`)
	for _, p := range []string{"docker", "podman", "nerdctl"} {
		dir := t.TempDir()
		record := filepath.Join(dir, "record")
		if err := os.WriteFile(filepath.Join(dir, p), []byte(recording), 0o755); err != nil {
			t.Fatal(err)
		}
		c := emulator.CLI{Program: filepath.Join(dir, p), Image: "registry.example.com/hello:1", Platform: "linux/amd64", Env: []string{"RECORD=" + record}}
		e := play(t, template.Function{
			Name: "hello", Port: 8080, Memory: 256, CPU: 0.35, Environment: map[string]string{"A": "b c", "LINES": "one\ntwo"},
			Entrypoint: []string{"/bin/sh", "-c"}, Command: []string{"echo $0", "x y"},
		}, c, emulator.Options{Ready: 50 * time.Millisecond})
		if r := invoke(t, e, ""); r.ErrorType != emulator.FunctionNotStarted {
			t.Errorf("%s: %s %s", p, r.ErrorType, r.Body)
		}
		b, err := os.ReadFile(record)
		if err != nil {
			t.Fatal(err)
		}
		got := files.ReplaceAllString(ids.ReplaceAllString(string(b), "ID"), "FILE")
		got = owners.ReplaceAllString(got, "imgbuild-OWNER-")
		got = ports.ReplaceAllString(got, "127.0.0.1:PORT:")
		golden := filepath.Join("testdata", "commands.golden")
		if *update && p == "docker" {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || got != string(want) {
			t.Errorf("%s is called with\n%s\nwant\n%s%v", p, got, want, err)
		}
	}
	// No file with variables stays open.
	open, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if file, err := os.Readlink(fd); err == nil && strings.Contains(file, "imgbuild-env") {
			t.Errorf("%s is left open", file)
		}
	}
}

// TestAsked: docker's daemon is asked at its socket, without the program, and
// the program where there is no socket.
func TestAsked(t *testing.T) {
	bin, socket := t.TempDir(), filepath.Join(t.TempDir(), "s")
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/images/hello:1/json" {
			http.Error(w, `{"message":"no such image"}`, http.StatusNotFound)
			return
		}
		fmt.Fprint(w, `{"Id":"sha256:1","Config":{"ExposedPorts":{"8080/tcp":{}}}}`)
	})}
	go s.Serve(l)
	defer s.Close()
	for _, test := range []struct {
		name, script, host, image string
		ports                     int
		err                       string
	}{
		{"the daemon", "echo the program is called >&2; exit 1", socket, "hello:1", 1, ""},
		{"the daemon has no such image", "echo the program is called >&2; exit 1", socket, "none:1", 0, "no such image"},
		{"no socket", `echo '{"Id":"1","Config":{"ExposedPorts":{"8080/tcp":{},"9000/tcp":{}}}}'`, "/none", "hello:1", 2, ""},
		{"neither", "echo no daemon >&2; exit 1", "/none", "hello:1", 0, "docker image: no daemon"},
	} {
		if err := os.WriteFile(filepath.Join(bin, "docker"), []byte("#!/bin/sh\n"+test.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		c := emulator.CLI{Program: "docker", Image: test.image, Env: []string{"DOCKER_HOST=unix://" + test.host}}
		ports, err := c.ExposedPorts(t.Context())
		if len(ports) != test.ports || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, %v; want %d ports and %q", test.name, ports, err, test.ports, test.err)
		}
		if has := c.Has(t.Context(), "sha256:1"); has != (test.err == "") {
			t.Errorf("%s: has it: %t", test.name, has)
		}
	}
}
