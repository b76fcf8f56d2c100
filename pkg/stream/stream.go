// Package stream has readers that end where they should: with their context, at
// a limit.
package stream

import (
	"context"
	"io"
)

// Until reads r until ctx ends; then each Read fails with the context's cause.
// A Read that has begun is not cut off.
func Until(ctx context.Context, r io.Reader) io.Reader { return &until{ctx, r} }

type until struct {
	ctx context.Context
	r   io.Reader
}

func (u *until) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}

// Limit gives the first limit bytes of r and fails with err where there are
// more, while io.LimitReader would pretend that the end is there.
func Limit(r io.Reader, limit int64, err error) io.Reader { return &limited{r, limit, err} }

type limited struct {
	r    io.Reader
	left int64
	err  error
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, l.err
	}
	// One more byte than allowed says whether there are more.
	n, err := l.r.Read(p[:min(int64(len(p)), l.left+1)])
	if l.left -= int64(n); l.left < 0 {
		return n - 1, l.err
	}
	return n, err
}
