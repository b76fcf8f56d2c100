package shim

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImports pins what the shim is made of: the standard library, and of the
// project only itself. encoding/json, os/exec and crypto outside of net/http
// are not in it for its size and start.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{.Standard}} {{.ImportPath}}", "../../cmd/shim").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := 0
	for line := range strings.Lines(string(out)) {
		lines++
		switch standard, path, _ := strings.Cut(strings.TrimSpace(line), " "); {
		case standard == "false" && !ours(path):
			t.Errorf("the shim imports %s", path)
		case path == "encoding/json", path == "os/exec", path == "flag", path == "testing":
			t.Errorf("the shim imports %s", path)
		}
	}
	if lines < 50 {
		t.Errorf("go list names %d packages only", lines)
	}
}

// ours says whether path is one of the packages that the shim is made of.
func ours(path string) bool {
	path, ok := strings.CutPrefix(path, "github.com/imgbuild/imgbuild/")
	return ok && (path == "cmd/shim" || path == "pkg/fc" || path == "pkg/shim" || strings.HasPrefix(path, "pkg/shim/"))
}
