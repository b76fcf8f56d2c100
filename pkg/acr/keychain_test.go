package acr

import (
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

type known map[string]authn.AuthConfig

func (k known) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(k[r.RegistryStr()]), nil
}

func TestKeychain(t *testing.T) {
	c := newCloud(t)
	s := source(t, c.transport, withKey())
	chain := s.Keychain(known{"registry.cn-shanghai.aliyuncs.com": {Username: "docker", Password: "login"}})
	for host, want := range map[string]authn.AuthConfig{
		"registry.cn-shanghai.aliyuncs.com": {Username: "docker", Password: "login"},
		"registry.cn-hangzhou.aliyuncs.com": {Username: "cr_temp_user", Password: "login-s3cret-1"},
		"registry.example.com":              {},
	} {
		r, err := name.NewRegistry(host)
		if err != nil {
			t.Fatal(err)
		}
		a, err := chain.Resolve(r)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second one asks for nothing
			got, err := authn.Authorization(t.Context(), a)
			if err != nil || *got != want {
				t.Errorf("%s: %v, %v; want %v", host, got, err, want)
			}
		}
		if a, ok := a.(*authenticator); ok && a.login != nil {
			a.login.Expires = time.Now().Add(time.Minute)
			if got, err := a.Authorization(); err != nil || got.Password != "login-s3cret-2" {
				t.Errorf("%s: %v, %v; want a new login", host, got, err)
			}
		}
	}
	if c.Logins != 2 {
		t.Errorf("%d logins; want 2", c.Logins)
	}
	// A wrong key is told of, not passed over.
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "wr0ng")
	a := &authenticator{source: s, host: "registry.cn-hangzhou.aliyuncs.com"}
	if cfg, err := a.Authorization(); err == nil {
		t.Errorf("login %v with a wrong key", cfg)
	}
}
