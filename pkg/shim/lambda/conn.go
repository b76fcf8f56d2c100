package lambda

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

const (
	version = "/2018-06-01"
	// maxEvent bounds an event's bytes. Lambda's own limit is 6 MB.
	maxEvent = 32 << 20
	// maxReply bounds what the API says to a post.
	maxReply = 64 << 10
	// dialTime is for one connect; the API is on the same machine.
	dialTime = 5 * time.Second
	// polls is how often a poll is tried, with pauses that double from
	// firstPause to maxPause, before the API counts as gone.
	polls      = 10
	firstPause = 10 * time.Millisecond
	maxPause   = 500 * time.Millisecond
)

// conn is a connection to the runtime API that is replaced where it broke. No
// read has a time limit: between two events, and even between an answer and
// what the API says to it, the container may be frozen for hours.
type conn struct {
	ctx    context.Context
	addr   string
	client *http1.Client // nil where there is none
	used   bool          // the connection has carried a request before
	stop   func() bool   // takes the closing at ctx's end back
}

func newConn(ctx context.Context, addr string) *conn { return &conn{ctx: ctx, addr: addr} }

func (k *conn) close() {
	if k.client != nil {
		k.stop()
		_ = k.client.Close()
		k.client, k.used = nil, false
	}
}

// open makes sure that there is a connection.
func (k *conn) open() error {
	if k.client != nil {
		return nil
	}
	d := net.Dialer{Timeout: dialTime}
	c, err := d.DialContext(k.ctx, "tcp", k.addr)
	if err != nil {
		return err
	}
	k.client = http1.NewClient(c)
	k.stop = context.AfterFunc(k.ctx, func() { _ = c.Close() })
	return nil
}

// begin writes a request's head.
func (k *conn) begin(method, path string, h message.Header, f http1.Framing) error {
	if err := k.open(); err != nil {
		return err
	}
	c := k.client
	c.Ask()
	c.Line(method, " ", version, path, " HTTP/1.1")
	c.Field("Host", k.addr)
	c.Field("User-Agent", "imgbuild-shim")
	for _, field := range h {
		c.Field(field.Name, field.Value)
	}
	c.Framing(f)
	return c.Begin(f)
}

// finish reads an answer to its end and keeps the connection where it can.
func (k *conn) finish(method string, limit int64) (*http1.Response, []byte, error) {
	r, err := k.client.Answer(method)
	for err == nil && r.Status < 200 {
		r, err = k.client.Answer(method)
	}
	if err != nil {
		k.close()
		return nil, nil, err
	}
	body, err := io.ReadAll(io.LimitReader(k.client, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("it is over %d bytes", limit)
	}
	if err == nil && k.client.Reusable() {
		k.used = true
		k.client.Idle()
	} else {
		k.close()
	}
	return r, body, err
}

// event is one that Lambda gave us.
type event struct {
	id       string
	deadline time.Time // zero where Lambda said none
	header   message.Header
	payload  []byte
}

// next waits for an event. A poll may be sent again: an event that no poll got
// stays where it is. With an event and an error the event's payload is not
// whole. Without an event the error means that the container must end.
func (k *conn) next() (*event, error) {
	var err error
	for i, pause := 0, firstPause; i < polls; i, pause = i+1, min(pause*2, maxPause) {
		if i > 0 {
			select {
			case <-time.After(pause):
			case <-k.ctx.Done():
				return nil, k.ctx.Err()
			}
		}
		var r *http1.Response
		var body []byte
		if err = k.begin("GET", "/runtime/invocation/next", nil, http1.Framing{}); err == nil {
			err = k.client.End(nil)
		}
		if err != nil {
			k.close()
			continue
		}
		r, body, err = k.finish("GET", maxEvent)
		switch {
		case r == nil:
			continue
		case r.Status != 200:
			return nil, fmt.Errorf("the Lambda runtime API answered a poll with status %d: %.200q", r.Status, body)
		}
		e := &event{id: r.Header.Get("Lambda-Runtime-Aws-Request-Id"), header: r.Header.Clone(), payload: body}
		if ms, err := strconv.ParseInt(r.Header.Get("Lambda-Runtime-Deadline-Ms"), 10, 64); err == nil {
			e.deadline = time.UnixMilli(ms)
		}
		if e.id == "" {
			return nil, errors.New("the Lambda runtime API gave an event without Lambda-Runtime-Aws-Request-Id")
		}
		return e, err
	}
	return nil, fmt.Errorf("the Lambda runtime API at %s cannot be reached: %w", k.addr, err)
}

// post sends a whole answer. It is sent twice only where a connection that was
// used before broke without a word, as it can after a freeze; an answer that
// arrived both times is refused the second time, which is as good. Errors that
// are not *rejected are those after which the container must end.
func (k *conn) post(path string, h message.Header, body []byte) error {
	again := false
	for {
		used := k.used
		status, text, silent, err := k.postOnce(path, h, body)
		switch {
		case status != 0:
			return judge(path, status, text, again)
		case again || !used || !silent:
			return k.lost(path, err)
		}
		again = true
	}
}

// postOnce returns the status of the API's answer, 0 where it gave none; silent
// says that not a byte of one came.
func (k *conn) postOnce(path string, h message.Header, body []byte) (status int, text []byte, silent bool, err error) {
	err = k.begin("POST", path, h, http1.Framing{Kind: http1.Length, Length: int64(len(body))})
	if err != nil {
		k.close()
		return 0, nil, true, err
	}
	c := k.client
	if _, err = c.Write(body); err == nil {
		err = c.End(nil)
	}
	// The API may refuse a body before it has read it all, so that its answer
	// is looked for even where writing failed.
	r, text, readErr := k.finish("POST", maxReply)
	if err != nil {
		k.close()
	} else {
		err = readErr
	}
	if r != nil {
		status = r.Status
	}
	return status, text, !c.Received(), err
}

// lost is for an answer of which is not known whether it arrived. The event is
// Lambda's affair then; the next poll will tell whether the API still lives.
func (k *conn) lost(path string, err error) error {
	return &rejected{fmt.Sprintf("the answer to %s was lost: %v", path, err)}
}

// rejected is an answer that did not arrive, after which polling goes on.
type rejected struct{ text string }

func (r *rejected) Error() string { return r.text }

// judge says what the API's answer to a post means.
func judge(path string, status int, text []byte, again bool) error {
	switch {
	case status < 300, again && (status == 400 || status == 403):
		return nil
	case status >= 500:
		return fmt.Errorf("the Lambda runtime API answered %s with status %d: %.200q", path, status, text)
	}
	return &rejected{fmt.Sprintf("the Lambda runtime API refused %s with status %d: %.200q", path, status, text)}
}
