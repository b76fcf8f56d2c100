package main

import (
	"slices"

	"github.com/imgbuild/imgbuild/pkg/dockerfile"
)

// goOffline makes the build take only what is here. Its errors are those of
// usage.
func (d *dockerfileFlags) goOffline(b *dockerfile.Build) error {
	if dockerfile.URL(b.Context) {
		return usage("--offline fetches no %s; give a folder as DIR", b.Context)
	}
	for name, value := range b.Contexts {
		if dockerfile.URL(value) {
			return usage("--offline does not fetch the context %s, %s; give a folder or an OCI layout", name, value)
		}
	}
	for _, c := range slices.Concat(b.CacheFrom, b.CacheTo) {
		if c.Type != "local" && c.Type != "inline" {
			return usage("--offline opens no connection to a cache of type %s; take type=local, or leave it out", c.Type)
		}
	}
	if b.Network == "host" || d.network == "default" && d.set.Changed("network") {
		return usage("--offline gives commands no network; leave --network or --offline out")
	}
	b.Offline, b.Network = true, "none"
	return nil
}
