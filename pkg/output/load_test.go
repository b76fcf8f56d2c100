package output_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/output"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/registry"
)

func nameTag(s string) (*name.Tag, error) {
	t, err := name.NewTag(s)
	return &t, err
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// dockerd starts a daemon of the test's own and points DOCKER_HOST to it.
func dockerd(t *testing.T) {
	t.Helper()
	bin, err := exec.LookPath("dockerd")
	if err != nil {
		t.Fatal("this test needs dockerd: apt-get install docker.io")
	}
	if os.Getuid() != 0 {
		t.Fatal("this test starts dockerd, and needs root")
	}
	// Paths of sockets are limited to 108 bytes.
	dir, err := os.MkdirTemp("/tmp", "dockerd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.WriteFile(dir+"/daemon.json", []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "d.sock")
	cmd := exec.Command(bin, "--data-root", dir+"/data", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid", "-H", "unix://"+socket,
		"--iptables=false", "--bridge=none", "--storage-driver=vfs", "--config-file", dir+"/daemon.json")
	log, err := os.Create(dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			b, _ := os.ReadFile(dir + "/log")
			t.Logf("dockerd: %s", b[max(0, len(b)-4000):])
		}
	})
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	for range 300 {
		if exec.Command("docker", "version").Run() == nil {
			return
		}
		select {
		case err := <-done:
			done <- err
			t.Fatalf("dockerd ended: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("dockerd did not start")
}

func docker(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("docker", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %q: %v\n%s", args, err, stderr.String())
	}
	return out
}

// hasImage compares what docker has with what was loaded or pulled.
func hasImage(t *testing.T, ref string, img output.Image) {
	t.Helper()
	var got []struct {
		ID     string `json:"Id"`
		RootFS struct{ Layers []string }
	}
	if err := json.Unmarshal(docker(t, "image", "inspect", ref), &got); err != nil || len(got) != 1 {
		t.Fatalf("docker image inspect %s: %v, %d images", ref, err, len(got))
	}
	cf, err := img.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := img.Image.ConfigName(); got[0].ID != want.String() {
		t.Errorf("%s is image %s; want %s", ref, got[0].ID, want)
	}
	for i, d := range cf.RootFS.DiffIDs {
		if got[0].RootFS.Layers[i] != d.String() {
			t.Errorf("%s: layer %d is %s; want %s", ref, i, got[0].RootFS.Layers[i], d)
		}
	}
}

// TestDocker: a real daemon loads the archive in all ways, and pulls from the
// embedded registry.
func TestDocker(t *testing.T) {
	dockerd(t)
	img := golang(t)
	img.Image = testImage(t, "amd64", testLayer(t, "a", "gzip", false), testLayer(t, "b", "zstd", true))

	engine, err := output.Load(t.Context(), []output.Image{img})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(engine, "docker (/") {
		t.Errorf("loaded into %q; want Docker's socket", engine)
	}
	hasImage(t, "golang:1.27", img)
	hasImage(t, "golang:latest", img)

	other := golang(t)
	other.Name = "registry.example.com/base/golang"
	path := filepath.Join(t.TempDir(), "image.tar")
	write(t, output.Docker, path, other)
	docker(t, "load", "-i", path)
	hasImage(t, "registry.example.com/base/golang:1.27", other)

	s, err := registry.Start(t.Context(), registry.Options{Dir: t.TempDir(), Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, err := push.New()
	if err != nil {
		t.Fatal(err)
	}
	third := golang(t)
	third.Image = testImage(t, "amd64", testLayer(t, "c", "pulled", false))
	res, err := p.Push(t.Context(), push.Request{Image: third.Image, Repository: address.Repository{Host: s.Addr(), Path: "golang"}, Tags: []string{"1.27"}})
	if err != nil {
		t.Fatal(err)
	}
	docker(t, "pull", "-q", s.Addr()+"/golang:1.27")
	hasImage(t, s.Addr()+"/golang:1.27", third)
	hasImage(t, s.Addr()+"/golang@"+res.Digest.String(), third)
}

func TestNoEngine(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+t.TempDir()+"/none.sock")
	t.Setenv("PATH", t.TempDir())
	_, err := output.Load(t.Context(), []output.Image{golang(t)})
	if err == nil {
		t.Fatal("loaded without an engine")
	}
	for _, want := range []string{"none.sock", "docker: not installed", "podman: not installed", "--output type=docker"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
}

// TestClient: a client program gets the whole archive on its standard input,
// and its complaint is passed on.
func TestClient(t *testing.T) {
	bin, got := t.TempDir(), filepath.Join(t.TempDir(), "got.tar")
	script := "#!/bin/sh\ncase $1 in version) ;; load) cat > '" + got + "'; test ! -e '" + got + ".fail' || { echo no space left >&2; exit 1; };; esac\n"
	if err := os.WriteFile(filepath.Join(bin, "docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_HOST", "tcp://docker.example.com:2376")
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	engine, err := output.Load(t.Context(), []output.Image{golang(t)})
	if err != nil || engine != "docker" {
		t.Fatalf("Load = %q, %v", engine, err)
	}
	want := filepath.Join(t.TempDir(), "want.tar")
	write(t, output.Docker, want, golang(t))
	a, _ := os.ReadFile(got)
	b, _ := os.ReadFile(want)
	if len(a) == 0 || !bytes.Equal(a, b) {
		t.Errorf("the client read %d bytes; want the %d of the archive", len(a), len(b))
	}
	if err := os.WriteFile(got+".fail", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := output.Load(t.Context(), []output.Image{golang(t)}); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("error %v; want the client's", err)
	}
}

// TestBuildah: another engine's own reader of docker archives.
func TestBuildah(t *testing.T) {
	if _, err := exec.LookPath("buildah"); err != nil {
		t.Fatal("this test needs the buildah program: apt-get install buildah")
	}
	path := filepath.Join(t.TempDir(), "image.tar")
	img := golang(t)
	write(t, output.Docker, path, img)
	root, run := t.TempDir(), t.TempDir()
	buildah := func(args ...string) string {
		cmd := exec.Command("buildah", append([]string{"--storage-driver", "vfs", "--root", root, "--runroot", run}, args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("buildah %q: %v\n%s", args, err, stderr.String())
		}
		return strings.TrimSpace(string(out))
	}
	id := buildah("pull", "docker-archive:"+path+":golang:1.27")
	if want, _ := img.Image.ConfigName(); id != want.Hex {
		t.Errorf("buildah pulled image %s; want %s", id, want.Hex)
	}
}
