package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// dockerRun runs `docker ARGS`, which must succeed, and returns what it wrote.
func dockerRun(t testing.TB, d *testtool.Docker, args ...string) string {
	t.Helper()
	stdout, stderr, code := dockerDo(t, d, args...)
	if code != 0 {
		t.Fatalf("docker %s: exit %d: %s%s", strings.Join(args, " "), code, tail(stdout), tail(stderr))
	}
	return stdout
}

func dockerDo(t testing.TB, d *testtool.Docker, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := d.Command(ctx, args...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatalf("docker %s: %v", strings.Join(args, " "), err)
	}
	return o.String(), e.String(), code
}

// dockerBuild builds a Dockerfile's image, whose name it returns.
func dockerBuild(t testing.TB, d *testtool.Docker, dir, dockerfile string, buildArgs map[string]string) string {
	t.Helper()
	tag := fmt.Sprintf("e2e:%d", builds.Add(1))
	args := []string{"build", "--network", "host", "--tag", tag, "--file", dir + "/" + dockerfile}
	for k, v := range buildArgs {
		args = append(args, "--build-arg", k+"="+v)
	}
	dockerRun(t, d, append(args, dir)...)
	t.Cleanup(func() { _, _, _ = dockerDo(t, d, "rmi", "--force", tag) })
	return tag
}

var builds atomic.Int64

// dockerContainer is a container of dockerd, with a network of its own.
type dockerContainer struct {
	docker *testtool.Docker
	id     string
}

func startInDocker(t testing.TB, d *testtool.Docker, args ...string) *dockerContainer {
	t.Helper()
	id := strings.TrimSpace(dockerRun(t, d, append([]string{"run", "--detach", "--network", "none"}, args...)...))
	t.Cleanup(func() { _, _, _ = dockerDo(t, d, "rm", "--force", id) })
	return &dockerContainer{d, id}
}

func (c *dockerContainer) pid(t testing.TB) int {
	n, err := strconv.Atoi(strings.TrimSpace(dockerRun(t, c.docker, "inspect", "--format", "{{.State.Pid}}", c.id)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (c *dockerContainer) logs(t testing.TB) string {
	stdout, stderr, _ := dockerDo(t, c.docker, "logs", c.id)
	return stdout + stderr
}

func (c *dockerContainer) terminate(t testing.TB) int {
	dockerRun(t, c.docker, "stop", "--time", "20", c.id)
	code, err := strconv.Atoi(strings.TrimSpace(dockerRun(t, c.docker, "wait", c.id)))
	if err != nil {
		t.Fatal(err)
	}
	return code
}
