package main

import (
	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/imgbuild/imgbuild/pkg/acr"
	"github.com/imgbuild/imgbuild/pkg/push"
)

// newPusher returns what all pushes go through: docker's credentials first,
// then logins for Container Registry. Nothing is looked for before a registry
// asks.
func newPusher(m push.Memory) (*push.Pusher, error) {
	logins, err := acr.New()
	if err != nil {
		return nil, err
	}
	return push.New(push.WithMemory(m), push.WithLogins(logins))
}

// pullKeychain is the same for those who pull.
func pullKeychain() (authn.Keychain, error) {
	logins, err := acr.New()
	if err != nil {
		return nil, err
	}
	return logins.Keychain(authn.DefaultKeychain), nil
}
