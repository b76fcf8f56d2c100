package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
)

func TestCacheFlags(t *testing.T) {
	type attrs = map[string]string
	for _, c := range []struct {
		from, to []string
		want     cacheFlags
	}{
		{nil, nil, cacheFlags{}},
		{[]string{"registry.example.com/team/cache"}, nil, cacheFlags{
			from: []client.CacheOptionsEntry{{Type: "registry", Attrs: attrs{"ref": "registry.example.com/team/cache"}}},
		}},
		{nil, []string{"registry.example.com/team/cache:main"}, cacheFlags{
			to: []client.CacheOptionsEntry{{Type: "registry", Attrs: attrs{
				"ref": "registry.example.com/team/cache:main", "mode": "max", "image-manifest": "true", "oci-mediatypes": "true",
			}}},
		}},
		{[]string{"type=local,src=/a", "a/b"}, []string{"type=local,dest=/a", "type=registry,ref=a/b,mode=min,image-manifest=false"}, cacheFlags{
			from: []client.CacheOptionsEntry{{Type: "local", Attrs: attrs{"src": "/a"}}, {Type: "registry", Attrs: attrs{"ref": "a/b"}}},
			to: []client.CacheOptionsEntry{
				{Type: "local", Attrs: attrs{"dest": "/a", "mode": "max"}},
				{Type: "registry", Attrs: attrs{"ref": "a/b", "mode": "min", "image-manifest": "false", "oci-mediatypes": "true"}},
			},
		}},
		{[]string{"type=s3,region=r,bucket=b,name=n"}, []string{"type=gha"}, cacheFlags{
			from: []client.CacheOptionsEntry{{Type: "s3", Attrs: attrs{"region": "r", "bucket": "b", "name": "n"}}},
			to:   []client.CacheOptionsEntry{{Type: "gha", Attrs: attrs{"mode": "max"}}},
		}},
		// Spaces around fields are a mistake that is easily made.
		{[]string{"type=local, src=/a"}, nil, cacheFlags{
			from: []client.CacheOptionsEntry{{Type: "local", Attrs: attrs{"src": "/a"}}},
		}},
	} {
		got := cacheFlags{fromFlags: c.from, toFlags: c.to}
		if err := got.check(); err != nil {
			t.Errorf("%q %q: %v", c.from, c.to, err)
			continue
		}
		if d := cmp.Diff(c.want.from, got.from) + cmp.Diff(c.want.to, got.to); d != "" {
			t.Errorf("%q %q: %s", c.from, c.to, d)
		}
		if err := got.check(); err != nil || len(got.from) != len(c.want.from) {
			t.Errorf("the second time: %d, %v", len(got.from), err)
		}
	}
}

func TestCacheFlagsRefuse(t *testing.T) {
	for s, want := range map[string]string{
		"":                       "the cache is empty",
		"type=":                  "has no type",
		"type=registry":          "has no ref",
		"type=registry,ref=":     "has no ref",
		"type=registry,src=/a":   "has no ref",
		"type=local,ref=a":       "has no ",
		"type=regsitry,ref=a":    `"regsitry"`,
		"ref=a,":                 "is not KEY=VALUE",
		"type=registry,,ref=a":   "is not KEY=VALUE",
		"type=registry,=a":       "is not KEY=VALUE",
		"type=local,src=a,src=b": "src twice",
	} {
		from, to := cacheFlags{fromFlags: []string{s}}, cacheFlags{toFlags: []string{s}}
		for flag, err := range map[string]error{"--cache-from": from.check(), "--cache-to": to.check()} {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), flag) {
				t.Errorf("%s %q: got %v; want %q", flag, s, err, want)
			}
		}
	}
}

func FuzzCacheFlags(f *testing.F) {
	for _, s := range []string{"a/b", "type=registry,ref=a/b", "type=local,src=/a,dest=/a,mode=max", "type=gha", ",=,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := cacheFlags{fromFlags: []string{s}, toFlags: []string{s}}
		if err := c.check(); err != nil {
			return
		}
		for _, e := range append(c.from, c.to...) {
			if e.Type == "" || e.Attrs == nil || e.Attrs[""] != "" {
				t.Errorf("%q was taken as %+v", s, e)
			}
		}
	})
}

// An inline cache is left in images that BuildKit exports, and read from those.
func TestCacheInline(t *testing.T) {
	c := cacheFlags{fromFlags: []string{"type=inline"}}
	if err := c.check(); err == nil || !strings.Contains(err.Error(), "inline") {
		t.Errorf("got %v", err)
	}
	c = cacheFlags{toFlags: []string{"type=inline"}}
	if err := c.check(); err != nil || c.to[0].Attrs["mode"] != "" {
		t.Errorf("got %+v, %v", c.to, err)
	}
	if err := c.outside(); err == nil || !strings.Contains(err.Error(), "--cache-to") {
		t.Errorf("got %v", err)
	}
}
