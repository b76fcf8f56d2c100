package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/imgbuild/imgbuild/pkg/container/cgroup"
	"github.com/imgbuild/imgbuild/pkg/container/netns"
)

var errEnded = errors.New("the container has ended")

// Container is one that was started. Its methods may be called by any
// goroutine, but none after Close.
type Container struct {
	first  first
	output chan struct{} // closed when the output is through
	copied string        // a copy of the image, to be removed
	within bool          // an OCI runtime starts it: the first process is imgbuild
	group  *cgroup.Group // nil where nothing is limited
	loose  error         // why it has not all of its limits
}

// first is the first process of a container.
type first interface {
	first() int // its number on this machine
	signal(syscall.Signal) error
	ended() <-chan struct{}
	status() int // once it has ended
	dial(ctx context.Context, network, addr string) (net.Conn, error)
	close()
}

// direct makes a process of ours a first.
type direct struct{ *process }

func (d direct) first() int             { return d.cmd.Process.Pid }
func (d direct) ended() <-chan struct{} { return d.process.ended }

func (d direct) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return netns.Dial(ctx, d.net, network, addr)
}

// withoutOverlay remembers that this machine has no overlayfs for us.
var withoutOverlay atomic.Bool

// Start starts a container. It returns when the image's entrypoint runs, not
// when anything listens. The context is for the start alone. Errors wrap
// ErrUnavailable where this machine does not let imgbuild do it.
func Start(ctx context.Context, s Spec) (*Container, error) {
	set, err := s.setup()
	if err != nil {
		return nil, fmt.Errorf("starting a container: %w", err)
	}
	c, err := s.start(ctx, set, withoutOverlay.Load(), nil)
	if err != nil && set.Copy == "" && errors.Is(err, errNoOverlay) {
		withoutOverlay.Store(true)
		c, err = s.start(ctx, set, true, nil)
	}
	if err != nil && errors.Is(err, errNotPlaced) {
		c, err = s.start(ctx, set, withoutOverlay.Load(), fmt.Errorf("memory and CPU: not limited here: %w", err))
	}
	if err != nil {
		return nil, fmt.Errorf("starting a container: %w", err)
	}
	return c, nil
}

// start starts a container; with loose, the reason, it gets no control group.
func (s Spec) start(ctx context.Context, set *setup, copied bool, loose error) (_ *Container, err error) {
	c := &Container{output: make(chan struct{}), loose: loose, within: s.Runtime != ""}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.tidy())
		}
	}()
	if copied {
		if c.copied, err = s.Rootfs.duplicate(ctx); err != nil {
			return nil, err
		}
		set.Copy = c.copied
	}
	var groups []string
	set.Groups = nil
	if limits := (cgroup.Limits{Memory: s.Memory, CPU: s.CPU}); limits != (cgroup.Limits{}) && loose == nil {
		c.group, c.loose = cgroup.New(limits)
		groups, set.Groups = c.group.Paths(), c.group.Visible()
	}
	privileged := Privileged()
	set.Nested = !privileged || inUserNamespace()
	if set.Runtime != "" {
		u, err := lookUpFiles(set.User, s.Rootfs.Open)
		if err == nil {
			err = u.allowed(set.Nested)
		}
		if err != nil {
			return nil, err
		}
		set.Config = set.runtimeConfig(u, !set.Nested)
	}
	file, err := inMemory(set)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	std, wires, err := s.wire()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		closeAll(append(std[:], wires.ours()...))
		return nil, context.Cause(ctx)
	}
	if privileged {
		var p *process
		if p, err = startProcess(ctx, file, std, groups); err == nil {
			c.first = direct{p}
		}
	} else {
		var n *nest
		if n, err = theNest(); err == nil {
			var p *nested
			if p, err = n.start(ctx, file, std, groups); err == nil {
				c.first = p
			}
		}
	}
	closeAll(std[:])
	if err != nil {
		closeAll(wires.ours())
		return nil, err
	}
	go c.copy(wires)
	return c, nil
}

// inMemory writes the setup to a file that has no name.
func inMemory(s *setup) (*os.File, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("setup", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "setup")
	if _, err := f.Write(b); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Dial connects to a TCP port of the container on 127.0.0.1.
func (c *Container) Dial(ctx context.Context, port int) (net.Conn, error) {
	return c.first.dial(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

// Signal sends a signal to the container's first process.
func (c *Container) Signal(s syscall.Signal) error {
	if err := c.first.signal(s); err != nil {
		return fmt.Errorf("sending %s to the container: %w", s, err)
	}
	return nil
}

// Unlimited says which limits of the Spec are not kept, why, and what to do; nil
// where all are.
func (c *Container) Unlimited() error { return c.loose }

// Freeze has all of the container's processes stand still until Thaw. It is
// errors.ErrUnsupported where the container has no control group that can.
func (c *Container) Freeze(ctx context.Context) error {
	if c.group == nil {
		return errors.ErrUnsupported
	}
	return c.group.Freeze(ctx)
}

// Thaw ends a freeze, also a half one.
func (c *Container) Thaw() error {
	if c.group == nil {
		return nil
	}
	return c.group.Thaw()
}

// OutOfMemory says whether Linux has killed a process of the container for more
// memory than it may have. It may be asked after Close.
func (c *Container) OutOfMemory() bool { return c.group != nil && c.group.OutOfMemory() }

// outputPatience is how long the output of a container that has ended may take
// to get through.
const outputPatience = 2 * time.Second

// Wait returns the container's exit code, 128+n after signal n, once it has
// ended and its output is through. Output that its reader does not take within
// 2 s of the end is not waited for.
func (c *Container) Wait(ctx context.Context) (code int, err error) {
	select {
	case <-c.first.ended():
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	select {
	case <-c.output:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-time.After(outputPatience):
	}
	return c.first.status(), nil
}

// Close kills the container, waits for its end, and removes what it left.
func (c *Container) Close() error {
	c.first.close()
	select {
	case <-c.output:
	case <-time.After(outputPatience):
	}
	return c.tidy()
}

func (c *Container) tidy() (err error) {
	if c.group != nil {
		err = c.group.Close()
	}
	if c.copied == "" {
		return err
	}
	return errors.Join(err, removeAll(c.copied))
}
