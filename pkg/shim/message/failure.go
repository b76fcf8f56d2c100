package message

import (
	"fmt"
	"strings"
)

// Backend is what answers a call: the program over HTTP, or a bridge to it.
type Backend interface {
	// Do answers x. Where no answer was begun, because the program gave none,
	// it returns a *Failure, and the caller answers. Where an answer was begun
	// that cannot be completed, or the client has gone, it aborts x itself and
	// returns ErrAborted or a *Failure that says why; the caller must look at
	// whether Head was called.
	Do(x Exchange) error
}

// Failure says why the program did not answer. As JSON it is the body of the
// answer that is given in the program's place.
type Failure struct {
	// Status is the HTTP status of that answer.
	Status int
	// Type is one word such as ProgramExited; Message one line for people.
	Type, Message string
	// RequestID is filled in by who answers.
	RequestID string
	// Lines are the last lines that the program wrote. Where they are nil, who
	// answers takes them from the log; empty ones mean that there are none.
	Lines []string
}

// Types of Failure.
const (
	// ProgramNotStarted: there is no program, or it cannot be executed.
	ProgramNotStarted = "ProgramNotStarted"
	// ProgramNotListening: the program listened on no port in time.
	ProgramNotListening = "ProgramNotListening"
	// ProgramExited: the program ended before it answered.
	ProgramExited = "ProgramExited"
	// ProgramClosedConnection: it lives, but dropped the connection.
	ProgramClosedConnection = "ProgramClosedConnection"
	// ProgramBadAnswer: it answered in something that is not HTTP.
	ProgramBadAnswer = "ProgramBadAnswer"
	// ProgramTimedOut: it took longer than the limit that was set.
	ProgramTimedOut = "ProgramTimedOut"
	// TooManyRequests: the limit of concurrent requests is reached.
	TooManyRequests = "TooManyRequests"
	// BodyTooLarge: the request is over the limit that was set.
	BodyTooLarge = "BodyTooLarge"
	// Stopping: the container is about to end.
	Stopping = "Stopping"
	// BadRequest: the request broke the protocol after its head, or cannot be
	// sent on as HTTP.
	BadRequest = "BadRequest"
)

func (f *Failure) Error() string { return f.Message }

// JSON renders f in one line, which ends in a newline. errorMessage carries
// the program's last lines below the message.
func (f *Failure) JSON() []byte {
	text := f.Message
	if len(f.Lines) > 0 {
		text += "; its last lines were:\n" + strings.Join(f.Lines, "\n")
	}
	return fmt.Appendf(nil, "{\"errorType\":%s,\"errorMessage\":%s,\"requestId\":%s}\n", Quote(f.Type), Quote(text), Quote(f.RequestID))
}
