// Package release publishes images whole or not at all: built, proven,
// described, signed and pushed to every region before the first tag moves.
package release
