// Package emulator plays Function Compute in front of one function: it starts
// instances when there are calls, calls them as the platform does, and answers
// as the platform does where they fail.
//
//	Invoke, ServeHTTP → call (limits, headers, time-out, retries) → pool → instance → Runtime
//
// A Runtime is where instances run: Native (Linux's namespaces, from an image's
// files, by itself or by runc or crun), CLI (docker, podman, nerdctl), or Folder (a
// code package with a bootstrap, under the shim, on this machine). Between calls an
// instance is frozen, so that what a function does after its answer stands still
// here as it does there.
//
// Facts are Alibaba Cloud's documentation of custom runtimes and custom
// containers. What it does not say is chosen here and named as such: which
// instance gets a call, how long after the last answer an instance freezes, and
// the pauses between retries of asynchronous calls.
//
// It is no fence: the functions are the user's own.
package emulator
