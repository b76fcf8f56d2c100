package shim

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// Failure is the body of an answer that the shim gives in the program's place.
type Failure struct {
	Type      string `json:"errorType"`
	Message   string `json:"errorMessage"`
	RequestID string `json:"requestId"`
}

// Types of Failure.
const (
	// ProgramNotListening: the program listened on no port in time.
	ProgramNotListening = "ProgramNotListening"
	// ProgramExited: the program ended before it answered.
	ProgramExited = "ProgramExited"
	// ProgramClosedConnection: it lives, but dropped the connection or
	// answered in something that is not HTTP.
	ProgramClosedConnection = "ProgramClosedConnection"
)

// failure answers where the program does not.
func failure(p *process) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		e := exchangeOf(r)
		if e.client.Err() != nil || errors.Is(err, context.Canceled) {
			panic(http.ErrAbortHandler) // nobody is there to read an answer
		}
		e.failed = true
		f := Failure{RequestID: e.id}
		switch {
		case errors.Is(err, errNotListening):
			f.Type, f.Message = ProgramNotListening, "the program does not listen on any port; it must serve HTTP on the port in PORT, or on any other"
		case errors.Is(err, errEnded), p.waitFor(100 * time.Millisecond):
			// A connection breaks a moment before its process is reaped.
			f.Type, f.Message = ProgramExited, "the program "+p.ending()+" before it answered"
		default:
			f.Type, f.Message = ProgramClosedConnection, "the program did not answer the request: "+err.Error()
		}
		body, _ := json.Marshal(f)
		w.Header().Set("Content-Type", "application/json")
		if isEvent(r) {
			w.Header().Set(headerStatus, "404")
		}
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write(append(body, '\n'))
	}
}
