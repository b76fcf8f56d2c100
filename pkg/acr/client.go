package acr

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/openapi"
)

const (
	tries    = 3
	patience = 10 * time.Second // for one try
)

// client asks Container Registry's API of one region with one key.
type client struct {
	source *Source
	key    openapi.Key
	from   string
	at     address.ACR
}

type request struct {
	method, path    string
	action, version string
	query           url.Values
}

// endpoint is the API's host (Container Registry, "Endpoints"): for a registry
// that is reached over the VPC its own, since there may be no other way out.
func endpoint(at address.ACR) string {
	if at.Network != "" {
		return "cr-vpc." + at.Region + ".aliyuncs.com"
	}
	return "cr." + at.Region + ".aliyuncs.com"
}

// call returns the body of the API's answer to r. What may pass is tried again.
func (c *client) call(ctx context.Context, r request) ([]byte, error) {
	api := &openapi.Client{
		Transport: c.source.transport, Host: endpoint(c.at), Version: r.version, Key: c.key,
		Tries: tries, Patience: patience, Now: c.source.now,
	}
	a, err := api.Do(ctx, openapi.Request{Method: r.method, Path: r.path, Action: r.action, Query: r.query})
	if err == nil {
		return a.Body, nil
	}
	if e, ok := errors.AsType[*openapi.Refusal](err); ok {
		return nil, c.explain(r, e)
	}
	if e, ok := errors.AsType[*openapi.UnreachableError](err); ok && e.NotFound {
		next := "check the region's name"
		if c.at.Network != "" {
			next += ", or push to the registry's public host: not every region has the API in its VPCs"
		}
		return nil, fmt.Errorf("%w; %s", err, next)
	}
	if errors.Is(err, openapi.ErrUnreadable) {
		return nil, errUnreadable
	}
	return nil, err
}
