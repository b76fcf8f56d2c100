package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// The same images from two empty homes, which differ in everything that must
// not matter: cores, umask, time zone, language, and the clock by ten years.
func TestSameEverywhere(t *testing.T) {
	images := []string{"golang", "golang:slim", "node:slim"}
	want := run{}.ok(t, images...)
	for _, c := range []struct {
		name string
		fast bool // the clock is
		run  run
	}{
		{"one core", false, run{umask: "077", env: []string{"GOMAXPROCS=1", "TZ=Pacific/Auckland", "LANG=tr_TR.UTF-8", "LC_ALL=tr_TR.UTF-8"}}},
		{"ten years later", true, run{umask: "000", env: []string{"GOMAXPROCS=2", "TZ=America/New_York", "LANG=C", "LC_ALL=C"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.fast {
				c.run.binary = filepath.Join(t.TempDir(), "imgbuild")
				compileTenYearsLater(t, c.run.binary)
			}
			home := t.TempDir()
			r := relay(t) // an empty home has no configuration of mirrors
			c.run.store = filepath.Join(home, ".cache", "imgbuild")
			c.run.dir = home
			c.run.env = append(c.run.env, "HOME="+home, "XDG_CACHE_HOME=", "XDG_CONFIG_HOME=", "GOPATH=", "GOMODCACHE=",
				mirror.Variable(mirror.Debian)+"="+r.URL(mirror.Debian),
				mirror.Variable(mirror.DebianSecurity)+"="+r.URL(mirror.DebianSecurity),
				mirror.Variable(mirror.Go)+"="+r.URL(mirror.Go),
				mirror.Variable(mirror.NPM)+"="+r.URL(mirror.NPM))
			if got := c.run.ok(t, images...); got != want {
				t.Errorf("built\n%swant\n%s", got, want)
			}
		})
	}
}

// compileTenYearsLater builds imgbuild with a standard library whose clock is
// ten years fast. The usual tools that fake a program's clock replace libc's
// functions, and imgbuild is static: it asks the kernel itself. Monotonic time,
// which deadlines are made of, is left alone.
func compileTenYearsLater(t *testing.T, out string) {
	t.Helper()
	goroot, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(strings.TrimSpace(string(goroot)), "src", "time", "time.go")
	const reading = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	text := readText(t, source)
	if strings.Count(text, reading) != 1 {
		t.Fatalf("%s has another time.Now than this test knows", source)
	}
	fast := strings.Replace(text, reading, reading+"\tsec += 3652 * 86400\n", 1)
	dir := write(t, map[string]string{"time.go": fast})
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: filepath.Join(dir, "time.go")}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := compile(out, "-overlay", file); err != nil {
		t.Fatal(err)
	}
}
