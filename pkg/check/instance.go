package check

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// instance is a container that is looked at closely.
type instance struct {
	e        *emulator.Emulator
	function template.Function
	run      emulator.Running
	output   *output
	client   *http.Client
}

// answer is how long one answer is waited for.
const answer = 10 * time.Second

// boot starts an instance and waits until it listens.
func (c *checker) boot(ctx context.Context, e *emulator.Emulator) (_ *instance, err error) {
	i := &instance{e: e, function: e.Function(), output: &output{}}
	if i.run, err = e.Boot(ctx, i.output); err != nil {
		return nil, fmt.Errorf("starting the container: %w", err)
	}
	i.client = &http.Client{
		Transport:     &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return i.run.Dial(ctx) }, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       answer,
	}
	limit := c.Ready
	if limit == 0 {
		limit = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		conn, err := i.run.Dial(ctx)
		if err == nil {
			return i, conn.Close()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-i.run.Done():
			return nil, errors.Join(errors.New("the container started once and ended the second time: "+i.output.String()), i.close())
		case <-ctx.Done():
			return nil, errors.Join(errors.New("the container listened once and not the second time: "+i.output.String()), i.close())
		}
	}
}

func (i *instance) close() error {
	i.client.CloseIdleConnections()
	return i.run.Close()
}

// request is a call as the platform makes it.
func (i *instance) request(ctx context.Context, kind fc.Call, id, body string) (*http.Request, error) {
	method, path := kind.Method(), kind.Path()
	if kind == fc.HTTP {
		method, path = http.MethodGet, "/"
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://function"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if kind == fc.Invoke {
		r.Header.Set("Content-Type", "application/octet-stream")
	}
	i.e.Tell(r.Header, kind, id)
	return r, nil
}

// keepsAlive makes two calls on one connection, with a pause between.
func (i *instance) keepsAlive(ctx context.Context, idle time.Duration) Result {
	const do = "keep idle connections for 15 minutes and more (server.keepAliveTimeout in Node.js), or begin FROM an image of imgbuild's, whose shim does"
	begun := time.Now()
	conn, err := i.run.Dial(ctx)
	if err != nil {
		return skipped("it takes no more connections: %v", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	reader := bufio.NewReader(conn)
	call := func() (*http.Response, error) {
		r, err := i.request(ctx, fc.HTTP, emulator.NewID(), "")
		if err != nil {
			return nil, err
		}
		if err := errors.Join(conn.SetDeadline(time.Now().Add(answer)), r.Write(conn)); err != nil {
			return nil, err
		}
		res, err := http.ReadResponse(reader, r)
		if err != nil {
			return nil, err
		}
		return res, drain(res.Body)
	}
	first, err := call()
	switch {
	case err != nil:
		return skipped("GET / is not answered: %v", err)
	case first.Close:
		return failed(do, "it closes the connection after each answer")
	}
	for _, p := range strings.Split(first.Header.Get("Keep-Alive"), ",") {
		if n, ok := strings.CutPrefix(strings.TrimSpace(p), "timeout="); ok {
			if seconds, err := strconv.Atoi(n); err == nil && seconds < 900 {
				return failed(do, "it closes idle connections after %d s, and the platform uses them again for 15 minutes", seconds)
			}
		}
	}
	select {
	case <-time.After(idle):
	case <-ctx.Done():
		return skipped("%v", context.Cause(ctx))
	}
	if _, err := call(); err != nil {
		return failed(do, "a connection that was idle for %s is closed", idle)
	}
	r := passed("a connection that was idle for %s is used again", idle)
	r.Took = time.Since(begun)
	return r
}

// hooks makes the calls of an instance's life. The platform makes none where a
// command is set for it (FC 3.0).
func (i *instance) hooks(ctx context.Context) Result {
	var called, bad []string
	broken, commands := false, ""
	for _, h := range []struct {
		kind fc.Call
		hook template.Hook
	}{{fc.Initialize, i.function.Initializer}, {fc.PreFreeze, i.function.PreFreeze}, {fc.PreStop, i.function.PreStop}} {
		if len(h.hook.Command) > 0 {
			commands += "; " + h.kind.Path() + " is a command in the template, which is not run here"
			continue
		}
		called = append(called, h.kind.Path())
		status, err := i.call(ctx, h.kind, emulator.NewID(), "")
		switch {
		case err != nil:
			bad = append(bad, fmt.Sprintf("%s %s: %v", h.kind.Method(), h.kind.Path(), err))
		case status != http.StatusOK && status != http.StatusNotFound:
			bad = append(bad, fmt.Sprintf("%s %s is answered with %d", h.kind.Method(), h.kind.Path(), status))
		default:
			continue
		}
		broken = broken || h.hook.Set
	}
	const do = "answer it with 200, or with 404 where there is nothing to do"
	switch {
	case len(bad) == 0:
		return passed("answered with 200 or 404: %s%s", strings.Join(called, ", "), commands)
	case broken:
		return failed(do, "%s%s", strings.Join(bad, "; "), commands)
	}
	return noted(do+"; the function has no such hook set, so that the platform does not call it", "%s%s", strings.Join(bad, "; "), commands)
}

func (i *instance) call(ctx context.Context, kind fc.Call, id, body string) (status int, err error) {
	r, err := i.request(ctx, kind, id, body)
	if err != nil {
		return 0, err
	}
	res, err := i.client.Do(r)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, drain(res.Body)
}

// logs looks for the platform's lines around an event.
func (i *instance) logs(ctx context.Context) Result {
	const do = "print them to standard output around each call, or begin FROM an image of imgbuild's, whose shim does"
	id := emulator.NewID()
	if _, err := i.call(ctx, fc.Invoke, id, "{}"); err != nil {
		return skipped("POST /invoke is not answered: %v", err)
	}
	start, end := fc.Invoke.StartLine(id), fc.Invoke.EndLine(id, false)
	// The last line may come after the answer. Meanwhile a connection is idle for
	// longer.
	for until := time.Now().Add(5 * time.Second); i.output.count(end) == 0 && time.Now().Before(until) && ctx.Err() == nil; {
		time.Sleep(10 * time.Millisecond)
	}
	switch s, e := i.output.count(start), i.output.count(end); {
	case s == 1 && e == 1:
		return passed("a call's log begins and ends with the platform's lines")
	case s > 1 || e > 1:
		return warned("let one of the two that print them be silent", "the platform's lines are printed twice for a call")
	case s == 0 && e == 0:
		return warned(do, "the lines FC Invoke Start and FC Invoke End are missing, so that the console shows no log of single calls")
	}
	return warned(do, "one of the lines FC Invoke Start and FC Invoke End is missing")
}

// leave is how long a program may take to end after SIGTERM.
const leave = 10 * time.Second

func (i *instance) signals(ctx context.Context) Result {
	begun := time.Now()
	select {
	case <-i.run.Done():
		return skipped("it has ended by itself with %d", i.run.Code())
	default:
	}
	if err := i.run.Signal(ctx, syscall.SIGTERM); err != nil {
		return skipped("it takes no signal: %v", err)
	}
	select {
	case <-i.run.Done():
	case <-time.After(leave):
		return failed("handle SIGTERM (Linux ignores it for a container's first process without a handler), start the program with exec in a script, or begin FROM an image of imgbuild's",
			"it still runs %s after SIGTERM, and is killed in the midst of what it does", leave)
	case <-ctx.Done():
		return skipped("%v", context.Cause(ctx))
	}
	r := passed("SIGTERM ends it after %s, with %d", time.Since(begun).Round(time.Millisecond), i.run.Code())
	r.Took = time.Since(begun)
	return r
}

// output is the end of what the container has written.
type output struct {
	mu   sync.Mutex
	text []byte
}

// kept is how much output is kept, in bytes.
const kept = 256 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if len(o.text) > 2*kept {
		o.text = append(o.text[:0], o.text[len(o.text)-kept:]...)
	}
	return len(p), nil
}

// String is its last 2000 bytes.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text[max(0, len(o.text)-2000):])
}

// count says how many lines have a text.
func (o *output) count(text string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Count(o.text, []byte(text))
}
