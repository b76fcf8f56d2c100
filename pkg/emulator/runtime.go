package emulator

import (
	"context"
	"io"
	"net"
	"syscall"

	"github.com/imgbuild/imgbuild/pkg/template"
)

// Runtime starts instances of a function. One whose instances may have this
// machine's ports has a method SharesPorts() bool, and its instances have
// FixedPort() bool, which says, once they have answered, whether a second one
// would want the same port.
type Runtime interface {
	// Name is how people call it.
	Name() string
	// Start returns when the instance's program has been started, not when it
	// listens. The context is for the start alone.
	Start(ctx context.Context, s Spec) (Running, error)
}

// Spec says what to start.
type Spec struct {
	Function *template.Function
	// ID is the instance's.
	ID string
	// Env is what the platform and the function's configuration set, each
	// NAME=value, each name once.
	Env []string
	// Output gets standard output and standard error, in their order.
	Output io.Writer
}

// Running is a started instance. Its methods may be called by any goroutine,
// but Freeze and Thaw by one at a time, and none after Close.
type Running interface {
	// Dial connects to the port that the function has.
	Dial(ctx context.Context) (net.Conn, error)
	// Freeze stops all processes until Thaw.
	Freeze(ctx context.Context) error
	Thaw(ctx context.Context) error
	Signal(ctx context.Context, s syscall.Signal) error
	// Done is closed when the first process has ended. Code is its exit code
	// then, 128+n after signal n.
	Done() <-chan struct{}
	Code() int
	// Memory is the most that the processes of the moment have had resident,
	// in bytes; 0 where it cannot be told.
	Memory() int64
	// Close kills what still runs and removes what it left.
	Close() error
}
