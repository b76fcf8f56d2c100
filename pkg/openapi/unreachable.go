package openapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
)

// UnreachableError is a request without an answer.
type UnreachableError struct {
	Host     string
	NotFound bool // there is no such host
	text     string
}

func (e *UnreachableError) Error() string { return e.text }

// unreachable leaves the URL out, which holds the query.
func unreachable(ctx, tctx context.Context, host string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if tctx.Err() != nil {
		return context.Cause(tctx)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return &UnreachableError{Host: host, NotFound: true, text: "there is no host " + host}
	}
	return &UnreachableError{Host: host, text: fmt.Sprintf("%s cannot be reached: %v", host, err)}
}
