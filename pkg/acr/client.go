package acr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/address"
)

const (
	tries    = 3
	patience = 10 * time.Second // for one try
	maxBody  = 1 << 20
)

// client asks Container Registry's API of one region with one key.
type client struct {
	source *Source
	key    key
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
	wait := 300 * time.Millisecond
	for try := 1; ; try++ {
		body, again, err := c.try(ctx, r)
		if err == nil || !again || try == tries || ctx.Err() != nil {
			return body, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(wait):
			wait *= 4
		}
	}
}

func (c *client) try(ctx context.Context, r request) (body []byte, again bool, err error) {
	where := endpoint(c.at)
	tctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s does not answer in %s", where, patience))
	defer cancel()
	u := url.URL{Scheme: "https", Host: where, Path: r.path, RawQuery: canonicalQuery(r.query)}
	req, err := http.NewRequestWithContext(tctx, r.method, u.String(), nil)
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "imgbuild")
	sign(req, c.key, r.action, r.version, c.source.now())
	// A signature is for one host; none of it goes anywhere else.
	hc := &http.Client{Transport: c.source.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := hc.Do(req)
	if err != nil {
		return nil, true, unreachable(ctx, tctx, where, err)
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, true, unreachable(ctx, tctx, where, err)
	case len(body) > maxBody:
		return nil, false, errUnreadable
	}
	if e := parseRefusal(res, body); e != nil {
		return nil, e.temporary(), c.explain(r, e)
	}
	return body, false, nil
}

// unreachable leaves the URL out, which holds the query.
func unreachable(ctx, tctx context.Context, where string, err error) error {
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
		next := "check the region's name"
		if strings.HasPrefix(where, "cr-vpc.") {
			next += ", or push to the registry's public host: not every region has the API in its VPCs"
		}
		return fmt.Errorf("there is no host %s; %s", where, next)
	}
	return fmt.Errorf("%s cannot be reached: %w", where, err)
}

// refusal is an answer of the API that is an error. The message is left out: to
// a wrong signature it quotes all that was signed.
type refusal struct {
	status    int
	code      string
	requestID string
	date      time.Time // of the API's clock
}

var code = regexp.MustCompile(`[A-Za-z0-9._-]{1,80}`)

// parseRefusal returns nil where the answer is a good one.
func parseRefusal(res *http.Response, body []byte) *refusal {
	// Either API's: names are matched in any case.
	var doc struct {
		Code      any
		RequestID string `json:"requestId"`
		IsSuccess *bool
	}
	err := json.Unmarshal(body, &doc)
	failed := doc.IsSuccess != nil && !*doc.IsSuccess
	if res.StatusCode == http.StatusOK && !failed && err == nil {
		return nil
	}
	e := &refusal{status: res.StatusCode}
	if s, ok := doc.Code.(string); ok && code.FindString(s) == s {
		e.code = s
	}
	if code.FindString(doc.RequestID) == doc.RequestID {
		e.requestID = doc.RequestID
	}
	e.date, _ = http.ParseTime(res.Header.Get("Date"))
	return e
}

func (e *refusal) temporary() bool {
	return e.status >= 500 || e.status == http.StatusTooManyRequests || e.has("Throttling", "ServiceUnavailable", "SystemError")
}
