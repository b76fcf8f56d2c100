package images_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/definition"
)

// Whatever lies in the adapter's folder is in every variant that has it, and
// the same in both images.
func TestAdapter(t *testing.T) {
	for _, name := range []string{"node", "typescript"} {
		d, err := definition.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range d.Variants {
			got := map[string]string{}
			for _, l := range v.Layers {
				for _, f := range l.Files {
					got[f.Source] = f.Path
				}
			}
			files, err := fs.Glob(os.DirFS("node"), "adapter/*")
			if err != nil || len(files) == 0 {
				t.Fatalf("%d files: %v", len(files), err)
			}
			for _, file := range files {
				if want := "/usr/local/lib/shim/node/" + path.Base(file); got[file] != want {
					t.Errorf("%s, %s: %s is at %q, want %s", name, v.Name, file, got[file], want)
				}
				ours, err := os.ReadFile(filepath.Join("node", file))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(d.Files[file], ours) {
					t.Errorf("%s has another %s than node; run go generate ./images", name, file)
				}
			}
		}
	}
}

// The parts of the adapter and of fc-build that read code.
func TestScripts(t *testing.T) {
	node := testtool.Need(t, "node", "nodejs")
	tests, err := filepath.Glob("test/*.test.js")
	if err != nil || len(tests) == 0 {
		t.Fatalf("%d tests: %v", len(tests), err)
	}
	root := t.TempDir()
	for _, tree := range [][2]string{{"test", "test"}, {"node/adapter", "node/adapter"}, {"node/adapter", "typescript/node"}, {"typescript/build", "typescript/build"}} {
		if err := os.CopyFS(filepath.Join(root, tree[1]), os.DirFS(tree[0])); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range tests {
		t.Run(filepath.Base(file), func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), node, "--test", filepath.Join(root, file)).CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("# fail 0")) && !bytes.Contains(out, []byte("ℹ fail 0")) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
