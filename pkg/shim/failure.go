package shim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/shim/discovery"
)

// Failure is the body of an answer that the shim gives in the program's place.
// It is a JSON object of errorType, errorMessage and requestId.
type Failure struct{ Type, Message, RequestID string }

// JSON renders f in one line. Package encoding/json would be a tenth of the
// shim's size.
func (f Failure) JSON() string {
	return fmt.Sprintf("{\"errorType\":%s,\"errorMessage\":%s,\"requestId\":%s}\n", quote(f.Type), quote(f.Message), quote(f.RequestID))
}

// quote makes a JSON string (RFC 8259, section 7). Bytes that are not UTF-8
// become U+FFFD.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ':
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
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
func failure(t *discovery.Target) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		e := exchangeOf(r)
		if e.client.Err() != nil || errors.Is(err, context.Canceled) {
			panic(http.ErrAbortHandler) // nobody is there to read an answer
		}
		e.failed = true
		f := Failure{RequestID: e.id}
		if why := t.Explain(err); why != nil {
			f.Type, f.Message = why.Type, why.Message
		} else {
			f.Type, f.Message = ProgramClosedConnection, "the program did not answer the request: "+err.Error()
		}
		w.Header().Set("Content-Type", "application/json")
		if isEvent(r) {
			w.Header().Set(headerStatus, "404")
		}
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, f.JSON())
	}
}
