package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/openapi"
)

// version is that of the API; it begins every path, too.
const version = "2023-03-30"

// host is the API's address in a region ("Endpoints"; the SDKs' own rule).
func host(region string) string { return "fcv3." + region + ".aliyuncs.com" }

// invokeHost is where functions are called: the vendor's own tool calls them
// at the account's address, which waits as long as a function may take.
func invokeHost(region, arn string) string {
	if a := account(arn); a != "" {
		return a + "." + region + ".fc.aliyuncs.com"
	}
	return host(region)
}

// call sends one request to the API and reads the answer into out, nil for none.
func (p *Deployment) call(ctx context.Context, r openapi.Request, in, out any) error {
	r.Path = "/" + version + r.Path
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return err
		}
		r.Body, r.ContentType = body, "application/json"
	}
	a, err := p.send(ctx, host(p.region), r)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(a.Body, out); err != nil {
		return fmt.Errorf("%s: the answer is not what the API has: %w", r.Action, err)
	}
	return nil
}

// send sends r to the host, or to the endpoint that was given.
func (p *Deployment) send(ctx context.Context, host string, r openapi.Request) (*openapi.Answer, error) {
	d := p.deployer
	k, from, err := d.wallet.Key(ctx)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, fmt.Errorf("there are no credentials of Alibaba Cloud; give them in one of these ways:\n%s", openapi.Ways())
	}
	c := &openapi.Client{
		Transport: d.transport, Host: host, Version: version, Key: *k,
		Tries: d.pace.tries, Patience: d.pace.patience,
	}
	if d.endpoint != nil {
		c.Scheme, c.Host = d.endpoint.Scheme, d.endpoint.Host
	}
	if r.Again == nil {
		r.Again = again
	}
	a, err := c.Do(ctx, r)
	if err != nil {
		return nil, p.explain(r, from, err)
	}
	return a, nil
}

// again: another update of the same function passes, too.
func again(e *openapi.Refusal) bool { return e.Temporary() || e.Has("ConcurrentUpdateError") }

func (p *Deployment) path() string { return "/functions/" + p.fn.Name }

// get returns the function, nil where there is none.
func (p *Deployment) get(ctx context.Context) (*function, error) {
	f := &function{}
	err := p.call(ctx, openapi.Request{Method: http.MethodGet, Path: p.path(), Action: "GetFunction"}, nil, f)
	if refused(err, "FunctionNotFound") {
		return nil, nil
	}
	if err == nil && f.Name != p.fn.Name {
		return nil, fmt.Errorf("GetFunction: the answer is about the function %.100q", f.Name)
	}
	if err != nil {
		return nil, err
	}
	if p.environment == nil {
		p.environment = map[string]string{}
	}
	for name, value := range f.Environment {
		p.environment[name+"="+value] = value // of every look
	}
	return f, nil
}

func (p *Deployment) create(ctx context.Context, f *function) (*function, error) {
	in, out := *f, &function{}
	in.Name = p.fn.Name
	return out, p.call(ctx, openapi.Request{Method: http.MethodPost, Path: "/functions", Action: "CreateFunction"}, in, out)
}

func (p *Deployment) update(ctx context.Context, f *function) (*function, error) {
	out := &function{}
	return out, p.call(ctx, openapi.Request{Method: http.MethodPut, Path: p.path(), Action: "UpdateFunction"}, f, out)
}

func (p *Deployment) getTrigger(ctx context.Context, name string) (*trigger, error) {
	t := &trigger{}
	err := p.call(ctx, openapi.Request{Method: http.MethodGet, Path: p.path() + "/triggers/" + name, Action: "GetTrigger"}, nil, t)
	if refused(err, "TriggerNotFound", "FunctionNotFound") {
		return nil, nil
	}
	return t, err
}

func (p *Deployment) createTrigger(ctx context.Context, t *trigger) (*trigger, error) {
	out := &trigger{}
	return out, p.call(ctx, openapi.Request{Method: http.MethodPost, Path: p.path() + "/triggers", Action: "CreateTrigger"}, t, out)
}

func (p *Deployment) updateTrigger(ctx context.Context, name string, t *trigger) (*trigger, error) {
	out := &trigger{}
	return out, p.call(ctx, openapi.Request{Method: http.MethodPut, Path: p.path() + "/triggers/" + name, Action: "UpdateTrigger"}, t, out)
}

// tagged sets tags of the function.
func (p *Deployment) tagged(ctx context.Context, arn string, tags []tag) error {
	return p.call(ctx, openapi.Request{Method: http.MethodPost, Path: "/tags-v2", Action: "TagResources"},
		tagResources{ResourceID: []string{arn}, ResourceType: "function", Tag: tags}, nil)
}

// refused says that the API answered with one of the codes.
func refused(err error, codes ...string) bool {
	e, ok := errors.AsType[*openapi.Refusal](err)
	return ok && e.Has(codes...)
}

// hide takes the values of environment variables out of a text, those of the
// template and those that the function has: they may be secrets, and the
// platform and the function can quote them. What is shorter than minSecret
// would be found in any text.
func (p *Deployment) hide(text string) string {
	var values []string
	for _, env := range []map[string]string{p.fn.Environment, p.environment} {
		for _, v := range env {
			if len(v) >= minSecret {
				values = append(values, v)
			}
		}
	}
	// A value may be part of another.
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	for _, v := range values {
		text = strings.ReplaceAll(text, v, "…")
	}
	return text
}

const minSecret = 6

// sleep waits, or returns the reason that the context ended.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
