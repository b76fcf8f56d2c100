package lambdatest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// Event is what a container is given.
type Event struct {
	// ID is made where it is empty.
	ID      string
	Payload []byte
	// Timeout is the function's. 0: 3 s.
	Timeout                time.Duration
	TraceID, ClientContext string
}

// Result is what the container said to an event, or at its start.
type Result struct {
	// Payload is the answer, or the error's JSON.
	Payload     []byte
	ContentType string
	// ErrorType is not empty where it is an error.
	ErrorType string
	// Streamed: the answer was streamed; Error is then that of its trailer.
	Streamed bool
	Error    []byte
	// First is when the first byte of it came.
	First time.Time
}

// ErrTimeout is what Invoke returns after the event's Timeout.
var ErrTimeout = errors.New("the function has timed out")

// Invoke gives an event to the container and waits for what comes of it.
func (s *Server) Invoke(ctx context.Context, e Event) (*Result, error) {
	if e.ID == "" {
		e.ID = newID()
	}
	if e.Timeout == 0 {
		e.Timeout = 3 * time.Second
	}
	inv := &invocation{Event: e, result: make(chan *Result, 1)}
	s.mu.Lock()
	s.queue = append(s.queue, inv)
	s.thaw() // even if its poll has broken: it must be able to poll again
	s.wake()
	s.mu.Unlock()
	limit := time.NewTimer(e.Timeout + time.Second)
	defer limit.Stop()
	select {
	case r := <-inv.result:
		return r, nil
	case <-limit.C:
		return nil, ErrTimeout
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// response takes an answer.
func (s *Server) response(w http.ResponseWriter, r *http.Request) {
	inv := s.take(w, r)
	if inv == nil {
		return
	}
	result := &Result{ContentType: r.Header.Get("Content-Type")}
	switch mode := r.Header.Get("Lambda-Runtime-Function-Response-Mode"); mode {
	case "":
	case "streaming":
		result.Streamed = true
		if len(r.TransferEncoding) == 0 || r.TransferEncoding[0] != "chunked" {
			s.refuse(w, 400, "a streamed answer that is not chunked")
			return
		}
		for _, name := range []string{"Lambda-Runtime-Function-Error-Type", "Lambda-Runtime-Function-Error-Body"} {
			if _, ok := r.Trailer[name]; !ok {
				s.refuse(w, 400, "a streamed answer that does not announce the trailer %s", name)
				return
			}
		}
	default:
		s.refuse(w, 400, "the response mode %q", mode)
		return
	}
	var body bytes.Buffer
	first := make([]byte, 1)
	n, err := io.ReadFull(r.Body, first)
	result.First = time.Now()
	body.Write(first[:n])
	if err == nil {
		limit := int64(MaxPayload)
		if result.Streamed {
			limit = 200 << 20
		}
		_, err = body.ReadFrom(io.LimitReader(r.Body, limit))
		if err == nil && int64(body.Len()) > limit {
			s.done(inv, &Result{ErrorType: "Function.ResponseSizeTooLarge"})
			s.refuse(w, 413, "an answer over %d bytes", limit)
			return
		}
	} else if err == io.EOF {
		err = nil
	}
	if err != nil {
		s.done(inv, &Result{ErrorType: "Runtime.TruncatedResponse", Payload: body.Bytes(), Streamed: result.Streamed})
		s.refuse(w, 400, "an answer that broke off: %v", err)
		return
	}
	result.Payload = body.Bytes()
	if result.Streamed {
		result.ErrorType = r.Trailer.Get("Lambda-Runtime-Function-Error-Type")
		result.Error, err = base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
		if err != nil {
			s.refuse(w, 400, "an error trailer that is not base64")
		}
	}
	s.done(inv, result)
	say(w, 202, map[string]string{"status": "OK"})
}

// problem reads an error's post, and refuses what is none.
func (s *Server) problem(w http.ResponseWriter, r *http.Request) (*Result, bool) {
	data, err := io.ReadAll(io.LimitReader(r.Body, MaxPayload))
	var e struct {
		Message *string `json:"errorMessage"`
		Type    string  `json:"errorType"`
	}
	if err == nil {
		err = json.Unmarshal(data, &e)
	}
	kind := r.Header.Get("Lambda-Runtime-Function-Error-Type")
	result := &Result{Payload: data, ContentType: r.Header.Get("Content-Type"), ErrorType: kind, First: time.Now()}
	switch {
	case err != nil || e.Message == nil:
		s.refuse(w, 400, "an error that is not an error's JSON: %v %.100q", err, data)
	case kind == "" || strings.ContainsAny(kind, " \t"):
		s.refuse(w, 400, "an error of the type %q", kind)
	default:
		return result, true
	}
	return result, false
}

// fail takes an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request) {
	inv := s.take(w, r)
	if inv == nil {
		return
	}
	result, ok := s.problem(w, r)
	s.done(inv, result)
	if ok {
		say(w, 202, map[string]string{"status": "OK"})
	}
}

// initFailed takes the news that the function cannot start.
func (s *Server) initFailed(w http.ResponseWriter, r *http.Request) {
	result, ok := s.problem(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	late, again := s.polled, s.initError != nil
	if !late && !again {
		s.initError = result
		close(s.initDone)
	}
	s.mu.Unlock()
	if late || again {
		s.refuse(w, 403, "an init error after a poll or another one")
		return
	}
	say(w, 202, map[string]string{"status": "OK"})
}

// InitError waits for the container to say that it cannot start.
func (s *Server) InitError(ctx context.Context) (*Result, error) {
	select {
	case <-s.initDone:
		return s.initError, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
