package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// One package, which is an input.
const onePackage = `name: packaged
versions: {series: ["1"]}
platforms: [linux/amd64]
variants:
  - name: full
    layers:
      - name: hello
        debian: {suite: trixie, packages: [hello], dependencies: false}
    config: {cmd: [/usr/bin/hello]}
`

// Inputs that no builder fetches are sent, from the store that has them.
func TestCompareEnginesOffline(t *testing.T) {
	r := buildKit(t)
	dir := write(t, map[string]string{"image.yaml": onePackage})
	run{}.ok(t, "lock", dir, "--update")
	run{}.ok(t, dir) // brings the package into the store
	s := r.do(t, "compare-engines", dir, "--offline")
	if s.code != 0 || !strings.HasPrefix(s.stdout, "packaged 1 full linux/amd64@sha256:") || !strings.Contains(s.stderr, "each the same by both engines") {
		t.Errorf("exit %d, %q: %s", s.code, s.stdout, tail(s.stderr))
	}
}

// A builder that packs a layer in another way makes another image, which is told
// also where the layer is in the store already: there it is the builder's own.
func TestCompareEnginesDiffer(t *testing.T) {
	r := buildKit(t)
	r.store = t.TempDir()
	liar := filepath.Join(t.TempDir(), "liar")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", liar, "./pkg/build/testdata/liar")
	cmd.Dir = testtool.ModuleRoot()
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compiling the liar: %v: %s", err, said)
	}
	dir := write(t, map[string]string{"image.yaml": `name: packed
versions: {series: ["1"]}
platforms: [linux/amd64]
variants:
  - name: full
    layers:
      - {name: plain, files: [{path: /a, content: "a\n"}]}
      - {name: other, files: [{path: /b, content: "lie: packing\n"}]}
    config: {cmd: [/a]}
`})
	run{}.ok(t, "lock", dir, "--update") // what it makes is in another store
	r.ok(t, dir, "--engine", "buildkit", "--builder-program", liar)
	s := r.do(t, "compare-engines", dir, "--builder-program", liar)
	if s.code != 1 || !strings.Contains(s.stdout, " differs from buildkit's sha256:") || !strings.HasSuffix(s.stdout, " in layer other\n") || !strings.Contains(s.stderr, "1 of 1 images differ between the engines") {
		t.Errorf("exit %d, %q: %s", s.code, s.stdout, tail(s.stderr))
	}
	if s = r.do(t, "compare-engines", dir); s.code != 0 {
		t.Errorf("with imgbuild itself: exit %d, %q: %s", s.code, s.stdout, tail(s.stderr))
	}
}

// A layer of a command is one engine's alone, also where the store has it.
func TestCompareEnginesCommands(t *testing.T) {
	r := buildKit(t)
	r.store = t.TempDir()
	dir := commands(t)
	r.ok(t, dir, "--engine", "buildkit")
	s := r.do(t, "compare-engines", dir, "--platform", "linux/amd64")
	if s.code != 1 || s.stdout != "" || !strings.Contains(s.stderr, "layer command of commands runs a command, which only BuildKit does") {
		t.Errorf("exit %d, %q: %s", s.code, s.stdout, tail(s.stderr))
	}
}
