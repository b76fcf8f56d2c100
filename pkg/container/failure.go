package container

import (
	"errors"
	"slices"
	"syscall"
)

// What a container can be started without.
var (
	errNoOverlay = errors.New("mounting overlayfs")
	errNotPlaced = errors.New("putting the container into its control group")
)

// kinds are the errors that are asked for in another process than the one in
// which they came up.
var kinds = []error{errNoOverlay, errNotPlaced, syscall.ECONNREFUSED}

// failure is an error on its way to another process.
type failure struct {
	Text string
	Kind int `json:",omitempty"` // the place in kinds of the one it wraps, from 1
}

func failureOf(err error) *failure {
	return &failure{err.Error(), 1 + slices.IndexFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })}
}

func (f *failure) Error() string { return f.Text }

func (f *failure) Is(target error) bool {
	return f.Kind > 0 && f.Kind <= len(kinds) && kinds[f.Kind-1] == target
}
