package acr

import (
	"context"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/imgbuild/imgbuild/pkg/push"
)

// Keychain is base, and the Source's logins where base has nothing: for those
// who pull. They are made anew before they expire.
func (s *Source) Keychain(base authn.Keychain) authn.Keychain { return &keychain{s, base} }

type keychain struct {
	source *Source
	base   authn.Keychain
}

// Resolve is that of authn.Keychain.
func (k *keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), r)
}

// ResolveContext is that of authn.ContextKeychain.
func (k *keychain) ResolveContext(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
	a, err := authn.Resolve(ctx, k.base, r)
	if err != nil {
		return nil, err
	}
	cfg, err := authn.Authorization(ctx, a)
	if err != nil || *cfg != (authn.AuthConfig{}) {
		return a, err
	}
	return &authenticator{source: k.source, host: r.RegistryStr()}, nil
}

// authenticator asks for a login when a registry wants one.
type authenticator struct {
	source *Source
	host   string

	mu    sync.Mutex
	login *push.Login
}

// Authorization is that of authn.Authenticator.
func (a *authenticator) Authorization() (*authn.AuthConfig, error) {
	return a.AuthorizationContext(context.Background())
}

// AuthorizationContext is that of authn.ContextAuthenticator.
func (a *authenticator) AuthorizationContext(ctx context.Context) (*authn.AuthConfig, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.login == nil || time.Until(a.login.Expires) < 5*time.Minute {
		l, err := a.source.Login(ctx, a.host)
		if err != nil {
			return nil, err
		}
		if l == nil {
			return &authn.AuthConfig{}, nil // public images need none
		}
		a.login = l
	}
	return &authn.AuthConfig{Username: a.login.Username, Password: a.login.Password}, nil
}
