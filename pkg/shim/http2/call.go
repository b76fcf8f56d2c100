package http2

import (
	"context"
	"io"
	"strings"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// call is one exchange on its way to the program.
type call struct {
	client  *Client
	x       message.Exchange
	request *message.Request
	begun   bool // the answer was begun

	mu     sync.Mutex
	gone   bool               // the client has gone
	over   bool               // the request may not be looked at any more
	cancel context.CancelFunc // while there is a connection to be made
	conn   *client
	stream *stream
}

// maxAttempts bounds how often a request is sent that the program says it has
// not processed.
const maxAttempts = 3

// Do is message.Backend's. It also returns errNotHTTP2. Also when something
// else than the client calls what was given to OnGone, Do soon returns
// message.ErrAborted, without having answered if no answer was begun.
func (k *Client) Do(x message.Exchange) error {
	e := &call{client: k, x: x, request: x.Request()}
	x.OnGone(e.leave)
	err := e.run()
	x.OnGone(nil)
	e.mu.Lock()
	e.over = true
	if e.gone {
		err = message.ErrAborted
	}
	e.mu.Unlock()
	if err == nil {
		return nil
	}
	if e.begun {
		x.Abort()
	}
	return k.failure(err)
}

// leave is called when the client goes away.
func (e *call) leave() {
	e.mu.Lock()
	e.gone = true
	cancel, c, s := e.cancel, e.conn, e.stream
	e.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	if c != nil {
		c.conn.mu.Lock()
		defer c.conn.mu.Unlock()
		c.conn.room.Broadcast() // open may wait
		if s.c != nil {
			s.reset(codeCancel, message.ErrAborted)
		}
	}
}

func (e *call) isGone() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.gone
}

// run sends the request until the program has processed it. One whose body may
// have been read is not sent again.
func (e *call) run() error {
	for attempt := 1; ; attempt++ {
		s, err := e.open()
		sent := err == nil
		if sent {
			err = e.exchange(s)
		}
		if err == nil || e.begun || attempt == maxAttempts || sent && e.request.Body != nil {
			return err
		}
		if refused, ok := err.(resetError); err != errUnprocessed && (!ok || refused.Code != codeRefusedStream) {
			return err
		}
	}
}

// open opens a stream with the request's head.
func (e *call) open() (*stream, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e.mu.Lock()
	if e.cancel = cancel; e.gone {
		cancel()
	}
	e.mu.Unlock()
	c, err := e.client.connect(ctx)
	if err != nil {
		return nil, err
	}
	s := &stream{headless: e.request.Method == "HEAD"}
	e.mu.Lock()
	e.cancel, e.conn, e.stream = nil, c, s
	e.mu.Unlock()
	return s, c.open(s, appendRequest(nil, e.request), e.request.Body == nil, e.isGone)
}

// exchange passes the body on in one direction and the answer in the other.
func (e *call) exchange(s *stream) error {
	if e.request.Body != nil {
		go e.send(s)
	}
	defer s.finish()
	for {
		head, err := s.nextHead()
		if err != nil {
			return err
		}
		if head.Status >= 200 {
			return e.answer(s, head)
		}
		if head.Status != 100 { // the server sends that when the body is first read
			if e.x.Interim(head.Status, head.Header) != nil {
				return message.ErrAborted
			}
		}
	}
}

// answer passes the answer on. What has come is sent before more is waited
// for.
func (e *call) answer(s *stream, head message.Head) error {
	e.begun = true
	if e.x.Head(head) != nil {
		return message.ErrAborted
	}
	k := newChunk()
	defer chunks.Put(k)
	for {
		if s.waits() && e.x.Flush() != nil {
			return message.ErrAborted
		}
		n, err := s.Read(k.b[:])
		if n > 0 && !s.headless {
			if _, err := e.x.Write(k.b[:n]); err != nil {
				return message.ErrAborted
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if e.x.End(s.trailer) != nil {
		return message.ErrAborted
	}
	return nil
}

// waits says whether Read has to wait.
func (s *stream) waits() bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.in.len == 0 && !s.recvEnd && s.err == nil
}

// finish ends a stream of which nothing more is wanted.
func (s *stream) finish() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.reset(codeCancel, message.ErrAborted)
	s.drop()
}

// send sends the request's body and trailer.
func (e *call) send(s *stream) {
	k := newChunk()
	defer chunks.Put(k)
	for {
		n, err := e.request.Body.Read(k.b[:])
		p := part{data: k.b[:n], end: err == io.EOF}
		if p.end {
			trailer, ok := e.trailer()
			if !ok {
				return
			}
			if len(trailer) > 0 {
				p.trailer = appendFields(nil, trailer)
			}
		}
		if n > 0 || p.end {
			if s.send(p) != nil {
				return // the program reads no more; it may answer all the same
			}
		}
		if p.end {
			return
		}
		if err != nil {
			s.c.mu.Lock()
			s.reset(codeCancel, errBody{err})
			s.c.mu.Unlock()
			return
		}
	}
}

// errBody says that the request's body broke off.
type errBody struct{ error }

func (e errBody) Is(target error) bool { return target == message.ErrAborted }

func (e *call) trailer() (message.Header, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return nil, false
	}
	return e.request.Trailer.Clone(), true
}

// appendRequest encodes a request's head. It leaves out what is for one hop
// (RFC 9113, section 8.2.2), and Expect, which the shim's server answers.
func appendRequest(b []byte, r *message.Request) []byte {
	path := r.Target
	if i := strings.Index(path, "://"); i >= 0 && !strings.HasPrefix(path, "/") { // absolute-form
		path = "/"
		if j := strings.IndexByte(r.Target[i+3:], '/'); j >= 0 {
			path = r.Target[i+3+j:]
		}
	}
	b = appendField(b, ":method", r.Method)
	b = appendField(b, ":scheme", "http")
	b = appendField(b, ":path", path)
	if host := r.Header.Get("Host"); host != "" {
		b = appendField(b, ":authority", host)
	}
	for i := range r.Header {
		f := &r.Header[i]
		switch name := strings.ToLower(f.Name); {
		case message.OfConnection(name), name == "host", name == "expect", name == "http2-settings", r.Header.Nominates(name):
		case name == "te":
		case name == "content-length" && r.Length < 0:
		default:
			b = appendField(b, f.Name, f.Value)
		}
	}
	if r.Header.HasToken("TE", "trailers") {
		b = appendField(b, "te", "trailers")
	}
	return b
}
