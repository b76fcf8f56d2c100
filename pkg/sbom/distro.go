package sbom

import (
	"strconv"
	"strings"
)

// distro is what /etc/os-release says (os-release(5)).
type distro struct{ id, version, name string }

func readDistro(t *tree) distro {
	for _, p := range []string{"etc/os-release", "usr/lib/os-release"} {
		if n := t.file(p); n != nil && n.text != nil {
			return parseDistro(n.text)
		}
	}
	return distro{}
}

// parseDistro reads assignments as a shell would; what is no assignment is
// passed over, as os-release(5) asks.
func parseDistro(text []byte) distro {
	var d distro
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		if q, err := strconv.Unquote(value); err == nil {
			value = q
		} else {
			value = strings.Trim(value, `'`)
		}
		switch key {
		case "ID":
			d.id = value
		case "VERSION_ID":
			d.version = value
		case "NAME":
			d.name = value
		}
	}
	return d
}

// namespace is that of the distribution's purls: debian.
func (d distro) namespace() string {
	if d.id == "" {
		return "debian"
	}
	return strings.ToLower(d.id)
}

// tag is the purl qualifier distro: debian-13.
func (d distro) tag() string {
	if d.version == "" {
		return d.namespace()
	}
	return d.namespace() + "-" + d.version
}

// supplier is who distributes the packages.
func (d distro) supplier() string {
	switch {
	case d.namespace() == "debian":
		return "Organization: Debian"
	case d.name != "":
		return "Organization: " + oneLine(d.name)
	}
	return NoAssertion
}

// oneLine makes text that a stranger wrote fit for a field of one line.
func oneLine(s string) string {
	s = strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "\uFFFD")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "")
	}
	return s
}
