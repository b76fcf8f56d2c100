// Package http1 is HTTP/1.0 and HTTP/1.1 on the wire (RFC 9112): heads, body
// framing, a server, and a connection to one.
//
// The shim stands between a platform and a program. Two parsers in a row that
// see different messages in the same bytes are how requests are smuggled, so
// whatever can be read in two ways is refused, and what is sent on is written
// anew from what was understood. Requests are read strictly: the one leniency
// is an empty line before the request line (RFC 9112, section 2.2). Programs
// may be a few lines of shell, so in the heads of answers a bare LF may end a
// line, the reason phrase may be missing, and white space may stand before a
// colon (section 5.1 has gateways take it out). Framing has no leniency.
package http1
