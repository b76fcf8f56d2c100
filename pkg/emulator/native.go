package emulator

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"syscall"

	"github.com/imgbuild/imgbuild/pkg/container"
)

// Native runs instances from an image's files with nothing but Linux's
// namespaces (package container), or an OCI runtime. They have no network but
// loopback.
type Native struct {
	// Rootfs is the image. It is the caller's to close, after the emulator.
	Rootfs *container.Rootfs
	// Runtime is the path of an OCI runtime (container.FindRuntime) that runs
	// them in place of imgbuild itself, where it is set.
	Runtime string
	// Mounts are folders of this machine in all instances.
	Mounts []container.Mount
}

// Name is how people call it.
func (n Native) Name() string {
	if n.Runtime != "" {
		return filepath.Base(n.Runtime)
	}
	return "native"
}

// Start starts a container.
func (n Native) Start(ctx context.Context, s Spec) (Running, error) {
	c, err := container.Start(ctx, container.Spec{
		Rootfs: n.Rootfs, Entrypoint: s.Function.Entrypoint, Args: s.Function.Command, Env: s.Env, Mounts: n.Mounts, Runtime: n.Runtime,
		Stdout: s.Output, Stderr: s.Output, Disk: int64(s.Function.Disk) << 20, Memory: int64(s.Function.Memory) << 20, CPU: s.Function.CPU,
	})
	if err != nil {
		return nil, err
	}
	i := &nativeInstance{container: c, port: s.Function.Port, limit: int64(s.Function.Memory) << 20, done: make(chan struct{})}
	i.processes.list = c.Processes
	go func() {
		defer close(i.done)
		i.code, _ = c.Wait(context.Background()) // fails with its context only
	}()
	return i, nil
}

type nativeInstance struct {
	container *container.Container
	port      int
	limit     int64 // of memory, in bytes
	processes processes
	done      chan struct{}
	code      int
}

func (i *nativeInstance) Dial(ctx context.Context) (net.Conn, error) {
	return i.container.Dial(ctx, i.port)
}

func (i *nativeInstance) Freeze(ctx context.Context) error {
	err := i.container.Freeze(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		return i.processes.freeze(ctx)
	}
	return err
}

func (i *nativeInstance) Thaw(context.Context) error {
	return errors.Join(i.container.Thaw(), i.processes.thaw())
}

func (i *nativeInstance) Signal(_ context.Context, s syscall.Signal) error {
	return i.container.Signal(s)
}

func (i *nativeInstance) Done() <-chan struct{} { return i.done }
func (i *nativeInstance) Code() int             { <-i.done; return i.code }
func (i *nativeInstance) OutOfMemory() bool     { return i.container.OutOfMemory() }
func (i *nativeInstance) Unlimited() error      { return i.container.Unlimited() }

// Memory is the limit where Linux has killed for it: who took most has gone.
func (i *nativeInstance) Memory() int64 {
	if i.OutOfMemory() {
		return i.limit
	}
	return i.processes.memory()
}

func (i *nativeInstance) Close() error {
	err := i.container.Close()
	<-i.done
	return err
}

// Processes are the numbers of the instance's processes on this machine.
func (i *nativeInstance) Processes() ([]int, error) { return i.container.Processes() }
