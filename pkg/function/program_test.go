package function

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestCheckScript(t *testing.T) {
	has := func(p string) (bool, error) {
		return p == "/bin/sh" || p == "/usr/local/bin/node", nil
	}
	for line, want := range map[string]string{
		"#!/bin/sh\n":              "",
		"#! /bin/sh -e\nx":         "",
		"#!/usr/bin/env node\n":    "",
		"#!/usr/bin/env -S node\n": "has no /usr/bin/env",
		"#!/usr/bin/env python3\n": "has no python3; a slim image has no shell, the full one has: --base base:1",
		"#!/bin/bash\n":            "has no /bin/bash",
		"#!/bin/sh\r\n":            "carriage return",
		"#!\n":                     "names no program",
		"#!sh\n":                   "names no program",
	} {
		err := checkScript([]byte(line), "base:1-slim", has)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
}

func TestBaseHas(t *testing.T) {
	m, _, _ := plainMaker(t)
	base := fakeBase(t, "usr/bin/dash", "usr/bin/sh -> dash", "bin -> usr/bin", "usr/bin/a -> b", "usr/bin/b -> /bin/a", "abs -> /bin/sh", "up -> ../../usr/bin/dash")
	for path, want := range map[string]bool{
		"/bin/sh": true, "/usr/bin/../bin/dash": true, "/usr/bin": true, "/abs": true, "/up": true,
		"/bin/a": false, "/bin/bash": false, "/usr/bin/dash/x": false, "/nothing": false,
	} {
		for range 2 { // once from the layers, once from what is remembered
			if got, err := m.baseHas(t.Context(), base, path); err != nil || got != want {
				t.Errorf("%s: %v, %v", path, got, err)
			}
		}
	}
}

func TestProgram(t *testing.T) {
	m, st, _ := plainMaker(t)
	platforms := []string{"linux/amd64"}
	bases := []Base{fakeBase(t, "bin/sh")}
	dir := folder(t, "bootstrap", "#!/bin/sh\n", "data.txt", "1", ".env", "SECRET=1", "bad", "echo 1\n", "none", "")
	made, err := m.Program(t.Context(), ProgramSource{Dir: dir}, platforms, bases)
	if err != nil {
		t.Fatal(err)
	}
	if got := content(t, made[0].Layers[0]); len(got) != 4 || got["code/bootstrap"] != "#!/bin/sh\n" || got["code/data.txt"] != "1" {
		t.Errorf("got %q", got)
	}
	for binary, want := range map[string]string{
		"bad": "neither a Linux program", "none": "neither a Linux program", "absent": "no such file", ".": "is not a file",
	} {
		if _, err := m.Program(t.Context(), ProgramSource{Binary: filepath.Join(dir, binary)}, platforms, bases); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", binary, err)
		}
	}
	tidy(t, st)
}

// TestBinary tries real programs: one that is static, one that is not, one for
// another machine.
func TestBinary(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the machine's own programs are compared with images for amd64")
	}
	m, _, _ := plainMaker(t)
	dir := folder(t, "go.mod", "module m\n\ngo 1.26\n", "main.go", "package main\n\nfunc main() {}\n")
	compile := func(arch string) string {
		cmd := exec.Command("go", "build", "-o", arch, ".")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return filepath.Join(dir, arch)
	}
	dynamic, err := filepath.EvalSymlinks("/bin/ls")
	if err != nil {
		t.Skip(err)
	}
	slim, libc := fakeBase(t, "etc/passwd"), fakeBase(t, "lib64/ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu/libc.so.6")
	static, other := compile("amd64"), compile("arm64")
	for _, tt := range []struct {
		program, platform string
		base              Base
		want              string
	}{
		{static, "linux/amd64", slim, ""},
		{other, "linux/arm64", slim, ""},
		{other, "linux/amd64", slim, "it is for EM_AARCH64, the image for linux/amd64"},
		{dynamic, "linux/amd64", slim, "CGO_ENABLED=0"},
		{dynamic, "linux/amd64", libc, "it needs libselinux.so.1, which base:1-slim does not have"},
		{static, "windows/amd64", slim, "linux/amd64 and linux/arm64"},
	} {
		made, err := m.Program(t.Context(), ProgramSource{Binary: tt.program}, []string{tt.platform}, []Base{tt.base})
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s on %s: %v, want %q", tt.program, tt.platform, err, tt.want)
		case err == nil && len(content(t, made[0].Layers[0])) != 1:
			t.Errorf("%s: not one file", tt.program)
		}
	}
}
