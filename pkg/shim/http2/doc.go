// Package http2 serves HTTP/2 over cleartext TCP to clients that know
// beforehand that it is spoken (RFC 9113, section 3.3), and speaks it to a
// program that knows nothing else, as gRPC servers do. Each stream becomes a
// message.Exchange.
//
// One goroutine reads a connection's frames and one writes them; a handler
// runs in its own. All state of a connection is behind one mutex. Memory is
// bounded by the windows that the connection grants (connWindow), by what may
// wait to be written (outRoom), and by the number of streams; what a client
// can ask for at no cost of its own is paid out of a budget (patience).
//
// Left out: TLS, server push, priorities (RFC 9113 deprecates both), extended
// CONNECT (RFC 8441), tunnels by CONNECT, and compression of what we send by a
// dynamic table.
package http2
