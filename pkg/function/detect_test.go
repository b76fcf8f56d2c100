package function

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folder makes a folder of files: PATH and content in turn.
func folder(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	fill(t, dir, files...)
	return dir
}

func fill(t testing.TB, dir string, files ...string) {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, filepath.FromSlash(files[i]))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDetect(t *testing.T) {
	typescript := `{"devDependencies": {"typescript": "^5"}}`
	for _, tt := range []struct {
		name  string
		files []string
		want  Kind
	}{
		{"go.mod", []string{"go.mod", "module m", "package.json", "{}"}, Go},
		{"package.json", []string{"package.json", "{}", "server.js", ""}, Node},
		{"and tsconfig", []string{"package.json", "{}", "tsconfig.json", "{}"}, TypeScript},
		{"and .ts", []string{"package.json", "{}", "server.ts", ""}, TypeScript},
		{"and only types", []string{"package.json", "{}", "server.js", "", "types.d.ts", ""}, Node},
		{"and .ts in src", []string{"package.json", typescript, "src/index.ts", ""}, TypeScript},
		{"and types in src", []string{"package.json", typescript, "src/index.d.ts", ""}, Node},
		{"the compiler for its check alone", []string{"package.json", typescript, "src/index.js", ""}, Node},
		{"tsconfig alone", []string{"tsconfig.json", "{}", "src/index.ts", ""}, TypeScript},
		{".mts alone", []string{"index.mts", ""}, TypeScript},
		{".mjs alone", []string{"index.mjs", ""}, Node},
		{"bootstrap alone", []string{"bootstrap", "#!/bin/sh", "lib.rb", ""}, Program},
		{"bootstrap and .js", []string{"bootstrap", "#!/bin/sh", "index.js", ""}, Program},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := Detect(folder(t, tt.files...)); err != nil || got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
	for name, files := range map[string][]string{
		"nothing":        nil,
		"something else": {"main.py", "", "src/index.js", ""},
	} {
		_, err := Detect(folder(t, files...))
		if _, ok := errors.AsType[*UnknownError](err); !ok || !strings.Contains(err.Error(), "go.mod, package.json") || !strings.Contains(err.Error(), "Dockerfile") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Detect(folder(t, "main.go", "package main")); err == nil || !strings.Contains(err.Error(), "go mod init") {
		t.Errorf("without go.mod: %v", err)
	}
	dir := folder(t, "go.mod", "module m", "cmd/x/main.go", "package main")
	if got, err := Detect(filepath.Join(dir, "cmd/x")); got != Go || err != nil {
		t.Errorf("below go.mod: %q, %v", got, err)
	}
}
