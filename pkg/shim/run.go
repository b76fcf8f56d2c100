package shim

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/discovery"
	"github.com/imgbuild/imgbuild/pkg/shim/program"
)

// supervisor is a running container: the program, and what is done for it.
type supervisor struct {
	settings  Settings
	env       Environ
	process   *program.Process
	discovery *discovery.Finder
	target    *discovery.Target
	relay     relay
	outputs   []*stream

	// expectsServer: this is a function, so it should listen at some time.
	expectsServer bool
	stopping      chan struct{} // closed at SIGTERM
	fatal         chan error

	// Only watch uses these. guess: the target is a port that the program
	// was not told; warned: the user knows.
	serving, guess, warned bool
}

// Run starts the program, keeps it until it ends and returns the exit code of
// the container. env is the shim's own environment.
func Run(settings Settings, c *program.Command, env Environ) int {
	program.AdoptOrphans()
	signals := catch()
	s := &supervisor{
		settings: settings, env: env,
		discovery:     discovery.NewFinder(),
		expectsServer: c.Function || env.onPlatform(),
		stopping:      make(chan struct{}),
		fatal:         make(chan error, 1),
	}
	j := newJournal()
	files, err := s.outputFiles(j)
	if err != nil {
		return complain(1, err)
	}
	p, err := program.Start(c, childEnviron(settings, env), files)
	if err != nil {
		return complain(err.(*program.StartError).Code, err)
	}
	for _, o := range s.outputs {
		o.write.Close()
		go o.pump()
	}
	s.process = p
	s.target = discovery.NewTarget(p, settings.Ready)
	s.relay = newHTTPRelay(s.target, j)
	go s.watch()

	code, stopped := s.supervise(signals)
	s.leave(stopped)
	return code
}

// leave answers what is still in flight, lets the program's last output
// through and, where Linux will not do it, ends what the program left behind.
func (s *supervisor) leave(stopped bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.relay.shutdown(ctx)
	program.KillAll()
	var stop <-chan struct{}
	if stopped {
		limit, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		stop = limit.Done()
	}
	for _, o := range s.outputs {
		o.drain(stop)
	}
}

// outputFiles are the program's standard files. Output goes through the shim
// only where log lines are to be put into it, and never where it is a
// terminal: the program would not know it any more.
func (s *supervisor) outputFiles(j *journal) ([3]*os.File, error) {
	files := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	if s.settings.RequestLog == "off" || program.IsTerminal(os.Stdout) {
		if s.settings.RequestLog == "on" {
			j.out = &stream{out: os.Stdout}
		}
		return files, nil
	}
	out, err := newStream(os.Stdout, j.drop)
	if err != nil {
		return files, err
	}
	s.outputs = append(s.outputs, out)
	j.out, files[1] = out, out.write
	switch {
	case program.IsTerminal(os.Stderr):
	case sameFile(os.Stdout, os.Stderr):
		files[2] = out.write // one pipe keeps the order of 2>&1
	default:
		e, err := newStream(os.Stderr, j.drop)
		if err != nil {
			return files, err
		}
		s.outputs = append(s.outputs, e)
		files[2] = e.write
	}
	return files, nil
}

// say writes one line of the shim's own to stderr.
func (s *supervisor) say(format string, args ...any) {
	text := "shim: " + fmt.Sprintf(format, args...) + "\n"
	for _, o := range s.outputs {
		if o.out == os.Stderr {
			o.line(text)
			return
		}
	}
	fmt.Fprint(os.Stderr, text)
}

func complain(code int, err error) int {
	fmt.Fprintf(os.Stderr, "shim: %v\n", err)
	return code
}

func sameFile(a, b *os.File) bool {
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}
