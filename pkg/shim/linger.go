package shim

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// notStarted says why there is no program, and for a function also answers so
// for a while. It returns the exit code.
func (s *supervisor) notStarted(err error, function bool, signals <-chan os.Signal) int {
	code, failure := startCode(err)
	s.log.Start()
	s.log.Say("%v", err)
	// An image without any function in it (code 1) is not about to be called,
	// unless the platform has started it.
	if s.env.onPlatform() || s.env.onKnative() || s.onLambda() || function && code != 1 {
		s.linger(failure, signals)
	}
	s.leave(true)
	return code
}

// ended says why the program has ended, where its exit code alone does not.
// If it should have listened and never did, callers are told so for a while.
func (s *supervisor) ended(code int, signals <-chan os.Signal) {
	<-s.watched
	missed := s.expectsServer && !s.listened.Load()
	if text := s.process.Explain(missed); text != "" {
		s.log.Say("%s", text)
	}
	if code != 0 && s.serving && s.guess {
		s.log.CatchUp()
		if port := listenPort(s.settings.Listen); inUse(s.log.Tail(), port) {
			s.log.Say("the program wanted port %d, which the shim took because the program listened on another before; set SHIM_TARGET=%d to leave it to the program", port, port)
		}
	}
	if missed {
		s.linger(s.process.Failure(), signals)
	}
}

// inUse says whether somebody complained of EADDRINUSE on that port.
func inUse(lines []string, port int) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		return strings.Contains(line, strconv.Itoa(port)) && strings.Contains(strings.ToLower(line), "address already in use")
	})
}

// linger answers every call with f, until one was answered or the time is up:
// the platform calls a container as soon as it listens, and the caller then
// reads what is wrong in place of FunctionNotStarted or CAExited.
func (s *supervisor) linger(f *message.Failure, signals <-chan os.Signal) {
	if s.onLambda() {
		s.notOnLambda(f)
		return
	}
	if s.settings.Linger == 0 {
		return
	}
	told := &lastWord{failure: f, said: make(chan struct{})}
	s.use(told)
	if !s.serving {
		if err := s.open(nil); err != nil {
			return // somebody else has the port, who may answer
		}
	}
	end := time.NewTimer(s.settings.Linger)
	defer end.Stop()
	for {
		select {
		case <-told.said:
			// Its last bytes, and whoever called at the same time.
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			s.servers.shutdown(ctx)
			return
		case <-end.C:
			return
		case sig := <-signals:
			if sig == syscall.SIGTERM || sig == syscall.SIGINT {
				return
			}
		}
	}
}

// lastWord is the backend of a program that is not there.
type lastWord struct {
	failure *message.Failure
	once    sync.Once
	said    chan struct{}
}

func (l *lastWord) Do(message.Exchange) error {
	l.once.Do(func() { close(l.said) })
	return l.failure
}
