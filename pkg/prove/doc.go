// Package prove shows that a finished image keeps its word: it boots the image
// in containers of its own, without a daemon, and runs on it the shim's
// conformance rules and those about the image itself.
package prove
