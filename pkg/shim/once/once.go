// Package once is the message.Backend of SHIM_MODE=exec: the program is run
// once for each request, so that a shell script is a function.
//
//   - stdin is the event, or the body of an HTTP trigger's request; it is
//     streamed, and a program need not read it;
//   - stdout is the body of the answer. Up to 64 KB are held until the program
//     ends, for only then is known whether it failed; of a longer answer the
//     status is 200, and it is streamed from there on;
//   - stderr is the log;
//   - exit code 0 is success, anything else a failure, with the last lines of
//     stderr in the answer;
//   - Content-Type is application/json where the answer is a JSON object or
//     array, else text/plain where it is UTF-8, else application/octet-stream;
//   - the environment says what is asked, see environ.go;
//   - hooks (/initialize, /pre-freeze, /pre-stop) are answered without a run.
//
// When the client goes away or the time is up, the program and all below it are
// killed. What a program that ended by itself left running stays; the answer
// does not wait for it longer than half a second. There is no limit here to how
// many run at once.
package once

import (
	"errors"
	"io"
	"os"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// Process is a program that runs; *program.Process is one.
type Process interface {
	// Done is closed when the program has ended.
	Done() <-chan struct{}
	// Code is the exit code, 128+n on signal n; Ending says the same in words.
	// Both wait for the end.
	Code() int
	Ending() string
	// Kill ends the program and its process group, and does not wait.
	Kill()
}

// Options say what is run.
type Options struct {
	// Start starts the program with env (entries NAME=value) as its whole
	// environment and files as stdin, stdout and stderr. It does not close
	// files.
	Start func(env []string, files [3]*os.File) (Process, error)
	// Environ is what every run's environment begins with.
	Environ []string
	// Log gets what programs write to stderr, by many goroutines at once. Each
	// Write is of whole lines, but for those of more than 16 KB. nil: it is
	// dropped.
	Log io.Writer
	// Lines is how many of the last lines of stderr a Failure carries.
	Lines int
}

// Backend runs the program.
type Backend struct {
	o     Options
	ended chan struct{}
}

// New makes a Backend.
func New(o Options) *Backend {
	if o.Log == nil {
		o.Log = io.Discard
	}
	return &Backend{o, make(chan struct{})}
}

// End kills what still runs, so that its callers are told. It is called once.
func (b *Backend) End() { close(b.ended) }

// Do runs the program and answers x with what it writes.
func (b *Backend) Do(x message.Exchange) error {
	r := x.Request()
	call := fc.CallOf(r.Header.Get(fc.HeaderControlPath), r.Method, r.Path())
	if call.Hook() {
		message.Answer(x, 200, nil, nil)
		return nil
	}
	gone := make(chan struct{})
	x.OnGone(sync.OnceFunc(func() { close(gone) }))
	defer x.OnGone(nil)

	run, err := b.start(r, call)
	if err != nil {
		return &message.Failure{Status: 502, Type: message.ProgramNotStarted, Message: err.Error(), Lines: []string{}}
	}
	defer run.close()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-gone:
			run.process.Kill()
		case <-b.ended:
			run.process.Kill()
		case <-stop:
		}
	}()
	go run.feed(r.Body)
	go run.log(b.o.Log)

	err = run.answer(x)
	select {
	case <-gone:
		if run.begun {
			x.Abort()
		}
		return errors.Join(message.ErrAborted, run.failure(message.ProgramExited, "the program was ended because its answer was no longer wanted"))
	default:
	}
	select {
	case <-b.ended:
		if err != nil {
			return run.failure(message.ProgramExited, "the container stops, and the program "+run.process.Ending())
		}
	default:
	}
	if broke := run.broke.Load(); broke != nil && err != nil {
		return &message.Failure{Status: 400, Type: message.BadRequest, Message: "the request's body broke off: " + (*broke).Error(), Lines: []string{}}
	}
	return err
}
