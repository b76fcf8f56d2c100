// Package deploy puts functions with an image pinned by its digest into
// Function Compute, through its API of version 2023-03-30, and takes them back
// to the digest before.
//
// Nothing here ever met the cloud's own endpoint. The names of operations,
// fields, states and codes are from Alibaba Cloud's documentation ("API
// reference", "Function states and invocation for custom images", "Error
// codes") and from the sources of its SDKs and of its tool Serverless Devs.
package deploy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/openapi"
	"github.com/imgbuild/imgbuild/pkg/source"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// Platform is what Function Compute runs.
const Platform = "linux/amd64"

// Resolver returns the digest of the image for Platform that a reference
// without one names.
type Resolver func(context.Context, address.Reference) (v1.Hash, error)

// Registry resolves references in their registries, read through the store.
func Registry(st *store.Store, opts ...source.Option) Resolver {
	return func(ctx context.Context, r address.Reference) (v1.Hash, error) {
		s, err := source.Open(ctx, st, source.Name{Reference: r}, Platform, opts...)
		if err != nil {
			return v1.Hash{}, err
		}
		defer s.Close()
		if s.Index == nil {
			return s.Digest, nil
		}
		return v1.Hash{}, fmt.Errorf("%s is no image for %s", r, Platform)
	}
}

// Deployer deploys functions. It is safe for concurrent use.
type Deployer struct {
	transport http.RoundTripper
	endpoint  *url.URL // nil: the region's own
	resolve   Resolver
	wallet    *openapi.Wallet
	pace      pace
}

// pace is how long things take.
type pace struct {
	tries    int           // of one request
	patience time.Duration // for one try
	poll     time.Duration // first pause between two looks at a function
	maxPoll  time.Duration
	grace    time.Duration // for a rollback after all other time is over
}

// Option sets one thing about a Deployer.
type Option func(*Deployer) error

// WithTransport sets what carries the requests to the API.
func WithTransport(t http.RoundTripper) Option {
	return func(d *Deployer) error {
		if t == nil {
			return errors.New("deploy: no transport")
		}
		d.transport = t
		return nil
	}
}

// WithEndpoint sends all requests to this address, SCHEME://HOST[:PORT], such
// as that of a gateway, in place of the region's.
func WithEndpoint(address string) Option {
	return func(d *Deployer) (err error) {
		d.endpoint, err = parseEndpoint(address)
		return err
	}
}

// WithResolver sets what resolves references without a digest; without one
// they are refused.
func WithResolver(r Resolver) Option {
	return func(d *Deployer) error { d.resolve = r; return nil }
}

// New returns a Deployer. It looks for credentials before the first request.
func New(opts ...Option) (*Deployer, error) {
	d := &Deployer{
		transport: http.DefaultTransport,
		wallet:    openapi.NewWallet(),
		pace:      pace{tries: 6, patience: 60 * time.Second, poll: time.Second, maxPoll: 5 * time.Second, grace: 2 * time.Minute},
	}
	for _, opt := range opts {
		if err := opt(d); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func parseEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the endpoint is no address; write https://HOST or https://HOST:PORT")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return nil, fmt.Errorf("the endpoint %s has more than a host; write %[2]s://%[1]s", u.Host, u.Scheme)
	case u.Scheme == "http" && address.Scheme(u.Host) != "http":
		// Environment variables are in the requests.
		return nil, fmt.Errorf("the endpoint %s is asked over https only; http is for this machine's own, 127.0.0.1", u.Host)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// Deployment is one function on its way to the platform.
type Deployment struct {
	deployer *Deployer
	fn       template.Function
	region   string
	image    string // pinned, as the platform pulls it; "" until prepared
	notes    []string
	marked   bool // its tags could be set
	// environment has the values that the function was seen with, to be hidden.
	environment map[string]string
}

// Function begins the deployment of a function. It asks nobody.
func (d *Deployer) Function(fn template.Function) (*Deployment, error) {
	p := &Deployment{deployer: d, fn: fn, region: fn.Region}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name(), err)
	}
	return p, nil
}

// Region is the function's, or that of its image; "" where nothing says it.
func (p *Deployment) Region() string { return p.region }

func (p *Deployment) name() string {
	if p.fn.Name == "" {
		return "function"
	}
	return p.fn.Name
}

// note is for people, once: nothing failed.
func (p *Deployment) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(p.notes, n) {
		p.notes = append(p.notes, n)
	}
}
