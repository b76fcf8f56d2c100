// Package relay carries exchanges to a program that serves HTTP/1.1, as it is
// asked and answered: what goes on is what came, byte for byte in the target
// and in bodies, field for field in heads. Only what RFC 9110, section 7.6.1,
// has for one hop is taken off and said anew.
//
// # Which connection
//
// Connections are kept, because making one costs as much as a request. But a
// program may close a connection at the very moment at which a request goes
// out on it: Node.js after 5 s of idleness, any program while the platform has
// the instance frozen. Then nobody knows whether the request was carried out.
// So:
//
//   - A kept connection is used within 4 s only, and looked at first: it must
//     be open, and nothing must have come that was not asked for.
//   - A request that may be repeated (GET, HEAD, OPTIONS, TRACE, without a
//     body) goes over a kept connection; where that breaks before a byte of the
//     answer came, it is sent once more, over a new one.
//   - Every other one gets a new connection. It goes over a kept one only where
//     the program said in Keep-Alive how long it keeps it, not half of that is
//     over, and the kernel knows of no end. It is never sent twice.
//   - What could not be written at all has not reached the program, and is
//     tried again.
//
// A server that answers one connection at a time, until it is closed, would
// not see a new one while it waits on a kept one. Kept ones are closed where a
// new one has brought nothing for 100 ms; where that helped, they are closed
// beforehand from then on.
//
// # Which goroutine
//
// A request without a body, or with one that is at hand, goes out in one write
// and its answer is read by the same goroutine. Any other body is streamed by
// a goroutine of its own, so that an answer may begin, and end, before the
// body does.
package relay
