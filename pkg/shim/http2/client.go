package http2

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// errNotHTTP2 says that the program does not speak HTTP/2. Nothing of the
// request was sent or read; it can still be sent in another way.
var errNotHTTP2 = errors.New("the program does not speak HTTP/2 with prior knowledge")

// wanted says whether a request is one that programs expect by HTTP/2 and
// nothing else: gRPC, from a client that itself uses HTTP/2.
func wanted(r *message.Request) bool {
	return r.Version == message.HTTP2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// isServer says whether b, what a program sent first, begins with the SETTINGS
// frame of a server that speaks HTTP/2 only (RFC 9113, section 3.4).
func isServer(b []byte) bool {
	return len(b) >= frameHeaderLen && b[0] == 0 && b[3] == byte(frameSettings) && b[4] == 0 &&
		string(b[5:frameHeaderLen]) == "\x00\x00\x00\x00" && (int(b[1])<<8|int(b[2]))%6 == 0
}

// Client is a message.Backend that sends requests to a program by HTTP/2 with
// prior knowledge, all over one connection. Its fields must not change once it
// is in use.
type Client struct {
	// Dial connects to the program. It waits for a program that does not
	// listen yet, until ctx ends or it gives up.
	Dial func(ctx context.Context) (net.Conn, error)
	// Generation, if set, is another number after each change of the program's
	// address: connections of an older one are not used again.
	Generation func() int
	// Explain, if set, says why the program gave no answer, for an error of
	// Dial or of a connection; nil for a message with the error.
	Explain func(err error) *message.Failure

	mu     sync.Mutex
	now    *client // takes new streams
	making *making
	closed bool
}

// making is a connection that several requests wait for.
type making struct {
	done   chan struct{}
	cancel context.CancelFunc
	users  int
	conn   *client
	err    error
}

const (
	// handshake is how long the program may take for its first SETTINGS.
	handshake = 5 * time.Second
	// restTime is after how long without use a connection is asked whether it
	// still lives: the container may have been frozen since.
	restTime = time.Second
	// pongTime is how long it may take to answer.
	pongTime = 2 * time.Second
)

var errClientClosed = errors.New("the container is about to stop")

// Close closes the connection when its streams have ended, and fails later
// requests.
func (k *Client) Close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	if k.now != nil {
		k.now.retire()
		k.now = nil
	}
}

// Probe connects where there is no connection, and says with errNotHTTP2 or an
// error of Dial why there can be none.
func (k *Client) Probe(ctx context.Context) error {
	_, err := k.connect(ctx)
	return err
}

// connect returns a connection that lives.
func (k *Client) connect(ctx context.Context) (*client, error) {
	k.mu.Lock()
	if k.now != nil && (!k.now.usable() || k.now.generation != k.generation()) {
		k.now.retire()
		k.now = nil
	}
	if c := k.now; c != nil && !k.closed {
		k.mu.Unlock()
		if c.alive() {
			return c, nil
		}
		k.mu.Lock()
		if k.now == c {
			k.now = nil
		}
	}
	if k.closed {
		k.mu.Unlock()
		return nil, errClientClosed
	}
	m := k.making
	if m == nil {
		m = k.make()
	}
	m.users++
	k.mu.Unlock()
	select {
	case <-m.done:
		return m.conn, m.err
	case <-ctx.Done():
		k.mu.Lock()
		if m.users--; m.users == 0 {
			m.cancel()
			if k.making == m { // who comes now must not get its error
				k.making = nil
			}
		}
		k.mu.Unlock()
		return nil, ctx.Err()
	}
}

// make begins a connection. k.mu is held.
func (k *Client) make() *making {
	ctx, cancel := context.WithCancel(context.Background())
	m := &making{done: make(chan struct{}), cancel: cancel}
	k.making = m
	generation := k.generation()
	go func() {
		defer cancel()
		var c *client
		nc, err := k.Dial(ctx)
		if err == nil {
			c, err = newClient(ctx, nc, generation)
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		switch {
		case err != nil:
		case k.closed:
			c.retire()
			err = errClientClosed
		case k.making != m: // nobody waits for it any more
			c.retire()
			err = context.Canceled
		default:
			k.now = c
		}
		if k.making == m {
			k.making = nil
		}
		m.conn, m.err = c, err
		close(m.done)
	}()
	return m
}

func (k *Client) generation() int {
	if k.Generation == nil {
		return 0
	}
	return k.Generation()
}

// failure is what Do returns for an error.
func (k *Client) failure(err error) error {
	var stream streamError
	var connection connError
	switch {
	case errors.Is(err, errNotHTTP2):
		return errNotHTTP2
	case errors.Is(err, message.ErrAborted):
		return message.ErrAborted
	case errors.Is(err, errClientClosed):
		return &message.Failure{Status: 503, Type: message.Stopping, Message: err.Error()}
	case errors.As(err, &stream), errors.As(err, &connection):
		return &message.Failure{Status: 502, Type: message.ProgramBadAnswer, Message: "the program's answer is not valid HTTP/2: " + err.Error()}
	}
	if k.Explain != nil {
		if f := k.Explain(err); f != nil {
			return f
		}
	}
	return &message.Failure{Status: 502, Type: message.ProgramClosedConnection, Message: "the program did not answer the request: " + err.Error()}
}
