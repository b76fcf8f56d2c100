package main

import (
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// definitionWithLock is a definition and the lock that belongs to it.
type definitionWithLock struct {
	*definition.Loaded
	lock *lock.Lock
}

func loadDefinition(ref string) (*definitionWithLock, error) {
	d, err := definition.Load(ref)
	if err != nil {
		return nil, usageError{err}
	}
	l, err := lock.Load(d)
	if err != nil {
		return nil, err
	}
	return &definitionWithLock{Loaded: d, lock: l}, nil
}
