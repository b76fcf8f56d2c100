package check

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/template"
)

func TestMain(m *testing.M) {
	container.Main()
	os.Exit(m.Run())
}

// program is testdata/program, compiled once.
var program = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "check-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "program")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./testdata/program")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
})

// layer has files by their paths, all of them programs.
func layer(t testing.TB, files map[string][]byte, options ...tarball.LayerOption) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }, options...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// image starts /program with the arguments.
func image(t testing.TB, files map[string][]byte, change func(*v1.ConfigFile), args ...string) v1.Image {
	t.Helper()
	all := map[string][]byte{}
	for name, content := range files {
		all[name] = content
	}
	if _, ok := all["program"]; !ok {
		text, err := program()
		if err != nil {
			t.Fatal(err)
		}
		all["program"] = text
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(base, mutate.Addendum{Layer: layer(t, all, tarball.WithMediaType(types.OCILayer))})
	if err != nil {
		t.Fatal(err)
	}
	f, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	f = f.DeepCopy()
	f.OS, f.Architecture = "linux", "amd64"
	f.Config.Entrypoint, f.Config.Cmd = []string{"/program"}, args
	if change != nil {
		change(f)
	}
	if img, err = mutate.ConfigFile(img, f); err != nil {
		t.Fatal(err)
	}
	return img
}

func options(t testing.TB) Options {
	t.Helper()
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return Options{Store: s, Ready: time.Minute, Idle: time.Second}
}

func result(t testing.TB, r Report, rule string) Result {
	t.Helper()
	for _, x := range r.Results {
		if x.Rule == rule {
			return x
		}
	}
	t.Fatalf("no result of %s", rule)
	return Result{}
}

// A good image breaks nothing, and each planted fault is found, by its own rule
// alone.
func TestFaults(t *testing.T) {
	testtool.Whole(t)
	if err := container.Available(t.Context()); err != nil {
		testtool.Lacking(t, err.Error())
	}
	hook := template.Hook{Set: true, Timeout: time.Minute}
	command := template.Hook{Set: true, Timeout: time.Minute, Command: []string{"/warm"}}
	web, timer := template.Trigger{Type: "http", Auth: "anonymous"}, template.Trigger{Type: "timer"}
	for _, c := range []struct {
		name     string
		args     []string
		files    map[string][]byte
		change   func(*v1.ConfigFile)
		function template.Function
		rule     string
		status   Status
		says     string
		ready    time.Duration
	}{
		{name: "good"},
		{name: "exits", args: []string{"exits"}, rule: "ready", status: Failed, says: "CAExited"},
		{name: "deaf", args: []string{"deaf"}, rule: "ready", status: Failed, says: "FunctionNotStarted", ready: time.Second},
		{name: "no file", change: func(f *v1.ConfigFile) { f.Config.Entrypoint = []string{"/nothing"} }, rule: "ready", status: Failed, says: "CAFileNotFound"},
		{name: "no #! line", files: map[string][]byte{"program": []byte("echo hello\n")}, rule: "ready", status: Failed, says: "exec format error"},
		{name: "loopback", args: []string{"loopback"}, rule: "host", status: Failed, says: "127.0.0.1"},
		{name: "closes", args: []string{"closes"}, rule: "keep-alive", status: Failed, says: "after each answer"},
		{name: "five", args: []string{"five"}, rule: "keep-alive", status: Failed, says: "after 5 s"},
		{name: "impatient", args: []string{"impatient"}, rule: "keep-alive", status: Failed, says: "idle for 1s is closed"},
		{name: "stubborn", args: []string{"stubborn"}, rule: "signals", status: Failed, says: "still runs"},
		{name: "unmarked", args: []string{"unmarked"}, rule: "error-status", status: Failed, says: "without x-fc-status"},
		{name: "dies", args: []string{"dies"}, rule: "error-status", status: Warned, says: "Process exited unexpectedly"},
		{name: "hook", args: []string{"hookless"}, function: template.Function{Initializer: hook}, rule: "ready", status: Failed, says: "initializer"},
		{name: "hook at the end", args: []string{"hookless"}, function: template.Function{PreStop: hook}, rule: "hooks", status: Failed, says: "/pre-stop is answered with 500"},
		{name: "hook that is not set", args: []string{"hookless"}, rule: "hooks", status: Noted, says: "is answered with 500"},
		{name: "hook that is a command", args: []string{"hookless"}, function: template.Function{Initializer: command}, rule: "hooks", status: Noted,
			says: "GET /pre-freeze is answered with 500; GET /pre-stop is answered with 500; /initialize is a command"},
		{name: "unmarked, where no event comes", args: []string{"unmarked"}, function: template.Function{Triggers: []template.Trigger{web}}, rule: "error-status", status: Noted, says: "HTTP triggers alone"},
		{name: "unmarked, where a timer's comes", args: []string{"unmarked"}, function: template.Function{Triggers: []template.Trigger{web, timer}}, rule: "error-status", status: Failed, says: "without x-fc-status"},
		{name: "silent", args: []string{"silent"}, rule: "log-lines", status: Warned, says: "are missing"},
		{name: "twice", args: []string{"echo"}, rule: "log-lines", status: Warned, says: "twice"},
		{name: "broken page", args: []string{"broken"}, rule: "http", status: Warned, says: "500"},
		{name: "nothing to start", change: func(f *v1.ConfigFile) { f.Config.Entrypoint = nil }, rule: "program", status: Failed, says: "neither"},
		{name: "arm64", change: func(f *v1.ConfigFile) { f.Architecture = "arm64" }, rule: "platform", status: Failed, says: "linux/arm64"},
		{name: "shim left out", files: map[string][]byte{"usr/local/bin/shim": []byte("#!/bin/sh\n")}, rule: "shim", status: Warned, says: "the shim does nothing"},
		{name: "shim replaced", files: map[string][]byte{"usr/local/bin/shim": []byte("#!/bin/sh\n")}, function: template.Function{Entrypoint: []string{"/program"}}, rule: "shim", status: Warned, says: "template's /program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			if c.ready > 0 {
				o.Ready = c.ready
			}
			c.function.Name, c.function.Port, c.function.Timeout = "function", 8080, time.Minute
			subject := Subject{Name: "x", Image: image(t, c.files, c.change, c.args...), Function: c.function}
			if c.function.Triggers != nil { // only a template says it
				subject.Template = []template.Finding{}
			}
			r, err := Image(t.Context(), subject, o)
			if err != nil {
				t.Fatal(err)
			}
			if c.rule != "" {
				if x := result(t, r, c.rule); x.Status != c.status || !strings.Contains(x.What, c.says) {
					t.Errorf("%s: %s, %s; want %s, %q", x.Rule, x.Status, x.What, c.status, c.says)
				} else if x.Do == "" {
					t.Errorf("%s: it does not say what to do", x.Rule)
				}
			}
			for _, x := range r.Results {
				if x.Rule != c.rule && x.Status != Passed && x.Status != Skipped {
					t.Errorf("%s: %s, %s", x.Rule, x.Status, x.What)
				}
				if c.rule == "" && x.Status == Skipped && x.Rule != "shim" {
					t.Errorf("%s was not tried: %s", x.Rule, x.What)
				}
			}
		})
	}
}

// How layers are packed.
func TestMediaTypes(t *testing.T) {
	oci, docker := types.OCIConfigJSON, types.DockerConfigJSON
	for _, c := range []struct {
		config types.MediaType
		layers []types.MediaType
		status Status
		says   string
	}{
		{oci, []types.MediaType{types.OCILayer, types.OCILayer}, Passed, "gzip"},
		{docker, []types.MediaType{types.DockerLayer}, Passed, "gzip"},
		{oci, nil, Passed, ""},
		{oci, []types.MediaType{types.OCILayer, types.OCILayerZStd}, Warned, "layer 2 is packed with zstd"},
		{oci, []types.MediaType{types.OCIUncompressedLayer}, Warned, "not compressed"},
		{oci, []types.MediaType{types.OCILayer, types.DockerLayer}, Warned, "Docker (layer 2)"},
		{docker, []types.MediaType{types.DockerForeignLayer}, Failed, "elsewhere"},
		{oci, []types.MediaType{"application/x-wasm"}, Failed, "application/x-wasm"},
	} {
		m := &v1.Manifest{Config: v1.Descriptor{MediaType: c.config}}
		for _, l := range c.layers {
			m.Layers = append(m.Layers, v1.Descriptor{MediaType: l})
		}
		if x := mediaTypes(m); x.Status != c.status || !strings.Contains(x.What, c.says) {
			t.Errorf("%v: %s, %s; want %s, %q", c.layers, x.Status, x.What, c.status, c.says)
		}
	}
}

// Layers that are small and unpack to much. Their gzip is of zeros.
func TestSize(t *testing.T) {
	for _, c := range []struct {
		size   int64
		gpu    bool
		status Status
		says   string
	}{
		{maxUnpacked - 1, false, Noted, "11 GB"},
		{maxUnpacked + 1, false, Failed, "10 GiB unpacked, which is the platform's limit"},
		{maxUnpacked + 1, true, Noted, "11 GB"},
		{maxUnpackedGPU + 1, true, Failed, "15 GiB unpacked, which is the platform's limit for functions with a GPU"},
	} {
		img, err := mutate.Append(empty.Image, mutate.Addendum{Layer: &bloated{Layer: static.NewLayer([]byte("x"), types.OCILayer), size: c.size}})
		if err != nil {
			t.Fatal(err)
		}
		k := &checker{image: img, function: template.Function{GPU: c.gpu}}
		r, err := k.size(t.Context())
		if err != nil || r.Status != c.status || !strings.Contains(r.What, c.says) {
			t.Errorf("%d, %t: %s, %s: %v; want %s, %q", c.size, c.gpu, r.Status, r.What, err, c.status, c.says)
		}
	}
}

type bloated struct {
	v1.Layer
	size int64
}

func (b *bloated) Uncompressed() (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(zero{}, b.size)), nil
}

type zero struct{}

func (zero) Read(p []byte) (int, error) { return len(p), nil }
