package frontend

import (
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

func TestChoose(t *testing.T) {
	d, err := definition.Load("golang")
	if err != nil {
		t.Fatal(err)
	}
	l, err := lock.Load(d)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		options   options
		tag       string // or a part of the error
		platforms string
	}{
		"nothing":           {options{}, "1.27", "linux/amd64"},
		"a target":          {options{target: "slim"}, "1.27-slim", "linux/amd64"},
		"a version":         {options{version: "1.26"}, "1.26", "linux/amd64"},
		"both":              {options{version: "1.26", target: "slim"}, "1.26-slim", "linux/amd64"},
		"a tag":             {options{version: "1.26-slim"}, "1.26-slim", "linux/amd64"},
		"a tag and target":  {options{version: "1.26-slim", target: "slim"}, "1.26-slim", "linux/amd64"},
		"latest":            {options{version: "latest", target: "full"}, "latest", "linux/amd64"},
		"another platform":  {options{platforms: []string{"linux/arm64"}}, "1.27", "linux/arm64"},
		"several platforms": {options{platforms: []string{"linux/arm64", "linux/amd64"}}, "1.27", "linux/arm64,linux/amd64"},
		"tag against target": {options{version: "1.26-slim", target: "full"},
			"golang:1.26-slim is not of the target full", ""},
		"no such target":   {options{target: "slem"}, `golang has no target "slem"; did you mean "slim"?`, ""},
		"nothing like it":  {options{target: "production"}, "the targets are its variants, full, slim", ""},
		"no such version":  {options{version: "1.25"}, `golang has no tag "1.25"`, ""},
		"no such platform": {options{platforms: []string{"linux/s390x"}}, `golang has no platform "linux/s390x"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.options.choose(d.Definition, l)
			if test.platforms == "" {
				if err == nil || !strings.Contains(err.Error(), test.tag) {
					t.Errorf("error %v, want %q", err, test.tag)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var platforms []string
			for _, p := range got.Platforms {
				platforms = append(platforms, p.Platform)
			}
			if got.Tag != test.tag || strings.Join(platforms, ",") != test.platforms {
				t.Errorf("%s for %s, want %s for %s", got.Tag, platforms, test.tag, test.platforms)
			}
		})
	}
}

// The places of archives are those of the arguments, and nothing of the machine
// that the frontend runs on.
func TestMirrors(t *testing.T) {
	t.Setenv("IMGBUILD_NPM_REGISTRY", "https://of-the-machine.example")
	m, err := mirrors(t.Context(), map[string]string{
		"IMGBUILD_NPM_REGISTRY":  "http://a.example/npm,http://b.example/npm",
		"IMGBUILD_DEBIAN_MIRROR": "http://a.example/debian",
	})
	if err != nil {
		t.Fatal(err)
	}
	for archive, want := range map[string]string{
		mirror.NPM:            "http://a.example/npm http://b.example/npm",
		mirror.Debian:         "http://a.example/debian",
		mirror.DebianSecurity: "http://a.example/debian-security",
	} {
		bases, err := m.Bases(t.Context(), archive)
		if err != nil {
			t.Fatal(err)
		}
		var urls []string
		for _, b := range bases {
			urls = append(urls, b.URL)
		}
		if got := strings.Join(urls, " "); got != want {
			t.Errorf("%s is at %s, want %s", archive, got, want)
		}
	}
	for url, want := range map[string]string{
		"https://me:hidden@mirror.example/npm": "--build-arg IMGBUILD_NPM_REGISTRY: a URL with a password would be kept in the build's provenance; leave the password out and give --secret id=HTTP_AUTH_HEADER_mirror.example",
		"file:///npm":                          "--build-arg IMGBUILD_NPM_REGISTRY: a builder has no files of this machine",
		"mirror.example":                       "--build-arg IMGBUILD_NPM_REGISTRY: mirror.example is not a URL",
		"https://me:hidden@/npm":               "--build-arg IMGBUILD_NPM_REGISTRY: ",
	} {
		_, err := mirrors(t.Context(), map[string]string{"IMGBUILD_NPM_REGISTRY": url})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}
