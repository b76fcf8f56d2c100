// Package acr gets logins for Alibaba Cloud's Container Registry from
// credentials of Alibaba Cloud: an access key, which may be a temporary one of
// a RAM role, is exchanged for a temporary user and password of the registry.
// Nothing of it is written to disk.
//
// The requests are made here, by package openapi, and not by the vendor's SDK:
// its client of the personal edition's API (cr-20160607 v1.0.1) throws the
// answer away and returns its headers only, its errors quote what was signed, a
// security token included, its calls take no context, and it brings 15 modules.
package acr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/openapi"
	"github.com/imgbuild/imgbuild/pkg/push"
)

// Source makes logins. It is safe for concurrent use.
type Source struct {
	transport http.RoundTripper
	wallet    *openapi.Wallet
	now       func() time.Time

	mu        sync.Mutex
	instances map[string]string // IDs of enterprise instances by region/name
}

var _ push.Logins = (*Source)(nil)

// Option sets one thing about a Source.
type Option func(*Source) error

// WithTransport sets what carries the requests to Container Registry's API.
func WithTransport(t http.RoundTripper) Option {
	return func(s *Source) error {
		if t == nil {
			return errors.New("acr: no transport")
		}
		s.transport = t
		return nil
	}
}

// New returns a Source. It looks for nothing before the first Login.
func New(opts ...Option) (*Source, error) {
	s := &Source{
		transport: http.DefaultTransport,
		wallet:    openapi.NewWallet(),
		now:       time.Now,
		instances: map[string]string{},
	}
	for _, opt := range opts {
		if err := opt(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Login returns a temporary login for a host of Container Registry, good for
// about an hour, or as long as a temporary access key lives. It is nil, without
// an error, for other hosts, and where there is no sign of any credentials of
// Alibaba Cloud. Every call asks anew.
func (s *Source) Login(ctx context.Context, host string) (*push.Login, error) {
	at, ok := address.ParseACR(host)
	if !ok {
		return nil, nil
	}
	k, from, err := s.wallet.Key(ctx)
	if err != nil {
		return nil, fmt.Errorf("logging in to %s: %w", host, err)
	}
	if k == nil {
		return nil, nil
	}
	c := &client{source: s, key: *k, from: from, at: at}
	t, err := c.login(ctx)
	if err != nil {
		return nil, fmt.Errorf("logging in to %s with the Alibaba Cloud credentials from %s: %w", host, from, err)
	}
	return &push.Login{Username: t.user, Password: t.password, Expires: t.expires, From: "Alibaba Cloud credentials from " + from}, nil
}

// Ways says how to get logins for a host of Container Registry, "" for others.
func (s *Source) Ways(host string) string {
	if _, ok := address.ParseACR(host); !ok {
		return ""
	}
	return "or give Alibaba Cloud credentials in one of these ways:\n" + openapi.Ways()
}
