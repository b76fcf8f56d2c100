package function

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/snapshot"
)

// GoSource is a function written in Go.
type GoSource struct {
	// Dir is the folder, by its absolute path.
	Dir string
	// Package is the main package, ./PATH below Dir; "" is Dir itself.
	Package string
	// LDFlags and Tags are given to the go command besides its own.
	LDFlags, Tags string
	// Toolchain is the locked Go that runs on this machine.
	Toolchain lock.Input
}

// goKind is the kind of the store's records: source → what was made of it.
const goKind = "go-function"

// goMade is such a record.
type goMade struct {
	Files snapshot.Snapshot `json:"files"`
	Layer string            `json:"layer"` // its key
}

// Go compiles the function for the platforms, side by side.
func (m *Maker) Go(ctx context.Context, src GoSource, platforms []string) ([]Function, error) {
	files, err := src.files()
	if err != nil {
		return nil, err
	}
	out := make([]Function, len(platforms))
	// The toolchain and its settings are needed only where something changed.
	tool := &goTool{m: m, src: src}
	g, ctx := errgroup.WithContext(ctx)
	for i, platform := range platforms {
		g.Go(func() error {
			step := progress.Start(ctx, fmt.Sprintf("compile %s for %s", src.name(), platform), 0)
			l, err := m.goLayer(ctx, src, files, platform, tool, step)
			step.Done(err)
			if err != nil {
				return err
			}
			out[i].Layers = []Layer{{Layer: l, name: "code"}}
			return nil
		})
	}
	return out, g.Wait()
}

func (m *Maker) goLayer(ctx context.Context, src GoSource, files snapshot.Options, platform string, tool *goTool, step progress.Step) (*layer.Layer, error) {
	arch, err := architecture(platform)
	if err != nil {
		return nil, err
	}
	key, err := json.Marshal([]any{"1", src, files.Roots, arch, goArgs(src, ""), goFixed(arch), m.Compression.ID()})
	if err != nil {
		return nil, err
	}
	var made goMade
	if ok, err := m.Store.Record(goKind, string(key), &made); err != nil {
		return nil, err
	} else if ok {
		if l, ok := layer.Find(m.Store, made.Layer); ok && m.unchanged(ctx, files, made, string(key)) {
			step.Cached()
			return l, nil
		}
	}
	// Before anything is read: what changes from now on is seen next time.
	before, snapErr := snapshot.Take(ctx, files)
	dir, err := m.Store.TempDir("function-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, bootstrap)
	if err := tool.build(ctx, arch, dir, program, step); err != nil {
		return nil, err
	}
	l, layerKey, err := m.programLayer(program)
	if err != nil || snapErr != nil {
		return l, err // without a snapshot the go command's own cache has to do
	}
	if same, err := before.Same(ctx, files); err != nil || !same {
		return l, nil // changed while it was compiled
	}
	return l, m.Store.PutRecord(goKind, string(key), goMade{before, layerKey})
}

// unchanged says whether all files are as they were. Where some had to be read
// for that, a newer snapshot may do without.
func (m *Maker) unchanged(ctx context.Context, files snapshot.Options, made goMade, key string) bool {
	var newer snapshot.Snapshot
	if len(made.Files.Read) > 0 {
		// Taken before the comparison: what changes in between is seen by it.
		newer, _ = snapshot.Take(ctx, files)
	}
	same, err := made.Files.Same(ctx, files)
	if err != nil || !same {
		return false
	}
	if newer.Sum != "" && len(newer.Read) < len(made.Files.Read) {
		made.Files = newer
		_ = m.Store.PutRecord(goKind, key, made) // only costs time where it fails
	}
	return true
}

// programLayer is the layer with a program as /code/bootstrap. A program that
// came out the same is not packed again.
func (m *Maker) programLayer(path string) (*layer.Layer, string, error) {
	h, err := hashFile(path)
	if err != nil {
		return nil, "", err
	}
	key := fmt.Sprintf("function program %x %s", h, m.Compression.ID())
	if l, ok := layer.Find(m.Store, key); ok {
		return l, key, nil
	}
	l, err := layer.Build(m.Store, m.Compression, func(sink layer.Sink) error {
		fi, err := os.Stat(path)
		if err != nil {
			return err
		}
		return treeFile{path: path, mode: 0o755, size: fi.Size(), sum: h}.add(sink, codeDir+"/"+bootstrap)
	})
	if err != nil {
		return nil, "", m.Store.Explain(err)
	}
	return l, key, l.Remember(key)
}

func (s GoSource) name() string {
	if s.Package == "" || s.Package == "." {
		return filepath.Base(s.Dir)
	}
	return strings.TrimPrefix(s.Package, "./")
}

// goArgs are those of the go command: no path, build id or version control
// state gets into the program.
func goArgs(src GoSource, out string) []string {
	args := []string{"build", "-o", out, "-trimpath", "-buildvcs=false", "-ldflags", strings.TrimSpace("-s -w -buildid= " + src.LDFlags)}
	if src.Tags != "" {
		args = append(args, "-tags", src.Tags)
	}
	if src.Package == "" {
		return append(args, ".")
	}
	return append(args, src.Package)
}

// goFixed is what the go command's environment has in every build: all that
// decides what comes out.
func goFixed(goarch string) []string {
	return []string{
		"GOOS=linux", "GOARCH=" + goarch, "GOAMD64=v1", "GOARM64=v8.0",
		"CGO_ENABLED=0", "GO111MODULE=on", "GOENV=off", "GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off",
		"GOTOOLCHAIN=local", "GODEBUG=",
	}
}

// hashFile is the file's SHA-256.
func hashFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := f.WriteTo(h); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// checkStatic says whether a file that was compiled is a program for that
// architecture which needs no dynamic linker.
func checkStatic(path, goarch string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("what was compiled is no program: %w", err)
	}
	defer f.Close()
	if f.Machine != machines[goarch] || f.Section(".interp") != nil {
		return fmt.Errorf("what was compiled is a %s for %s, want a static program for %s", f.Type, f.Machine, machines[goarch])
	}
	return nil
}
