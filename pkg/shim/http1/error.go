package http1

import "errors"

// Error is a message that cannot be read, or must not be.
type Error struct {
	// Status is what a server answers to such a request. In an error about an
	// answer or about a body on a client's side it says nothing.
	Status int
	// Text is one line for people. It quotes nothing that was received.
	Text string
}

func (e *Error) Error() string { return e.Text }

func bad(text string) error { return &Error{400, text} }

// Errors of messages that are written.
var (
	// ErrTooLong: more was written than the length that was announced.
	ErrTooLong = errors.New("the body is longer than announced")
	// ErrTooShort: less was written.
	ErrTooShort = errors.New("the body is shorter than announced")
	// ErrLineBreak: a field had CR, LF or NUL in it.
	ErrLineBreak = errors.New("a header field has a line break in it")
)

// Errors about heads that do not depend on what they hold.
var (
	errHeadTooLarge = &Error{431, "the header fields are larger than the limit"}
	errIncomplete   = &Error{400, "the message ends within its head"}
)
