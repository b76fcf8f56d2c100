// Package lambdatest is an emulator of AWS Lambda's runtime API (version
// 2018-06-01), made from its public documentation, for tests. It queues events,
// gives them to whoever polls, checks that every request is one that the
// protocol allows at that moment, and freezes the container in between where it
// is told how.
package lambdatest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const prefix = "/2018-06-01/runtime/"

// MaxPayload is Lambda's limit for events and answers that are not streamed.
const MaxPayload = 6<<20 + 4<<10

// Options say how a Server behaves.
type Options struct {
	// Concurrency is how many events a container may have at once, 1 unless
	// it is on a managed instance.
	Concurrency int
	// Freeze is called when the container has nothing to do, Thaw before it
	// gets the next event.
	Freeze, Thaw func()
}

// Server is the runtime API of one container.
type Server struct {
	// Addr is the value of AWS_LAMBDA_RUNTIME_API.
	Addr string

	o    Options
	http *http.Server

	mu         sync.Mutex
	queue      []*invocation
	running    map[string]*invocation
	polls      []chan struct{} // each is woken when something is in the queue
	polled     bool
	frozen     bool
	violations []string
	initError  *Result
	initDone   chan struct{}
	conns      map[net.Conn]http.ConnState
}

// invocation is an event and what became of it.
type invocation struct {
	Event
	result chan *Result // has room for one
	posted bool         // an answer or error is coming or has come
}

// New starts a Server on loopback.
func New(o Options) *Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	if o.Concurrency == 0 {
		o.Concurrency = 1
	}
	s := &Server{Addr: l.Addr().String(), o: o, running: map[string]*invocation{}, initDone: make(chan struct{}), conns: map[net.Conn]http.ConnState{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+prefix+"invocation/next", s.next)
	mux.HandleFunc("POST "+prefix+"invocation/{id}/response", s.response)
	mux.HandleFunc("POST "+prefix+"invocation/{id}/error", s.fail)
	mux.HandleFunc("POST "+prefix+"init/error", s.initFailed)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, 404, "%s %s is not in the API", r.Method, r.URL.Path)
	})
	s.http = &http.Server{Handler: mux, ConnState: s.track}
	go s.http.Serve(l)
	return s
}

// Close ends the server and all of its connections.
func (s *Server) Close() { s.http.Close() }

func (s *Server) track(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(s.conns, c)
	} else {
		s.conns[c] = state
	}
}

// Break closes all connections, also those that a poll waits on, as a freeze
// of many hours may do.
func (s *Server) Break() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Idle waits until the container polls and has nothing to do.
func (s *Server) Idle(ctx context.Context) error {
	for {
		s.mu.Lock()
		idle := len(s.polls) > 0 && len(s.running) == 0 && len(s.queue) == 0
		s.mu.Unlock()
		if idle {
			return nil
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Violations are the requests that the protocol does not allow.
func (s *Server) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.violations...)
}

// refuse answers a request that is not allowed, and keeps that it came.
func (s *Server) refuse(w http.ResponseWriter, status int, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.mu.Lock()
	s.violations = append(s.violations, text)
	s.mu.Unlock()
	say(w, status, map[string]string{"errorMessage": text, "errorType": "InvalidRequest"})
}

func say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// newID is a random UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// next gives the next event to a poll.
func (s *Server) next(w http.ResponseWriter, r *http.Request) {
	wake := make(chan struct{}, 1)
	for {
		s.mu.Lock()
		if n := len(s.running); n >= s.o.Concurrency {
			s.mu.Unlock()
			s.refuse(w, 403, "a poll while %d events are not answered", n)
			return
		}
		s.polled = true
		if len(s.queue) > 0 {
			inv := s.queue[0]
			s.queue = s.queue[1:]
			s.running[inv.ID] = inv
			s.thaw()
			s.mu.Unlock()
			s.deliver(w, inv)
			return
		}
		if len(s.running) == 0 && len(s.queue) == 0 && !s.frozen {
			if s.o.Freeze != nil {
				s.o.Freeze()
			}
			s.frozen = true
		}
		s.polls = append(s.polls, wake)
		s.mu.Unlock()
		select {
		case <-wake:
		case <-r.Context().Done():
			s.mu.Lock()
			for i, p := range s.polls {
				if p == wake {
					s.polls = append(s.polls[:i], s.polls[i+1:]...)
					break
				}
			}
			select {
			case <-wake: // the event that woke it is another's
				s.wake()
			default:
			}
			s.mu.Unlock()
			return
		}
	}
}

// thaw lets the container run. The lock is held.
func (s *Server) thaw() {
	if s.frozen && s.o.Thaw != nil {
		s.o.Thaw()
	}
	s.frozen = false
}

// wake has the first poll that waits look at the queue. The lock is held.
func (s *Server) wake() {
	if len(s.polls) > 0 {
		s.polls[0] <- struct{}{}
		s.polls = s.polls[1:]
	}
}

// deliver answers a poll. An event that could not be delivered is queued again.
func (s *Server) deliver(w http.ResponseWriter, inv *invocation) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.ID)
	h.Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(inv.Timeout).UnixMilli()))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-test-1:123456789012:function:test")
	if inv.TraceID != "" {
		h.Set("Lambda-Runtime-Trace-Id", inv.TraceID)
	}
	if inv.ClientContext != "" {
		h.Set("Lambda-Runtime-Client-Context", inv.ClientContext)
	}
	h.Set("Content-Length", fmt.Sprint(len(inv.Payload)))
	_, err := w.Write(inv.Payload)
	if err == nil {
		err = http.NewResponseController(w).Flush()
	}
	if err != nil {
		s.mu.Lock()
		delete(s.running, inv.ID)
		s.queue = append([]*invocation{inv}, s.queue...)
		s.wake()
		s.mu.Unlock()
	}
}

// take finds the invocation that a post is for; it may be posted to once.
func (s *Server) take(w http.ResponseWriter, r *http.Request) *invocation {
	id := r.PathValue("id")
	s.mu.Lock()
	inv := s.running[id]
	ok := inv != nil && !inv.posted
	if ok {
		inv.posted = true
	}
	s.mu.Unlock()
	if !ok {
		s.refuse(w, 400, "%s for an event that is not under way", strings.TrimPrefix(r.URL.Path, prefix))
		return nil
	}
	return inv
}

// done ends an invocation.
func (s *Server) done(inv *invocation, r *Result) {
	s.mu.Lock()
	delete(s.running, inv.ID)
	s.mu.Unlock()
	inv.result <- r
}
