package address_test

import (
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/address"
)

const someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParseReference(t *testing.T) {
	for s, want := range map[string]address.Reference{
		"registry.example.com/base/golang:1.27":          {Repository: address.Repository{Host: "registry.example.com", Path: "base/golang"}, Tag: "1.27"},
		"127.0.0.1:5050/golang":                          {Repository: address.Repository{Host: "127.0.0.1:5050", Path: "golang"}},
		"[::1]:5050/a/b:latest":                          {Repository: address.Repository{Host: "[::1]:5050", Path: "a/b"}, Tag: "latest"},
		"embedded/golang:1-slim":                         {Repository: address.Repository{Host: "embedded", Path: "golang"}, Tag: "1-slim"},
		"registry.example.com/a@" + someDigest:           {Repository: address.Repository{Host: "registry.example.com", Path: "a"}},
		"registry.example.com/a:1@" + someDigest:         {Repository: address.Repository{Host: "registry.example.com", Path: "a"}, Tag: "1"},
		"localhost/golang":                               {Repository: address.Repository{Host: "localhost", Path: "golang"}},
		"crpi-0a.cn-x.personal.cr.aliyuncs.com/n/golang": {Repository: address.Repository{Host: "crpi-0a.cn-x.personal.cr.aliyuncs.com", Path: "n/golang"}},
	} {
		got, err := address.ParseReference(s)
		if err != nil {
			t.Error(err)
			continue
		}
		if got.Repository != want.Repository || got.Tag != want.Tag || got.String() != s || strings.Contains(s, "@") != (got.Digest.Hex != "") {
			t.Errorf("%s: %+v", s, got)
		}
	}
}

func TestParseReferenceRefuses(t *testing.T) {
	for s, want := range map[string]string{
		"":                                     "names no repository",
		"golang":                               "names no repository",
		"golang:1.27":                          "names no repository",
		"base/golang":                          "is not a host",
		"registry.example.com/":                "names no repository",
		"https://registry.example.com/golang":  "scheme",
		"registry.example.com/Golang":          "capital letters",
		"registry.example.com/golang:":         "tag",
		"registry.example.com/golang:-1":       "tag",
		"registry.example.com/golang@latest":   "not a digest",
		"registry.example.com/golang@sha256:0": "not a digest",
		"user:secret@registry.example.com/a":   "not a digest",
		"registry.example.com:x/golang":        "port",
	} {
		_, err := address.ParseReference(s)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v; want one with %q", s, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error shows the password: %v", s, err)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	f.Add("registry.example.com/base/golang:1.27@" + someDigest)
	f.Add("[::1]:5050/a")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := address.ParseReference(s)
		if err != nil {
			return
		}
		again, err := address.ParseReference(r.String())
		if err != nil || again != r {
			t.Errorf("%q is %+v, which is written %s and read as %+v, %v", s, r, r, again, err)
		}
	})
}
