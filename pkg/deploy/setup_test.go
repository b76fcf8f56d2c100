package deploy

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/deploy/deploytest"
	"github.com/imgbuild/imgbuild/pkg/openapi"
	"github.com/imgbuild/imgbuild/pkg/openapi/openapitest"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// No test here ran against the cloud; see package deploytest.

const (
	repository = "registry-vpc.cn-hangzhou.aliyuncs.com/team/hello"
	secret     = "s3cret-value-of-a-variable"
)

// digest is one of one character.
func digest(c string) string { return "sha256:" + strings.Repeat(c, 64) }

func pinned(c string) string { return repository + "@" + digest(c) }

// hello is a function as a template has it, with the image of this digest.
func hello(c string) template.Function {
	return template.Function{
		Name: "hello", Region: deploytest.Region, Runtime: template.CustomContainer, Handler: "index.handler",
		Image: "registry.cn-hangzhou.aliyuncs.com/team/hello@" + digest(c),
		Port:  8080, Memory: 1024, CPU: 1, Timeout: 10 * time.Second, Concurrency: 20,
		Environment: map[string]string{"PASSWORD": secret, "MODE": "a"},
		Initializer: template.Hook{Set: true, Handler: "index.init", Timeout: 5 * time.Second},
		Triggers:    []template.Trigger{{Name: "web", Type: "http", Auth: "anonymous", Methods: []string{"POST", "get"}}},
	}
}

// serve makes a Deployer that talks to the platform on this machine.
func serve(t *testing.T, p *deploytest.Platform, opts ...Option) *Deployer {
	t.Helper()
	openapitest.Bare(t)
	for k, v := range openapitest.Env() {
		t.Setenv(k, v)
	}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	d, err := New(append([]Option{WithEndpoint(s.URL)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	d.wallet = openapi.NewWallet()
	d.pace = pace{tries: 3, patience: 5 * time.Second, poll: time.Millisecond, maxPoll: 5 * time.Millisecond, grace: 5 * time.Second}
	return d
}

func deployment(t *testing.T, d *Deployer, f template.Function) *Deployment {
	t.Helper()
	p, err := d.Function(f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// apply deploys f and wants it to succeed.
func apply(t *testing.T, d *Deployer, f template.Function) *Result {
	t.Helper()
	r, err := deployment(t, d, f).Apply(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wants looks for each text in an error, and for secrets.
func wants(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("the error lacks %q: %v", text, err)
		}
	}
	noSecret(t, err)
}

func noSecret(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, s := range []string{secret, openapitest.Secret, openapitest.ID, "tok3n", "wr0ng"} {
		if strings.Contains(err.Error(), s) {
			t.Errorf("the error shows %q: %v", s, err)
		}
	}
}

// moved resolves every tag to one digest.
func moved(c string, asked *[]string) Resolver {
	return func(_ context.Context, r address.Reference) (v1.Hash, error) {
		*asked = append(*asked, r.String())
		return v1.NewHash(digest(c))
	}
}
