package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Each example is built without its Dockerfile, and then it answers in a
// container as it does when docker has built it.
func TestExamplesWithoutDockerfile(t *testing.T) {
	for _, c := range []struct {
		dir  string
		args []string
		answers
	}{
		{"golang", nil, answers{`^hello from go1\.\d+\.\d+: GET /some/path\n$`, true}},
		{"node", nil, answers{`^hello from Node\.js v26\..*: GET /some/path\n$`, true}},
		{"node", []string{"--base", "node:24"}, answers{`^hello from Node\.js v24\..*: GET /some/path\n$`, true}},
		{"node-handler", nil, answers{`^hello from a handler on Node\.js v26\..*: GET /some/path\n$`, true}},
		{"node-http-handler", nil, answers{`^hello from an HTTP handler on Node\.js v26\..*: GET /some/path\n$`, true}},
		{"typescript", nil, answers{`^hello from ts-node on v26\..*: GET /some/path\n$`, true}},
		{"typescript", []string{"--base", "typescript"}, answers{`^hello from ts-node on v26\..*: GET /some/path\n$`, true}},
		{"typescript-direct", nil, answers{`^hello from TypeScript on v26\..*: GET /some/path\n$`, false}},
		{"typescript-handler", nil, answers{`^hello from a handler in TypeScript on v26\..*: GET /some/path\n$`, true}},
		{"typescript-handler", []string{"--handler", "index.handler", "--base", "node:slim"}, answers{`^hello from a handler in TypeScript on v26\..*: GET /some/path\n$`, true}},
		{"shell", []string{"--base", "golang", "--env", "SHIM_MODE=exec"}, answers{`^hello from a shell script: GET /some/path\n$`, true}},
	} {
		t.Run(strings.Join(append([]string{c.dir}, c.args...), " "), func(t *testing.T) {
			check(t, startInRunc(t, bundle(t, builtWithout(t, c.dir, c.args...))), c.answers)
		})
	}
}

// builtWithout builds an example that has no Dockerfile.
func builtWithout(t testing.TB, dir string, args ...string) v1.Image {
	t.Helper()
	copied := filepath.Join(t.TempDir(), dir)
	if err := os.CopyFS(copied, os.DirFS(example(dir))); err != nil {
		t.Fatal(err)
	}
	dockerfiles, err := filepath.Glob(filepath.Join(copied, "Dockerfile*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dockerfiles {
		if err := os.Remove(d); err != nil {
			t.Fatal(err)
		}
	}
	return layoutOf(t, copied, args...)
}

// layoutOf is the image that `imgbuild build` makes of a folder.
func layoutOf(t testing.TB, dir string, args ...string) v1.Image {
	t.Helper()
	dest := filepath.Join(t.TempDir(), "layout")
	run{}.ok(t, append([]string{"build", dir, "--output", "type=oci,dest=" + dest}, args...)...)
	return onlyImage(t, dest)
}
