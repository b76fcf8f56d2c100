package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance/local"
)

// functionImage has pkg/emulator's test function as its entrypoint, and the
// port 8080.
func functionImage(t *testing.T) v1.Image {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	if err := local.Compile(t.Context(), testtool.ModuleRoot(), program, "./pkg/emulator/testdata/program", "-ldflags=-s -w"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "program", Mode: 0o755, Size: int64(len(b)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file.OS, file.Architecture = "linux", "amd64"
	file.Config = v1.Config{Entrypoint: []string{"/program"}, ExposedPorts: map[string]struct{}{"8080/tcp": {}}}
	if img, err = mutate.ConfigFile(img, file); err != nil {
		t.Fatal(err)
	}
	return img
}

// TestInvokeImage: an image in a layout and in a registry, without a daemon.
func TestInvokeImage(t *testing.T) {
	testtool.Whole(t)
	if err := container.Available(t.Context()); err != nil {
		testtool.Lacking(t, err.Error())
	}
	dir := t.TempDir()
	img := functionImage(t)
	p, err := layout.Write(filepath.Join(dir, "hello"), empty.Index)
	if err == nil {
		err = p.AppendImage(img)
	}
	if err != nil {
		t.Fatal(err)
	}
	reg := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer reg.Close()
	ref := strings.TrimPrefix(reg.URL, "http://") + "/team/hello:1.0"
	tag, err := name.ParseReference(ref)
	if err == nil {
		err = remote.Write(tag, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range [][]string{{"hello"}, {ref}, {"hello", "--runtime", "runc"}, {ref, "--runtime", "crun"}} {
		if len(test) > 1 {
			testtool.Need(t, test[2], test[2])
		}
		var got []invoked
		out := succeed(t, dir, append([]string{"invoke", "-e", "env FC_CUSTOM_LISTEN_PORT", "--json", "--repeat", "2"}, test...)...)
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || got[0].Body != "8080" || !got[0].Cold || got[1].Cold {
			t.Errorf("%s: %+v", test, got)
		}
	}
	if out := succeed(t, dir, "invoke", "hello", "--http", "PUT", "/a?b", "--body", "x"); !strings.Contains(out, "PUT function /a?b x") {
		t.Errorf("%q", out)
	}
}

// TestInvokeStopped: Ctrl-C ends the function, and leaves nothing behind.
func TestInvokeStopped(t *testing.T) {
	testtool.Whole(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "pkg"), 0o755); err != nil {
		t.Fatal(err)
	}
	mark := filepath.Base(dir) + "-stopped"
	if err := os.WriteFile(filepath.Join(dir, "pkg", "bootstrap"), []byte("#!/bin/sh\nsleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"http", "exec"} { // while it starts, and while it is called
		begun := func() {
			for end := time.Now().Add(time.Minute); time.Now().Before(end) && !sleeps(t, "MARK="+mark); time.Sleep(10 * time.Millisecond) {
			}
		}
		code, took, stdout, stderr := stopAt(t, begun, syscall.SIGINT, dir, "invoke", "pkg", "-e", "x", "--timeout", "1h", "--env", "SHIM_MODE="+mode, "--env", "MARK="+mark)
		if code != exitInterrupted || took > 30*time.Second || stdout != "" || !strings.Contains(stderr, "stopped by interrupt") {
			t.Errorf("exit code %d after %s; %q %q", code, took, stdout, stderr)
		}
		// What was killed may take a moment to go.
		left := withVariable(t, "MARK="+mark)
		for end := time.Now().Add(time.Minute); len(left) > 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			left = withVariable(t, "MARK="+mark)
		}
		if len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// sleeps says whether one of them is the sleep of a function.
func sleeps(t *testing.T, variable string) bool {
	t.Helper()
	for _, path := range withVariable(t, variable) {
		if b, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline")); err == nil && string(b) == "sleep\x001000\x00" {
			return true
		}
	}
	return false
}

// withVariable are processes that have a variable.
func withVariable(t *testing.T, variable string) (found []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte(variable)) {
			found = append(found, path)
		}
	}
	return found
}
