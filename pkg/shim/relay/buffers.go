package relay

import (
	"errors"
	"net"
	"os"
	"sync"
)

// bufferPool is of buffers for bodies.
type bufferPool struct{ pool sync.Pool }

const bufferSize = 32 << 10

var buffers bufferPool

func (b *bufferPool) get() []byte {
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p[:]
	}
	return new([bufferSize]byte)[:]
}

func (b *bufferPool) put(p []byte) { b.pool.Put((*[bufferSize]byte)(p)) }

// plain is err without the addresses that package net puts before it.
func plain(err error) string {
	var op *net.OpError
	var call *os.SyscallError
	switch {
	case errors.As(err, &call):
		return call.Err.Error()
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}
