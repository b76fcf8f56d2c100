package build

import (
	"fmt"
	"maps"
	"testing"

	"github.com/moby/buildkit/client"

	"github.com/imgbuild/imgbuild/pkg/buildkit"
)

// Of several builders each leaves its share of a cache under a name of its own,
// and reads all of them.
func TestSharesOfCaches(t *testing.T) {
	e := &BuildKit{Builders: []*buildkit.Builder{{}, {}}}
	for _, c := range []struct {
		kind          string
		given, second map[string]string
	}{
		{"registry", map[string]string{"ref": "r.example/c", "mode": "max"}, map[string]string{"ref": "r.example/c-2", "mode": "max"}},
		{"local", map[string]string{"dest": "/d"}, map[string]string{"dest": "/d-2"}},
		{"local", map[string]string{"src": "/d"}, map[string]string{"src": "/d-2"}},
		{"s3", map[string]string{"bucket": "b"}, map[string]string{"bucket": "b", "name": "buildkit-2"}},
		{"s3", map[string]string{"name": "a;b"}, map[string]string{"name": "a-2;b-2"}},
		{"azblob", map[string]string{"name": "n"}, map[string]string{"name": "n-2"}},
		{"azblob", nil, map[string]string{"name": "buildkit-2"}},
		{"gha", map[string]string{"scope": "main"}, map[string]string{"scope": "main-2"}},
		{"gha", map[string]string{"url": "u"}, map[string]string{"url": "u", "scope": "buildkit-2"}},
	} {
		given := map[string]string{}
		maps.Copy(given, c.given)
		entries := []client.CacheOptionsEntry{{Type: c.kind, Attrs: given}}
		for n, want := range []map[string]string{c.given, c.second} {
			s := &building{BuildKit: e, builder: e.Builders[n]}
			left := s.shares(entries, false)
			if len(left) != 1 || left[0].Type != c.kind || !maps.Equal(left[0].Attrs, want) {
				t.Errorf("%s %v: builder %d leaves %v, want %v", c.kind, c.given, n+1, left, want)
			}
			read := s.shares(entries, true)
			if fmt.Sprint(read) != fmt.Sprint([]client.CacheOptionsEntry{{Type: c.kind, Attrs: c.given}, {Type: c.kind, Attrs: c.second}}) {
				t.Errorf("%s %v: builder %d reads %v", c.kind, c.given, n+1, read)
			}
		}
		if !maps.Equal(given, c.given) {
			t.Errorf("%s: what was given is now %v", c.kind, given)
		}
	}
}
