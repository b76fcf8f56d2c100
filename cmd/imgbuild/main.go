// Command imgbuild builds, proves and ships container images for serverless
// functions. See the README.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/emulator"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // 128 + SIGINT, as shells report it
	exitTerminated  = 143 // 128 + SIGTERM
)

func main() {
	container.Main() // this program is also what begins containers
	emulator.Main()  // and the shim of folders
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// interrupted is the cause of a context that a signal ended.
type interrupted struct{ os.Signal }

func (i interrupted) Error() string { return "stopped by " + i.Signal.String() }

// usageError is a mistake in the command itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func run(args []string, stdout io.Writer, stderr *os.File) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		s := <-signals
		cancel(interrupted{s})
		// A second one does not wait for the cleaning up.
		s = <-signals
		os.Exit(exitCode(interrupted{s}))
	}()

	g := &global{stdout: stdout, stderr: stderr}
	root := newRoot(g)
	root.SetArgs(joinOptional(args))
	err := root.ExecuteContext(ctx)
	switch cause := context.Cause(ctx); {
	case err != nil && cause != nil:
		err = cause
	case err != nil && !g.running:
		err = usageError{err} // the library's own, about the arguments
	}
	if err != nil {
		fmt.Fprintln(stderr, "imgbuild:", err)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	var stop interrupted
	var wrong usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &stop) && stop.Signal == syscall.SIGTERM:
		return exitTerminated
	case errors.As(err, &stop):
		return exitInterrupted
	case errors.As(err, &wrong):
		return exitUsage
	}
	return exitFailed
}
