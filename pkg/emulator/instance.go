package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// instance is one that runs.
type instance struct {
	e      *Emulator
	id     string
	run    Running
	log    *journal
	output *lines
	client *http.Transport
	first  chan net.Conn // the one that showed that it listens

	calls int // of the pool, under its lock

	// life has one token: whoever holds it may freeze, thaw or end the
	// instance.
	life   chan struct{}
	frozen bool
	ended  bool

	sleep   *time.Timer // freezes it
	unwatch context.CancelFunc
	killed  sync.Once
}

// start starts an instance and brings it to where it takes calls. An
// initializer that fails gets a second instance, as on the platform.
func (e *Emulator) start(ctx context.Context) (*instance, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.running, func() { cancel(errClosed) })()
	i, err := e.launch(ctx)
	if again := as(err); again != nil && again.Code == UnhandledInitializationError {
		i, err = e.launch(ctx)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return i, err
}

func (e *Emulator) launch(ctx context.Context) (*instance, error) {
	i := &instance{e: e, id: newInstanceID(), log: &journal{out: e.options.Log}, life: make(chan struct{}, 1), first: make(chan net.Conn, 1)}
	i.output = &lines{to: i.log}
	i.life <- struct{}{}
	var err error
	i.run, err = e.runtime.Start(ctx, Spec{
		Function: e.function, ID: i.id, Env: e.environ(i.id), Output: i.output,
	})
	if err != nil {
		return nil, startError(err, i.log.tailOf())
	}
	if r, ok := i.run.(interface{ Unlimited() error }); ok && r.Unlimited() != nil {
		e.unlimited.Do(func() { i.say("%v", r.Unlimited()) })
	}
	i.client = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case conn := <-i.first:
				return conn, nil
			default:
				return i.run.Dial(ctx)
			}
		},
		// No proxy of this machine's stands between the platform and an instance.
		Proxy: nil, DisableCompression: true, MaxIdleConns: fc.MaxConcurrency, MaxIdleConnsPerHost: fc.MaxConcurrency,
		IdleConnTimeout: 15 * time.Minute,
	}
	if err := i.begin(ctx); err != nil {
		_ = i.kill()
		return nil, err
	}
	i.watch()
	return i, nil
}

// begin waits until the function listens, and has it initialized.
func (i *instance) begin(ctx context.Context) error {
	if err := i.listens(ctx); err != nil {
		return err
	}
	if h := i.e.function.Initializer; h.Set {
		if err := i.hook(ctx, fc.Initialize, h); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return &Error{Status: http.StatusBadGateway, Code: UnhandledInitializationError, Message: "the initializer failed: " + err.Error()}
		}
	}
	return nil
}

// The pauses between attempts to connect: a twentieth of what has passed.
const (
	minPause = time.Millisecond
	maxPause = 50 * time.Millisecond
)

// listens waits until the function's port takes connections.
func (i *instance) listens(ctx context.Context) error {
	limit := i.e.options.Ready
	ready, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	begun := time.Now()
	for {
		conn, err := i.run.Dial(ready)
		if err == nil {
			i.first <- conn
			return nil
		}
		select {
		case <-i.run.Done():
			i.output.end()
			if r, ok := i.run.(interface{ Failed() error }); ok && r.Failed() != nil {
				return r.Failed() // not the function's doing
			}
			return exitError(i.run.Code(), i.outOfMemory(), i.log.tailOf())
		case <-ready.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return notStarted(i.e.function.Port, limit, err, i.log.tailOf())
		case <-time.After(min(max(minPause, time.Since(begun)/20), maxPause)):
		}
	}
}

// outOfMemory says that Linux has killed the program for want of memory, "" where
// it has not, or the runtime cannot tell.
func (i *instance) outOfMemory() string {
	r, ok := i.run.(interface{ OutOfMemory() bool })
	if !ok || i.run.Code() != codeKilled || !r.OutOfMemory() {
		return ""
	}
	return fmt.Sprintf(": out of memory: here the function has %d MB for itself and the files that it writes; give it more, or let it use less", i.e.function.Memory)
}

// hookBody is how much of a hook's answer is read, in bytes.
const hookBody = 64 << 10

// hook calls a hook, and fails where the answer does: 200 and 404 are well
// ("Custom container: lifecycle hooks").
func (i *instance) hook(ctx context.Context, kind fc.Call, h template.Hook) error {
	if len(h.Command) > 0 {
		i.say("%s is a command in the function's configuration, which is not run here", kind.Path())
		return nil
	}
	limit := h.Timeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("no answer within "+limit.String()))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, kind.Method(), "http://function"+kind.Path(), nil)
	if err != nil {
		return err
	}
	id := newID()
	i.e.tell(req.Header, kind, id)
	res, err := i.client.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, hookBody))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case res.StatusCode == http.StatusOK, res.StatusCode == http.StatusNotFound:
		return nil
	}
	text := strings.TrimSpace(string(body))
	return errors.New("it answered " + res.Status + ": " + text[:min(len(text), 1000)])
}

// hold takes the right to change the instance's life.
func (i *instance) hold(ctx context.Context) error {
	select {
	case <-i.life:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (i *instance) letGo() { i.life <- struct{}{} }

// stop ends the instance as the platform does: /pre-stop, SIGTERM, SIGKILL.
func (i *instance) stop() error {
	ctx := context.Background() // hooks and signals have limits of their own
	if err := i.hold(ctx); err != nil {
		return err
	}
	if !i.ended && !isClosed(i.run.Done()) {
		i.terminate(ctx)
	}
	i.letGo()
	return i.kill()
}

func (i *instance) terminate(ctx context.Context) {
	if i.frozen {
		if i.run.Thaw(ctx) != nil {
			return // it is killed as it is
		}
		i.frozen = false
	}
	if h := i.e.function.PreStop; h.Set {
		if err := i.hook(ctx, fc.PreStop, h); err != nil {
			i.say("/pre-stop: %v", err)
		}
	}
	i.client.CloseIdleConnections() // a server that ends waits for them
	if i.e.options.Grace < 0 {
		return
	}
	if i.run.Signal(ctx, syscall.SIGTERM) == nil {
		within(i.run.Done(), i.e.options.Grace)
	}
}

// kill ends the instance at once. Calls in flight fail.
func (i *instance) kill() (err error) {
	i.killed.Do(func() {
		<-i.life
		i.ended = true
		if i.sleep != nil {
			i.sleep.Stop()
		}
		i.life <- struct{}{}
		if i.unwatch != nil {
			i.unwatch()
		}
		err = i.run.Close()
		i.client.CloseIdleConnections()
		select {
		case conn := <-i.first:
			conn.Close()
		default:
		}
		i.output.end()
	})
	return err
}
