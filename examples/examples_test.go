// Package examples_test looks at what can go wrong in an example without a
// container; that each one runs is tested end to end.
package examples_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

func glob(t *testing.T, pattern string, least int) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) < least {
		t.Fatalf("%s: %d files, want at least %d: %v", pattern, len(paths), least, err)
	}
	return paths
}

// A Dockerfile takes its base by ARG BASE, keeps the image's ENTRYPOINT (the
// shim) and copies only what exists.
func TestDockerfiles(t *testing.T) {
	for _, path := range glob(t, "*/Dockerfile*", 5) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := parser.Parse(bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		stages, args, err := instructions.Parse(tree.AST, nil)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if len(args) == 0 || args[0].Args[0].Key != "BASE" || stages[0].BaseName != "${BASE}" {
			t.Errorf("%s: the base is not ${BASE}", path)
		}
		for _, stage := range stages {
			for _, command := range stage.Commands {
				switch c := command.(type) {
				case *instructions.EntrypointCommand:
					t.Errorf("%s: ENTRYPOINT takes the shim away", path)
				case *instructions.CopyCommand:
					for _, source := range c.SourcePaths {
						if c.From == "" {
							glob(t, filepath.Join(filepath.Dir(path), source), 1)
						}
					}
				}
			}
		}
	}
}

// The platform answers CAFilePermission for a bootstrap without its run bit,
// and "exec format error" for one without a shebang line.
func TestBootstrapsCanBeStarted(t *testing.T) {
	for _, path := range glob(t, "*/bootstrap", 3) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o111 != 0o111 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		data, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(data, []byte("#!/bin/")) || bytes.ContainsRune(data, '\r') {
			t.Errorf("%s begins with %.20q: %v", path, data, err)
		}
	}
}

// A lock of npm that names hosts would ask the hosts of whoever wrote it.
func TestPackageLocksNameNoHost(t *testing.T) {
	for _, path := range glob(t, "*/package-lock.json", 1) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "://") {
			t.Errorf("%s names a host; make it with npm's omit-lockfile-registry-resolved", path)
		}
		var lock struct {
			Packages map[string]struct{ Integrity string }
		}
		if err := json.Unmarshal(data, &lock); err != nil || len(lock.Packages) < 2 {
			t.Fatalf("%s: %d packages: %v", path, len(lock.Packages), err)
		}
		for name, p := range lock.Packages {
			if name != "" && p.Integrity == "" {
				t.Errorf("%s: %s has no integrity", path, name)
			}
		}
	}
}
