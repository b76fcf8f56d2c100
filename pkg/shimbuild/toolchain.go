package shimbuild

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/dirhash"

	"github.com/imgbuild/imgbuild/pkg/input/gotoolchain"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/progress"
)

// unneeded are files of the distribution that compiling the shim never reads;
// not unpacking them saves half the time.
var unneeded = []string{"test/**", "api/**", "doc/**", "misc/**", "**/testdata/**", "**/*_test.go"}

// toolchain returns a GOROOT with the locked toolchain: this machine's own
// where it is the very same, else it is fetched and unpacked below dir.
func (o Options) toolchain(ctx context.Context, dir string, step progress.Step) (string, error) {
	for _, goroot := range candidates(o.Toolchain) {
		if same(goroot, o.Toolchain) {
			step.Log("compiling with this machine's Go in " + goroot)
			return goroot, nil
		}
	}
	if _, err := o.Fetch(ctx, o.Toolchain); err != nil {
		return "", err
	}
	goroot := filepath.Join(dir, "go")
	return goroot, gotoolchain.Extract(ctx, o.Store, o.Toolchain, goroot, unneeded...)
}

// candidates are the places on this machine where that toolchain may be: the
// GOROOT of the go command on PATH, and the module cache, into which the go
// command itself puts toolchains.
func candidates(in lock.Input) []string {
	var out []string
	if goBin, err := exec.LookPath("go"); err == nil {
		if real, err := filepath.EvalSymlinks(goBin); err == nil {
			out = append(out, filepath.Dir(filepath.Dir(real)))
		}
	}
	return append(out, filepath.Join(modCache(), filepath.FromSlash(moduleDir(in))))
}

// modCache is Go's module cache as `go help environment` describes it, without
// the time that asking the go command takes.
func modCache() string {
	if d := os.Getenv("GOMODCACHE"); d != "" {
		return d
	}
	gopath := filepath.SplitList(os.Getenv("GOPATH"))
	if len(gopath) == 0 {
		home, _ := os.UserHomeDir()
		gopath = []string{filepath.Join(home, "go")}
	}
	return filepath.Join(gopath[0], "pkg", "mod")
}

// moduleDir is golang.org/toolchain@v0.0.1-go1.27.3.linux-amd64, the prefix of
// all names in the module's zip. The lock's path is its place on a mirror:
// golang.org/toolchain/@v/v0.0.1-go1.27.3.linux-amd64.zip.
func moduleDir(in lock.Input) string {
	dir, file := path.Split(in.Path)
	return strings.TrimSuffix(dir, "/@v/") + "@" + strings.TrimSuffix(file, ".zip")
}

// same says whether goroot is the locked toolchain, by the hash that Go's
// checksum database has of it. Files are read only where the version is right.
func same(goroot string, in lock.Input) bool {
	if in.H1 == "" || !filepath.IsAbs(goroot) {
		return false
	}
	version, err := os.ReadFile(filepath.Join(goroot, "VERSION"))
	first, _, _ := strings.Cut(string(version), "\n")
	if err != nil || first != "go"+in.Version {
		return false
	}
	// `go mod download` alone unpacks it without run bits.
	fi, err := os.Stat(filepath.Join(goroot, "bin", "go"))
	if err != nil || fi.Mode()&0o111 == 0 {
		return false
	}
	sum, err := hashToolchain(goroot, moduleDir(in))
	return err == nil && sum == in.H1
}

// hashToolchain is dirhash.HashDir over goroot with go.mod files called
// _go.mod, as in the module's zip, where they may not have their own name.
func hashToolchain(goroot, prefix string) (string, error) {
	files := map[string]string{}
	var names []string
	err := filepath.WalkDir(goroot, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file", p)
		}
		rel, err := filepath.Rel(goroot, p)
		if err != nil {
			return err
		}
		dir, base := path.Split(filepath.ToSlash(rel))
		if base == "go.mod" {
			base = "_go.mod"
		}
		name := prefix + "/" + dir + base
		names, files[name] = append(names, name), p
		return nil
	})
	if err != nil {
		return "", err
	}
	return dirhash.Hash1(names, func(name string) (io.ReadCloser, error) { return os.Open(files[name]) })
}
