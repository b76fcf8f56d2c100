// Package openapi calls the OpenAPIs of Alibaba Cloud's products: it finds
// access keys, signs requests with them and tells what is refused and why.
//
// The requests are made and signed here, and not by the vendor's generic client
// (darabonba-openapi v2.1.13): that reads answers of any size to their end,
// waits for no Retry-After, keeps its HTTP clients in a pool of the process,
// follows redirects with what was signed, and its errors quote the platform's
// message, which to a wrong signature is all that was signed, a security token
// included. It brings nine modules for what is one page here. What finds access
// keys is the vendor's (credentials-go).
package openapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	maxBody = 1 << 20
	// maxPause limits what an endpoint can make one wait between two tries.
	maxPause = time.Minute
)

// Client calls one endpoint of one version of an API, of the RPC or of the ROA
// style. It is safe for concurrent use.
type Client struct {
	Transport http.RoundTripper // nil is http.DefaultTransport
	Scheme    string            // "" is https
	Host      string            // HOST[:PORT]
	Version   string            // of the API, such as 2023-03-30
	Key       Key
	Tries     int              // of one request; 0 is one
	Patience  time.Duration    // for one try; 0 is as long as the context lives
	Now       func() time.Time // nil is time.Now
}

// Request is one call.
type Request struct {
	Method, Path string
	Action       string // the operation's name
	Query        url.Values
	Header       map[string]string // more fields
	Body         []byte
	ContentType  string        // of Body
	Patience     time.Duration // for one try, where it is not the client's
	// Raw says that a good answer is any with a status of success, and not
	// JSON. It is cut after 1 MiB.
	Raw bool
	// Again says whether a refusal may pass; nil is Refusal.Temporary. Whether
	// a request without an answer is sent again says Lost.
	Again func(*Refusal) bool
	// Lost says that a request which may have arrived is not sent again.
	Lost bool
}

// Answer is what an endpoint answers.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// ErrUnreadable is an answer of more than 1 MiB.
var ErrUnreadable = errors.New("the answer is too long to be one of the API")

// Do sends a request. What may pass is tried again, after what the endpoint
// asks for or longer each time. Errors are a *Refusal, an *UnreachableError, or
// the context's cause.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval = 300 * time.Millisecond
	pauses.Multiplier = 3
	pauses.MaxInterval = 20 * time.Second
	pauses.Reset()
	for try := 1; ; try++ {
		a, err := c.try(ctx, r)
		pause := pauses.NextBackOff()
		if err == nil || try >= c.Tries || ctx.Err() != nil || !r.again(err, &pause) {
			return a, err
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil, context.Cause(ctx)
		case <-t.C:
		}
	}
}

// again says whether the same request may do better, and after which pause.
func (r Request) again(err error, pause *time.Duration) bool {
	if e, ok := errors.AsType[*Refusal](err); ok {
		if e.RetryAfter > 0 {
			*pause = min(e.RetryAfter, maxPause)
		}
		if r.Again != nil {
			return r.Again(e)
		}
		return e.Temporary()
	}
	_, ok := errors.AsType[*UnreachableError](err)
	return ok && !r.Lost
}

func (c *Client) try(ctx context.Context, r Request) (*Answer, error) {
	patience := c.Patience
	if r.Patience > 0 {
		patience = r.Patience
	}
	tctx := ctx
	if patience > 0 {
		var cancel context.CancelFunc
		tctx, cancel = context.WithTimeoutCause(ctx, patience, &UnreachableError{Host: c.Host, text: fmt.Sprintf("%s does not answer in %s", c.Host, patience)})
		defer cancel()
	}
	req, err := c.request(tctx, r)
	if err != nil {
		return nil, err
	}
	transport := c.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	// A signature is for one host; none of it goes anywhere else.
	hc := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := hc.Do(req)
	if err != nil {
		return nil, unreachable(ctx, tctx, c.Host, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, unreachable(ctx, tctx, c.Host, err)
	case len(body) > maxBody && !r.Raw:
		return nil, ErrUnreadable
	case len(body) > maxBody:
		body = body[:maxBody]
	}
	if e := parseRefusal(res, body, r.Raw); e != nil {
		e.Message = c.Key.hide(e.Message)
		return nil, e
	}
	return &Answer{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	u := url.URL{Scheme: c.Scheme, Host: c.Host, Path: r.Path, RawQuery: canonicalQuery(r.Query)}
	if u.Scheme == "" {
		u.Scheme = "https"
	}
	var body io.Reader = http.NoBody
	if len(r.Body) > 0 {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "imgbuild")
	if r.ContentType != "" {
		req.Header.Set("Content-Type", r.ContentType)
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	sign(req, r.Body, c.Key, r.Action, c.Version, now())
	return req, nil
}
