package conformance

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Trial is one run of a rule: what it needs, and where it says what is wrong.
type Trial struct {
	ctx     context.Context
	options Options

	mu         sync.Mutex
	why        []string
	log        strings.Builder
	containers []*Container
}

// Errorf says that something is wrong. It may be called by any goroutine.
func (t *Trial) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.why) < 20 {
		t.why = append(t.why, fmt.Sprintf(format, args...))
	}
}

// Fatalf is Errorf, and ends the rule. It is for the rule's own goroutine.
func (t *Trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// goOn ends the calling goroutine where the first finding is enough, or where
// the rule's time is up or nobody waits for it any more. Deferred calls run.
func (t *Trial) goOn() {
	if t.ctx.Err() != nil {
		t.Fatalf("%v", context.Cause(t.ctx))
	}
	t.mu.Lock()
	enough := t.options.First && len(t.why) > 0
	t.mu.Unlock()
	if enough {
		runtime.Goexit()
	}
}

func (t *Trial) close() {
	for _, c := range slices.Backward(t.containers) {
		if err := c.instance.Close(); err != nil {
			t.Errorf("ending the container: %v", err)
		}
		fmt.Fprintf(&t.log, "stdout: %s\nstderr: %s\n", clip(c.Stdout.String()), clip(c.Stderr.String()))
	}
}

func clip(s string) string {
	if len(s) > 4000 {
		return s[:2000] + " … " + s[len(s)-2000:]
	}
	return s
}

// Start starts a container. The test program is in its folder as program.
func (t *Trial) Start(c Case) *Container {
	t.goOn()
	files := map[string]File{"program": {From: t.options.Program, Mode: 0o755}}
	for name, f := range c.Files {
		if f.Mode == 0 {
			f.Mode = 0o755
		}
		files[name] = f
	}
	c.Files = files
	k := &Container{t: t, Port: 8080, Stdout: &Output{}, Stderr: &Output{}}
	if c.Stdout == nil {
		c.Stdout = k.Stdout
	}
	if c.Stderr == nil {
		c.Stderr = k.Stderr
	}
	i, err := t.options.Subject.Start(t.ctx, c)
	if err != nil {
		t.Fatalf("%v", err)
	}
	k.instance = i
	t.containers = append(t.containers, k)
	return k
}

// Program starts a container that runs the test program with args.
func (t *Trial) Program(args []string, env ...string) *Container {
	return t.Start(Case{Command: append([]string{"./program"}, args...), Env: env})
}

// Raw starts the test program as a server that does as X-Do says, and waits
// until the container listens.
func (t *Trial) Raw(env ...string) *Container {
	k := t.Program([]string{"raw"}, env...)
	k.Ready()
	return k
}

// Script starts a container whose bootstrap is a script of those lines, which
// the test program runs (its mode lines): an image need not have a shell.
func (t *Trial) Script(lines []string, env ...string) *Container {
	text := "#!./program lines\n" + strings.Join(lines, "\n") + "\n"
	return t.Start(Case{Files: map[string]File{"bootstrap": {Content: text}}, Env: env})
}

// Eventually waits for something that happens beside the rule.
func (t *Trial) Eventually(what string, ok func() bool) bool {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		t.goOn()
		if ok() {
			return true
		}
	}
	t.Errorf("within 5 s this did not come: %s", what)
	return false
}

// Sleep waits for d.
func (t *Trial) Sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.ctx.Done():
		t.goOn()
	}
}

// Container is a running one.
type Container struct {
	t        *Trial
	instance Instance
	// Port is where the shim is called.
	Port           int
	Stdout, Stderr *Output
}

// Ready waits until the container accepts connections, as the platform does.
func (c *Container) Ready() {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		c.t.goOn()
		if c.Listens(c.Port) {
			return
		}
		ctx, cancel := context.WithTimeout(c.t.ctx, time.Millisecond)
		code, err := c.instance.Wait(ctx)
		cancel()
		if err == nil {
			c.t.Fatalf("the container ended with %d before it listened: %s", code, clip(c.Stderr.String()))
		}
	}
	c.t.Fatalf("the container does not listen on port %d", c.Port)
}

// Listens says whether something accepts connections on a port.
func (c *Container) Listens(port int) bool {
	conn, err := c.instance.Dial(c.t.ctx, port)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// Code waits for the container's end and returns its exit code.
func (c *Container) Code(within time.Duration) int {
	ctx, cancel := context.WithTimeout(c.t.ctx, within)
	defer cancel()
	code, err := c.instance.Wait(ctx)
	if err != nil {
		c.t.Fatalf("the container did not end within %s", within)
	}
	return code
}

// Running says whether the container has not ended after a time.
func (c *Container) Running(after time.Duration) bool {
	ctx, cancel := context.WithTimeout(c.t.ctx, after)
	defer cancel()
	_, err := c.instance.Wait(ctx)
	return err != nil
}

// Dial connects to the shim. The connection ends with the trial's time.
func (c *Container) Dial() *Conn {
	c.t.goOn()
	conn, err := c.instance.Dial(c.t.ctx, c.Port)
	if err != nil {
		c.t.Fatalf("connecting: %v", err)
	}
	return newConn(c.t, conn)
}

// DialContext is for net/http.
func (c *Container) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return c.instance.Dial(ctx, c.Port)
}

// Ask sends one request over a connection of its own and returns the answer.
// fields are names and values in turn.
func (c *Container) Ask(method, target, body string, fields ...string) *Answer {
	conn := c.Dial()
	defer conn.Close()
	conn.Send(Request(method, target, body, fields...))
	return conn.Answer(method)
}

// Count asks the test program how many requests it has had.
func (c *Container) Count() string { return c.Ask("GET", "/", "", "X-Do", "count").Body }

// Output is what a container writes.
type Output struct {
	mu   sync.Mutex
	text strings.Builder
	hold chan struct{}
}

// Held makes an output that is not read until release.
func Held() (o *Output, release func()) {
	o = &Output{hold: make(chan struct{})}
	return o, sync.OnceFunc(func() { close(o.hold) })
}

func (o *Output) Write(p []byte) (int, error) {
	if o.hold != nil {
		<-o.hold
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Has says whether s was written.
func (o *Output) Has(s string) bool { return strings.Contains(o.String(), s) }
