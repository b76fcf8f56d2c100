package shim

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild"
)

// TestImports pins what the shim is made of: the standard library, and of the
// project only what it carries the source of. Left out for their size and
// start are net/http and what it brings (crypto/…, compress/…), os/exec, flag
// and log.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{.Standard}} {{.ImportPath}}", "../../cmd/shim").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var ours, carried []string
	lines := 0
	for line := range strings.Lines(string(out)) {
		lines++
		standard, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		if standard == "false" {
			ours = append(ours, path)
			continue
		}
		for _, no := range []string{"net/http", "crypto", "compress", "os/exec", "flag", "log", "testing", "html", "mime"} {
			if path == no || strings.HasPrefix(path, no+"/") {
				t.Errorf("the shim imports %s", path)
			}
		}
	}
	if lines < 50 {
		t.Errorf("go list names %d packages only", lines)
	}
	for _, f := range imgbuild.ShimSource() {
		carried = append(carried, imgbuild.Module+"/"+f.Path[:strings.LastIndexByte(f.Path, '/')])
	}
	slices.Sort(ours)
	slices.Sort(carried)
	if carried = slices.Compact(carried); !slices.Equal(ours, carried) {
		t.Errorf("the shim is made of\n%s\nand imgbuild carries the source of (source.go)\n%s", strings.Join(ours, "\n"), strings.Join(carried, "\n"))
	}
}
