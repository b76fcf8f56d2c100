package mirror

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Base is one place of an archive.
type Base struct {
	// URL is http, https or file, without credentials and without a slash at
	// its end: it may be shown to anyone.
	URL string
	// From says who named it, for messages: "npm configuration (/etc/npmrc)".
	From string
	// Archive is the archive that is there.
	Archive string

	// authorization is the value of the Authorization header, a secret.
	authorization string
}

// String is the URL and who named it.
func (b Base) String() string { return fmt.Sprintf("%s, from %s", b.URL, b.From) }

// Authorize adds this place's credentials, if it has any, to a request for a
// URL that Join returned.
func (b Base) Authorize(req *http.Request) {
	if b.authorization != "" {
		req.Header.Set("Authorization", b.authorization)
	}
}

// Join returns the URL of the file with that path, which is relative and in
// the archive's own spelling: a Debian path is plain, an npm or Go path may
// hold escapes such as %2f.
func (b Base) Join(path string) (string, error) {
	if path == "" || strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#\\ ") || hasDots(path) {
		return "", fmt.Errorf("%q is not a path of a file in the archive %s", path, b.Archive)
	}
	if b.Archive == Debian || b.Archive == DebianSecurity {
		// As apt does: some mirrors stand on object stores that read a plus
		// sign in a path as a blank.
		path = strings.ReplaceAll(path, "+", "%2b")
	}
	u := b.URL + "/" + path
	if _, err := url.Parse(u); err != nil {
		return "", fmt.Errorf("%q is not a path of a file in the archive %s", path, b.Archive)
	}
	return u, nil
}

func hasDots(path string) bool {
	for seg := range strings.SplitSeq(path, "/") {
		if s, err := url.PathUnescape(seg); err != nil || s == "." || s == ".." {
			return true
		}
	}
	return false
}

// parseBase makes a Base of a URL that someone configured. Its errors never
// hold the URL, which may hold a password.
func parseBase(archive, raw, from string) (Base, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return Base{}, fmt.Errorf("%s is not a URL", Redact(raw))
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" {
			return Base{}, fmt.Errorf("%s names no host", Redact(raw))
		}
	case "file":
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") {
			return Base{}, fmt.Errorf("%s: a file URL is file:///PATH", Redact(raw))
		}
	case "":
		return Base{}, fmt.Errorf("%s is not a URL: it begins neither with https:// nor with http:// nor with file://", Redact(raw))
	default:
		return Base{}, fmt.Errorf("%s: %s is not among http, https, file", Redact(raw), u.Scheme)
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return Base{}, errors.New(Redact(raw) + ": a mirror's URL has no ? and no #")
	}
	b := Base{From: from, Archive: archive}
	if u.User != nil {
		password, _ := u.User.Password()
		b.authorization = basic(u.User.Username(), password)
		u.User = nil
	}
	b.URL = strings.TrimRight(u.String(), "/")
	return b, nil
}

// parseList is parseBase for several URLs separated by commas or, as Go has
// it, bars. Words of GOPROXY that name no place (direct, off) are left out.
func parseList(archive, raw, from string) ([]Base, error) {
	var bases []Base
	for _, s := range strings.FieldsFunc(raw, func(r rune) bool { return r == ',' || r == '|' }) {
		if s = strings.TrimSpace(s); s == "" || s == "direct" || s == "off" {
			continue
		}
		b, err := parseBase(archive, s, from)
		if err != nil {
			return nil, err
		}
		bases = append(bases, b)
	}
	return bases, nil
}

// clientBases is parseList for what a client of this machine is configured with.
func clientBases(archive, raw, from string) ([]Base, error) {
	bases, err := parseList(archive, raw, from)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return bases, nil
}
