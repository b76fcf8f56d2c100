package address_test

import (
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/address"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct{ in, host, namespace, err string }{
		{in: "127.0.0.1:5001", host: "127.0.0.1:5001"},
		{in: "127.0.0.1:5001/base", host: "127.0.0.1:5001", namespace: "base"},
		{in: "localhost/base", host: "localhost", namespace: "base"},
		{in: "[::1]:5001/base", host: "[::1]:5001", namespace: "base"},
		{in: "registry.example.com/a/b-c__d.e", host: "registry.example.com", namespace: "a/b-c__d.e"},
		{in: "crpi-abc123.cn-hangzhou.personal.cr.aliyuncs.com/team", host: "crpi-abc123.cn-hangzhou.personal.cr.aliyuncs.com", namespace: "team"},
		{in: "embedded", host: "embedded"},
		{in: "embedded/team", host: "embedded", namespace: "team"},
		{in: "", err: "is empty"},
		{in: "https://registry.example.com", err: `leave out "https://"`},
		{in: "registry.example.com/", err: "ends in a slash"},
		{in: "registry.example.com/a//b", err: "empty part"},
		{in: "registry.example.com/Base", err: `lower case only: "base"`},
		{in: "registry.example.com/a b", err: "not allowed"},
		{in: "registry.example.com/base/golang:1.27", err: `has a tag ":1.27"`},
		{in: "registry.example.com/base@sha256:00", err: "has an @"},
		{in: "user:secret@registry.example.com", err: "docker login"},
		{in: "base", err: "is not a host"},
		{in: "/base", err: "has no host"},
		{in: "registry.example.com:", err: "ends in a colon"},
		{in: "registry.example.com:0", err: "from 1 to 65535"},
		{in: "registry.example.com:99999", err: "from 1 to 65535"},
		{in: "::1:5000", err: "brackets"},
		{in: "[::1", err: "no closing bracket"},
		{in: "[127.0.0.1]:5000", err: "not an IPv6 address"},
		{in: "under_score.example.com", err: "not a host name"},
		{in: "-a.example.com", err: "not a host name"},
		{in: "a.example.com/" + strings.Repeat("a", 256), err: "255 are allowed"},
	} {
		r, err := address.Parse(tc.in)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("Parse(%q): error %v; want one with %q", tc.in, err, tc.err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("Parse(%q): the error shows the password: %v", tc.in, err)
			}
			continue
		}
		if err != nil || r.Host != tc.host || r.Namespace != tc.namespace {
			t.Errorf("Parse(%q) = %+v, %v; want %s and %s", tc.in, r, err, tc.host, tc.namespace)
		}
		if r.String() != tc.in {
			t.Errorf("Parse(%q).String() = %q", tc.in, r)
		}
	}
}

func TestRepository(t *testing.T) {
	r := address.Registry{Host: "127.0.0.1:40123", Reference: "127.0.0.1:5050", Namespace: "base"}
	repo, err := r.Repository("golang")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := repo.String(), "127.0.0.1:40123/base/golang"; got != want {
		t.Errorf("String() = %q; want %q", got, want)
	}
	if got, want := repo.Name(), "127.0.0.1:5050/base/golang"; got != want {
		t.Errorf("Name() = %q; want %q", got, want)
	}
	if _, err := r.Repository("Golang"); err == nil {
		t.Error("a repository with a capital letter was accepted")
	}
}

func TestScheme(t *testing.T) {
	for host, want := range map[string]string{
		"localhost": "http", "localhost:5000": "http", "127.0.0.1:5000": "http", "127.9.9.9": "http",
		"[::1]:5000": "http", "[::1]": "http", "[::ffff:127.0.0.1]:5000": "http",
		"registry.example.com": "https", "10.0.0.1:5000": "https", "localhost.example.com": "https",
		"127.0.0.1.example.com": "https", "0.0.0.0:5000": "https",
	} {
		if got := address.Scheme(host); got != want {
			t.Errorf("Scheme(%q) = %q; want %q", host, got, want)
		}
	}
}

func TestCheckTag(t *testing.T) {
	for tag, ok := range map[string]bool{
		"1.27": true, "latest": true, "_a": true, "1.27-slim": true, strings.Repeat("a", 128): true,
		"": false, ".a": false, "-a": false, "a/b": false, "a:b": false, strings.Repeat("a", 129): false,
	} {
		if err := address.CheckTag(tag); (err == nil) != ok {
			t.Errorf("CheckTag(%q) = %v", tag, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"127.0.0.1:5001/base", "embedded", "[::1]:5001/a/b", "registry.example.com", "a:b@c/d", "https://x", "x:1:2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := address.Parse(s)
		if err != nil {
			return
		}
		if r.String() != s {
			t.Fatalf("Parse(%q).String() = %q", s, r)
		}
		again, err := address.Parse(r.String())
		if err != nil || again != r {
			t.Fatalf("Parse(%q) = %+v, then %+v, %v", s, r, again, err)
		}
		if _, err := r.Repository("golang"); err != nil && len(r.Namespace)+len("/golang") <= 255 {
			t.Fatalf("Parse(%q) accepts a namespace that no repository can be in: %v", s, err)
		}
		if a, ok := address.ParseACR(r.Host); ok {
			if b, ok := address.ParseACR(a.Host()); !ok || a != b {
				t.Fatalf("ParseACR(%q) = %+v, and of its Host %+v", r.Host, a, b)
			}
		}
	})
}
