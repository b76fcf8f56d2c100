package relay

import (
	"context"
	"errors"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// exchange is one request on its way.
type exchange struct {
	relay   *Relay
	x       message.Exchange
	request *message.Request
	framing http1.Framing
	sender  *sender // nil where the body was sent with the head
	small   []byte  // a body that was at hand, nil until it was read
	begun   bool    // the answer was begun

	mu      sync.Mutex
	gone    bool               // the client has gone
	over    bool               // the request may not be looked at any more
	bodyErr error              // of reading the request's body
	conn    *conn              // in use
	cancel  context.CancelFunc // while there is a connection to be made
}

// errMalformed: HTTP/1.1 cannot carry the request.
var errMalformed = &http1.Error{Status: 400, Text: "the request has a method, target or header field that HTTP/1.1 cannot carry"}

// leave is called when the client goes away: the program sees it by the
// connection's end.
func (e *exchange) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = true
	e.cut()
}

// stopped says whether the exchange is to end, whatever the program says.
func (e *exchange) stopped() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.gone || e.bodyErr != nil
}

// cut breaks off what is under way. The lock is held.
func (e *exchange) cut() {
	if e.cancel != nil {
		e.cancel()
	}
	if e.conn != nil {
		e.conn.Close()
	}
}

// run sends the request until it has an answer. A connection that was used
// before may turn out to have been closed by the program at the same moment.
// Then a request that may be repeated is sent once more, over a new one; so is
// any of which nothing could be written.
func (e *exchange) run() error {
	repeatable := repeatable(e.request)
	for attempt := 0; ; attempt++ {
		c, err := e.connect(!repeatable, attempt > 0)
		if err != nil {
			return e.failure(err)
		}
		reused := c.used
		answer, err := e.ask(c)
		if err == nil {
			return e.answer(c, answer)
		}
		broke := repeatable && reused && !c.Received()
		unsent := c.Sent() == 0 && err != errMalformed && attempt < maxAttempts
		if e.sender == nil && (broke || unsent) && !e.stopped() {
			e.discard(c)
			continue
		}
		failed := e.failure(err)
		e.discard(c)
		return failed
	}
}

// maxAttempts bounds how often a request is tried of which no byte could be
// written.
const maxAttempts = 3

// connect takes a connection and makes it the one that leave closes.
func (e *exchange) connect(unsafe, fresh bool) (*conn, error) {
	p := &e.relay.pool
	if !fresh {
		if c := p.reuse(unsafe); c != nil {
			return c, e.hold(c)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e.mu.Lock()
	e.cancel = cancel
	if e.gone {
		cancel()
	}
	e.mu.Unlock()
	c, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	return c, e.hold(c)
}

func (e *exchange) hold(c *conn) error {
	e.mu.Lock()
	e.cancel = nil
	e.conn = c
	gone := e.gone
	e.mu.Unlock()
	if gone {
		e.discard(c)
		return message.ErrAborted
	}
	return nil
}

// letGo ends what leave may do to the connection.
func (e *exchange) letGo() {
	e.mu.Lock()
	e.conn = nil
	e.mu.Unlock()
}

// discard closes c.
func (e *exchange) discard(c *conn) {
	e.letGo()
	e.relay.pool.drop(c)
}

// ask sends the request, or begins to, and waits for the head of its final
// answer, or of one with 101.
func (e *exchange) ask(c *conn) (*http1.Response, error) {
	if err := e.send(c); err != nil {
		return nil, err
	}
	for {
		r, err := c.Answer(e.request.Method)
		if err != nil {
			return nil, err
		}
		if !c.used {
			c.used = true
			e.relay.pool.answered(c)
		}
		switch {
		case r.Status >= 200 || r.Status == 101:
			return r, nil
		case r.Status == 100 && e.request.Expect:
			// The server sends its own when the body is first read.
			if e.sender != nil {
				e.sender.goAhead()
			}
		default:
			if e.x.Interim(r.Status, strip(r.Header, false)) != nil {
				return nil, message.ErrAborted
			}
		}
	}
}

// send writes the head, and the body with it where that is at hand. Otherwise
// it leaves the body to a sender.
func (e *exchange) send(c *conn) error {
	r, f := e.request, e.framing
	c.Ask()
	if !writeHead(&c.Writer, r, f) {
		return errMalformed
	}
	if c.Begin(f) != nil {
		return errMalformed
	}
	if f.Kind == http1.None {
		return c.Send()
	}
	if atHand, err := e.takeSmall(); err != nil {
		return err
	} else if atHand {
		if _, err := c.Write(e.small); err != nil {
			return err
		}
		return c.Send()
	}
	if err := c.Flush(); err != nil {
		return err
	}
	e.sender = newSender(e, c)
	go e.sender.run()
	return nil
}

// takeSmall reads a body that is at hand, and says whether it was. It is kept
// for another attempt.
func (e *exchange) takeSmall() (bool, error) {
	body, n := e.request.Body, e.framing.Length
	switch {
	case e.small != nil:
		return true, nil
	case e.framing.Kind != http1.Length || n > maxSmall || int64(body.Buffered()) < n:
		return false, nil
	}
	e.small = buffers.get()[:n]
	for read := 0; read < len(e.small); {
		n, err := body.Read(e.small[read:])
		if n == 0 && err != nil {
			return false, e.broken(err)
		}
		read += n
	}
	return true, nil
}

// maxSmall is the size in bytes up to which a body that is at hand goes out
// with the head.
const maxSmall = bufferSize

// trailer is the request's, once its body was read, unless Do has ended.
func (e *exchange) trailer() (message.Header, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return nil, false
	}
	return e.request.Trailer.Clone(), true
}

// broken notes that the request's body could not be read.
func (e *exchange) broken(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bodyErr = err
	e.cut()
	return err
}

// failure is what Do returns for an error.
func (e *exchange) failure(err error) error {
	e.mu.Lock()
	gone, bodyErr := e.gone, e.bodyErr
	e.mu.Unlock()
	var bad *http1.Error
	switch {
	case bodyErr != nil && !gone && errors.As(bodyErr, &bad):
		return &message.Failure{Status: 400, Type: message.BadRequest, Message: "the request's body cannot be read: " + bad.Text}
	case gone, bodyErr != nil, err == message.ErrAborted, err == http1.ErrDownstream:
		return message.ErrAborted
	case err == errMalformed:
		return &message.Failure{Status: 400, Type: message.BadRequest, Message: errMalformed.Text}
	case err == errClosed:
		return &message.Failure{Status: 503, Type: message.Stopping, Message: "the container is about to stop"}
	case errors.As(err, &bad):
		return &message.Failure{Status: 502, Type: message.ProgramBadAnswer, Message: "the program's answer is not valid HTTP: " + bad.Text}
	}
	if f := e.relay.options.Explain(err); f != nil {
		return f
	}
	return &message.Failure{Status: 502, Type: message.ProgramClosedConnection, Message: "the program did not answer the request: " + plain(err)}
}
