package acr

import (
	"net/http"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/acr/acrtest"
	"github.com/imgbuild/imgbuild/pkg/openapi"
	"github.com/imgbuild/imgbuild/pkg/openapi/openapitest"
)

// cloud is the API, and the way to it.
type cloud struct {
	*acrtest.Cloud
	transport http.RoundTripper
}

const (
	testID     = openapitest.ID
	testSecret = openapitest.Secret
)

func newCloud(t *testing.T) *cloud {
	c := acrtest.New()
	return &cloud{c, openapitest.Anywhere(t, c)}
}

// source is a Source on a machine that has only these variables.
func source(t *testing.T, tr http.RoundTripper, env map[string]string) *Source {
	s, err := New(WithTransport(tr))
	if err != nil {
		t.Fatal(err)
	}
	openapitest.Bare(t)
	for k, v := range env {
		t.Setenv(k, v) // the library reads the environment itself
	}
	s.wallet = openapi.NewWallet()
	return s
}

func withKey() map[string]string { return openapitest.Env() }
