package conformance

import (
	"context"
	"io"
	"io/fs"
	"net"
	"syscall"
)

// Case is a container to start.
type Case struct {
	// Files are what the function's folder holds beside the test program, by
	// name. The folder is the container's working directory and what
	// FC_FUNC_CODE_PATH names, /code in an image.
	Files map[string]File
	// Command is what the container is given as its arguments. Without it the
	// bootstrap in Files is meant.
	Command []string
	// Env is added to the container's environment, each NAME=value.
	Env []string
	// Stdin is the container's, nil for none.
	Stdin io.Reader
	// Stdout and Stderr get the container's output. A Write that blocks holds
	// the output up, as a slow log driver does.
	Stdout, Stderr io.Writer
}

// File is one in the function's folder: Content, or the host's file From.
type File struct {
	Content string
	From    string
	Mode    fs.FileMode
}

// Subject makes containers whose first process is the shim under test.
type Subject interface {
	// Start starts a container with a network of its own. It does not wait
	// until anything listens.
	Start(ctx context.Context, c Case) (Instance, error)
}

// Instance is a container that was started.
type Instance interface {
	// Dial connects to a TCP port of the container, over IPv4.
	Dial(ctx context.Context, port int) (net.Conn, error)
	// Signal sends a signal to the container's first process.
	Signal(syscall.Signal) error
	// Wait returns the container's exit code once it has ended and its output
	// is through.
	Wait(ctx context.Context) (code int, err error)
	// Processes are the container's, by the host's numbers; the first is the
	// shim.
	Processes() ([]int, error)
	// Close ends the container and removes what it left.
	Close() error
}
