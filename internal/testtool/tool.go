package testtool

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var tools sync.Map // name → func() (path, said string)

// Tool returns the path of a program that is compiled from the module
// tools/NAME, whose go.mod pins its version: cosign, syft, actionlint. The
// first test that asks waits for it, a minute or two; Go keeps it in its cache.
func Tool(t testing.TB, name string) string {
	t.Helper()
	build, _ := tools.LoadOrStore(name, sync.OnceValues(func() (path, said string) {
		cmd := exec.Command("go", "-C", filepath.Join(ModuleRoot(), "tools", name), "tool", "-n", name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		var out, messages bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &messages
		if err := cmd.Run(); err != nil {
			return "", err.Error() + "\n" + messages.String()
		}
		return strings.TrimSpace(out.String()), ""
	}))
	path, said := build.(func() (string, string))()
	if path == "" {
		t.Fatalf("compiling %s: %s", name, said)
	}
	return path
}
