package program

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestWithoutEnv: in an image with no /usr/bin/env the name is found on PATH.
func TestWithoutEnv(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "runner"), "#!/bin/sh\n", 0o755)
	write(t, filepath.Join(dir, "plain"), "x", 0o644)
	script := filepath.Join(dir, "script")
	for line, want := range map[string]string{
		"#!/no/env runner":             "",
		"#!/usr/bin/env runner":        dir + "/runner: runner " + script + " a",
		"#! /usr/bin/env  runner ":     dir + "/runner: runner " + script + " a",
		"#!/usr/bin/env -S runner -x":  dir + "/runner: runner -x " + script + " a",
		"#!/usr/bin/env nosuch":        `asks for "nosuch" in its first line`,
		"#!/usr/bin/env plain":         "is not executable",
		"#!/usr/bin/env":               "",
		"#!/usr/bin/env runner --flag": `asks for "runner --flag"`, // as env itself would
	} {
		write(t, script, line+"\n", 0o755)
		c := &Command{Path: script, Argv: []string{script, "a"}}
		err := c.withoutEnvIn([]string{"PATH=" + dir}, filepath.Join(dir, "no-env"))
		got := c.Path + ": " + strings.Join(c.Argv, " ")
		if err != nil {
			got = err.Error()
		}
		if want == "" {
			want = script + ": " + script + " a"
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tool"), "", 0o644)
	_, err := lookPath("tool", []string{"PATH=/nosuch:" + dir})
	if e, ok := errors.AsType[*StartError](err); !ok || e.Code != 126 {
		t.Errorf("a tool without its run bit: %v", err)
	}
	if _, err := lookPath("", []string{"PATH=" + dir}); err == nil {
		t.Error("the empty name was found")
	}
	if got, err := lookPath("sh", nil); err != nil || !filepath.IsAbs(got) {
		t.Errorf("without PATH: %s, %v", got, err)
	}
}

func FuzzReadELF(f *testing.F) {
	f.Add([]byte("#!/bin/sh\r\n"))
	f.Add(withLinker("/x"))
	f.Add([]byte("\x7fELF\x02\x01"))
	f.Add(withDynamic())
	f.Fuzz(func(t *testing.T, b []byte) {
		if explainFormat(b) == "" {
			t.Error("nothing to say")
		}
		e, ok := readELF(bytes.NewReader(b))
		if !ok && (e.Linker != "" || e.Needed != nil) || len(e.Needed) > maxDynamic/16 || len(e.Wants) > maxVersions || len(e.Has) > maxVersions {
			t.Errorf("%t, but %+v", ok, e)
		}
	})
}

// withDynamic is a small ELF file that needs a library: the table of strings
// is its last bytes, and the first segment covers the whole file.
func withDynamic() []byte {
	b := withLinker("/x")
	le := binary.LittleEndian
	le.PutUint32(b[120:], ptLoad)
	le.PutUint64(b[128:], 0)        // from its beginning
	le.PutUint64(b[152:], 1<<12)    // its size
	le.PutUint32(b[64:], ptDynamic) // in place of the linker
	le.PutUint64(b[72:], uint64(len(b)))
	le.PutUint64(b[96:], 64)
	for _, entry := range [][2]uint64{{dtStrTab, 0x400000 + uint64(len(b)) + 64}, {dtNeeded, 0}, {dtRunPath, 10}, {dtNull, 0}} {
		b = le.AppendUint64(le.AppendUint64(b, entry[0]), entry[1])
	}
	return append(b, "libx.so.1\x00/a:/b\x00"...)
}

func TestReadDynamic(t *testing.T) {
	e, ok := readELF(bytes.NewReader(withDynamic()))
	if got := strings.Join(append(e.Needed, e.RunPath...), " "); !ok || got != "libx.so.1 /a /b" {
		t.Errorf("%t %+v", ok, e)
	}
}

// withLinker is a small ELF file that asks for a dynamic linker: the header, a
// PT_INTERP and an empty PT_LOAD (System V ABI, chapters 4 and 5).
func withLinker(linker string) []byte {
	b := make([]byte, 176)
	copy(b, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(b[16:], 2)
	le.PutUint16(b[18:], map[string]uint16{"amd64": 62, "arm64": 183}[runtime.GOARCH])
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], 64)
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 2)
	le.PutUint32(b[64:], 3)
	le.PutUint64(b[72:], 176)
	le.PutUint64(b[96:], uint64(len(linker)+1))
	le.PutUint32(b[120:], 1)
	le.PutUint32(b[124:], 5)
	le.PutUint64(b[152:], 4096)
	le.PutUint64(b[136:], 0x400000)
	le.PutUint64(b[160:], 4096)
	le.PutUint64(b[168:], 4096)
	return append(append(b, linker...), 0)
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestFunction: what runs in a container that was given no command.
func TestFunction(t *testing.T) {
	dir := t.TempDir()
	code, adapter := filepath.Join(dir, "code"), filepath.Join(dir, "adapter")
	env := []string{"FC_FUNC_CODE_PATH=" + code, "FC_FUNCTION_HANDLER=index.handler", "PATH=" + dir}
	says := func(want string, args ...string) {
		t.Helper()
		c, err := resolve(args, env, adapter, filepath.Join(dir, "no-env"))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = strings.Join(append([]string{c.Path, c.Dir}, c.Argv...), " ")
		}
		if !strings.Contains(got, want) || strings.Contains(got, "\n") {
			t.Errorf("%s, want %s", got, want)
		}
		if err == nil && c.Function != (len(args) == 0) {
			t.Errorf("%v is a function: %t", args, c.Function)
		}
	}
	says("no " + code + "/bootstrap (no such file or directory); add an executable bootstrap")
	says(`as FC_FUNCTION_HANDLER names it (here "index.handler"), needs the node or typescript image`)
	write(t, adapter, "#!/usr/bin/env node\n", 0o755)
	write(t, filepath.Join(dir, "node"), "#!/bin/sh\n", 0o755)
	says("there is no function: the folder " + code + " is not there")
	if err := os.Mkdir(code, 0o755); err != nil {
		t.Fatal(err)
	}
	says(dir + "/node " + code + " node " + adapter)
	write(t, filepath.Join(code, "bootstrap"), "#!/bin/sh\n", 0o644)
	says("bootstrap is not executable")
	write(t, filepath.Join(code, "bootstrap"), "#!/bin/sh\n", 0o755)
	says(code + "/bootstrap " + code + " " + code + "/bootstrap")
	says(dir+"/node  node x.js", "node", "x.js") // arguments come first
	if err := os.Remove(filepath.Join(code, "bootstrap")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(code, "bootstrap")); err != nil {
		t.Fatal(err)
	}
	says("bootstrap does not exist") // a broken link is meant to be one
}
