// Package runtimeapi serves the API that programs built with Function
// Compute's Go SDK (fc.Start of github.com/aliyun/fc-runtime-go-sdk) poll, and
// carries exchanges to such a program. They are no servers: they ask the
// address in FC_RUNTIME_API for work. So the shim listens on loopback, hands
// each call to the next poller, and makes the program's answer the call's.
//
// The API, under http://$FC_RUNTIME_API/2020-11-11/runtime/invocation/, as the
// SDK (version of 2025) speaks it:
//
//	GET  next           waits for a call: its payload, and context in x-fc-* fields
//	POST {id}/response  the answer; of an HTTP function its status and header
//	                    are in x-fc-http-params
//	POST {id}/error     {"errorMessage","errorType","stackTrace"}
//
// # How the SDK behaves
//
// It polls again as soon as it has a call, so one program has many calls under
// way; who wants fewer limits them in front of this Backend. It polls again at
// once and for ever where a poll fails, so a poll is never refused. It leaves
// a call unanswered for good where x-fc-function-deadline,
// x-fc-function-timeout, x-fc-retry-count or x-fc-tracing-opentracing-span-baggages
// cannot be parsed, so the first two are always set and the others are only
// passed on where they are right. It survives a panic of a handler and reports
// it like an error, with a stack.
//
// # HTTP triggers
//
// fc.StartHttp (Function Compute 2.0) gets the request in x-fc-http-params.
// fc.Start (3.0) gets it as a JSON event, as Alibaba Cloud's "Use an HTTP
// trigger to invoke a function" documents. Nothing says beforehand which of
// the two a program is, but a StartHttp program refuses a call without
// x-fc-http-params before any code of its user runs. So the first HTTP call is
// sent as an event, and sent again in the other form if it is refused so;
// later ones are sent in the form that is then known. The SDK logs the refusal
// as an error, once. Events go to a StartHttp program as POST /invoke, as they
// do to any server.
//
// # Memory
//
// A payload is read whole before it is handed over: a slow client would
// otherwise hold up the only poller. Payloads over 64 KB, and answers that
// must be parsed, share Options.Memory; whoever does not fit waits. All other
// answers are streamed.
package runtimeapi
