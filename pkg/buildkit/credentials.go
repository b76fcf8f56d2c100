package buildkit

import (
	"context"
	"fmt"

	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
)

// Credentials lets the builder pull with what this machine knows. Passwords stay
// here where the registry gives tokens: those are fetched from here.
func Credentials(keychain authn.Keychain) session.Attachable {
	return authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: func(ctx context.Context, host string, _ []string, _ authprovider.ExpireCachedAuthCheck) (types.AuthConfig, error) {
			if host == authprovider.DockerHubRegistryHost {
				host = name.DefaultRegistry
			}
			c, err := Login(ctx, keychain, host)
			if err != nil {
				return types.AuthConfig{}, err
			}
			return types.AuthConfig{
				ServerAddress: host, Username: c.Username, Password: c.Password,
				Auth: c.Auth, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken,
			}, nil
		},
	})
}

// Login is what this machine knows for a registry; without any it is empty.
func Login(ctx context.Context, keychain authn.Keychain, host string) (*authn.AuthConfig, error) {
	registry, err := name.NewRegistry(host)
	if err != nil {
		return nil, err
	}
	a, err := authn.Resolve(ctx, keychain, registry)
	if err != nil {
		return nil, fmt.Errorf("finding the login for %s: %w", host, err)
	}
	c, err := authn.Authorization(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("finding the login for %s: %w", host, err)
	}
	return c, nil
}
