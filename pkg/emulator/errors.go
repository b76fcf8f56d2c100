package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// Codes of the platform's errors.
const (
	InvalidArgument    = "InvalidArgument"
	AccessDenied       = "AccessDenied"
	MethodNotAllowed   = "MethodNotAllowed"
	TriggerNotFound    = "TriggerNotFound"
	ResourceExhausted  = "ResourceExhausted"
	FunctionNotStarted = "FunctionNotStarted" // nothing listens on the port
	CAExited           = "CAExited"           // it ended before it listened
	CAFileNotFound     = "CAFileNotFound"
	CAFilePermission   = "CAFilePermission"
	// UnhandledInvocationError is what the platform names a failed invocation
	// by in x-fc-error-type.
	UnhandledInvocationError     = "UnhandledInvocationError"
	UnhandledInitializationError = "UnhandledInitializationError"
)

// Error is an answer of the platform's own.
type Error struct {
	Status    int // of HTTP
	Code      string
	Message   string
	RequestID string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// JSON is the body of the answer.
func (e *Error) JSON() []byte {
	b, err := json.Marshal(struct {
		RequestID    string `json:"RequestId"`
		ErrorCode    string
		ErrorMessage string
	}{e.RequestID, e.Code, e.Message})
	if err != nil {
		panic(err) // strings only
	}
	return b
}

// Write answers a request with the error.
func (e *Error) Write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set(headerErrorType, e.Code)
	h.Set(fc.HeaderRequestID, e.RequestID)
	w.WriteHeader(e.Status)
	_, _ = w.Write(e.JSON()) // the client may have gone
}

// as makes any failure of a call one of the platform's; nil where it is none.
func as(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}

func invalid(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: InvalidArgument, Message: fmt.Sprintf(format, args...)}
}

// exited is what a caller reads whose call the program did not survive.
func exited(why string) *Error {
	return &Error{Status: http.StatusBadGateway, Code: UnhandledInvocationError, Message: "Process exited unexpectedly before completing request" + why}
}

func timedOut(after time.Duration, memory int64) *Error {
	return &Error{
		Status: http.StatusGatewayTimeout, Code: UnhandledInvocationError,
		Message: fmt.Sprintf("Function timed out after %g seconds (maxMemoryUsage: %.2fMB)", after.Seconds(), float64(memory)/(1<<20)),
	}
}

// errClosed is of calls after Close.
var errClosed = errors.New("the emulator is closed")
