// Package lambda lets a container function run on AWS Lambda. There the
// platform does not call a port: it is polled (AWS_LAMBDA_RUNTIME_API, "Using
// the Lambda runtime API for custom runtimes", version 2018-06-01). A Client
// polls, makes each event an exchange, has the same message.Handler serve it
// that serves port 8080 elsewhere, and posts the answer.
//
// # Events
//
// What comes from API Gateway (payload formats 1.0 and 2.0), from a function
// URL (2.0) or from an Application Load Balancer is an HTTP request, and
// becomes one; its answer goes back in the form that the sender reads. All
// other events are POST /invoke with the event as the body, as on Function
// Compute; its answer's body is the result. An answer to such an event that
// has failed (x-fc-status says so, or else a status of 400 or more) is posted
// as an error.
//
// # Context
//
// The program gets Function Compute's headers with what Lambda says of the
// same: x-fc-request-id, x-fc-function-name, -handler, -memory, -timeout
// (seconds left), x-fc-region, x-fc-account-id, x-fc-qualifier,
// x-fc-version-id, x-fc-service-logproject (the log group) and
// x-fc-service-logstore (the log stream). Credentials are not among them: they
// are AWS's, and stay in AWS's variables. Besides it gets Lambda's own headers
// under their own names (Lambda-Runtime-Deadline-Ms, -Invoked-Function-Arn,
// -Client-Context, -Cognito-Identity), and Lambda-Runtime-Trace-Id as
// X-Amzn-Trace-Id. What a client sends under any of these names is left out.
//
// # Memory
//
// Lambda's payloads are at most 6 MB, so that events and answers that are not
// streamed are held. Options.Stream has answers stream, in constant memory.
package lambda

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// Options say what is polled and who answers.
type Options struct {
	// API is the HOST:PORT of AWS_LAMBDA_RUNTIME_API.
	API string
	// Handler answers events.
	Handler message.Handler
	// Getenv reads the shim's environment. nil: it is empty.
	Getenv func(name string) string
	// Stream has answers streamed where the sender can read that. The
	// function URL's or API's invoke mode must be RESPONSE_STREAM.
	Stream bool
	// Pollers is how many events are taken at once. 0: 1, and on Lambda
	// managed instances what AWS_LAMBDA_MAX_CONCURRENCY says.
	Pollers int
	// Say, if set, writes one line for people.
	Say func(format string, args ...any)
}

// maxPollers bounds what AWS_LAMBDA_MAX_CONCURRENCY can ask for.
const maxPollers = 1024

// Client polls Lambda's runtime API.
type Client struct {
	o Options
}

// New makes a Client.
func New(o Options) *Client {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	if o.Pollers <= 0 {
		o.Pollers, _ = strconv.Atoi(o.Getenv("AWS_LAMBDA_MAX_CONCURRENCY"))
	}
	o.Pollers = min(max(1, o.Pollers), maxPollers)
	return &Client{o}
}

// Run polls until ctx has ended, which ends the exchanges that are under way,
// too; its error is then nil. Any other error is one after which Lambda wants
// the container to end.
func (c *Client) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for range c.o.Pollers {
		all.Go(func() {
			if err := c.loop(ctx); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// loop takes one event after the other.
func (c *Client) loop(ctx context.Context) error {
	k := newConn(ctx, c.o.API)
	defer k.close()
	for {
		e, err := k.next()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && e != nil: // Lambda counts it as delivered
			err = c.fail(k, e, &problem{"EventBrokenOff", "the event could not be read: " + err.Error()})
		case err == nil:
			err = c.handle(ctx, k, e)
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// InitError tells Lambda that the function cannot start, and why. The
// container must end then.
func (c *Client) InitError(ctx context.Context, f *message.Failure) error {
	k := newConn(ctx, c.o.API)
	defer k.close()
	p := problem{f.Type, f.Message}
	return k.post("/runtime/init/error", p.header(), p.json())
}
