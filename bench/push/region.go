package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// The registry servers.
const (
	debian   = "docker-registry 2.8"
	embedded = "distribution v3" // as a library in `imgbuild registry`
)

// region is a registry, a process of its own, at the end of a wire.
type region struct {
	*wire
	direct string // HOST:PORT without the wire
	dir    string
	stop   func()
}

// newRegion starts a server with its content below dir.
func (b *bench) newRegion(ctx context.Context, server string) (*region, error) {
	dir, err := os.MkdirTemp(b.Dir, "region-*")
	if err != nil {
		return nil, err
	}
	r := &region{dir: dir}
	if server == debian {
		d, err := testtool.StartRegistry(dir)
		if err != nil {
			return nil, err
		}
		r.direct, r.stop = d.Host, d.Close
	} else if r.direct, r.stop, err = b.serve(ctx, dir); err != nil {
		return nil, fmt.Errorf("starting imgbuild registry: %w", err)
	}
	if r.wire, err = newWire(r.direct); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// newRegions starts n servers of a kind.
func (b *bench) newRegions(ctx context.Context, server string, n int) (rs []*region, err error) {
	for range n {
		r, err := b.newRegion(ctx, server)
		if err != nil {
			return nil, errors.Join(err, closeAll(rs))
		}
		rs = append(rs, r)
	}
	return rs, nil
}

// serve starts `imgbuild registry` on a store of its own.
func (b *bench) serve(ctx context.Context, dir string) (host string, stop func(), err error) {
	cmd := exec.CommandContext(ctx, b.Imgbuild, "registry", "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "IMGBUILD_STORE="+dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, err
	}
	return strings.TrimSpace(line), stop, nil
}

// empty takes all content away. Neither server keeps any of it in memory.
func (r *region) empty() error { return os.RemoveAll(filepath.Join(r.dir, "registry", "docker")) }

func (r *region) close() error {
	r.wire.close()
	r.stop()
	return os.RemoveAll(r.dir)
}

func closeAll(rs []*region) error {
	var errs []error
	for _, r := range rs {
		errs = append(errs, r.close())
	}
	return errors.Join(errs...)
}
