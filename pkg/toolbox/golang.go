package toolbox

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

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/imgbuild/imgbuild/pkg/input/gotoolchain"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/snapshot"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// unneeded are files of the distribution that `go build` without cgo and
// without the race detector never reads for linux on amd64 and arm64. Not
// unpacking them saves two thirds of the time.
var unneeded = []string{
	"test/**", "api/**", "doc/**", "misc/**", "lib/**", "src/cmd/**", "**/testdata/**", "**/*_test.go", "**/*.syso",
	"bin/gofmt", "pkg/tool/*/{cgo,cover,fix,vet}",
	// Names that Go takes for other systems and machines (go/build, goodOSArchFile).
	"src/**/*_{" + otherSystems + "}.{go,s,h}",
	"src/**/*_{" + otherMachines + "}.{go,s,h}",
	"src/**/*_{" + otherSystems + "}_{amd64,arm64," + otherMachines + "}.{go,s,h}",
}

const (
	otherSystems  = "aix,android,darwin,dragonfly,freebsd,illumos,ios,js,netbsd,openbsd,plan9,solaris,wasip1,windows"
	otherMachines = "386,arm,loong64,mips,mips64,mips64le,mipsle,ppc64,ppc64le,riscv64,s390x,wasm"
)

// Go returns a GOROOT with the locked toolchain: one that was unpacked before,
// this machine's own where it is the very same, else it is fetched and unpacked.
func Go(ctx context.Context, st *store.Store, in lock.Input, fetch func(context.Context, lock.Input) (v1.Hash, error)) (string, error) {
	key := fmt.Sprintf("go %s %s 2", in.ID, in.SHA256)
	if ok, err := whole(ctx, st, key, folder(st, key)); ok || err != nil {
		return folder(st, key), err
	}
	for _, goroot := range candidates(in) {
		if ok, err := known(ctx, st, goroot, in); ok || err != nil {
			return goroot, err
		}
	}
	if _, err := fetch(ctx, in); err != nil {
		return "", err
	}
	return Keep(ctx, st, "Go "+in.Version, key, func(dir string) error {
		return gotoolchain.Extract(ctx, st, in, dir, unneeded...)
	})
}

// ownKind is the kind of the records of this machine's own toolchains that were
// found to be the locked one.
const ownKind = "own-tool"

// known is same, where the answer is remembered as long as no file changes:
// hashing a toolchain takes a second.
func known(ctx context.Context, st *store.Store, goroot string, in lock.Input) (bool, error) {
	if !likely(goroot, in) {
		return false, nil
	}
	var s state
	key := goroot + " " + in.H1
	files := snapshot.Options{Roots: []string{goroot}}
	if ok, err := st.Record(ownKind, key, &s); err != nil {
		return false, err
	} else if ok {
		if is, err := s.Files.Same(ctx, files); is && err == nil {
			return true, nil
		}
	}
	now, err := snapshot.Take(ctx, files)
	if cause := context.Cause(ctx); cause != nil {
		return false, cause
	}
	if err != nil || !same(goroot, in) {
		return false, nil
	}
	return true, st.PutRecord(ownKind, key, state{Files: now})
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
	if !likely(goroot, in) {
		return false
	}
	sum, err := hashToolchain(goroot, moduleDir(in))
	return err == nil && sum == in.H1
}

// likely says whether goroot calls itself the locked toolchain.
func likely(goroot string, in lock.Input) bool {
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
	return err == nil && fi.Mode()&0o111 != 0
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
