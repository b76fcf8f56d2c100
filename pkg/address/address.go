// Package address parses and builds where images go: a registry's host, the
// namespace in it, and the references that come out.
package address

import (
	"fmt"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// Embedded is what --registry is given for the built-in registry.
const Embedded = "embedded"

// Registry is a place that images are pushed to.
type Registry struct {
	// Host is HOST[:PORT] to push to. It is empty for the embedded registry
	// until that one runs.
	Host string
	// Namespace is the path before the image's name, without slashes at its
	// ends; may be empty.
	Namespace string
	// Reference is HOST[:PORT] to print in references where it is not Host:
	// the VPC host of a region, or the address the embedded registry is served
	// at. Empty means Host.
	Reference string
	// Region is the cloud region, where one was given.
	Region string
}

// IsEmbedded says that the built-in registry is meant.
func (r Registry) IsEmbedded() bool { return r.Host == Embedded }

// String is HOST[/NAMESPACE].
func (r Registry) String() string { return join(r.Host, r.Namespace) }

// Repository returns the image's repository, such as golang, in the registry.
func (r Registry) Repository(name string) (Repository, error) {
	path := join(r.Namespace, name)
	if err := checkPath(path); err != nil {
		return Repository{}, fmt.Errorf("repository %q: %w", join(r.Host, path), err)
	}
	return Repository{Host: r.Host, Path: path, Reference: r.Reference}, nil
}

// Repository is one repository in a registry.
type Repository struct {
	Host      string // HOST[:PORT] that requests go to
	Path      string // such as "base/golang"
	Reference string // HOST[:PORT] that references are printed with; empty: Host
}

// String is HOST/PATH as it is pushed to.
func (r Repository) String() string { return join(r.Host, r.Path) }

// Scheme is "http" on loopback and "https" elsewhere.
func (r Repository) Scheme() string { return Scheme(r.Host) }

// Name is HOST/PATH as references print it.
func (r Repository) Name() string {
	if r.Reference != "" {
		return join(r.Reference, r.Path)
	}
	return r.String()
}

// Parse reads --registry: HOST[:PORT][/NAMESPACE], or "embedded[/NAMESPACE]".
func Parse(s string) (Registry, error) {
	host, namespace, slash := strings.Cut(s, "/")
	r := Registry{Host: host, Namespace: namespace}
	if err := parse(s, host, namespace, slash); err != nil {
		return Registry{}, fmt.Errorf("registry %q: %w", shown(s), err)
	}
	return r, nil
}

func parse(s, host, namespace string, slash bool) error {
	switch {
	case s == "":
		return fmt.Errorf("is empty; give HOST[:PORT][/NAMESPACE] or %q", Embedded)
	case strings.Contains(s, "://"):
		return fmt.Errorf("has a scheme; leave out %q: loopback is asked over HTTP, everything else over HTTPS", s[:strings.Index(s, "://")+3])
	case strings.Contains(s, "@"):
		return fmt.Errorf("has an @; credentials come from `docker login HOST`, and digests are not part of a registry")
	case slash && namespace == "":
		return fmt.Errorf("ends in a slash; leave it out, or add the namespace after it")
	}
	if host != Embedded {
		if err := checkHost(host); err != nil {
			return err
		}
	}
	if tag := namespace[strings.LastIndex(namespace, "/")+1:]; strings.Contains(tag, ":") {
		return fmt.Errorf("has a tag %q; tags come from the image (golang:1.27), give only HOST[:PORT][/NAMESPACE]", tag[strings.Index(tag, ":"):])
	}
	if slash {
		return checkPath(namespace)
	}
	return nil
}

// A path is components of lower-case letters and digits with separators
// between (OCI distribution spec, "Pulling manifests"). The whole name is
// limited to 255 bytes with its host by clients.
var component = lazyregexp.New(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$`)

func checkPath(path string) error {
	if len(path) > 255 {
		return fmt.Errorf("the path has %d characters; 255 are allowed", len(path))
	}
	for c := range strings.SplitSeq(path, "/") {
		switch {
		case component().MatchString(c):
		case c == "":
			return fmt.Errorf("the path %q has an empty part; use single slashes between its parts", path)
		case component().MatchString(strings.ToLower(c)):
			return fmt.Errorf("the path %q has capital letters; registries take lower case only: %q", path, strings.ToLower(path))
		default:
			return fmt.Errorf("the part %q of the path is not allowed; use lower-case letters and digits, with . _ or - between them", shown(c))
		}
	}
	return nil
}

var tagPattern = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// CheckTag says what is wrong with a tag, or nil (OCI distribution spec: at
// most 128 letters, digits, underscores, periods and dashes).
func CheckTag(tag string) error {
	if !tagPattern().MatchString(tag) {
		return fmt.Errorf("tag %q: use at most 128 letters, digits and . _ - (not . or - in front)", shown(tag))
	}
	return nil
}

func join(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		if p != "" && b.Len() > 0 {
			b.WriteByte('/')
		}
		b.WriteString(p)
	}
	return b.String()
}

// shown cuts what is quoted in an error, and drops a password that somebody
// put into an address.
func shown(s string) string {
	if i := strings.LastIndex(s, "@"); i >= 0 && strings.Contains(s[:i], ":") {
		s = "…" + s[i:]
	}
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return s
}
