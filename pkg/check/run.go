package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// slow is how long a start may take that nobody notices.
const slow = 10 * time.Second

// run starts the container twice: behind the emulator, whose errors are the
// platform's and explain themselves, and to look at it closely.
func (c *checker) run(ctx context.Context, rt emulator.Runtime) (err error) {
	f := c.function
	f.Triggers = []template.Trigger{{Type: "http", Auth: "anonymous"}}
	f.Concurrency = max(f.Concurrency, 1)
	e, err := emulator.New(f, rt, emulator.Options{Ready: c.Ready, FreezeAfter: -1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()

	first, err := e.Invoke(ctx, []byte("{}"))
	if err != nil {
		return err
	}
	if r, ok := ready(first); !ok {
		c.add(ruleReady, r)
		c.skip(dynamic[1:], "it does not start")
		return nil
	} else {
		c.add(ruleReady, r)
	}
	web, err := e.Request(ctx, http.MethodGet, "/", http.Header{}, http.NoBody)
	if err != nil {
		return err
	}
	// What is no JSON is an event that many a handler fails at.
	second, err := e.Invoke(ctx, []byte("{"))
	if err != nil {
		return err
	}
	i, err := c.boot(ctx, e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.close()) }()
	c.add(ruleHost, i.host())
	if c.events {
		c.add(ruleHTTP, skipped("its template has no HTTP trigger"))
	} else {
		c.add(ruleHTTP, answered(web))
	}
	c.add(ruleInvoke, c.ofEvent(invoked(first)))
	c.add(ruleStatus, c.ofEvent(failing(first, second)))
	alive := make(chan Result, 1)
	go func() { alive <- i.keepsAlive(ctx, c.Idle) }()
	log := i.logs(ctx)
	hooks := i.hooks(ctx)
	c.add(ruleKeepAlive, <-alive)
	c.add(ruleHooks, hooks)
	c.add(ruleLog, log)
	c.add(ruleSignals, i.signals(ctx))
	return context.Cause(ctx)
}

// ready judges the start, and says whether there is anything more to try.
func ready(r emulator.Result) (Result, bool) {
	if r.Error != nil && !r.Cold {
		x := failed(help[r.Error.Code], "%s", r.Error.Error())
		x.Log = string(r.Log)
		return x, false
	}
	took := r.Start.Round(time.Millisecond)
	x := passed("it listens after %s", took)
	if took > slow {
		x = warned("do less before it listens, or move that into the initializer", "it listens after %s only", took)
	}
	x.Took = r.Start
	return x, true
}

// help is what to do about the platform's errors.
var help = map[string]string{
	emulator.FunctionNotStarted: "let the program listen on 0.0.0.0 and the port of the function (--port, or the template's), which FC_CUSTOM_LISTEN_PORT tells it",
	emulator.CAExited:           "see in the log why it ended; `exec format error` is a script without a #! line, or a program for another platform",
	emulator.CAFileNotFound:     "let the entrypoint name a file that is in the image, and a script an interpreter that is there",
	emulator.CAFilePermission:   "chmod +x the file that is started",

	emulator.UnhandledInitializationError: "see in the log why the initializer fails",
}

func answered(r emulator.Result) Result {
	switch {
	case r.Error != nil:
		x := failed("see in the log what it does meanwhile; longer work wants a longer timeout", "GET / gets %s", r.Error.Error())
		x.Log = string(r.Log)
		return x
	case r.Status >= http.StatusInternalServerError:
		x := warned("see in the log what fails; a function for events alone may do so", "GET / is answered with %d", r.Status)
		x.Log = string(r.Log)
		return x
	case r.Status == http.StatusNotFound || r.Status == http.StatusMethodNotAllowed:
		return noted("", "GET / is answered with %d: it has no page there", r.Status)
	}
	return passed("GET / is answered with %d", r.Status)
}

func invoked(r emulator.Result) Result {
	switch {
	case r.Error != nil:
		x := failed("answer POST /invoke", "the event {} gets %s", r.Error.Error())
		x.Log = string(r.Log)
		return x
	case r.ErrorType != "":
		return noted("", "the event {} is answered with a failure of the function's own, as the platform wants it")
	case r.Status == http.StatusNotFound || r.Status == http.StatusMethodNotAllowed:
		return noted("answer POST /invoke where events are to come", "POST /invoke is answered with %d: it is for HTTP triggers alone", r.Status)
	}
	return passed("the event {} is answered with %d", r.Status)
}

// ofEvent makes a note of what fails with an event where no trigger sends one.
func (c *checker) ofEvent(r Result) Result {
	if c.web && r.Status == Failed {
		r.Status = Noted
		r.What += "; the function has HTTP triggers alone, which send no event"
	}
	return r
}

// failing judges how events are answered that a function fails at.
func failing(results ...emulator.Result) Result {
	marked := false
	for _, r := range results {
		switch {
		case r.Error != nil:
			x := warned("answer with a status and x-fc-status: 404 where an event is none that it knows", "the event %s gets %s", eventOf(results, r), r.Error.Error())
			x.Log = string(r.Log)
			return x
		case r.ErrorType == "" && r.Status >= http.StatusInternalServerError:
			return failed("answer with the header x-fc-status: 404, or begin FROM an image of imgbuild's, whose shim adds it",
				"an event is answered with %d and without x-fc-status, so that the platform counts success", r.Status)
		case r.ErrorType != "":
			marked = true
		}
	}
	if marked {
		return passed("a failure has x-fc-status: 404")
	}
	return passed("it fails at no event that was tried")
}

func eventOf(all []emulator.Result, r emulator.Result) string {
	if len(all) > 1 && all[1].RequestID == r.RequestID {
		return "{ (no JSON)"
	}
	return "{}"
}

// drain reads what is left of an answer, within reason.
func drain(body io.ReadCloser) error {
	_, err := io.Copy(io.Discard, io.LimitReader(body, 1<<20))
	if err = errors.Join(err, body.Close()); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}
