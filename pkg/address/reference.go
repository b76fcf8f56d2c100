package address

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Reference is an image in a registry, by its tag, its digest, or both.
type Reference struct {
	Repository Repository
	Tag        string  // may be empty
	Digest     v1.Hash // zero where none is given
}

// IsEmbedded says that the built-in registry is meant.
func (r Reference) IsEmbedded() bool { return r.Repository.Host == Embedded }

// String is HOST/PATH[:TAG][@DIGEST] as it is printed.
func (r Reference) String() string {
	s := r.Repository.Name()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != (v1.Hash{}) {
		s += "@" + r.Digest.String()
	}
	return s
}

// ParseReference reads HOST[:PORT]/PATH[:TAG][@sha256:…], where HOST may be
// "embedded". There is no default host: a name without one means another
// image to every client.
func ParseReference(s string) (Reference, error) {
	r, err := parseReference(s)
	if err != nil {
		return Reference{}, fmt.Errorf("reference %q: %w", shown(s), err)
	}
	return r, nil
}

func parseReference(s string) (r Reference, err error) {
	rest, digest, byDigest := strings.Cut(s, "@")
	if byDigest {
		if r.Digest, err = v1.NewHash(digest); err != nil || r.Digest.Algorithm != "sha256" {
			return r, fmt.Errorf("what follows the @ is not a digest; one is sha256: and 64 hexadecimal digits")
		}
	}
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') && strings.Contains(rest, "/") {
		if err := CheckTag(rest[i+1:]); err != nil {
			return r, err
		}
		rest, r.Tag = rest[:i], rest[i+1:]
	}
	host, path, slash := strings.Cut(rest, "/")
	switch {
	case strings.Contains(rest, "://"):
		return r, fmt.Errorf("has a scheme; leave it out")
	case !slash || path == "":
		return r, fmt.Errorf("names no repository; write HOST/NAME:TAG, such as registry.example.com/base/golang:1.27")
	}
	if err := parse(rest, host, path, true); err != nil {
		return r, err
	}
	r.Repository = Repository{Host: host, Path: path}
	return r, nil
}
