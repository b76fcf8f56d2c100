package shim

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/discovery"
	"github.com/imgbuild/imgbuild/pkg/shim/front"
	"github.com/imgbuild/imgbuild/pkg/shim/http2"
	"github.com/imgbuild/imgbuild/pkg/shim/journal"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
	"github.com/imgbuild/imgbuild/pkg/shim/once"
	"github.com/imgbuild/imgbuild/pkg/shim/program"
	"github.com/imgbuild/imgbuild/pkg/shim/relay"
	"github.com/imgbuild/imgbuild/pkg/shim/runtimeapi"
)

// supervisor is a running container: the program, and what is done for it.
type supervisor struct {
	settings Settings
	env      Environ
	log      *journal.Journal
	front    *front.Front
	servers  *servers
	backend  atomic.Pointer[message.Backend]
	once     *once.Backend // where SHIM_MODE=exec

	// What follows is there where the program is a server, or may be one.
	process *program.Process
	finder  *discovery.Finder
	target  *discovery.Target
	api     *runtimeapi.API
	// listened: the program has listened, or polled, at some time.
	listened atomic.Bool
	watched  chan struct{} // closed when watch has ended

	// expectsServer: this is a function, so it should listen at some time.
	expectsServer bool
	running       context.Context // ends with the container
	end           context.CancelFunc
	stopping      chan struct{} // closed at SIGTERM
	fatal         chan error

	// Only watch uses these. guess: the target is a port that the program
	// was not told; warned: the user knows.
	serving, guess, warned, late bool
}

// Run starts the program that args name, keeps it until it ends and returns
// the exit code of the container. env is the shim's own environment.
func Run(settings Settings, args []string, env Environ) int {
	program.AdoptOrphans()
	signals := catch()
	s, err := newSupervisor(settings, env)
	if err != nil {
		return complain(1, err)
	}
	c, err := program.Resolve(args, env)
	if err == nil {
		s.expectsServer = c.Function || env.onPlatform() || env.onKnative() || s.onLambda()
		err = s.begin(c)
	}
	if err != nil {
		return s.notStarted(err, len(args) == 0, signals)
	}
	code, stopped := s.supervise(signals)
	if s.process != nil && !stopped {
		s.ended(code, signals)
	}
	s.leave(stopped)
	return code
}

func newSupervisor(settings Settings, env Environ) (*supervisor, error) {
	s := &supervisor{
		settings: settings, env: env,
		stopping: make(chan struct{}),
		watched:  make(chan struct{}),
		fatal:    make(chan error, 1),
	}
	s.running, s.end = context.WithCancel(context.Background())
	var err error
	s.log, err = journal.New(journal.Options{Stdout: os.Stdout, Stderr: os.Stderr,
		RequestLog: settings.RequestLog, JSON: settings.JSONLog, Mask: settings.Mask, Tail: settings.ErrorLines})
	if err != nil {
		return nil, err
	}
	// The same credentials come in each request's header.
	s.log.Hide(message.Header{
		{Name: fc.HeaderAccessKeySecret, Value: env.Get("ALIBABA_CLOUD_ACCESS_KEY_SECRET")},
		{Name: fc.HeaderSecurityToken, Value: env.Get("ALIBABA_CLOUD_SECURITY_TOKEN")},
	})
	s.front = front.New(front.Options{
		Backend: func() message.Backend { return *s.backend.Load() }, Log: s.log,
		Timeout: settings.Timeout, Concurrency: settings.Concurrency, Queue: settings.Queue, BodyLimit: settings.BodyLimit,
		PassHooks: settings.PassHooks, ErrorFrom: settings.ErrorFrom, ErrorLines: settings.ErrorLines,
	})
	s.servers = newServers(s.front, settings.HeaderLimit, s.panicked)
	return s, s.serveMetrics()
}

// use makes b answer calls from now on.
func (s *supervisor) use(b message.Backend) { s.backend.Store(&b) }

// begin starts what answers calls.
func (s *supervisor) begin(c *program.Command) error {
	if s.settings.Mode == ModeExec {
		return s.beginExec(c)
	}
	s.finder = discovery.NewFinder()
	env := childEnviron(s.settings, s.env)
	if addr, err := s.serveAPI(); err != nil {
		return err
	} else if addr != "" {
		env = env.with(apiVariable, addr)
	}
	out, stderr := s.log.Files()
	p, err := program.Start(c, env, [3]*os.File{os.Stdin, out, stderr})
	if err != nil {
		return err
	}
	s.log.Start()
	s.process = p
	s.target = discovery.NewTarget(p, s.settings.Ready)
	s.use(&http2.Either{
		HTTP1: relay.New(relay.Options{Dial: s.target.Dial, Generation: s.target.Generation, Explain: s.target.Explain}),
		HTTP2: &http2.Client{Dial: s.target.Dial, Generation: s.target.Generation, Explain: s.target.Explain},
	})
	go s.watch()
	return nil
}

// leave answers what is still in flight, lets the program's last output
// through and, where Linux will not do it, ends what the program left behind.
func (s *supervisor) leave(stopped bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	switch {
	case s.once != nil:
		s.once.End()
	case s.api != nil && s.process != nil:
		s.api.End(s.process.Failure())
	}
	s.servers.shutdown(ctx)
	s.end()
	program.KillAll()
	var stop <-chan struct{}
	if stopped {
		limit, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		stop = limit.Done()
	}
	s.log.Drain(stop)
}

// open begins to take calls: on the shim's port (taken is as for bind), or from
// a platform that is polled.
func (s *supervisor) open(taken []netip.AddrPort) error {
	if s.onLambda() {
		s.serving = true
		go s.poll()
		return nil
	}
	listeners, err := bind(s.settings.Listen, taken)
	if err != nil {
		return err
	}
	s.serving = true
	for _, l := range listeners {
		go func() {
			if err := s.servers.serve(l); err != nil {
				s.fail(err)
			}
		}()
	}
	return nil
}

// fail ends the container for a reason of the shim's own.
func (s *supervisor) fail(err error) {
	select {
	case s.fatal <- err:
	default:
	}
}

func (s *supervisor) panicked(v any) {
	s.log.Say("an error in the shim itself ended a request: %v; please report it", v)
}

// complain is for errors before there is a log.
func complain(code int, err error) int {
	fmt.Fprintf(os.Stderr, "shim: %v\n", err)
	return code
}

// startCode is the exit code for an error of starting.
func startCode(err error) (int, *message.Failure) {
	if e, ok := errors.AsType[*program.StartError](err); ok {
		return e.Code, e.Failure()
	}
	return 1, &message.Failure{Status: 502, Type: message.ProgramNotStarted, Message: err.Error()}
}
