// Package check looks whether an image keeps Function Compute's contract with a
// custom container, whoever made it: it reads the image's configuration, starts
// it, calls it as the platform does, and says rule by rule what holds and what to
// change.
//
// What is not the image's fault is no failure: a function that answers only its
// HTTP trigger has no events to fail at, and that is a note.
package check
