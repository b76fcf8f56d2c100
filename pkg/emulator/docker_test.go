package emulator_test

import (
	"bufio"
	"io"
	"log"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// TestDocker is life in containers of a real daemon.
func TestDocker(t *testing.T) {
	testtool.Whole(t)
	testtool.NeedRoot(t)
	testtool.Need(t, "dockerd", "docker.io")
	dir, err := os.MkdirTemp("/tmp", "emu-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d, err := testtool.StartDocker(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	c := emulator.CLI{Program: "docker", Image: "life:1", Network: emulator.NetworkNone, Env: []string{"DOCKER_HOST=unix://" + d.Socket}}
	if err := c.Available(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(tarball.Write(must(name.NewTag("life:1")), image(t), w)) }()
	if err := c.Load(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if !c.Has(t.Context(), must(image(t).ConfigName()).String(), must(image(t).Digest()).String()) || c.Has(t.Context(), "sha256:"+strings.Repeat("0", 64)) {
		t.Error("docker has another image than it was given")
	}
	life(t, c)
	pull(t, c)
	for name, test := range map[string]struct {
		fn   template.Function
		code string
	}{
		"exits":        {template.Function{Command: []string{"exit 3"}}, emulator.CAExited},
		"no such file": {template.Function{Entrypoint: []string{"/none"}}, emulator.CAFileNotFound},
	} {
		e := play(t, test.fn, c, emulator.Options{})
		if r := invoke(t, e, ""); r.ErrorType != test.code {
			t.Errorf("%s: %s %s", name, r.ErrorType, r.Body)
		}
	}
	host := c
	host.Network = emulator.NetworkHost
	e := play(t, template.Function{Port: freePort(t)}, host, emulator.Options{})
	says(t, invoke(t, e, "say hello"), "hello")
	missing := c
	missing.Image = "none.invalid/none:1"
	e = play(t, template.Function{}, missing, emulator.Options{})
	if _, err := e.Invoke(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "docker run: ") {
		t.Errorf("an image that is not there: %v", err)
	}
	swept(t, c)
	out, err := d.Command(t.Context(), "ps", "--all", "--quiet").Output()
	if e.Close(); err != nil || strings.Count(string(out), "\n") > 1 { // the one on the host's network still runs
		t.Errorf("left behind: %s %v", out, err)
	}
}

// swept: what a killed imgbuild has left, of a program that does not heed SIGTERM,
// the next one removes, and nothing else.
func swept(t *testing.T, c emulator.CLI) {
	t.Helper()
	names := func() string {
		t.Helper()
		cmd := exec.Command("docker", "ps", "--all", "--format", "{{.Names}}")
		cmd.Env = append(os.Environ(), c.Env...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	before := names()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "EMULATOR_TEST_VICTIM="+c.Image, "EMULATOR_TEST_NAME=swept", c.Env[0])
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "started <nil>\n" {
		t.Errorf("%q %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	time.Sleep(time.Second) // SIGTERM is passed on
	left := names()
	if left == before {
		t.Fatal("nothing was left behind")
	}
	again := c
	again.Env = append([]string{"A_DAEMON=not swept yet"}, c.Env...)
	e := play(t, template.Function{}, again, emulator.Options{Grace: -1})
	says(t, invoke(t, e, "say hello"), "hello")
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if now := names(); now != before {
		t.Errorf("before there were %q, left were %q, and now there are %q", before, left, now)
	}
}

// pull has docker fetch the image from a registry.
func pull(t *testing.T, c emulator.CLI) {
	reg := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer reg.Close()
	c.Image = strings.TrimPrefix(reg.URL, "http://") + "/team/life:1"
	if err := remote.Write(must(name.ParseReference(c.Image)), image(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ExposedPorts(t.Context()); err == nil {
		t.Error("docker has the image before it is pulled")
	}
	if err := c.Pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ports, err := c.ExposedPorts(t.Context()); err != nil || len(ports) != 1 {
		t.Errorf("the ports are %v, %v", ports, err)
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	a, err := netip.ParseAddrPort(testtool.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	return int(a.Port())
}
