package e2e

import (
	"bufio"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// nodeHello is run under the shim.
var nodeHello = []string{"node", "-p", "`hello from ${process.version}`"}

// --load and docker load give dockerd images that run, of the same content.
func TestLoad(t *testing.T) {
	d := docker(t)
	pushed(t)
	hello := "hello from v" + version(t, "node:24") + "\n"
	runs := func(t *testing.T) {
		out := dockerRun(t, d, append([]string{"run", "--rm", "--network", "none", "node:24-slim"}, nodeHello...)...)
		if out != hello {
			t.Errorf("the loaded image says %q, want %q", out, hello)
		}
		dockerRun(t, d, "rmi", "--force", "node:24-slim")
	}
	t.Run("load", func(t *testing.T) {
		run{env: []string{"DOCKER_HOST=unix://" + d.Socket}}.ok(t, "node:24-slim", "--load")
		runs(t)
	})
	t.Run("archive", func(t *testing.T) {
		tar := filepath.Join(t.TempDir(), "node.tar")
		run{}.ok(t, "node:24-slim", "--output", "type=docker,dest="+tar)
		dockerRun(t, d, "load", "--input", tar)
		runs(t)
	})
}

// skopeo reads the OCI layouts, as a folder and as a tar, with the digest that
// was printed.
func TestOCILayout(t *testing.T) {
	skopeo := testtool.Need(t, "skopeo", "skopeo")
	pushed(t)
	dir := t.TempDir()
	for dest, from := range map[string]string{"layout": "oci:", "layout.tar": "oci-archive:"} {
		path := filepath.Join(dir, dest)
		r := run{}.results(t, "golang:slim", "--output", "type=oci,dest="+path)[0]
		raw, err := exec.CommandContext(t.Context(), skopeo, "inspect", "--raw", from+path+":slim").CombinedOutput()
		if err != nil {
			t.Fatalf("skopeo inspect %s: %v: %s", dest, err, raw)
		}
		if h, _, err := v1.SHA256(strings.NewReader(string(raw))); err != nil || h.String() != r.Digest {
			t.Errorf("skopeo reads %s from %s, printed was %s", h, dest, r.Digest)
		}
		if said, err := exec.CommandContext(t.Context(), skopeo, "copy", "--quiet", from+path+":slim", "dir:"+filepath.Join(dir, "copy-of-"+dest)).CombinedOutput(); err != nil {
			t.Errorf("skopeo copy %s: %v: %s", dest, err, said)
		}
	}
}

// What was pushed to the embedded registry can be pulled from where the
// printed reference says, when `imgbuild registry` runs.
func TestEmbeddedRegistry(t *testing.T) {
	d := docker(t)
	store := filepath.Join(t.TempDir(), "store")
	copyStore(t, store)
	out := run{store: store}.ok(t, "golang:1.27-slim", "--push", "--registry", "embedded")
	const addr = "127.0.0.1:5050"
	reference := strings.TrimSuffix(out, "\n")
	if !strings.HasPrefix(reference, addr+"/golang:1.27-slim@sha256:") {
		t.Fatalf("printed %q", out)
	}
	args := []string{"registry"}
	if l, err := net.Listen("tcp", addr); err != nil {
		t.Logf("%s is taken by another program, so a free port is used: %v", addr, err)
		args = append(args, "--listen", "127.0.0.1:0")
	} else {
		l.Close()
	}
	cmd := run{store: store}.command(t, args...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		t.Fatalf("imgbuild registry says nothing: %v", cmd.Wait())
	}
	host := lines.Text()
	at := host + "/golang:1.27-slim"
	dockerRun(t, d, "pull", "--quiet", at)
	digests := dockerRun(t, d, "inspect", "--format", "{{join .RepoDigests \" \"}}", at)
	_, digest, _ := strings.Cut(reference, "@")
	if !strings.Contains(digests, "@"+digest) {
		t.Errorf("docker pulled %s, pushed was %s", digests, reference)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("Ctrl-C does not end the registry")
	}
}
