package npm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
)

// maxPackument limits packuments in bytes. The largest one imgbuild reads,
// that of typescript, is 11 MB.
const maxPackument = 64 << 20

// Packument is what a registry knows of one package.
type Packument struct {
	Name     string               `json:"name"`
	DistTags map[string]string    `json:"dist-tags"`
	Versions map[string]Release   `json:"versions"`
	Time     map[string]timestamp `json:"time"`
}

// Release is one version of a package.
type Release struct {
	Version    string     `json:"version"`
	Dist       Dist       `json:"dist"`
	Engines    engines    `json:"engines"`
	OS         stringList `json:"os"`
	CPU        stringList `json:"cpu"`
	Deprecated deprecated `json:"deprecated"`
}

// Dist says where the tarball of a release is and how to recognise it.
type Dist struct {
	Tarball    string      `json:"tarball"`
	Integrity  string      `json:"integrity"`
	Shasum     string      `json:"shasum"`
	Signatures []Signature `json:"signatures"`
}

// Signature is one registry signature.
type Signature struct {
	KeyID string `json:"keyid"`
	// Sig is an ASN.1 ECDSA signature in base64.
	Sig string `json:"sig"`
}

// ReadPackument asks the registry for the packument of a package.
func ReadPackument(ctx context.Context, src Source, name string) (*Packument, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	b, err := src.Get(ctx, Archive, name, maxPackument)
	if err != nil {
		return nil, fmt.Errorf("reading what the npm registry has of %s: %w", name, err)
	}
	p, err := ParsePackument(b)
	if err != nil {
		return nil, fmt.Errorf("reading what the npm registry has of %s: %w", name, err)
	}
	if p.Name != name {
		return nil, fmt.Errorf("the npm registry answered for %q where %q was asked for", p.Name, name)
	}
	return p, nil
}

// ParsePackument parses a full or an abbreviated packument.
func ParsePackument(b []byte) (*Packument, error) {
	var p Packument
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("not a packument: %w", err)
	}
	if p.Name == "" || p.Versions == nil {
		return nil, errors.New("not a packument: it has no name or no versions")
	}
	return &p, nil
}

// Current returns the version that the registry gives to who asks for none.
func Current(ctx context.Context, src Source, name string) (string, error) {
	p, err := ReadPackument(ctx, src, name)
	if err != nil {
		return "", err
	}
	v := p.DistTags["latest"]
	if v == "" {
		return "", fmt.Errorf("the npm registry names no latest version of %s", name)
	}
	return v, nil
}

// tarballPath is where registries keep the tarball, relative to their base.
func tarballPath(name, version string) string {
	return name + "/-/" + path.Base(name) + "-" + version + ".tgz"
}

// checkTarball says whether the packument's URL is the path that every
// registry uses. Its host and the folders before the path are the registry's
// own affair (a mirror often leaves the origin's URLs in): they are never used.
func (d Dist) checkTarball(name, version string) error {
	u, err := url.Parse(d.Tarball)
	if err != nil {
		return fmt.Errorf("the tarball's URL cannot be read: %w", err)
	}
	if want := tarballPath(name, version); !strings.HasSuffix(u.Path, "/"+want) {
		return fmt.Errorf("the tarball is at %q of the registry, expected …/%s", u.Path, want)
	}
	return nil
}

// checkName refuses what is no package name, as it becomes part of a URL.
func checkName(name string) error {
	scope, base, scoped := strings.Cut(name, "/")
	if !scoped {
		scope, base = "@x", name
	}
	if !strings.HasPrefix(scope, "@") || !nameElement(scope[1:]) || !nameElement(base) || len(name) > 214 {
		return fmt.Errorf("%q is not the name of an npm package", name)
	}
	return nil
}

func nameElement(s string) bool {
	if s == "" || s[0] == '.' || s[0] == '_' {
		return false
	}
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.~", c)) {
			return false
		}
	}
	return true
}

// checkVersion refuses what is no exact version, for the same reason.
func checkVersion(version string) error {
	if _, err := semver.StrictNewVersion(version); err != nil || strings.Contains(version, "+") {
		return fmt.Errorf("%q is not an exact version of an npm package", version)
	}
	return nil
}

// The types below take what old packuments have where new ones have another
// type; what makes no sense counts as absent instead of spoiling the package.

type engines struct{ Node string }

func (e *engines) UnmarshalJSON(b []byte) error {
	var v struct {
		Node string `json:"node"`
	}
	_ = json.Unmarshal(b, &v)
	e.Node = v.Node
	return nil
}

type stringList []string

func (l *stringList) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = stringList{one}
		return nil
	}
	var many []string
	_ = json.Unmarshal(b, &many)
	*l = many
	return nil
}

type deprecated bool

func (d *deprecated) UnmarshalJSON(b []byte) error {
	switch b = bytes.TrimSpace(b); string(b) {
	case "null", "false", `""`:
		*d = false
	default:
		*d = true
	}
	return nil
}

type timestamp struct{ time.Time }

func (t *timestamp) UnmarshalJSON(b []byte) error {
	_ = json.Unmarshal(b, &t.Time)
	return nil
}
