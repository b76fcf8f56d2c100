// Package peer runs BuildKit, which makes the same image from the same local
// files, for comparison.
package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
)

// BuildKit is a running buildkitd of the version that tools/go.mod pins.
type BuildKit struct {
	ctl  string
	addr string
	cmd  *exec.Cmd
	done chan struct{}
}

// StartBuildKit starts buildkitd in a folder of its own below the workshop's.
// Its programs are those in bin/, where `make bench` puts them, or are built.
func StartBuildKit(ctx context.Context, w *workshop.Workshop) (*BuildKit, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("buildkitd, the peer, needs root here: it mounts and starts containers")
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return nil, fmt.Errorf("the peer needs runc (apt-get install runc): %w", err)
	}
	ctl, err := program(ctx, w, "buildctl")
	if err != nil {
		return nil, err
	}
	daemon, err := program(ctx, w, "buildkitd")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(w.Dir, "buildkit")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	b := &BuildKit{ctl: ctl, addr: "unix://" + filepath.Join(dir, "sock"), done: make(chan struct{})}
	b.cmd = exec.Command(daemon, "--root", filepath.Join(dir, "root"), "--addr", b.addr,
		"--oci-worker=true", "--oci-worker-binary", runc, "--oci-worker-net", "host", "--containerd-worker=false")
	b.cmd.Stdout, b.cmd.Stderr = log, log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = b.cmd.Wait(); close(b.done) }()
	if err := b.ready(ctx); err != nil {
		text, _ := os.ReadFile(log.Name())
		return nil, errors.Join(fmt.Errorf("starting buildkitd: %w: %s", err, text[max(0, len(text)-2000):]), b.Close())
	}
	return b, nil
}

func program(ctx context.Context, w *workshop.Workshop, name string) (string, error) {
	path := filepath.Join(w.Root, "bin", name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	out := filepath.Join(w.Dir, name)
	return workshop.Compile(ctx, filepath.Join(w.Root, "tools"), out, "github.com/moby/buildkit/cmd/"+name)
}

func (b *BuildKit) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		_, err := measure.Run(ctx, nil, b.ctl, "--addr", b.addr, "debug", "workers")
		if err == nil {
			return nil
		}
		select {
		case <-b.done:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Close stops buildkitd and what it mounted goes with it.
func (b *BuildKit) Close() error {
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-b.done:
		return nil
	case <-time.After(20 * time.Second):
		_ = b.cmd.Process.Kill()
		<-b.done
		return errors.New("buildkitd did not stop")
	}
}

// Build builds the Dockerfile of the context. The stage called base is an
// image in an OCI layout, so that nothing comes from a network.
func (b *BuildKit) Build(ctx context.Context, c *Context, flags ...string) (measure.Sample, error) {
	args := []string{"--addr", b.addr, "build", "--progress", "plain", "--frontend", "dockerfile.v0",
		"--local", "context=" + c.Dir, "--local", "dockerfile=" + c.Dir,
		"--oci-layout", "base=" + c.base, "--opt", "context:base=oci-layout://base@" + c.digest}
	return measure.Run(ctx, nil, b.ctl, append(args, flags...)...)
}
