package emulator

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/dockerd"
)

// Networks of containers.
const (
	NetworkPublished = ""     // the program's default, with the port on loopback
	NetworkHost      = "host" // this machine's: one instance at a time
	NetworkNone      = "none" // loopback only; the caller is root
)

// CLI runs instances through a program with docker's command line: docker,
// podman or nerdctl.
type CLI struct {
	Program string
	// Image is what the program knows the image by.
	Image string
	// Env is added to the program's own environment, such as DOCKER_HOST.
	Env []string
	// Platform is given to the program where it is set: linux/amd64.
	Platform string
	Network  string
}

// Name is how people call it.
func (c CLI) Name() string { return c.Program }

// SharesPorts says whether the instances have this machine's ports.
func (c CLI) SharesPorts() bool { return c.Network == NetworkHost }

// runArgs are the arguments of `run`, without the program. published is the port
// of loopback that the function's is published on.
func (c CLI) runArgs(s Spec, name, envFile string, published int) []string {
	f := s.Function
	args := []string{"run", "--rm", "--name", name, "--env-file", envFile}
	for _, v := range s.Env {
		if !oneLine(v) { // a file of variables has no such values
			name, _, _ := strings.Cut(v, "=")
			args = append(args, "--env", name) // the value is the program's own variable's
		}
	}
	if c.Platform != "" {
		args = append(args, "--platform", c.Platform)
	}
	args = append(args, "--memory", strconv.Itoa(f.Memory)+"m")
	// The programs refuse more than the machine has.
	if f.CPU > 0 && f.CPU < float64(runtime.NumCPU()) {
		args = append(args, "--cpus", strconv.FormatFloat(f.CPU, 'f', -1, 64))
	}
	if c.Network == NetworkPublished {
		args = append(args, "--publish", "127.0.0.1:"+strconv.Itoa(published)+":"+strconv.Itoa(f.Port))
	} else {
		args = append(args, "--network", c.Network)
	}
	command := f.Command
	if len(f.Entrypoint) > 0 {
		args = append(args, "--entrypoint", f.Entrypoint[0])
		command = append(f.Entrypoint[1:len(f.Entrypoint):len(f.Entrypoint)], command...)
	}
	return append(append(args, c.Image), command...)
}

// commandLimit is for commands that only tell or change something.
const commandLimit = 20 * time.Second

// ask asks docker's daemon directly, where it is at a socket of this machine:
// the program is slower to start than the daemon to answer. Where the daemon is
// not to be reached so, other is called, which asks through the program.
func (c CLI) ask(ctx context.Context, direct func(context.Context, dockerd.API) error, other func() error) error {
	socket, ok := dockerd.Find(c.getenv)
	if c.Program != "docker" || !ok {
		return other()
	}
	limited, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	err := direct(limited, socket.API())
	if err == nil || limited.Err() != nil || dockerd.Refused(err) {
		return err
	}
	return other()
}

// getenv looks up in the program's environment.
func (c CLI) getenv(name string) string {
	for _, v := range slices.Backward(c.Env) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return os.Getenv(name)
}

// command runs the program to its end and returns what it says.
func (c CLI) command(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Program, args...)
	cmd.Env, cmd.WaitDelay = append(os.Environ(), c.Env...), time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %s", c.Program, args[0], cmp.Or(lastLine(stderr.String()), err.Error()))
	}
	return string(out), nil
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	s = s[strings.LastIndexByte(s, '\n')+1:]
	return s[:min(len(s), 500)]
}

// Available says whether the program is there and reaches what runs its
// containers.
func (c CLI) Available(ctx context.Context) error {
	if _, err := exec.LookPath(c.Program); err != nil {
		return errors.New(c.Program + " is not installed")
	}
	probe := "version" // asks the daemon
	if c.Program == "podman" {
		probe = "info" // podman has none
	}
	_, err := c.command(ctx, probe)
	return err
}

// ExposedPorts are those that the image says it listens on, such as 8080/tcp. It
// must be there already.
func (c CLI) ExposedPorts(ctx context.Context) (ports map[string]struct{}, err error) {
	img, err := c.image(ctx)
	return img.Config.ExposedPorts, err
}

// Has says whether the image of that name is one of these digests: of its
// config, or of its manifest, by the kind of the program's store.
func (c CLI) Has(ctx context.Context, digests ...string) bool {
	img, err := c.image(ctx)
	if !strings.Contains(img.ID, ":") {
		img.ID = "sha256:" + img.ID // podman
	}
	return err == nil && slices.Contains(digests, img.ID)
}

// image is what the program knows of the image.
func (c CLI) image(ctx context.Context) (img dockerd.Image, err error) {
	err = c.ask(ctx, func(ctx context.Context, api dockerd.API) (err error) {
		img, err = api.Image(ctx, c.Image)
		return err
	}, func() error {
		out, err := c.command(ctx, "image", "inspect", "--format", "{{json .}}", c.Image)
		if err == nil {
			err = json.Unmarshal([]byte(out), &img)
		}
		return err
	})
	return img, err
}

// Pull has the program fetch the image.
func (c CLI) Pull(ctx context.Context) error {
	args := []string{"pull", "--quiet"}
	if c.Platform != "" {
		args = append(args, "--platform", c.Platform)
	}
	return c.long(ctx, nil, append(args, c.Image)...)
}

// Load gives the program an image in docker's archive format.
func (c CLI) Load(ctx context.Context, archive io.Reader) error {
	return c.long(ctx, archive, "load", "--quiet")
}

// long is command without a limit of time.
func (c CLI) long(ctx context.Context, stdin io.Reader, args ...string) error {
	cmd := exec.CommandContext(ctx, c.Program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Env, cmd.WaitDelay, cmd.Stdin = append(os.Environ(), c.Env...), 5*time.Second, stdin
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%s %s: %s", c.Program, args[0], cmp.Or(lastLine(stderr.String()), err.Error()))
	}
	return nil
}

// Start runs a container, attached, so that its output and its end are those of
// the program.
func (c CLI) Start(ctx context.Context, s Spec) (_ Running, err error) {
	i := &cliInstance{cli: c, name: containerName(s.ID), said: &tail{}, done: make(chan struct{})}
	i.processes.list = func() ([]int, error) { return withVariable("FC_INSTANCE_ID=" + s.ID) }
	port := s.Function.Port
	if c.Network == NetworkPublished {
		ports, err := freePorts(1)
		if err != nil {
			return nil, err
		}
		port = ports[0]
	}
	i.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if i.env, err = envFile(s.Env); err != nil {
		return nil, err
	}
	i.cmd = exec.Command(c.Program, c.runArgs(s, i.name, pathOf(i.env), port)...)
	i.cmd.Env = append(os.Environ(), c.Env...)
	for _, v := range s.Env {
		if !oneLine(v) {
			i.cmd.Env = append(i.cmd.Env, v)
		}
	}
	out := &tee{s.Output, i.said}
	i.cmd.Stdout, i.cmd.Stderr = out, out // one pipe
	i.cmd.WaitDelay = time.Second
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := container.Spawn(i.cmd.Start); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", c.Program, err), i.env.Close())
	}
	go func() {
		defer close(i.done)
		_ = i.cmd.Wait() // the state has it
	}()
	if c.Network == NetworkNone {
		if err := i.enter(ctx); err != nil {
			return nil, errors.Join(err, i.Close())
		}
	}
	return i, nil
}

// tee keeps the end of what passes.
type tee struct {
	io.Writer
	tail *tail
}

func (t *tee) Write(p []byte) (int, error) {
	t.tail.add(p)
	return t.Writer.Write(p)
}

func oneLine(v string) bool { return !strings.ContainsAny(v, "\r\n") }

// envFile is a file of the variables in memory: others on this machine do not see
// them, and nothing stays behind, however imgbuild ends.
func envFile(env []string) (*os.File, error) {
	fd, err := unix.MemfdCreate("imgbuild-env", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a file of the variables: %w", err)
	}
	f := os.NewFile(uintptr(fd), "imgbuild-env")
	var b strings.Builder
	for _, v := range env {
		if oneLine(v) {
			b.WriteString(v + "\n")
		}
	}
	if _, err := f.WriteString(b.String()); err != nil {
		return nil, errors.Join(fmt.Errorf("writing the variables: %w", err), f.Close())
	}
	return f, nil
}

// pathOf is where other processes of this user find an open file of this one.
func pathOf(f *os.File) string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
}

// withVariable are the processes of this machine that have a variable in their
// environment, as far as this user may see it; the first one first.
func withVariable(variable string) (found []int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err == nil && bytes.Contains(b, []byte(variable)) {
			found = append(found, pid)
		}
	}
	slices.Sort(found)
	return found, nil
}
