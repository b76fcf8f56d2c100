package shimbuild

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/toolbox"
)

// goMod is the module file that the shim is compiled with: its packages import
// nothing from other modules. The language version is that of imgbuild's own
// go.mod without the patch, so that any patch release of it will do.
func goMod() string { return "module " + imgbuild.Module + "\n\ngo 1.26\n" }

// buildArgs are the go command's arguments. No path, build id or version
// control state gets into the file.
func (o Options) buildArgs(out string) []string {
	pkg, ldflags := "./cmd/shim", "-s -w -buildid= -X "+imgbuild.Module+"/pkg/shim.source="+imgbuild.ShimSourceHash()[:12]
	if o.Program != nil {
		pkg, ldflags = o.Program.Package, "-s -w -buildid="
	}
	return []string{"build", "-o", out, "-trimpath", "-buildvcs=false", "-pgo=off", "-ldflags", ldflags, pkg}
}

func (o Options) name() string {
	if o.Program != nil {
		return o.Program.Name
	}
	return "shim"
}

func (o Options) source() []imgbuild.SourceFile {
	if o.Program != nil {
		return o.Program.Files
	}
	return imgbuild.ShimSource()
}

func (o Options) sourceHash() string {
	if o.Program == nil {
		return imgbuild.ShimSourceHash()
	}
	h := sha256.New()
	for _, f := range o.Program.Files {
		fmt.Fprintf(h, "%s %d\n", f.Path, len(f.Content))
		h.Write(f.Content)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fixedEnv is what the go command's environment has in every build.
func fixedEnv(goarch string) []string {
	return []string{
		"GOOS=linux", "GOARCH=" + goarch, "GOAMD64=v1", "GOARM64=v8.0",
		"CGO_ENABLED=0", "GO111MODULE=on", "GOENV=off", "GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off",
		"GOWORK=off", "GOPROXY=off", "GOSUMDB=off", "GOTOOLCHAIN=local", "GODEBUG=",
	}
}

// compile writes the source below dir, compiles it and stores the result.
func (o Options) compile(ctx context.Context, dir, goroot, goarch string) (v1.Hash, error) {
	src := filepath.Join(dir, "src")
	if err := o.writeSource(src); err != nil {
		return v1.Hash{}, err
	}
	cache := cmp.Or(o.Cache, filepath.Join(o.Store.Root(), "go-build"))
	if err := toolbox.CleanGoCache(cache); err != nil {
		return v1.Hash{}, err
	}
	out, tmp := filepath.Join(dir, "shim"), filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return v1.Hash{}, err
	}
	cmd := toolbox.Command(ctx, filepath.Join(goroot, "bin", "go"), o.buildArgs(out)...)
	cmd.Dir = src
	// Nothing of this machine's environment; without HOME there is no
	// telemetry and no user configuration either.
	cmd.Env = append(fixedEnv(goarch), "PWD="+src, "GOROOT="+goroot, "GOCACHE="+cache, "TMPDIR="+tmp,
		"GOPATH="+filepath.Join(dir, "gopath"), "GOMODCACHE="+filepath.Join(dir, "gopath", "mod"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return v1.Hash{}, context.Cause(ctx)
		}
		return v1.Hash{}, fmt.Errorf("go build: %w: %s", err, lastLines(said.String()))
	}
	if err := checkELF(out, goarch); err != nil {
		return v1.Hash{}, err
	}
	return keep(o.Store, out)
}

func (o Options) writeSource(dir string) error {
	files := append([]imgbuild.SourceFile{{Path: "go.mod", Content: []byte(goMod())}}, o.source()...)
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.Content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// checkELF says whether the file is an executable for that machine which needs
// no dynamic linker: slim images have none.
func checkELF(path, goarch string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("reading what go build made: %w", err)
	}
	defer f.Close()
	want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[goarch]
	if f.Type != elf.ET_EXEC || f.Machine != want || f.Section(".interp") != nil {
		return fmt.Errorf("go build made a %s for %s, want a static executable for %s", f.Type, f.Machine, want)
	}
	return nil
}

func keep(st *store.Store, path string) (v1.Hash, error) {
	f, err := os.Open(path)
	if err != nil {
		return v1.Hash{}, err
	}
	defer f.Close()
	w, err := st.Create()
	if err != nil {
		return v1.Hash{}, err
	}
	defer w.Discard()
	if _, err := io.Copy(w, f); err != nil {
		return v1.Hash{}, errors.Join(errors.New("storing what go build made"), err)
	}
	return w.Commit(v1.Hash{})
}

// lastLines is the end of what a command said, short enough for an error.
func lastLines(s string) string {
	const most = 2000
	s = strings.TrimSpace(s)
	if len(s) > most {
		s = "…" + strings.ToValidUTF8(s[len(s)-most:], "")
	}
	return s
}
