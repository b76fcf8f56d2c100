package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// cacheFlags are where builders find what others have done, and leave it.
type cacheFlags struct {
	fromFlags, toFlags []string

	from, to []client.CacheOptionsEntry
}

func (c *cacheFlags) register(f *pflag.FlagSet) {
	f.StringArrayVar(&c.fromFlags, "cache-from", nil, "`REF` in a registry, or type=TYPE,KEY=VALUE…, to take finished steps from; may be repeated")
	f.StringArrayVar(&c.toFlags, "cache-to", nil, "`REF` in a registry, or type=TYPE,KEY=VALUE…, to leave finished steps in; may be repeated")
}

// check reads the flags. Its errors are those of usage.
func (c *cacheFlags) check() error {
	c.from, c.to = nil, nil
	for _, s := range c.fromFlags {
		e, err := parseCache(s, "src")
		if err != nil {
			return usage("--cache-from: %w", err)
		}
		if e.Type == cacheInline {
			return usage("--cache-from: an inline cache is read as type=registry,ref=REF of the image that it is in")
		}
		c.from = append(c.from, e)
	}
	for _, s := range c.toFlags {
		e, err := parseCache(s, "dest")
		if err != nil {
			return usage("--cache-to: %w", err)
		}
		if e.Attrs["mode"] == "" && e.Type != cacheInline {
			e.Attrs["mode"] = "max" // the steps between, not the last ones alone
		}
		if e.Type == "registry" {
			// As an image, which every registry takes.
			for k, v := range map[string]string{"image-manifest": "true", "oci-mediatypes": "true"} {
				if e.Attrs[k] == "" {
					e.Attrs[k] = v
				}
			}
		}
		c.to = append(c.to, e)
	}
	return nil
}

// cacheInline is the type of a cache inside the image that BuildKit exports.
const cacheInline = "inline"

// outside says whether no cache is to be left inside an image: only BuildKit
// leaves one there, in images that it exports.
func (c *cacheFlags) outside() error {
	for _, e := range c.to {
		if e.Type == cacheInline {
			return usage("--cache-to: a cache of the type inline is inside an image that BuildKit exports, and the images of definitions are not; use registry or local")
		}
	}
	return nil
}

// cacheTypes are BuildKit's caches by what each of them needs.
var cacheTypes = map[string]string{"registry": "ref", "local": "", cacheInline: "", "gha": "", "s3": "", "azblob": ""}

// parseCache reads one entry as BuildKit's other clients do. folder is what names
// the folder of a local cache.
func parseCache(s, folder string) (client.CacheOptionsEntry, error) {
	e := client.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{}}
	if !strings.Contains(s, "=") {
		if s == "" {
			return e, errors.New("the cache is empty; write REF, or type=TYPE,KEY=VALUE")
		}
		e.Attrs["ref"] = s
		return e, nil
	}
	for field := range strings.SplitSeq(s, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(field), "=")
		if !ok || key == "" {
			return e, fmt.Errorf("%q is not KEY=VALUE; write type=registry,ref=HOST/NAME or type=local,%s=DIR", field, folder)
		}
		if key == "type" {
			e.Type = value
			continue
		}
		if _, twice := e.Attrs[key]; twice {
			return e, fmt.Errorf("%q has %s twice", s, key)
		}
		e.Attrs[key] = value
	}
	need, known := cacheTypes[e.Type]
	if e.Type == "local" {
		need = folder
	}
	switch {
	case e.Type == "":
		return e, fmt.Errorf("%q has no type; write type=registry or type=local", s)
	case !known:
		return e, fmt.Errorf("unknown type of cache %q; use one of %s", e.Type, strings.Join(slices.Sorted(maps.Keys(cacheTypes)), ", "))
	case need != "" && e.Attrs[need] == "":
		return e, fmt.Errorf("%q has no %s, which names the cache", s, need)
	case e.Type == "gha":
		// Where GitHub's own cache is, as its runners say it.
		for key, name := range map[string]string{"token": "ACTIONS_RUNTIME_TOKEN", "url": "ACTIONS_CACHE_URL", "url_v2": "ACTIONS_RESULTS_URL"} {
			if v := os.Getenv(name); v != "" && e.Attrs[key] == "" {
				e.Attrs[key] = v
			}
		}
	}
	return e, nil
}

func completeCache(c *cobra.Command) {
	complete(c, "cache-from", cobra.FixedCompletions([]string{"type=registry,ref=", "type=local,src="}, begun))
	complete(c, "cache-to", cobra.FixedCompletions([]string{"type=registry,ref=", "type=local,dest=", "type=inline"}, begun))
}
