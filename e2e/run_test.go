package e2e

import (
	"strings"
	"testing"
)

// nodeProgram says something on both outputs and ends with 7.
const (
	nodeProgram = `process.stdout.write("só, " + [1, 2].map(n => n * 2) + "\n"); console.error("and this"); process.exitCode = 7`
	nodeSays    = "só, 2,4\n"
)

// Arguments are run under the shim: what they print and how they end is what
// docker gives, with nothing of the shim's in between.
func TestDockerRun(t *testing.T) {
	d := docker(t)
	latest := image(t, "node:latest")
	stdout, stderr, code := dockerDo(t, d, "run", "--rm", "--quiet", "--network", "host", latest, "node", "-e", nodeProgram)
	if stdout != nodeSays || !strings.HasSuffix(stderr, "and this\n") || code != 7 {
		t.Errorf("docker run gives %d, %q on stdout and %q on stderr", code, stdout, stderr)
	}
	for _, c := range []struct {
		name, image string
		args        []string
		code        int
		stdout      string
		stderr      string
	}{
		{"version of Go", "golang:latest", []string{"go", "env", "GOVERSION"}, 0, "go" + version(t, "golang:latest") + "\n", ""},
		{"version of Node.js", "node:22", []string{"node", "--version"}, 0, "v" + version(t, "node:22") + "\n", ""},
		{"a shell", "golang:latest", []string{"bash", "-c", "kill -9 $$"}, 137, "", ""},
		{"nobody's shell", "golang:latest-slim", []string{"sh"}, 127, "", `"sh" is not in this image`},
		{"nothing to run", "golang:latest-slim", nil, 1, "", "no /code/bootstrap"},
		{"no handler", "node:latest-slim", nil, 1, "", "there is none of index.js"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, code := dockerDo(t, d, append([]string{"run", "--rm", "--network", "none", image(t, c.image)}, c.args...)...)
			if code != c.code || stdout != c.stdout || !strings.Contains(stderr, c.stderr) {
				t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
			}
		})
	}
}

// version is the version of the language in a pushed image.
func version(t testing.TB, nameAndTag string) string {
	t.Helper()
	name, tag, _ := strings.Cut(nameAndTag, ":")
	for _, r := range pushed(t) {
		for _, have := range r.Tags {
			if r.Name == name && have == tag {
				return r.Version
			}
		}
	}
	t.Fatalf("%s was not pushed", nameAndTag)
	return ""
}
