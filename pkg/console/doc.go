// Package console serves functions on loopback while they are written: their
// HTTP triggers, the platform's call for events, and a page to call them and to
// read their logs as they come.
//
//	/                                            the page
//	/http/NAME/…  and  http://NAME.localhost/…   the HTTP trigger of a function
//	POST /2023-03-30/functions/NAME/invocations  an event (Function Compute's
//	                                             OpenAPI, InvokeFunction; nothing
//	                                             is signed)
//
// A function is started by its first call, and again after its files have
// changed: a call that comes meanwhile waits for the new one, and calls that the
// old one has are answered by it.
package console
